"""The susceptibility that the contrasts of magnitude explain, and the evidence that they do."""

from typing import NamedTuple

import numpy as np

from recon.grid import Vector

SAMPLE = 200_000  # voxels suffice for a handful of factors
PASSES = 5
TYPICAL = 2.0  # robust standard deviations, from which on a voxel counts less
SMALL = 0.05  # of the mean edge: an edge below it counts as none
BLOCKS = 100  # parts of the mask that are asked, about 24 mm wide in an adult
FULL = 0.1  # of a whole block must be sampled
ERRORS = 2.0  # standard errors that a gain must exceed


def tissue_factors(chi_ppm: np.ndarray, contrasts: np.ndarray, mask: np.ndarray) -> np.ndarray:
    r"""Regress susceptibility on the contrasts of magnitude over the whole mask.

    .. math:: \min_a \sum_r \rho \left( \chi(r) - a_0 - \textstyle\sum_j a_j c_j(r) \right)

    with Cauchy's :math:`\rho`, by iterated weights :math:`1 / (1 + (\epsilon / 2 \sigma)^2)`: the many voxels of white
    matter, cortex and fluid decide the factors, while nuclei, veins and lesions, which follow another rule, have little
    say. A slow error of the map is like no contrast and hardly enters.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) float array [ppm]
    contrasts : (contrast, X, Y, Z) float32 of :func:`recon.maths.contrast.tissue_contrasts`
    mask : (X, Y, Z) bool array

    Returns
    -------
    factors_ppm : (contrast,) float32 [ppm], what one unit of each contrast is worth

    References
    ----------
    .. [1] Holland, Welsch, Commun Stat Theory Methods 6:813 (1977), doi:10.1080/03610927708827533
    """
    at = np.flatnonzero(mask)
    at = at[:: max(at.size // SAMPLE, 1)]
    c = np.concatenate([contrasts.reshape(len(contrasts), -1)[:, at], np.ones((1, at.size), np.float32)]).astype(float)
    values = chi_ppm.ravel()[at].astype(float)
    weight = np.ones(at.size)
    for _ in range(PASSES):
        factors = np.linalg.lstsq((c * weight) @ c.T, (c * weight) @ values, rcond=1e-9)[0]
        distance = np.abs(values - factors @ c)
        spread = max(1.4826 * np.median(distance), np.finfo(np.float32).tiny)
        weight = 1 / (1 + (distance / (TYPICAL * spread)) ** 2)
    return factors[:-1].astype(np.float32)


class Evidence(NamedTuple):
    """How far susceptibility follows what a rule makes of the magnitude.

    Parameters
    ----------
    scale : of the rule, 0 or more, at which fewest edges are left; beyond 1 where it was read from a map too flat
    trust : 0 where the rule does no better than chance from part to part of the brain, towards 1 where it does
    """

    scale: float
    trust: float

    @property
    def strength(self) -> float:
        r"""With which the rule may be used: :math:`s \min(s, 1)^2` times the trust.

        Where s < 1, the field confirms :math:`s^2` of the energy of the rule's edges. What it does not confirm is noise
        and texture of the magnitude: the less is confirmed, the less the rest is worth.
        """
        return self.scale * min(self.scale, 1.0) ** 2 * self.trust


def evidence(chi_ppm: np.ndarray, tissue_ppm: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> Evidence:
    r"""Ask the edges of a map, part by part, whether the rule that made `tissue_ppm` explains them.

    .. math:: s = \arg\min_s \sum_r |\nabla (\chi - s t)|, \qquad
              g_b = 1 - \frac{\sum_{r \in b} |\nabla (\chi - s_{-b} t)|}{\sum_{r \in b} |\nabla \chi|}

    The sum of absolute edges is what total variation pays, and follows the majority: texture and noise that only the
    magnitude has lower the scale. The gain :math:`g_b` of a block is judged with the scale :math:`s_{-b}` of all
    others. The mean gain over blocks, of one vote each, must exceed its standard error :math:`e`; the trust is the
    positive part of :math:`1 - (2 e / \bar g)^2`, zero where :math:`\bar g \le 0`.

    Parameters
    ----------
    chi_ppm, tissue_ppm : (X, Y, Z) float arrays [ppm]
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    evidence : scale and trust; both zero where either map is constant or one block is all there is

    References
    ----------
    .. [1] Efron, Morris, J Am Stat Assoc 68:117 (1973), doi:10.1080/01621459.1973.10481350: positive-part shrinkage
    .. [2] Stone, J R Stat Soc B 36:111 (1974), doi:10.1111/j.2517-6161.1974.tb00994.x: cross-validation
    """
    at = np.flatnonzero(mask)
    at = np.stack(np.unravel_index(at[:: max(at.size // SAMPLE, 1)], mask.shape))
    g, t = (_edges(v, mask, at, voxel_size_mm) for v in (chi_ppm, tissue_ppm))
    if not (g.any() and t.any()):
        return Evidence(0.0, 0.0)
    before, both, own = _size(g), (g * t).sum(0), (t * t).sum(0)
    floor, weight = SMALL * before.mean(), np.ones(before.size)
    for _ in range(PASSES):  # least absolute edges by iterated weights
        scale = float(weight @ both / (weight @ own))
        weight = 1 / np.maximum(_size(g - scale * t), floor)
    block = _blocks(at, mask, voxel_size_mm)
    count = np.bincount(block)
    numerator, denominator = np.bincount(block, weight * both), np.bincount(block, weight * own)
    others = denominator.sum() - denominator
    elsewhere = np.where(others > 0, numerator.sum() - numerator, 0) / np.where(others > 0, others, 1)
    after = _size(g - elsewhere[block] * t)
    edges = np.bincount(block, before)
    asked = (count >= FULL * count.max()) & (edges > 0)
    gain = 1 - np.bincount(block, after)[asked] / edges[asked]
    return Evidence(max(scale, 0.0), _trust(gain))


def _trust(gain: np.ndarray) -> float:
    """Positive-part shrinkage of a mean by its own standard error."""
    mean = float(gain.mean())
    if gain.size < 2 or mean <= 0:
        return 0.0
    error = float(gain.std(ddof=1) / np.sqrt(gain.size))
    return max(1 - (ERRORS * error / mean) ** 2, 0.0)


def _edges(volume: np.ndarray, mask: np.ndarray, at: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """(3, sample) float differences to the next voxel along each axis [1/mm], zero where that is outside the mask."""
    here = volume[tuple(at)].astype(float)
    edges = np.zeros((3, here.size))
    for axis in range(3):
        ahead = at.copy()
        ahead[axis] = np.minimum(ahead[axis] + 1, mask.shape[axis] - 1)
        inner = mask[tuple(ahead)]
        edges[axis, inner] = (volume[tuple(ahead)][inner] - here[inner]) / voxel_size_mm[axis]
    return edges


def _size(edges: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("as,as->s", edges, edges))


def _blocks(at: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Number of the block in which each voxel of the sample lies, of some `BLOCKS` cubes of the mask's volume."""
    edge_mm = (np.count_nonzero(mask) * np.prod(voxel_size_mm) / BLOCKS) ** (1 / 3)
    step = np.maximum(np.rint(edge_mm / np.asarray(voxel_size_mm)), 1).astype(int)
    shape = -(-np.array(mask.shape) // step)
    return np.ravel_multi_index(tuple(at // step[:, None]), tuple(shape))
