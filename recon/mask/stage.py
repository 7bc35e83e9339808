"""Brain mask: extraction, erosion in plane, removal of islands and holes."""

import warnings

import numpy as np
from scipy import ndimage

from recon.acquisition import choose_echo
from recon.grid import Grid, Vector
from recon.mask.bet import bet_of_head
from recon.mask.fsl import find_bet, fsl_bet
from recon.mask.head import find_head
from recon.mask.leak import BrainExtraction, Extractor, extract_without_leak, volume_ml
from recon.maths.boxes import slice_axis
from recon.maths.parts import large_parts
from recon.problems import to_type
from recon.registry import look_up
from recon.settings import defaults

DEFAULT = defaults("brain_mask")


def _builtin(magnitude: np.ndarray, voxel_size_mm: Vector) -> Extractor:
    """Our own BET; what does not depend on the threshold is done once."""
    head = find_head(magnitude, voxel_size_mm)
    return lambda threshold: bet_of_head(head, threshold=threshold)


def _fsl(magnitude: np.ndarray, voxel_size_mm: Vector) -> Extractor:
    """BET of FSL."""
    return lambda threshold: fsl_bet(magnitude, voxel_size_mm, threshold=threshold)


TOOLS = {"fsl": _fsl, "builtin": _builtin}
WANTED = {"auto": tuple(TOOLS), "fsl": ("fsl",), "builtin": ("builtin",)}  # tools that serve, the first installed one


def choose_tool(tool: str) -> str:
    """``fsl`` or ``builtin``; ValueError for another name, or where FSL is asked for and not installed."""
    wanted = look_up(WANTED, tool, "brain_mask.tool")
    for name in wanted:
        if name != "fsl" or find_bet() is not None:
            return name
    built_in = to_type("brain_mask.tool", "builtin")
    raise ValueError(
        f"brain_mask.tool: expected FSL's bet in $FSLDIR/bin or on PATH ({built_in} needs none), found none"
    )


def erode_in_plane(mask: np.ndarray, grid: Grid, *, radius_mm: float) -> np.ndarray:
    """Remove the voxels that have a background voxel within `radius_mm` in their slice.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
    grid : Grid
        The slices are normal to the longest edge of a voxel; isotropic voxels are eroded in axial slices.
    radius_mm : float
        Radius of the disc, mm, between voxel centres.

    Returns
    -------
    (X, Y, Z) bool array
        The field of view does not count as an edge.
    """
    axis = slice_axis(grid)
    in_plane_mm = np.delete(np.asarray(grid.voxel_size_mm), axis)
    eroded = np.array(mask, bool)
    for plane in np.moveaxis(eroded, axis, 0):
        if plane.any() and not plane.all():
            plane &= ndimage.distance_transform_edt(plane, sampling=in_plane_mm) > radius_mm
    return eroded


def remove_islands(mask: np.ndarray, grid: Grid, *, minimum_mm3: float) -> np.ndarray:
    """Remove islands, then fill holes, that are smaller than `minimum_mm3`.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
    grid : Grid
    minimum_mm3 : float
        Smallest volume that stays.

    Returns
    -------
    (X, Y, Z) bool array
    """
    minimum_voxels = minimum_mm3 / float(np.prod(grid.voxel_size_mm))
    return ~large_parts(~large_parts(np.asarray(mask, bool), minimum_voxels), minimum_voxels)


def decay(magnitude: np.ndarray) -> np.ndarray:
    """(X, Y, Z) signal that is lost from the first echo of (X, Y, Z, echo) to the last: bright in brain, dark in fluid.

    Fluid decays at 4 1/s and tissue at 15 to 40; what holds no signal, as bone and air, cannot lose any.
    """
    return np.maximum(np.nan_to_num(magnitude[..., 0] - magnitude[..., -1], posinf=0, neginf=0), 0)


def extract_brain(
    magnitude: np.ndarray,
    grid: Grid,
    *,
    tool: str = DEFAULT["tool"],
    echo: int = DEFAULT["echo"],
    threshold: float = DEFAULT["threshold"],
    erode_mm: float = DEFAULT["erode_mm"],
    island_mm3: float = DEFAULT["island_mm3"],
) -> BrainExtraction:
    """Brain mask, with the threshold that made it and a note where it is not the one that was wanted.

    Parameters
    ----------
    magnitude : (X, Y, Z) or (X, Y, Z, echo) array
        Magnitude, any unit; values that are not finite count as zero.
    grid : Grid
    tool : str
        ``fsl``, ``builtin``, or ``auto`` for FSL where it is installed.
    echo : int
        Echo that the mask is made from, counted from 1; the last one where there are fewer.
    threshold : float
        Fractional intensity threshold, 0..1.
    erode_mm : float
        Radius of the in-plane disc that erodes the mask, mm; 0 erodes nothing.
    island_mm3 : float
        Islands and holes below this volume are removed, mm³.

    Returns
    -------
    BrainExtraction
        Where the mask would leak into neck, face or scalp, the threshold is raised, or the mask is made from the
        decay between the first and the last of several echoes (recon/mask/leak.py).

    Raises
    ------
    ValueError
        Where the image is empty or nothing is left of the mask.
    """
    image = magnitude if magnitude.ndim == 3 else magnitude[..., choose_echo(magnitude.shape[-1], echo)]
    of_image = TOOLS[choose_tool(tool)]
    extract = of_image(image, grid.voxel_size_mm)
    several = magnitude.ndim == 4 and magnitude.shape[-1] > 1
    raw = extract_without_leak(
        extract,
        threshold,
        grid.voxel_size_mm,
        (lambda: of_image(decay(magnitude), grid.voxel_size_mm)) if several else None,
    )
    eroded = erode_in_plane(raw.mask, grid, radius_mm=erode_mm)
    mask = remove_islands(eroded, grid, minimum_mm3=island_mm3)
    if not mask.any():
        extracted, left = (volume_ml(m, grid.voxel_size_mm) for m in (raw.mask, eroded))
        raise ValueError(
            f"brain mask: expected a region above {island_mm3:g} mm3 after erosion by "
            f"{erode_mm:g} mm, found none in {extracted:.2f} ml extracted, {left:.2f} ml eroded"
        )
    return raw._replace(mask=mask)


def brain_mask(
    magnitude: np.ndarray,
    grid: Grid,
    *,
    tool: str = DEFAULT["tool"],
    echo: int = DEFAULT["echo"],
    threshold: float = DEFAULT["threshold"],
    erode_mm: float = DEFAULT["erode_mm"],
    island_mm3: float = DEFAULT["island_mm3"],
) -> np.ndarray:
    """The (X, Y, Z) bool mask of :func:`extract_brain`; its note becomes a warning.

    Examples
    --------
    >>> x, y, z = np.indices((40, 40, 40)) * 4.0 - 80
    >>> magnitude = np.where(x**2 + y**2 + z**2 < 60**2, 100.0, 1.0)
    >>> brain_mask(magnitude, Grid((4, 4, 4)), tool="builtin").dtype
    dtype('bool')
    """
    mask, _, note = extract_brain(
        magnitude, grid, tool=tool, echo=echo, threshold=threshold, erode_mm=erode_mm, island_mm3=island_mm3
    )
    if note:
        warnings.warn(note, stacklevel=2)
    return mask
