"""Background field removal: total field → local field."""

from dataclasses import dataclass

import numpy as np

from recon.kernels import bounding_box, convolve, padded_shape, sphere_kernel

WHOLE_SPHERE = 1 - 1e-4  # share of the sphere inside the mask from which it counts as whole (float32 rounding)


@dataclass(frozen=True, kw_only=True)
class LocalField:
    """Config section `local_field`."""

    method: str
    radius_mm: float
    threshold: float


def sharp(
    field_ppm: np.ndarray, mask: np.ndarray, voxel_size_mm: np.ndarray, params: LocalField, workers: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    r"""Sophisticated harmonic artefact reduction for phase data.

    A harmonic field equals its mean over any sphere, so subtracting the mean leaves the local field convolved with
    :math:`\delta - s`, which a truncated division undoes:

    .. math:: f_L = M' F^{-1} \frac{F [M' F^{-1} (1 - S) F f]}{1 - S}, \quad |1 - S| \ge t

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]; values outside `mask` are not read
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    params : LocalField
    workers : threads of the transforms

    Returns
    -------
    local_ppm : float32 array like `field_ppm` [ppm], zero outside `eroded`
    eroded : (X, Y, Z) bool array M', the voxels whose sphere lies inside `mask`

    Raises
    ------
    ValueError
        Where no sphere fits into the mask.

    References
    ----------
    .. [1] Schweser et al., NeuroImage 54:2789 (2011), doi:10.1016/j.neuroimage.2010.10.070
    """
    box = bounding_box(mask)
    inside = mask[box]
    # room for a sphere at each side keeps the cyclic transforms from reaching around
    shape = padded_shape(inside.shape, voxel_size_mm, 4 * params.radius_mm)
    S = sphere_kernel(shape, voxel_size_mm, params.radius_mm)
    eroded = inside & (convolve(inside.astype(np.float32), S, shape, workers) > WHOLE_SPHERE)
    if not eroded.any():
        raise ValueError(
            f"SHARP: expected a mask that holds a sphere of {params.radius_mm} mm, found {mask.sum()} voxels"
        )
    high_pass = 1 - S
    inverse = np.zeros_like(high_pass)
    np.divide(1, high_pass, out=inverse, where=np.abs(high_pass) >= params.threshold)
    local_ppm = np.zeros(field_ppm.shape, np.float32)
    for field, out in zip(_echoes(field_ppm), _echoes(local_ppm), strict=True):
        masked = np.where(inside & np.isfinite(field[box]), field[box], 0).astype(np.float32)
        filtered = np.where(eroded, convolve(masked, high_pass, shape, workers), 0)
        out[box] = np.where(eroded, convolve(filtered, inverse, shape, workers), 0)
    eroded_mask = np.zeros_like(mask)
    eroded_mask[box] = eroded
    return local_ppm, eroded_mask


def _echoes(volume: np.ndarray) -> list[np.ndarray]:
    """Views of the 3-D volumes in a 3-D or 4-D array."""
    return [volume] if volume.ndim == 3 else [volume[..., i] for i in range(volume.shape[-1])]


METHODS = {"sharp": sharp}


def local_field(field_ppm, mask, voxel_size_mm, params: LocalField, workers: int = 1):
    """Remove the background field by `params.method`; shapes, units and errors as in :func:`sharp`."""
    return METHODS[params.method](field_ppm, mask, voxel_size_mm, params, workers)
