"""Neighbouring voxels: structuring elements, means over those that touch, and Laplacian stencils."""

import numpy as np
from scipy import ndimage

from recon.grid import Vector
from recon.maths.boxes import edge_ends

CROSS = ndimage.generate_binary_structure(3, 1)
CUBE = ndimage.generate_binary_structure(3, 3)


def laplacian_weights(voxel_size_mm: Vector) -> np.ndarray:
    """(3,) share of each axis' two neighbours in the mean that a discrete harmonic function equals; sums to 1/2."""
    w = 1 / np.asarray(voxel_size_mm, float) ** 2
    return w / (2 * w.sum())


def neighbour_mean(field: np.ndarray, good: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the good ones of the six neighbours, weighted by `weights` (3,), and whether there is any.

    Parameters
    ----------
    field : (X, Y, Z) float32 array, zero where not `good`
    good : (X, Y, Z) bool array
    weights : (3,) float32, of :func:`laplacian_weights`
    """
    total, share = np.zeros_like(field), np.zeros_like(field)
    for axis, w in enumerate(weights):
        low, high = edge_ends(axis)
        for here, there in ((low, high), (high, low)):
            total[here] += w * field[there]
            share[here] += w * good[there]
    return total / np.maximum(share, np.finfo(np.float32).tiny), share > 0


def neighbour_mean_at(
    places: np.ndarray, field: np.ndarray, good: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`neighbour_mean` gives at `places` (voxel, 3), to the last bit: (voxel,) each."""
    total, share = np.zeros((2, len(places)), np.float32)
    for axis, w in enumerate(weights):
        for step in (1, -1):
            along = places[:, axis] + step
            within = (along >= 0) & (along < field.shape[axis])
            there = tuple((along if a == axis else places[:, a])[within] for a in range(3))
            total[within] += w * np.where(good[there], field[there], 0)
            share[within] += w * good[there]
    return total / np.maximum(share, np.finfo(np.float32).tiny), share > 0


def beside(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The voxels at `places` (voxel, 3) and those that touch them, each once, in a volume of this shape."""
    steps = np.concatenate([np.zeros((1, 3), int), np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    found = (places[:, None] + steps).reshape(-1, 3)
    return np.unique(found[((found >= 0) & (found < shape)).all(axis=1)], axis=0)


def filled(field: np.ndarray, mask: np.ndarray, good: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """The (X, Y, Z) field where it is good, elsewhere in `mask` the mean of what touches, layer by layer; else zero."""
    field, good = np.where(good, field, 0).astype(np.float32), good.copy()
    weights = laplacian_weights(voxel_size_mm).astype(np.float32)
    missing = np.argwhere(mask & ~good)
    while len(missing):
        mean, known = neighbour_mean_at(missing, field, good, weights)
        if not known.any():
            break
        touching = tuple(missing[known].T)
        field[touching], good[touching] = mean[known], True
        missing = missing[~known]
    return field


def compact_laplacian(voxel_size_mm: Vector) -> np.ndarray:
    r"""(3, 3, 3) float32 stencil of the negative Laplacian, scaled like that of :func:`laplacian_weights`.

    .. math:: - \sum_i w_i\, \delta_i^2 \prod_{j \ne i} (1 + \delta_j^2 / 12), \quad \delta^2 = [1, -2, 1]

    Where it vanishes a function is harmonic up to the fourth order in the voxel size.

    References
    ----------
    .. [1] Collatz, The Numerical Treatment of Differential Equations (1960), Mehrstellenverfahren
    """
    second, mean = np.array([1, -2, 1]), np.array([1, 10, 1]) / 12
    stencil = np.zeros((3, 3, 3))
    for axis, w in enumerate(laplacian_weights(voxel_size_mm)):
        x, y, z = (second if a == axis else mean for a in range(3))
        stencil -= w * x[:, None, None] * y[None, :, None] * z[None, None, :]
    return stencil.astype(np.float32)
