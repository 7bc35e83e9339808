"""The field that a susceptibility distribution makes in the main field."""

import numpy as np
from scipy import fft

from recon.grid import Grid
from recon.maths.boxes import padded_shape
from recon.maths.kernels import convolve, dipole_kernel

NECK_MM = 60.0  # the body goes on below the slab
SMOOTHING_VOXELS = 0.8  # of the longest edge: the standard deviation at which the spectrum has faded where it ends
NEAR_SIGMA = 4.0  # standard deviations from which a smoothed dipole is a dipole
PAD_MM = 80.0  # of outside air, against the neighbours that a periodic grid implies


def forward_field(chi_ppm: np.ndarray, voxel_size_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    r"""Field of a susceptibility map in an otherwise empty (0 ppm) space.

    .. math:: \Delta B / B_0 = F^{-1} D F \chi, \qquad D = 1/3 - (k \cdot b)^2 / k^2

    Parameters
    ----------
    chi_ppm : (X, Y, Z)
    voxel_size_mm : (3,)
    b0_dir : (3,) unit vector in voxel axes

    Returns
    -------
    (X, Y, Z) float32, ppm of B0, with the sphere of Lorentz: zero inside a homogeneous sphere.
    """
    shape = padded_shape(chi_ppm.shape, voxel_size_mm, PAD_MM)
    return convolve(chi_ppm.astype(np.float32, copy=False), dipole_kernel(shape, Grid(voxel_size_mm, b0_dir)), shape)


def outer_kernel(shape: tuple[int, ...], voxel_size_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    r"""Field of a voxel at all others as that of a point dipole, :math:`V (3 \cos^2\theta - 1) / (4 \pi r^3)`.

    The sampled k-space dipole rings: it cuts the spectrum of a sharp edge, and for an oblique B0 it jumps where the
    grid's frequencies end. Neither has a place in the field of distant sources, which is harmonic. Far from the source
    the kernel is the k-space dipole smoothed by a Gaussian (which leaves a harmonic field as it is), near it the
    point dipole.

    Parameters
    ----------
    shape : (3,) lengths of the grid
    voxel_size_mm : (3,)
    b0_dir : (3,) unit vector in voxel axes

    Returns
    -------
    float32 array in the layout of `scipy.fft.rfftn`
    """
    sigma_mm = SMOOTHING_VOXELS * np.max(voxel_size_mm)
    near = [np.arange(-reach, reach + 1) for reach in np.ceil(NEAR_SIGMA * sigma_mm / voxel_size_mm).astype(int)]
    x, y, z = (
        (n * v).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, v) in enumerate(zip(near, voxel_size_mm, strict=True))
    )
    r2 = x**2 + y**2 + z**2
    r2[tuple(n.size // 2 for n in near)] = np.inf  # no field at the source itself
    cos2 = (b0_dir[0] * x + b0_dir[1] * y + b0_dir[2] * z) ** 2 / r2
    kernel = fft.irfftn(
        dipole_kernel(shape, Grid(voxel_size_mm, b0_dir)) * _gaussian(shape, voxel_size_mm, sigma_mm), s=shape
    )
    kernel[np.ix_(*near)] = np.prod(voxel_size_mm) * (3 * cos2 - 1) / (4 * np.pi * r2**1.5)
    return fft.rfftn(kernel).real.astype(np.float32)


def _gaussian(shape: tuple[int, ...], voxel_size_mm: np.ndarray, sigma_mm: float) -> np.ndarray:
    """Transform of a Gaussian of unit sum, in rfft layout."""
    kx, ky, kz = (
        frequencies(n, v)
        for frequencies, n, v in zip((fft.fftfreq, fft.fftfreq, fft.rfftfreq), shape, voxel_size_mm, strict=True)
    )
    x, y, z = (np.exp(-2 * (np.pi * k * sigma_mm) ** 2).astype(np.float32) for k in (kx, ky, kz))
    return x[:, None, None] * y[None, :, None] * z[None, None, :]


def head_field(chi_ppm: np.ndarray, brain: np.ndarray, voxel_size_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    """Field [ppm] of a head in a slab: air around it, and its lowest slice repeated downwards as the neck.

    Parameters and result as `forward_field`; air is what the slab's corners on top hold. What lies outside the
    `brain`, (X, Y, Z) bool, acts by `outer_kernel`; within, water has 0 ppm.
    """
    neck = round(NECK_MM / voxel_size_mm[2])
    air = chi_ppm[0, 0, -1]
    body = np.pad(np.where(brain, 0, chi_ppm) - air, ((0, 0), (0, 0), (neck, 0)), mode="edge")
    shape = padded_shape(body.shape, voxel_size_mm, PAD_MM)
    outer = convolve(body, outer_kernel(shape, np.asarray(voxel_size_mm), b0_dir), shape)[:, :, neck:]
    return outer + forward_field(chi_ppm * brain, voxel_size_mm, b0_dir)


def shim(field_ppm: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Take the best solid harmonics up to second order within `mask` off a field, as a scanner's shim coils do.

    Being harmonic, what is removed has its sources outside: background stays background.
    """
    i, j, k = np.ogrid[tuple(slice(n) for n in field_ppm.shape)]
    centre = np.argwhere(mask).mean(0)
    x, y, z = (
        (row[0] * (i - centre[0]) + row[1] * (j - centre[1]) + row[2] * (k - centre[2])).astype(np.float32) / 100
        for row in affine[:3, :3]
    )
    one = np.ones_like(x)
    harmonics = np.stack([one, x, y, z, x * y, y * z, x * z, x**2 - y**2, 2 * z**2 - x**2 - y**2])
    A, b = harmonics[:, mask].astype(float), field_ppm[mask].astype(float)
    weights = np.linalg.solve(A @ A.T, A @ b).astype(np.float32)
    return field_ppm - np.tensordot(weights, harmonics, 1)
