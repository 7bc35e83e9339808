"""Guard against brain masks that leak out of the skull: notice, look at the decay or raise the threshold, say so."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recon.grid import Vector

LARGEST_ML = 2100.0  # no adult brain with its CSF is larger; that of the MNI152 template has 1890 ml
SMALLEST_ML = 1200.0  # a mask below holds no whole brain and a leak besides
STANDARD = 0.5  # BET's usual threshold
GROWTH = 1.2, 3.0  # mask over mask at the usual threshold: between, a leak; above, the latter has collapsed
STEP, HIGHEST = 0.15, 0.8  # of the threshold
Extractor = Callable[[float], np.ndarray]  # fractional intensity threshold → (X, Y, Z) bool mask


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


def _steady(look: Callable[[], Extractor], threshold: float, voxel_size_mm: Vector) -> np.ndarray | None:
    """The mask at a threshold; None where it is larger than any brain, or another by a fifth at a higher threshold."""
    try:
        extract = look()
        mask, higher = extract(threshold), extract(min(threshold + 2 * STEP, 1.0))
    except ValueError:  # no head in it: the echoes are so near to each other that nothing decays
        return None
    size_ml, higher_ml = volume_ml(mask, voxel_size_mm), volume_ml(higher, voxel_size_mm)
    return mask if size_ml <= min(LARGEST_ML, GROWTH[0] * higher_ml) else None


def extract_without_leak(
    extract: Extractor,
    threshold: float,
    voxel_size_mm: Vector,
    look_at_decay: Callable[[], Extractor] | None = None,
) -> BrainExtraction:
    """Extract a brain at `threshold`, or otherwise where the mask leaks into neck, face or scalp.

    The skull bounds a brain so sharply that its volume hardly depends on the threshold. A mask that is larger by a
    fifth than the one at BET's usual threshold has found a way out, and so has one that is larger than any brain.
    Masks too small for a whole brain and a leak, such as those of slabs, are taken as they are.

    A higher threshold closes a narrow way out. Where fluid or bone is as bright as brain there is no edge at any
    threshold; but fluid hardly decays from the first echo to the last and bone is dark in both, so the decay shows the
    brain. Its mask is taken where it is steady, and smaller by a fifth than that of the usual threshold.

    Parameters
    ----------
    extract : callable
        Fractional intensity threshold → (X, Y, Z) bool mask.
    threshold : float
        The threshold wanted, 0..1; kept wherever it does not leak.
    voxel_size_mm : (3,)
        Edge lengths of a voxel.
    look_at_decay : callable
        → the same from the image of the decay, asked for where the mask leaks; None for a single echo.

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
    size_ml = volume_ml(mask, voxel_size_mm)
    if look_at_decay is not None and (used != threshold or size_ml > LARGEST_ML):
        brain = _steady(look_at_decay, threshold, voxel_size_mm)
        if brain is not None and _outgrown(size_ml, brain_ml := volume_ml(brain, voxel_size_mm)):
            return BrainExtraction(brain, threshold, _found_by_decay(threshold, first_ml, brain_ml))
    while volume_ml(mask, voxel_size_mm) > LARGEST_ML and used + STEP < HIGHEST + 1e-6:
        used = round(used + STEP, 6)
        mask = extract(used)
    return BrainExtraction(mask, used, _note(threshold, first_ml, used, volume_ml(mask, voxel_size_mm)))


def _found_by_decay(threshold: float, first_ml: float, size_ml: float) -> str:
    """What happened where the decay showed the brain."""
    return (
        f"The mask leaked at threshold {threshold:g} ({first_ml:.0f} ml): fluid or bone is about as bright as brain. "
        f"It was made from the decay between first and last echo instead ({size_ml:.0f} ml)."
    )


def _note(wanted: float, first_ml: float, used: float, size_ml: float) -> str:
    """What happened, in a sentence or two."""
    raised = f"The mask leaked at threshold {wanted:g} ({first_ml:.0f} ml); raised to {used:g} ({size_ml:.0f} ml)."
    large = f"The mask has {size_ml:.0f} ml, more than any brain; inspect it before use."
    return " ".join([raised] * (used != wanted) + [large] * (size_ml > LARGEST_ML))
