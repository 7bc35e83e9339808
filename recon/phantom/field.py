"""The field that a susceptibility distribution makes in the main field."""

import numpy as np

from recon.kernels import convolve, dipole_kernel, padded_shape

NECK_MM = 60.0  # the body goes on below the slab
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
    return convolve(chi_ppm.astype(np.float32, copy=False), dipole_kernel(shape, voxel_size_mm, b0_dir), shape)


def head_field(chi_ppm: np.ndarray, voxel_size_mm: np.ndarray, b0_dir: np.ndarray) -> np.ndarray:
    """Field [ppm] of a head in a slab: air around it, and its lowest slice repeated downwards as the neck.

    Parameters and result as `forward_field`; air is what the slab's corners on top hold.
    """
    neck = round(NECK_MM / voxel_size_mm[2])
    air = chi_ppm[0, 0, -1]
    body = np.pad(chi_ppm - air, ((0, 0), (0, 0), (neck, 0)), mode="edge")
    return forward_field(body, voxel_size_mm, b0_dir)[:, :, neck:]


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
