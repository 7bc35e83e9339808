"""Background removal by mean values over spheres: SHARP, V-SHARP and RESHARP."""

import numpy as np
from scipy import fft

from recon.background.echoes import Removal, remove_from_echoes
from recon.grid import Grid, Vector
from recon.maths.boxes import bounding_box, padded_shape
from recon.maths.kernels import convolve, sphere_kernel
from recon.maths.solve import conjugate_gradients
from recon.maths.spheres import LEAST_REACH, descending_radii_mm, least_radius_mm
from recon.registry import Method
from recon.settings import defaults

DEFAULT = defaults("local_field")
WHOLE_SPHERE = 1 - 1e-4  # share of the sphere inside the mask from which it counts as whole (float32 rounding)
TIKHONOV = 1e-3  # resharp: weight of the local field's norm; that of the authors' own program (sunhongfu/QSM)
TIKHONOV_ITERATIONS = 10  # of its preconditioned solver; stopping early regularises, too


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
        Where no sphere fits into the mask, or one does not reach into the next voxel along every axis.

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
    if radius_mm < smallest_radius_mm:
        raise ValueError(
            f"radius_mm: expected at least smallest_radius_mm, {smallest_radius_mm:g}, found {radius_mm:g}"
        )
    radii_mm = descending_radii_mm(radius_mm, smallest_radius_mm, grid.voxel_size_mm)
    return _spherical_means(field_ppm, mask, grid, radii_mm=radii_mm, threshold=threshold, workers=workers)


def resharp(
    field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, *, radius_mm: float = DEFAULT["radius_mm"], workers: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    r"""Regularisation enabled SHARP: the smallest local field that the means over spheres allow.

    .. math:: \min_{f_L} \|M' (\delta - s) \ast (f_L - f)\|^2 + \lambda \|f_L\|^2

    where SHARP divides by a truncated :math:`1 - S`. With :math:`f_L = F^{-1} Q F v`,
    :math:`Q = ((1 - S)^2 + \lambda)^{-1/2}`, the system would be the identity if M' held every voxel, so few
    conjugate gradients are left. Parameters, result and errors as in :func:`sharp`.

    References
    ----------
    .. [1] Sun, Wilman, MRM 71:1151 (2014), doi:10.1002/mrm.24765
    """
    box = bounding_box(mask)
    inside = mask[box]
    shape = padded_shape(inside.shape, grid.voxel_size_mm, 4 * radius_mm)
    H = _high_pass(shape, grid.voxel_size_mm, radius_mm)
    (kept,) = _rings(inside, [H], [radius_mm], shape, workers)
    centres = np.pad(kept, [(0, n - k) for n, k in zip(shape, kept.shape, strict=True)])
    Q = 1 / np.sqrt(H**2 + np.float32(TIKHONOV))
    QH, penalty = Q * H, np.float32(TIKHONOV) * Q**2

    def normal(v: np.ndarray) -> np.ndarray:
        spectrum = fft.rfftn(v, workers=workers)
        means = np.where(centres, fft.irfftn(QH * spectrum, s=shape, workers=workers), 0)
        spectrum *= penalty
        spectrum += QH * fft.rfftn(means, workers=workers)
        return fft.irfftn(spectrum, s=shape, workers=workers)

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        filtered = np.where(kept, convolve(field_ppm, H, shape, workers), 0)
        b = fft.irfftn(QH * fft.rfftn(filtered, s=shape, workers=workers), s=shape, workers=workers)
        v = conjugate_gradients(normal, b, b, iterations=TIKHONOV_ITERATIONS)
        return convolve(v, Q, shape, workers)[tuple(slice(n) for n in inside.shape)]

    return remove_from_echoes(field_ppm, inside, grid, box=box, kept=kept, remove=remove)


def _high_pass(shape: tuple[int, ...], voxel_size_mm: Vector, radius_mm: float) -> np.ndarray:
    """1 - S(k) of a sphere; ValueError where it does not reach into the next voxel along every axis."""
    if radius_mm < least_radius_mm(voxel_size_mm):
        edges, least_mm = " x ".join(f"{edge:g}" for edge in voxel_size_mm), least_radius_mm(voxel_size_mm)
        expected = f"a radius of {least_mm:g} mm or more, {LEAST_REACH:g} of the longest edge"
        raise ValueError(f"sphere of {radius_mm:g} mm: expected {expected}, found voxels of {edges} mm")
    return 1 - sphere_kernel(shape, voxel_size_mm, radius_mm)


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
    high_pass = [_high_pass(shape, voxel_size_mm, radius) for radius in radii_mm]
    rings = _rings(mask, high_pass, radii_mm, shape, workers)
    inverse = np.zeros_like(high_pass[0])
    np.divide(1, high_pass[0], out=inverse, where=np.abs(high_pass[0]) >= threshold)

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        filtered = np.zeros_like(field_ppm)
        for H, ring in zip(high_pass, rings, strict=True):
            np.copyto(filtered, convolve(field_ppm, H, shape, workers), where=ring)
        return convolve(filtered, inverse, shape, workers)

    return np.any(rings, axis=0), remove


def _rings(
    mask: np.ndarray, high_pass: list[np.ndarray], radii_mm: list[float], shape: tuple[int, ...], workers: int
) -> list[np.ndarray]:
    """The voxels of a mask that each sphere serves: those at which it, and none before it, lies inside the mask."""
    eroded, rings = np.zeros_like(mask), []
    for H in high_pass:
        fits = mask & (convolve(mask.astype(np.float32), H, shape, workers) < 1 - WHOLE_SPHERE)
        rings.append(fits & ~eroded)
        eroded |= fits
    if not eroded.any():
        raise ValueError(
            f"background removal: expected room in the mask for a sphere of {radii_mm[-1]} mm radius, "
            f"found {mask.sum()} voxels"
        )
    return rings


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
    "resharp": Method(
        run=resharp,
        sentence="""RESHARP {{ cite("sun2014") }} with a sphere of {{ radius_mm | n }} mm radius.""",
    ),
}
