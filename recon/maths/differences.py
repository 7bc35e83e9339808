"""Forward differences on the voxel grid, their adjoint and their symbol."""

import numpy as np
from scipy import fft


def differences(volume: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """(3, X, Y, Z) forward differences over `spacing`, zero at the far faces."""
    out = np.zeros((3, *volume.shape), np.float32)
    for axis, step in enumerate(spacing):
        v, o = np.moveaxis(volume, axis, 0), np.moveaxis(out[axis], axis, 0)
        np.subtract(v[1:], v[:-1], out=o[:-1])
        o *= np.float32(1 / step)
    return out


def differences_adjoint(field: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """(X, Y, Z) adjoint of :func:`differences`, the negative divergence."""
    out = np.zeros(field.shape[1:], np.float32)
    for axis, step in enumerate(spacing):
        o, f = np.moveaxis(out, axis, 0), np.moveaxis(field[axis], axis, 0) * np.float32(1 / step)
        o[1:] += f[:-1]
        o[:-1] -= f[:-1]
    return out


def inner_differences(inside: np.ndarray) -> np.ndarray:
    """(3, X, Y, Z) True where a forward difference lies between two voxels of the mask."""
    pairs = np.zeros((3, *inside.shape), bool)
    for axis in range(3):
        m, p = np.moveaxis(inside, axis, 0), np.moveaxis(pairs[axis], axis, 0)
        np.logical_and(m[1:], m[:-1], out=p[:-1])
    return pairs


def laplacian_kernel(grid: tuple[int, ...], spacing: np.ndarray) -> np.ndarray:
    r"""Symbol of (adjoint after difference), :math:`\sum_a (2 - 2 \cos 2 \pi k_a) / h_a^2`, in rfft layout."""
    cycles = fft.fftfreq(grid[0]), fft.fftfreq(grid[1]), fft.rfftfreq(grid[2])
    x, y, z = (
        ((2 - 2 * np.cos(2 * np.pi * k)) / h**2).astype(np.float32) for k, h in zip(cycles, spacing, strict=True)
    )
    return x[:, None, None] + y[None, :, None] + z[None, None, :]
