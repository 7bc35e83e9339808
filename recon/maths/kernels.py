"""Convolution on the voxel grid: the unit dipole and the mean over a sphere, as factors in k-space."""

import numpy as np
from scipy import fft

from recon.grid import Grid, Vector


def convolve(volume: np.ndarray, kernel: np.ndarray, shape: tuple[int, ...], workers: int = 1) -> np.ndarray:
    """Multiply the transform of `volume`, zero-filled to `shape`, by `kernel` (rfft layout); crop to `volume` again."""
    spectrum = fft.rfftn(volume, s=shape, workers=workers)
    spectrum *= kernel
    return fft.irfftn(spectrum, s=shape, workers=workers)[tuple(slice(n) for n in volume.shape)]


def dipole_kernel(shape: tuple[int, ...], grid: Grid) -> np.ndarray:
    r"""Unit dipole in k-space, :math:`D = 1/3 - (k \cdot b)^2 / k^2`, with :math:`D(0) = 0`.

    Parameters
    ----------
    shape : (3,) lengths of the periodic grid
    grid : Grid

    Returns
    -------
    D : float32 array in the layout of `scipy.fft.rfftn`

    References
    ----------
    .. [1] Salomir et al., Concepts Magn Reson 19B:26 (2003), doi:10.1002/cmr.b.10083
    """
    k = [
        frequencies(n, float(v)).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (frequencies, n, v) in enumerate(
            zip((fft.fftfreq, fft.fftfreq, fft.rfftfreq), shape, grid.voxel_size_mm, strict=True)
        )
    ]
    along = [component * np.float32(b) for component, b in zip(k, grid.b0_dir, strict=True)]
    cross = [_without_nyquist(component, n) for component, n in zip(along, shape, strict=True)]
    kb2 = sum(c**2 for c in along) + 2 * (cross[0] * cross[1] + cross[1] * cross[2] + cross[0] * cross[2])
    k2 = sum(component**2 for component in k)
    k2[0, 0, 0] = 1
    D = np.float32(1 / 3) - kb2 / k2
    D[0, 0, 0] = 0
    return D


def _without_nyquist(component: np.ndarray, n: int) -> np.ndarray:
    """A wave vector's component, zero at half the sampling rate, where its sign means nothing."""
    component = component.copy()
    if n % 2 == 0:
        component.ravel()[n // 2] = 0
    return component


def sphere_kernel(
    shape: tuple[int, ...], voxel_size_mm: Vector, radius_mm: float, supersampling: int = 5
) -> np.ndarray:
    """Mean over a sphere as a k-space factor S(k); the sphere's edge weighs voxels by the share inside it.

    Parameters
    ----------
    shape : (3,) lengths of the grid, each at least the sphere's diameter in voxels
    voxel_size_mm : (3,) [mm]
    radius_mm : [mm]
    supersampling : points along each edge of a voxel

    Returns
    -------
    S : float32 array in the layout of `scipy.fft.rfftn`, S(0) = 1
    """
    voxel_size_mm = np.asarray(voxel_size_mm, dtype=float)
    reach = np.ceil(radius_mm / voxel_size_mm).astype(int)
    if np.any(2 * reach + 1 > np.asarray(shape)):
        raise ValueError(f"sphere of {radius_mm} mm: expected a grid of at least {2 * reach + 1} voxels, found {shape}")
    offset = (np.arange(supersampling) + 0.5) / supersampling - 0.5
    squares = [
        ((np.arange(-r, r + 1)[:, None] + offset) * v) ** 2 for r, v in zip(reach, voxel_size_mm, strict=True)
    ]  # three of (voxel, point) [mm^2]
    x2, y2, z2 = (s.reshape(-1) for s in squares)
    # rounding of the voxel size must not move a point that lies on the sphere
    inside = (x2[:, None, None] + y2[None, :, None] + z2[None, None, :]) <= radius_mm**2 * (1 + 1e-6)
    share = inside.reshape([n for r in reach for n in (2 * r + 1, supersampling)]).mean(axis=(1, 3, 5))
    kernel = np.zeros(shape, np.float32)
    kernel[tuple(slice(2 * r + 1) for r in reach)] = share / share.sum()
    kernel = np.roll(kernel, -reach, axis=(0, 1, 2))  # centre at the origin
    return fft.rfftn(kernel).real.astype(np.float32)
