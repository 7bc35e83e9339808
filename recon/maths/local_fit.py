"""Smoothing by straight fits: no bias at a rim."""

import numpy as np
from scipy import ndimage

RIDGE = 1e-3  # of sigma^2: holds the slope where voxels lie in one plane


def local_linear(value: np.ndarray, weight: np.ndarray, position: list[np.ndarray], sigma: np.ndarray) -> np.ndarray:
    r"""Gaussian-weighted straight fit around every point of a grid, taken at that point: no bias at a rim.

    .. math:: \min_{a, g} \sum_j G(j - i)\, w_j (v_j - a - g \cdot (x_j - i))^2

    Parameters
    ----------
    value, weight : (X, Y, Z)
    position : three (X, Y, Z) arrays, where each value belongs [grid points]
    sigma : (3,) width of G [grid points]

    Returns
    -------
    smooth : (X, Y, Z); 0 far from any weight
    """
    index = np.indices(weight.shape, sparse=True)

    def moment(v: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(weight * v, sigma, mode="constant", truncate=4)

    total = np.maximum(moment(np.ones_like(weight)), 1e-30)
    mean = moment(value) / total
    x = [moment(p) / total for p in position]
    C = np.empty((*weight.shape, 3, 3))
    b = np.empty((*weight.shape, 3, 1))
    for i in range(3):
        b[..., i, 0] = moment(position[i] * value) / total - x[i] * mean
        for j in range(i, 3):
            C[..., i, j] = C[..., j, i] = moment(position[i] * position[j]) / total - x[i] * x[j]
        C[..., i, i] += RIDGE * sigma[i] ** 2
    slope = np.linalg.solve(C, b)[..., 0]
    return mean + sum(slope[..., i] * (index[i] - x[i]) for i in range(3))
