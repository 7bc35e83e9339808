"""Regions whose mean susceptibility becomes zero, other than the whole brain: fluid, white matter, a nucleus."""

import numpy as np

from recon.grid import Vector
from recon.regions.nuclei import nucleus_labels, nucleus_names

CSF, WHITE_MATTER = "csf", "white_matter"  # as the setting calls them, beside the names of the nuclei
# of a region; the smallest whose mean was checked, 0.45 ml in 29 voxels, had a standard error of up to 6 ppb
LEAST_ML, LEAST_VOXELS = 0.3, 20


def region_names() -> list[str]:
    """All regions that can be the reference."""
    return [CSF, WHITE_MATTER, *nucleus_names()]


def nucleus(labels: np.ndarray, name: str) -> np.ndarray:
    """(X, Y, Z) bool, both sides of a nucleus in the (X, Y, Z) labels."""
    return np.isin(labels, [label for label, (of, _) in nucleus_labels().items() if of == name])


def checked(region: np.ndarray, known: np.ndarray, name: str, voxel_size_mm: Vector) -> np.ndarray:
    """The part of a region in which susceptibility is known; ValueError where it is too small for a reference.

    Parameters
    ----------
    region, known : (X, Y, Z) bool arrays
    name : of the region, as the setting calls it
    voxel_size_mm : (3,) edge lengths of a voxel
    """
    inside = region & known
    voxels = np.count_nonzero(inside)
    ml = voxels * float(np.prod(voxel_size_mm)) / 1000
    if voxels < LEAST_VOXELS or ml < LEAST_ML:
        raise ValueError(
            f"combine_echoes.reference: {name}: expected {LEAST_VOXELS} voxels and {LEAST_ML} ml or more where χ is "
            f"known, found {voxels} voxels ({ml:.2f} ml); take another reference for all scans, as "
            "--config combine_echoes='{reference: whole_brain}', or leave this scan out"
        )
    return inside
