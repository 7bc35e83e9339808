"""Brain mask: extraction, erosion in plane, removal of islands and holes."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from recon.mask.fsl import find_bet, fsl_bet
from recon.mask.head import find_head
from recon.mask.leak import BrainExtraction, extract_without_leak, volume_ml
from recon.maths.kernels import slice_axis


@dataclass(frozen=True, kw_only=True)
class BrainMask:
    """Parameters of the brain mask.

    Attributes
    ----------
    tool : str
        ``fsl``, ``builtin``, or ``auto`` for FSL where it is installed.
    echo : int
        Echo that the mask is made from, counted from 1.
    threshold : float
        Fractional intensity threshold, 0..1.
    erode_mm : float
        Radius of the in-plane disc that erodes the mask, mm; 0 erodes nothing.
    island_mm3 : float
        Islands and holes below this volume are removed, mm³.
    """

    tool: str
    echo: int
    threshold: float
    erode_mm: float
    island_mm3: float


def choose_tool(tool: str) -> str:
    """``fsl`` or ``builtin``; ValueError for another name, or where FSL is asked for and not installed."""
    if tool not in ("auto", "fsl", "builtin"):
        raise ValueError(f"brain_mask.tool: expected auto, fsl or builtin, found {tool!r}")
    installed = find_bet() is not None
    if tool == "fsl" and not installed:
        raise ValueError("brain_mask.tool: expected FSL's bet in $FSLDIR/bin or on PATH, found none")
    return "fsl" if installed and tool != "builtin" else "builtin"


def choose_echo(echoes: int, wanted: int) -> int:
    """Index from 0 of the wanted echo (counted from 1), or of the last one where there are fewer."""
    return min(wanted, echoes) - 1


def erode_in_plane(mask: np.ndarray, radius_mm: float, voxel_size_mm, b0_dir=(0.0, 0.0, 1.0)) -> np.ndarray:
    """Remove the voxels that have a background voxel within `radius_mm` in their slice.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
    radius_mm : float
        Radius of the disc, mm, between voxel centres.
    voxel_size_mm : (3,) sequence
        Edge lengths of a voxel; the slices are normal to the largest.
    b0_dir : (3,) sequence
        Unit vector of the main field in voxel axes; isotropic voxels are eroded in axial slices.

    Returns
    -------
    (X, Y, Z) bool array
        The field of view does not count as an edge.
    """
    axis = slice_axis(voxel_size_mm, b0_dir)
    in_plane_mm = np.delete(np.asarray(voxel_size_mm, float), axis)
    eroded = np.array(mask, bool)
    for plane in np.moveaxis(eroded, axis, 0):
        if plane.any() and not plane.all():
            plane &= ndimage.distance_transform_edt(plane, sampling=in_plane_mm) > radius_mm
    return eroded


def _large(mask: np.ndarray, minimum_voxels: float) -> np.ndarray:
    """Components of at least `minimum_voxels`, neighbours sharing a face."""
    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= minimum_voxels
    large[0] = False
    return large[labels]


def remove_islands(mask: np.ndarray, minimum_mm3: float, voxel_size_mm) -> np.ndarray:
    """Remove islands, then fill holes, that are smaller than `minimum_mm3`.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
    minimum_mm3 : float
        Smallest volume that stays.
    voxel_size_mm : (3,) sequence
        Edge lengths of a voxel.

    Returns
    -------
    (X, Y, Z) bool array
    """
    minimum_voxels = minimum_mm3 / np.prod(voxel_size_mm)
    return ~_large(~_large(np.asarray(mask, bool), minimum_voxels), minimum_voxels)


def _extractor(magnitude: np.ndarray, voxel_size_mm, tool: str) -> Callable[[float], np.ndarray]:
    """The chosen tool as a function of its threshold; what does not depend on it is done once."""
    if choose_tool(tool) == "fsl":
        return lambda threshold: fsl_bet(magnitude, voxel_size_mm, threshold)
    from recon.mask.bet import Bet, bet_of_head  # loads a k-d tree; stages that only choose an echo here need none

    head = find_head(magnitude, voxel_size_mm)
    return lambda threshold: bet_of_head(head, Bet(threshold=threshold))


def extract_brain(magnitude: np.ndarray, voxel_size_mm, params: BrainMask, b0_dir=(0.0, 0.0, 1.0)) -> BrainExtraction:
    """Brain mask of one echo, with the threshold that made it and a note where it is not the one in `params`.

    Parameters
    ----------
    magnitude : (X, Y, Z) array
        Magnitude, any unit; values that are not finite count as zero.
    voxel_size_mm : (3,) sequence
        Edge lengths of a voxel.
    params : BrainMask
    b0_dir : (3,) sequence
        Unit vector of the main field in voxel axes.

    Returns
    -------
    BrainExtraction
        The threshold is raised where the mask would leak into the neck or face (recon/mask/leak.py).

    Raises
    ------
    ValueError
        Where the image is empty or nothing is left of the mask.
    """
    raw = extract_without_leak(_extractor(magnitude, voxel_size_mm, params.tool), params.threshold, voxel_size_mm)
    eroded = erode_in_plane(raw.mask, params.erode_mm, voxel_size_mm, b0_dir)
    mask = remove_islands(eroded, params.island_mm3, voxel_size_mm)
    if not mask.any():
        extracted, left = (volume_ml(m, voxel_size_mm) for m in (raw.mask, eroded))
        raise ValueError(
            f"brain mask: expected a region above {params.island_mm3:g} mm3 after erosion by "
            f"{params.erode_mm:g} mm, found none in {extracted:.2f} ml extracted, {left:.2f} ml eroded"
        )
    return raw._replace(mask=mask)


def brain_mask(magnitude: np.ndarray, voxel_size_mm, params: BrainMask, b0_dir=(0.0, 0.0, 1.0)) -> np.ndarray:
    """The mask of `extract_brain`; its note becomes a warning."""
    mask, _, note = extract_brain(magnitude, voxel_size_mm, params, b0_dir)
    if note:
        warnings.warn(note, stacklevel=2)
    return mask
