"""Regions whose mean susceptibility becomes zero, other than the whole brain: fluid, white matter, a nucleus."""

import numpy as np

from recon.grid import Vector
from recon.problems import Problem, ProblemError, to_type
from recon.regions.shapes import LABELS

CSF, WHITE_MATTER = "csf", "white_matter"  # as the setting calls them, beside the names of the nuclei
# of a region; the smallest whose mean was checked, 0.45 ml in 29 voxels, had a standard error of up to 6 ppb
LEAST_ML, LEAST_VOXELS = 0.3, 20


def region_names() -> list[str]:
    """All regions that can be the reference: every nucleus and part of one that a label image may hold."""
    return [CSF, WHITE_MATTER, *dict.fromkeys(name for name, _ in LABELS.values())]


def refusal(name: str, expected: str, found: str) -> ProblemError:
    """The error of a scan that lacks the region: no other takes its place, as maps of a study would differ in zero."""
    instead = f"take another reference for all scans, as {to_type('combine_echoes.reference', 'whole_brain')}"
    return ProblemError([Problem(f"combine_echoes.reference: {name}", expected, f"{found}; {instead}")])


def checked(region: np.ndarray, known: np.ndarray, name: str, voxel_size_mm: Vector) -> np.ndarray:
    """The part of a region in which susceptibility is known; ProblemError where it is too small for a reference.

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
        expected = f"{LEAST_VOXELS} voxels and {LEAST_ML} ml or more where χ is known"
        raise refusal(name, expected, f"{voxels} voxels ({ml:.2f} ml)")
    return inside
