"""Whether a brain is large enough for background removal and its spheres, before any job finds nothing left."""

from collections.abc import Mapping
from dataclasses import replace

from recon.problems import Problem, to_type
from workflow.lib.study.check_table import Record, status
from workflow.lib.study.intake import Intake, merged

ERODES = {
    "sharp": "radius_mm",
    "vsharp": "smallest_radius_mm",
}  # methods of `local_field` that need a sphere in the mask
DEPTH, MATRIX, VOXEL = "mask_depth_mm", "matrix", "voxel_size_mm"  # facts of the check table
INSIDE = 3  # voxels along an axis, of which one has neighbours to both sides
SCARCE = 2.0  # radii of depth, at which seven eighths of a ball are eroded


def checked_size(intake: Intake, local_field: Mapping) -> Intake:
    """The dataset, in which scans that are too thin for background removal, or eroded away by it, have a problem.

    Small ones have a note.

    Parameters
    ----------
    intake : Intake
    local_field : section of the configuration
    """
    setting, records = ERODES.get(local_field["method"]), [_thick(record) for record in intake.records]
    if setting is not None:
        records = [_judged(record, f"local_field.{setting}", float(local_field[setting])) for record in records]
    found = {new.name: new.problems for new, old in zip(records, intake.records, strict=True) if new is not old}
    problems = {name: list(ones) for name, ones in found.items() if ones and name in intake.scans}
    return Intake(
        scans={name: scan for name, scan in intake.scans.items() if name not in problems},
        records=records,
        problems=merged(intake.problems, problems),
    )


def _thick(record: Record) -> Record:
    """The same record, or one that says that it is too thin."""
    grid = _grid(record.facts)
    if record.problems or grid is None or min(grid[0]) >= INSIDE:
        return record
    expected = f"at least {INSIDE} voxels along every axis, as no method tells the local field in fewer"
    record = replace(record, problems=(Problem(record.name, expected, record.facts[MATRIX]),))
    return replace(record, status=status(record, "stop"))


def _judged(record: Record, setting: str, radius_mm: float) -> Record:
    """The same record, or one that says that it is too small or small."""
    depth_mm, where = _deepest_mm(record.facts)
    if record.problems or depth_mm is None or depth_mm >= SCARCE * radius_mm:
        return record
    advice = _advice(record.facts, setting, depth_mm)
    if depth_mm > radius_mm:
        found = f"{where} reaches {depth_mm:.1f} mm below its surface"
        note = f"{found}, so that {setting}, {radius_mm:g} mm, erodes most of it: {advice}"
        record = replace(record, notes=(*record.notes, note))
    else:
        expected = f"{where} deeper than {setting}, {radius_mm:g} mm, so that something is left of it"
        problem = Problem(record.name, expected, f"{depth_mm:.1f} mm below its surface ({advice})")
        record = replace(record, problems=(problem,))
    return replace(record, status=status(record, "stop"))


def _advice(facts: Mapping[str, str], setting: str, depth_mm: float) -> str:
    """What to type instead: a radius, where its sphere holds more than one voxel, and a method without spheres."""
    smaller_mm, grid = max(depth_mm / 4, 0.1), _grid(facts)
    projection = f"a method that erodes nothing, {to_type('local_field.method', 'pdf')}"
    if grid and smaller_mm < max(grid[1]):
        return projection
    return f"{to_type(setting, f'{smaller_mm:.1f}')}, or {projection}"


def _deepest_mm(facts: Mapping[str, str]) -> tuple[float | None, str]:
    """How deep below its surface the brain reaches at most, and what tells: the user's mask, else the field of view."""
    if facts.get(DEPTH):
        return float(facts[DEPTH]), "a brain mask"
    grid = _grid(facts)
    return (min(n * size for n, size in zip(*grid, strict=True)) / 2, "a field of view") if grid else (None, "")


def _grid(facts: Mapping[str, str]) -> tuple[list[int], list[float]] | None:
    """Numbers of voxels and their edges [mm]; None where they are not known."""
    try:
        return [int(n) for n in facts[MATRIX].split("x")], [float(size) for size in facts[VOXEL].split(" x ")]
    except (KeyError, ValueError):
        return None
