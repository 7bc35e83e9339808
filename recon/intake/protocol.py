"""What sidecars tell that a reader of the maps must know: slice gaps, echo planar readouts, images made of others."""

from collections.abc import Mapping, Sequence

import numpy as np

from recon.intake.facts import is_number
from recon.intake.kinds import CORRECTED_ALONE, REWORKED_PART, distortion_correction, echo_planar
from recon.intake.scan import POLAR, Series
from recon.problems import Problem

GAP = 0.05  # of the slice thickness, from which slices are said to lie apart
MOST_GAP = 1.0  # of the slice thickness: half of the head was not measured
EDGE = 0.02  # relative, by which rounding changes an edge


def slice_gap(facts: Mapping, voxel_size_mm: Sequence[float]) -> tuple[float, float] | None:
    """Thickness of the slices and distance of their centres [mm] where they do not touch, else None.

    The distance is `SpacingBetweenSlices`; where that is missing, the third edge of the voxels, unless an edge is the
    thickness: slices may have been stored along any axis.
    """
    thickness, spacing = facts.get("SliceThickness"), facts.get("SpacingBetweenSlices")
    if not (is_number(thickness) and thickness > 0):
        return None
    if not is_number(spacing):
        known = any(np.isclose(edge, thickness, rtol=EDGE) for edge in voxel_size_mm)
        spacing = thickness if known else voxel_size_mm[2]
    return (thickness, spacing) if spacing > (1 + GAP) * thickness else None


def gap_problems(where: str, facts: Mapping, voxel_size_mm: Sequence[float]) -> list[Problem]:
    """Problems of slices so far apart that more lies between them than within."""
    gap = slice_gap(facts, voxel_size_mm)
    if gap is None or gap[1] <= (1 + MOST_GAP) * gap[0]:
        return []
    expected = "slices that touch, as the dipole kernel has them"
    return [
        Problem(
            where,
            expected,
            f"slices of {gap[0]:g} mm, {gap[1]:g} mm apart (SliceThickness, spacing): acquire without gaps",
        )
    ]


def protocol_notes(series: Series, voxel_size_mm: Sequence[float]) -> tuple[str, ...]:
    """Notes from the sidecar of the first echo."""
    facts = series.facts[0]
    notes = []
    if gap := slice_gap(facts, voxel_size_mm):
        thickness, spacing = gap
        notes.append(
            f"slices of {thickness:g} mm lie {spacing:g} mm apart: {1 - thickness / spacing:.0%} of the head was not "
            "measured; the dipole kernel takes voxels to touch, and sources in the gaps act on the field of the slices"
        )
    if planar := echo_planar(facts):
        notes.append(
            f"echo planar readout ({planar.evidence}): the images are shifted along the phase encoding by the very "
            "field that is mapped, and so are the maps; they lie on no other image of the subject without a correction"
        )
    if series.parts == POLAR and (said := distortion_correction(facts)):
        notes.append(
            f"distortion-corrected phase ({said}): wrapped phase was interpolated, which spoils voxels at wraps; "
            "export phase without the correction (ND), or real and imaginary parts"
        )
    if alone := facts.get(CORRECTED_ALONE):
        notes.append(
            f"one of magnitude and phase alone was corrected for distortion ({alone}): the further "
            "from the isocentre, the less their voxels are the same place; export both without the correction (ND)"
        )
    if reworked := facts.get(REWORKED_PART):
        notes.append(
            f"images that may be no raw signal ({reworked}): weighted, filtered or interpolated ones give wrong maps; "
            "use those that the scanner stored first"
        )
    return tuple(notes)
