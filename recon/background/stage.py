"""Background field removal: total field → local field."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from recon.background.harmonic import CROSS, harmonic_extension
from recon.background.rim import continuable
from recon.background.sources import background_remainder, factors_of_field
from recon.background.spikes import without_spikes
from recon.maths.contrast import tissue_contrasts
from recon.maths.kernels import bounding_box, convolve, dipole_kernel, padded_shape, sphere_kernel
from recon.maths.spectrum import BoxTransform

INDEX = np.moveaxis(np.indices((3, 3, 3)), 0, -1)  # of a structuring element
WHOLE_SPHERE = 1 - 1e-4  # share of the sphere inside the mask from which it counts as whole (float32 rounding)


# of a total field inside the mask's bounding box [ppm], zero outside the mask, to the local field there
Removal = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LocalField:
    """Config section `local_field`."""

    method: str
    radius_mm: float
    smallest_radius_mm: float
    threshold: float


def sharp(
    mask, voxel_size_mm, b0_dir, params: LocalField, magnitude=None, workers: int = 1
) -> tuple[np.ndarray, Removal]:
    r"""Sophisticated harmonic artefact reduction for phase data.

    A harmonic field equals its mean over any sphere, so subtracting the mean leaves the local field convolved with
    :math:`\delta - s`, which a truncated division undoes:

    .. math:: f_L = M' F^{-1} \frac{F [M' F^{-1} (1 - S) F f]}{1 - S}, \quad |1 - S| \ge t

    M' holds the voxels whose sphere lies inside the mask. Arguments as in :func:`local_field`; returns M' and what
    takes one field to its local part.

    Raises
    ------
    ValueError
        Where no sphere fits into the mask.

    References
    ----------
    .. [1] Schweser et al., NeuroImage 54:2789 (2011), doi:10.1016/j.neuroimage.2010.10.070
    """
    return _spherical_means(mask, voxel_size_mm, [params.radius_mm], params.threshold, workers)


def vsharp(
    mask, voxel_size_mm, b0_dir, params: LocalField, magnitude=None, workers: int = 1
) -> tuple[np.ndarray, Removal]:
    """SHARP with the largest sphere that fits: radii from `radius_mm` down to `smallest_radius_mm`.

    Near the rim smaller spheres keep tissue that one large sphere would cost. Arguments, result and errors as in
    :func:`sharp`.

    References
    ----------
    .. [1] Wu et al., MRM 67:137 (2012), doi:10.1002/mrm.23000
    """
    step_mm = float(np.max(voxel_size_mm))
    radii_mm = np.arange(params.radius_mm, params.smallest_radius_mm - 1e-6, -step_mm)
    return _spherical_means(mask, voxel_size_mm, list(radii_mm), params.threshold, workers)


def _spherical_means(
    mask: np.ndarray, voxel_size_mm: np.ndarray, radii_mm: list[float], threshold: float, workers: int
) -> tuple[np.ndarray, Removal]:
    """Subtract the mean over the largest sphere that lies inside the mask, then divide by 1 - S of the first."""
    # room for a sphere at each side keeps the cyclic transforms from reaching around
    shape = padded_shape(mask.shape, voxel_size_mm, 4 * radii_mm[0])
    high_pass = [1 - sphere_kernel(shape, voxel_size_mm, radius) for radius in radii_mm]
    eroded = np.zeros_like(mask)
    rings = []  # the voxels that each sphere serves
    for H in high_pass:
        fits = mask & (convolve(mask.astype(np.float32), H, shape, workers) < 1 - WHOLE_SPHERE)
        rings.append(fits & ~eroded)
        eroded |= fits
    if not eroded.any():
        raise ValueError(
            f"background removal: expected a mask that holds a sphere of {radii_mm[-1]} mm, found {mask.sum()} voxels"
        )
    inverse = np.zeros_like(high_pass[0])
    np.divide(1, high_pass[0], out=inverse, where=np.abs(high_pass[0]) >= threshold)

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        filtered = np.zeros_like(field_ppm)
        for H, ring in zip(high_pass, rings, strict=True):
            np.copyto(filtered, convolve(field_ppm, H, shape, workers), where=ring)
        return convolve(filtered, inverse, shape, workers)

    return eroded, remove


def boundary_values(
    mask, voxel_size_mm, b0_dir, params: LocalField, magnitude=None, workers: int = 1
) -> tuple[np.ndarray, Removal]:
    """Laplacian boundary value method: subtract the harmonic field that takes the total field's values at the rim.

    The local field is taken for zero in the outermost layer of voxels, which the mask loses. Arguments and result as
    in :func:`sharp`.

    References
    ----------
    .. [1] Zhou et al., NMR Biomed 27:312 (2014), doi:10.1002/nbm.3064
    """
    return _without_rim(
        mask, voxel_size_mm
    ), lambda field_ppm: field_ppm - harmonic_extension(field_ppm, mask, voxel_size_mm)


def boundary_sources(
    mask, voxel_size_mm, b0_dir, params: LocalField, magnitude=None, workers: int = 1
) -> tuple[np.ndarray, Removal]:
    r"""Boundary values, then the slow field that their zero at the rim has taken from the brain is given back.

    What is left after :func:`boundary_values` is the local field less the harmonic function that equals it at the rim.
    :func:`recon.background.sources.background_remainder` finds it as the field of sources outside. Where `magnitude`
    shows contrasts :math:`c_j` between tissues, the field of what they explain is set aside first, so that little of
    the local field is left at the rim,

    .. math:: f_L = d \ast t + R(f - d \ast t), \quad t = \textstyle\sum_j a_j c_j

    with R the removal, d the dipole and factors :math:`a_j` of :func:`recon.background.sources.factors_of_field`.
    Arguments and result as in :func:`sharp`.
    """

    def removed(field_ppm: np.ndarray) -> np.ndarray:
        local_ppm = field_ppm - harmonic_extension(field_ppm, mask, voxel_size_mm)
        return local_ppm - background_remainder(local_ppm, mask, voxel_size_mm, b0_dir, workers)

    contrasts = () if magnitude is None else tissue_contrasts(magnitude, mask, voxel_size_mm)
    if not len(contrasts):
        return _without_rim(mask, voxel_size_mm), removed
    transform = BoxTransform.padded(mask.shape, voxel_size_mm, workers)
    D = dipole_kernel(transform.grid, voxel_size_mm, b0_dir)

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        factors_ppm = factors_of_field(field_ppm, mask, voxel_size_mm, b0_dir, contrasts, workers)
        tissue_ppm = transform.inverse(D * transform.forward(np.tensordot(factors_ppm, contrasts, 1)))
        return removed(np.where(mask, field_ppm - tissue_ppm, 0)) + tissue_ppm

    return _without_rim(mask, voxel_size_mm), remove


def _without_rim(mask: np.ndarray, voxel_size_mm: np.ndarray) -> np.ndarray:
    """The mask less its outermost voxels, those within a finest voxel edge; as it is where nothing else would stay."""
    fine = np.isclose(voxel_size_mm, np.min(voxel_size_mm), rtol=0.25)
    inner = ndimage.binary_erosion(mask, CROSS & np.all((INDEX == 1) | fine, axis=-1))
    return inner if inner.any() else mask.copy()


METHODS = {"sharp": sharp, "vsharp": vsharp, "lbv": boundary_values, "lbv_sources": boundary_sources}
FROM_THE_RIM = ("lbv", "lbv_sources")  # continue the field inwards from the outermost voxels


def local_field(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    voxel_size_mm: np.ndarray,
    b0_dir: np.ndarray,
    params: LocalField,
    magnitude: np.ndarray | None = None,
    workers: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Remove the field of sources outside `mask` by `params.method`.

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]
        Values outside `mask` are not read; spikes and what is not finite inside are replaced by their neighbours.
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    b0_dir : (3,) unit vector of B0 in voxel axes
    params : LocalField
    magnitude : (X, Y, Z, echo) float array, optional, whose contrasts help `lbv_sources` to know the sources inside
    workers : threads of the transforms

    Returns
    -------
    local_ppm : float32 array like `field_ppm` [ppm], zero outside `eroded`
    eroded : (X, Y, Z) bool array, the part of `mask` in which the method knows the local field
    """
    box = bounding_box(mask)
    inside = mask[box]
    if params.method in FROM_THE_RIM:
        one = field_ppm if field_ppm.ndim == 3 else field_ppm.mean(-1)
        inside = continuable(one[box], inside, voxel_size_mm)
    magnitude = None if magnitude is None else magnitude[box]
    kept, remove = METHODS[params.method](inside, voxel_size_mm, b0_dir, params, magnitude, workers)
    local_ppm, eroded = np.zeros(field_ppm.shape, np.float32), np.zeros_like(mask)
    eroded[box] = kept
    for echo in [()] if field_ppm.ndim == 3 else [(i,) for i in range(field_ppm.shape[-1])]:
        field = without_spikes(field_ppm[box + echo], inside, voxel_size_mm)
        np.copyto(local_ppm[box + echo], remove(field), where=kept)
    return local_ppm, eroded
