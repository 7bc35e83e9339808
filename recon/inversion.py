"""Dipole inversion: local field → susceptibility."""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from recon.kernels import bounding_box, dipole_kernel, padded_shape

PAD_MM = 32.0  # zeros beside the brain, so that its dipole fields do not wrap around
ISLAND_VOXELS = 125  # smaller structures are noise (Haacke group's vein mask)


@dataclass(frozen=True, kw_only=True)
class DipoleInversion:
    """Config section `dipole_inversion`."""

    method: str
    threshold: float
    iterations: int
    iteration_threshold: float
    structure: str
    structure_r2star_hz: float


def inverse_kernel(D: np.ndarray, threshold: float) -> np.ndarray:
    """1/D where :math:`|D| > t`, sign(D)/t elsewhere; zero where D is zero (k = 0)."""
    clamped = np.where(np.abs(D) > threshold, D, np.copysign(np.float32(threshold), D))
    return np.where(D == 0, 0, 1 / clamped).astype(np.float32)


def structure_mask(
    chi_ppm: np.ndarray, mask: np.ndarray, r2star_hz: np.ndarray | None, params: DipoleInversion
) -> np.ndarray:
    """Nuclei and veins, the structures M whose susceptibility the iteration keeps.

    Literally :math:`\\chi > t` of the paper; with `structure: r2star_or_chi` also what decays fast, so that a
    nucleus does not fall out of M when its iron is low. Islands below 125 voxels are dropped.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) float array [ppm]
    mask : (X, Y, Z) bool array
    r2star_hz : (X, Y, Z) float array [1/s], or None where there is none
    params : DipoleInversion

    Returns
    -------
    M : (X, Y, Z) bool array
    """
    in_plane = (3, 3, 1)
    M = ndimage.median_filter(chi_ppm, in_plane) > params.iteration_threshold
    if params.structure == "r2star_or_chi" and r2star_hz is not None:
        M |= ndimage.median_filter(r2star_hz, in_plane) > params.structure_r2star_hz
    labels, _ = ndimage.label(M & mask)
    large = np.bincount(labels.ravel()) >= ISLAND_VOXELS
    large[0] = False
    return large[labels]


def tkd(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    voxel_size_mm: np.ndarray,
    b0_dir: np.ndarray,
    params: DipoleInversion,
    r2star_hz: np.ndarray | None = None,
    workers: int = 1,
) -> np.ndarray:
    r"""Truncated k-space division, with the iterative replacement inside the cone.

    .. math:: X = F f \cdot G, \quad G = 1/D \text{ where } |D| > t, \text{ else } \operatorname{sign}(D)/t

    and, for `method: iterative_tkd`, repeated with C the cone :math:`|D| < t` and M the structures:

    .. math:: X \leftarrow (1 - C) X + C F(M F^{-1} X)

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]
        Local field; values outside `mask` are not read.
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    b0_dir : (3,) unit vector of B0 in voxel axes
    params : DipoleInversion
    r2star_hz : (X, Y, Z) float array [1/s], optional, see :func:`structure_mask`
    workers : threads of the transforms

    Returns
    -------
    chi_ppm : float32 array like `field_ppm` [ppm], zero outside `mask`, not referenced

    References
    ----------
    .. [1] Shmueli et al., MRM 62:1510 (2009), doi:10.1002/mrm.22135
    .. [2] Tang et al., MRM 69:1396 (2013), doi:10.1002/mrm.24384
    """
    box = bounding_box(mask)
    inside = mask[box]
    shape = padded_shape(inside.shape, voxel_size_mm, PAD_MM)
    extent = tuple(slice(n) for n in inside.shape)
    D = dipole_kernel(shape, voxel_size_mm, b0_dir)
    G = inverse_kernel(D, params.threshold)
    C = np.abs(D) < params.threshold
    r2star = None if r2star_hz is None else r2star_hz[box]

    def invert(field: np.ndarray) -> np.ndarray:
        X = fft.rfftn(np.where(inside & np.isfinite(field), field, 0).astype(np.float32), s=shape, workers=workers)
        X *= G
        x = fft.irfftn(X, s=shape, workers=workers)[extent]
        if params.method == "tkd":
            return x
        x = np.where(inside, x, 0)
        X = fft.rfftn(x, s=shape, workers=workers)
        M = structure_mask(x, inside, r2star, params)
        for _ in range(params.iterations):
            X = np.where(C, fft.rfftn(M * x, s=shape, workers=workers), X)
            x = fft.irfftn(X, s=shape, workers=workers)[extent]
        return x

    chi_ppm = np.zeros(field_ppm.shape, np.float32)
    fields = field_ppm[..., None] if field_ppm.ndim == 3 else field_ppm
    maps = chi_ppm[..., None] if field_ppm.ndim == 3 else chi_ppm
    for i in range(fields.shape[-1]):
        maps[(*box, i)] = np.where(inside, invert(fields[(*box, i)]), 0)
    return chi_ppm


METHODS = {"tkd": tkd, "iterative_tkd": tkd}


def dipole_inversion(field_ppm, mask, voxel_size_mm, b0_dir, params: DipoleInversion, r2star_hz=None, workers=1):
    """Invert the dipole model by `params.method`; shapes, units and source as in :func:`tkd`."""
    return METHODS[params.method](field_ppm, mask, voxel_size_mm, b0_dir, params, r2star_hz, workers)
