r"""Where maps of two groups differ: a linear model in every voxel, and clusters against permuted subjects.

.. math:: y_v = \beta_v g + Z \gamma_v + \epsilon_v

g is 1 in the positive group, Z holds a constant and, where all ages are known, age. Residuals of the model without g
are permuted over subjects [1]_, [2]_; without age that is an exact permutation of the labels. Of each permutation the
largest cluster counts, so that a cluster's p is that of any as large anywhere: the family-wise error [3]_.

References
----------
.. [1] Freedman, Lane, J Bus Econ Stat 1:292 (1983), doi:10.1080/07350015.1983.10509354
.. [2] Winkler et al., NeuroImage 92:381 (2014), doi:10.1016/j.neuroimage.2014.01.060
.. [3] Nichols, Holmes, Hum Brain Mapp 15:1 (2002), doi:10.1002/hbm.1058
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage, stats

FWHM = 2.3548  # over the standard deviation of a Gaussian
FEWEST = 3  # subjects of a group; fewer say nothing about a spread
SIGNS = (1, -1)
NEIGHBOURS = np.ones((3, 3, 3), bool)  # that share a face, an edge or a corner


@dataclass(frozen=True, kw_only=True)
class GroupMaps:
    """Settings.

    Parameters
    ----------
    make : whether maps are brought to template space and groups compared
    smoothing_mm : full width at half maximum of a Gaussian
    threshold_p : two-sided p of a voxel, below which it belongs to a cluster
    permutations : of the subjects
    seed : of the permutations
    """

    make: bool
    smoothing_mm: float
    threshold_p: float
    permutations: int
    seed: int


class Cluster(NamedTuple):
    """Neighbouring voxels that differ in one direction: their number, p (family-wise), and the voxel of largest t."""

    sign: int
    voxels: int
    p: float
    peak: tuple[int, int, int]
    peak_t: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Difference β in units of the maps, effect β over the residual's SD, t, clusters' labels: each (X, Y, Z).

    Labels are 1 to n in the order of `clusters`, which are sorted by p; zero outside every cluster.
    """

    difference: np.ndarray
    effect: np.ndarray
    t: np.ndarray
    labels: np.ndarray
    clusters: tuple[Cluster, ...]


def smoothed(volume: np.ndarray, mask: np.ndarray, fwhm_voxels: float) -> np.ndarray:
    """A map (X, Y, Z) after a Gaussian within the mask, over the weight of the mask itself; zero outside."""
    sigma = fwhm_voxels / FWHM
    total, share = (ndimage.gaussian_filter(part.astype(np.float32), sigma) for part in (volume * mask, mask))
    return np.where(mask, total / np.maximum(share, 1e-6), 0).astype(np.float32)


def compare(
    maps: np.ndarray, mask: np.ndarray, positive: Sequence[bool], ages: Sequence[float] | None, params: GroupMaps
) -> Comparison:
    """Compare two groups.

    Parameters
    ----------
    maps : (n, V) values of n subjects in the V voxels of the mask
    mask : (X, Y, Z) bool
    positive : (n,) membership of the positive group
    ages : (n,) [years]; None where not all are known
    params : GroupMaps

    Raises
    ------
    ValueError
        Fewer than `FEWEST` subjects in a group.
    """
    group = np.asarray(positive, float)
    n, both = len(group), (int(group.sum()), int(len(group) - group.sum()))
    if min(both) < FEWEST:
        raise ValueError(f"group_maps: expected {FEWEST} subjects or more in each group, found {both[0]} and {both[1]}")
    columns = [np.ones(n)] + ([] if ages is None or np.ptp(ages) == 0 else [np.asarray(ages, float)])
    nuisance = np.linalg.qr(np.stack(columns, 1))[0]  # (n, k), orthonormal
    freedom = n - nuisance.shape[1] - 1
    g = group - nuisance @ (nuisance.T @ group)
    if freedom < 1 or g @ g < 1e-6:
        raise ValueError("group_maps: expected groups that differ by more than age, found none")
    residual = maps - (nuisance @ (nuisance.T @ maps))
    square = (residual**2).sum(0)
    threshold = float(stats.t.isf(params.threshold_p / 2, freedom))

    def t_of(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """β and t of residuals in another order of the subjects: (V,) each."""
        back = np.argsort(order)
        beta = (g[back] @ residual) / (g @ g)
        left = square - ((nuisance[back].T @ residual) ** 2).sum(0) - beta**2 * (g @ g)
        # a voxel that a model explains exactly has no spread
        scale = np.sqrt(np.maximum(left, 1e-12 * np.maximum(square, 1e-30)) / freedom)
        return beta, beta / scale * np.sqrt(g @ g)

    beta, t = t_of(np.arange(n))
    rng = np.random.default_rng(params.seed)
    shuffled = (t_of(rng.permutation(n))[1] for _ in range(params.permutations))
    largest = np.array([max(labelled(one, mask, threshold, sign)[1].max(initial=0) for sign in SIGNS)
                        for one in shuffled])  # fmt: skip
    volume, ordered = on_grid(t, mask), np.zeros(mask.shape, np.uint16)
    found: list[Cluster] = []
    parts = []  # of either sign: where its clusters begin among those found, and their labels (X, Y, Z)
    for sign in SIGNS:
        labels, sizes = labelled(t, mask, threshold, sign)
        parts.append((len(found), labels))
        peaks = ndimage.maximum_position(sign * volume, labels, np.arange(1, len(sizes) + 1))
        for voxels, peak in zip(sizes.tolist(), peaks, strict=True):
            p = (1 + int(np.count_nonzero(largest >= voxels))) / (1 + params.permutations)
            x, y, z = map(int, peak)
            found.append(Cluster(sign, voxels, p, (x, y, z), float(volume[x, y, z])))
    order = sorted(range(len(found)), key=lambda one: (found[one].p, -found[one].voxels))
    number = np.zeros(len(found), np.uint16)
    number[order] = np.arange(1, len(found) + 1)
    for begin, labels in parts:
        inside = labels > 0
        ordered[inside] = number[begin + labels[inside] - 1]
    return Comparison(
        difference=on_grid(beta, mask),
        effect=on_grid(t / np.sqrt(g @ g), mask),
        t=volume,
        labels=ordered,
        clusters=tuple(found[one] for one in order),
    )


def on_grid(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values (V,) of the voxels of a mask as an image (X, Y, Z), zero outside."""
    image = np.zeros(mask.shape, np.float32)
    image[mask] = values
    return image


def labelled(t: np.ndarray, mask: np.ndarray, threshold: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Connected voxels with sign × t above the threshold: their labels (X, Y, Z), and the number of voxels of each."""
    labels, count = ndimage.label(sign * on_grid(t, mask) > threshold, NEIGHBOURS)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
