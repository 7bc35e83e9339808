"""Whether the receive field lets the whole brain be seen: how dim the dimmest part of it is."""

import numpy as np
from scipy import ndimage

from recon.check.facts import DIMMEST
from recon.check.quality import Quality
from recon.grid import Vector
from recon.maths.boxes import bounding_box

EDGE_MM = 24.0  # of the cube that is averaged: wider than nuclei, vessels and ventricles
PERCENTILE = 1.0
# eight generated heads, 1.5 to 7 T, have 0.68 to 0.93, noisy and without their shading as well, and 0.21 to 0.24 with a
# zero of the receive field (`python -m benchmarks.intake_checks`); a real T1-weighted head with shading: 0.44
LEAST = 0.42


def dimmest(echo: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> float:
    """Signal in the dimmest parts of a brain, over that in its middle range.

    Tissue differs over millimetres and averages out over a cube; what the coils receive differs over centimetres.

    Parameters
    ----------
    echo : (X, Y, Z) float array, magnitude
    mask : (X, Y, Z) bool array, brain
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    ratio : `PERCENTILE` of the averages over cubes of `EDGE_MM`, the mask alone, over their median; 0 where most of
        it has no signal, NaN where nothing has
    """
    if not mask.any():
        return np.nan
    box = bounding_box(mask)
    known = mask[box] & np.isfinite(echo[box])
    size = [max(1, round(EDGE_MM / edge_mm)) for edge_mm in voxel_size_mm]
    signal, share = (
        ndimage.uniform_filter(values.astype(np.float32), size, mode="constant")[known]
        for values in (np.where(known, echo[box], 0), known)
    )
    if not signal.any():
        return np.nan
    level = signal / share
    middle = np.median(level)
    return float(np.percentile(level, PERCENTILE) / middle) if middle > 0 else 0.0


def evenness(echo: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> Quality:
    """Check the shading of the first echo; arguments as above."""
    found = dimmest(echo, mask, voxel_size_mm)
    said = [
        f"Uneven signal: expected {LEAST:g} of the brain's median or more everywhere, in averages over {EDGE_MM:g} mm, "
        f"found {found:.2f}. Where the coils hardly receive, as in a void of their combination, the brain mask loses "
        "its dark part and χ is wrong around it: look at the magnitude and the mask, and combine the coils anew."
    ]
    return Quality({DIMMEST: found}, said if found < LEAST else [], [])
