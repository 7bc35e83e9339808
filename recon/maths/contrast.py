"""Maps in which magnitude tells tissues apart."""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from recon.grid import Vector
from recon.maths.blocks import block_sum, expand

DARK = 0.05  # of the median magnitude: below it the logarithm is that of noise
SLOW_MM = 30.0  # standard deviation over which the receive coils' sensitivity varies
COARSE_MM = 4.0  # grid on which that is smooth
NOISE_MM = 0.7  # standard deviation of the smoothing against noise, within a voxel or two
WIDEST = 2.0  # largest logarithm of a ratio: beyond it lie voids
LEAST_RISE = 1e-3  # of a logarithm: below it there is no contrast
KNOTS = (5, 50, 95)  # percentiles between which a contrast rises


def tissue_contrasts(magnitude: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    r"""What magnitude says about tissue: T1 weighting and decay, each in two steps from dark to bright.

    .. math:: \ln |S_e| - G \ast \ln |S_e|, \quad \ln |S_e| - \ln |S_l|

    of early and late echoes, without the slow part that the receive coils make. Susceptibility need not be linear in
    either: cerebrospinal fluid, cortex and white matter follow one another in T1 weighting, but not in
    susceptibility. Each map z is therefore cut at percentiles :math:`q_j` into
    :math:`c_j = \min(\max((z - q_j) / (q_{j+1} - q_j), 0), 1)`, of which any piecewise linear function of z, level
    beyond the outer two, is a sum.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array; what is not finite counts as dark, and one echo has no decay to show
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    contrasts : (contrast, X, Y, Z) float32, mean 0 inside `mask`, zero outside
    """
    if not mask.any():
        return np.zeros((0, *mask.shape), np.float32)
    third = max(magnitude.shape[-1] // 3, 1)
    early = _logarithm(magnitude[..., :third], mask)
    maps = [early - _slow(early, mask, voxel_size_mm)]
    if magnitude.shape[-1] > 1:
        maps.append(np.clip(early - _logarithm(magnitude[..., -third:], mask), -WIDEST, WIDEST))
    steps = [step for z in maps for step in _steps(_calm(z, mask, voxel_size_mm), mask)]
    return np.stack(steps) if steps else np.zeros((0, *mask.shape), np.float32)


def _logarithm(echoes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Logarithm of the mean echo over its median in the mask; zero outside."""
    mean = np.where(mask, np.nan_to_num(echoes, posinf=0, neginf=0).mean(-1), 0).astype(np.float32)
    median = max(float(np.median(mean[mask])), float(np.finfo(np.float32).tiny))
    return np.where(mask, np.log(np.maximum(mean / np.float32(median), DARK)), 0)


def _slow(z: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """The part of a map that varies over `SLOW_MM`."""
    size = tuple(np.maximum(np.rint(COARSE_MM / np.asarray(voxel_size_mm)), 1).astype(int))
    sigma = SLOW_MM / (np.asarray(voxel_size_mm) * size)
    total, share = (ndimage.gaussian_filter(block_sum(v.astype(np.float32), size), sigma) for v in (z, mask))
    return expand(total / np.maximum(share, 1e-3), size, mask.shape)


def _calm(z: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Smoothed by `NOISE_MM` within the mask."""
    sigma = NOISE_MM / np.asarray(voxel_size_mm)
    total, share = (
        ndimage.gaussian_filter(v.astype(np.float32), sigma, truncate=3) for v in (np.where(mask, z, 0), mask)
    )
    return total / np.maximum(share, 1e-3)


def _steps(z: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """The rises of a map between its percentiles; none where it is constant."""
    knots = np.percentile(z[mask], KNOTS)
    steps = []
    for low, high in pairwise(knots):
        if high - low > LEAST_RISE:
            step = np.clip((z - np.float32(low)) / np.float32(high - low), 0, 1)
            steps.append(np.where(mask, step - np.float32(step[mask].mean(dtype=float)), 0).astype(np.float32))
    return steps
