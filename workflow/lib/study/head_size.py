"""Whether a brain is large enough for the spheres of background removal, before any job finds nothing left."""

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
SCARCE = 2.0  # radii of depth, at which seven eighths of a ball are eroded


def checked_size(intake: Intake, local_field: Mapping) -> Intake:
    """The dataset, in which scans that background removal would erode away have a problem, and small ones a note.

    Parameters
    ----------
    intake : Intake
    local_field : section of the configuration
    """
    setting = ERODES.get(local_field["method"])
    if setting is None:
        return intake
    radius_mm = float(local_field[setting])
    records = [_judged(record, f"local_field.{setting}", radius_mm) for record in intake.records]
    found = {new.name: new.problems for new, old in zip(records, intake.records, strict=True) if new is not old}
    problems = {name: list(ones) for name, ones in found.items() if ones and name in intake.scans}
    return Intake(
        scans={name: scan for name, scan in intake.scans.items() if name not in problems},
        records=records,
        problems=merged(intake.problems, problems),
    )


def _judged(record: Record, setting: str, radius_mm: float) -> Record:
    """The same record, or one that says that it is too small or small."""
    depth_mm, where = _deepest_mm(record.facts)
    if record.problems or depth_mm is None or depth_mm >= SCARCE * radius_mm:
        return record
    smaller, projection = to_type(setting, f"{max(depth_mm / 4, 0.1):.1f}"), to_type("local_field.method", "pdf")
    advice = f"{smaller}, or a method that erodes nothing, {projection}"
    if depth_mm > radius_mm:
        found = f"{where} reaches {depth_mm:.1f} mm below its surface"
        note = f"{found}, so that {setting}, {radius_mm:g} mm, erodes most of it: {advice}"
        record = replace(record, notes=(*record.notes, note))
    else:
        expected = f"{where} deeper than {setting}, {radius_mm:g} mm, so that something is left of it"
        problem = Problem(record.name, expected, f"{depth_mm:.1f} mm below its surface ({advice})")
        record = replace(record, problems=(problem,))
    return replace(record, status=status(record, "stop"))


def _deepest_mm(facts: Mapping[str, str]) -> tuple[float | None, str]:
    """How deep below its surface the brain reaches at most, and what tells: the user's mask, else the field of view."""
    if facts.get(DEPTH):
        return float(facts[DEPTH]), "a brain mask"
    try:
        voxels = [int(n) for n in facts[MATRIX].split("x")]
        sizes_mm = [float(size) for size in facts[VOXEL].split(" x ")]
    except (KeyError, ValueError):
        return None, ""
    return min(n * size for n, size in zip(voxels, sizes_mm, strict=True)) / 2, "a field of view"
