"""Guard against brain masks that leak through the skull base: notice, raise the threshold, say so."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recon.grid import Vector

LARGEST_ML = 2100.0  # no adult brain with its CSF is larger; that of the MNI152 template has 1890 ml
SMALLEST_ML = 1200.0  # a mask below holds no whole brain and a leak besides
STANDARD = 0.5  # BET's usual threshold
GROWTH = 1.2, 3.0  # mask over mask at the usual threshold: between, a leak; above, the latter has collapsed
STEP, HIGHEST = 0.15, 0.8  # of the threshold


class BrainExtraction(NamedTuple):
    """Brain mask (X, Y, Z) bool, the fractional threshold that made it, and what to tell the user, or ''."""

    mask: np.ndarray
    threshold: float
    note: str


def volume_ml(mask: np.ndarray, voxel_size_mm: Vector) -> float:
    """Volume of a mask, ml."""
    return float(np.count_nonzero(mask) * np.prod(voxel_size_mm) / 1000)


def _outgrown(size_ml: float, standard_ml: float) -> bool:
    """Whether a mask has leaked, given the volume at the usual threshold."""
    return standard_ml > size_ml / GROWTH[1] and size_ml > min(LARGEST_ML, GROWTH[0] * standard_ml)


def extract_without_leak(
    extract: Callable[[float], np.ndarray], threshold: float, voxel_size_mm: Vector
) -> BrainExtraction:
    """Extract a brain at `threshold`, or at a higher one where the mask leaks into neck, face or scalp.

    The skull bounds a brain so sharply that its volume hardly depends on the threshold. A mask that is larger by a
    fifth than the one at BET's usual threshold has found a way out, and so has one that is larger than any brain.
    Masks too small for a whole brain and a leak, such as those of slabs, are taken as they are.

    Parameters
    ----------
    extract : callable
        Fractional intensity threshold → (X, Y, Z) bool mask.
    threshold : float
        The threshold wanted, 0..1; kept wherever it does not leak.
    voxel_size_mm : (3,)
        Edge lengths of a voxel.

    Returns
    -------
    BrainExtraction
    """
    mask, used = extract(threshold), threshold
    first_ml = volume_ml(mask, voxel_size_mm)
    if threshold < STANDARD and first_ml > SMALLEST_ML:
        standard = extract(STANDARD)
        if _outgrown(first_ml, volume_ml(standard, voxel_size_mm)):
            mask, used = standard, STANDARD
    while volume_ml(mask, voxel_size_mm) > LARGEST_ML and used + STEP < HIGHEST + 1e-6:
        used = round(used + STEP, 6)
        mask = extract(used)
    return BrainExtraction(mask, used, _note(threshold, first_ml, used, volume_ml(mask, voxel_size_mm)))


def _note(wanted: float, first_ml: float, used: float, size_ml: float) -> str:
    """What happened, in a sentence or two."""
    raised = f"The mask leaked at threshold {wanted:g} ({first_ml:.0f} ml); raised to {used:g} ({size_ml:.0f} ml)."
    large = f"The mask has {size_ml:.0f} ml, more than any brain; inspect it before use."
    return " ".join([raised] * (used != wanted) + [large] * (size_ml > LARGEST_ML))
