"""Background removal by mean values over spheres: SHARP and V-SHARP."""

import numpy as np

from recon.background.echoes import Removal, remove_from_echoes
from recon.grid import Grid, Vector
from recon.maths.boxes import bounding_box, padded_shape
from recon.maths.kernels import convolve, sphere_kernel
from recon.registry import Method
from recon.settings import defaults

DEFAULT = defaults("local_field")
WHOLE_SPHERE = 1 - 1e-4  # share of the sphere inside the mask from which it counts as whole (float32 rounding)


def sharp(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    radius_mm: float = DEFAULT["radius_mm"],
    threshold: float = DEFAULT["threshold"],
    workers: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Sophisticated harmonic artefact reduction for phase data.

    A harmonic field equals its mean over any sphere, so subtracting the mean leaves the local field convolved with
    :math:`\delta - s`, which a truncated division undoes:

    .. math:: f_L = M' F^{-1} \frac{F [M' F^{-1} (1 - S) F f]}{1 - S}, \quad |1 - S| \ge t

    M' holds the voxels whose sphere lies inside the mask. Arrays and result as in
    :func:`recon.background.stage.local_field`.

    Parameters
    ----------
    radius_mm : of the sphere [mm]
    threshold : t, in 0..1
    workers : threads of the transforms

    Raises
    ------
    ValueError
        Where no sphere fits into the mask.

    References
    ----------
    .. [1] Schweser et al., NeuroImage 54:2789 (2011), doi:10.1016/j.neuroimage.2010.10.070

    Examples
    --------
    >>> x, y, z = np.indices((20, 20, 20)) - 10.0
    >>> mask = x**2 + y**2 + z**2 < 81
    >>> local_ppm, eroded = sharp(0.01 * x + 0.02, mask, Grid((1, 1, 1)), radius_mm=3)  # background alone
    >>> bool(np.abs(local_ppm).max() < 1e-4)
    True
    """
    return _spherical_means(field_ppm, mask, grid, radii_mm=[radius_mm], threshold=threshold, workers=workers)


def vsharp(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    radius_mm: float = DEFAULT["radius_mm"],
    smallest_radius_mm: float = DEFAULT["smallest_radius_mm"],
    threshold: float = DEFAULT["threshold"],
    workers: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """SHARP with the largest sphere that fits: radii from `radius_mm` down to `smallest_radius_mm`.

    Near the rim smaller spheres keep tissue that one large sphere would cost. Further parameters, result and errors
    as in :func:`sharp`.

    References
    ----------
    .. [1] Wu et al., MRM 67:137 (2012), doi:10.1002/mrm.23000
    """
    step_mm = float(np.max(grid.voxel_size_mm))
    radii_mm = np.arange(radius_mm, smallest_radius_mm - 1e-6, -step_mm)
    return _spherical_means(field_ppm, mask, grid, radii_mm=list(radii_mm), threshold=threshold, workers=workers)


def _spherical_means(
    field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, *, radii_mm: list[float], threshold: float, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """The removal by spheres of some radii on every echo."""
    box = bounding_box(mask)
    inside = mask[box]
    kept, remove = _removal(inside, grid.voxel_size_mm, radii_mm, threshold, workers)
    return remove_from_echoes(field_ppm, inside, grid, box=box, kept=kept, remove=remove)


def _removal(
    mask: np.ndarray, voxel_size_mm: Vector, radii_mm: list[float], threshold: float, workers: int
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
            f"background removal: expected room in the mask for a sphere of {radii_mm[-1]} mm radius, "
            f"found {mask.sum()} voxels"
        )
    inverse = np.zeros_like(high_pass[0])
    np.divide(1, high_pass[0], out=inverse, where=np.abs(high_pass[0]) >= threshold)

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        filtered = np.zeros_like(field_ppm)
        for H, ring in zip(high_pass, rings, strict=True):
            np.copyto(filtered, convolve(field_ppm, H, shape, workers), where=ring)
        return convolve(filtered, inverse, shape, workers)

    return eroded, remove


METHODS = {
    "sharp": Method(
        run=sharp,
        sentence="""SHARP {{ cite("schweser2011") }} with a sphere of {{ radius_mm | n }} mm radius,
            truncated at {{ threshold | n }}.""",
    ),
    "vsharp": Method(
        run=vsharp,
        sentence="""V-SHARP {{ cite("wu2012", "schweser2011") }} with spheres from {{ radius_mm | n }} down to
            {{ smallest_radius_mm | n }} mm radius, truncated at {{ threshold | n }}.""",
    ),
}
