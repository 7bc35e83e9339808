"""Whether brain and voxels suit background removal and its spheres, before any job finds nothing left."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from recon.maths.spheres import LEAST_REACH, descending_radii_mm, least_radius_mm
from recon.problems import Problem, to_type
from workflow.lib.study.check_table import Record, status
from workflow.lib.study.intake import Intake, merged

ERODES = {
    "sharp": "radius_mm",
    "vsharp": "smallest_radius_mm",
    "resharp": "radius_mm",
}  # methods of `local_field` that need a sphere in the mask
DEPTH, MATRIX, VOXEL = "mask_depth_mm", "matrix", "voxel_size_mm"  # facts of the check table
INSIDE = 3  # voxels along an axis, of which one has neighbours to both sides
SCARCE = 2.0  # radii of depth, at which seven eighths of a ball are eroded


def checked_size(intake: Intake, local_field: Mapping) -> Intake:
    """The dataset, in which scans that background removal or its spheres do not suit, have a problem.

    They are too thin, their voxels are wider than the spheres, or these erode their brain away.

    Small ones have a note.

    Parameters
    ----------
    intake : Intake
    local_field : section of the configuration
    """
    setting, records = ERODES.get(local_field["method"]), [_thick(record) for record in intake.records]
    if setting is not None:
        records = [_reached(record, local_field) for record in records]
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


def _reached(record: Record, local_field: Mapping) -> Record:
    """The same record, or one that says that a sphere does not reach into the next voxel."""
    grid = _grid(record.facts)
    problem = sphere_problem(record.name, grid[1], local_field) if grid and not record.problems else None
    if problem is None:
        return record
    record = replace(record, problems=(problem,))
    return replace(record, status=status(record, "stop"))


def sphere_problem(where: str, edges_mm: Sequence[float], local_field: Mapping) -> Problem | None:
    """Why the spheres of the configured background removal are none, or too small for the voxels; None elsewhere.

    Parameters
    ----------
    where : name of the scan
    edges_mm : (3,) of a voxel
    local_field : section of the configuration
    """
    method, radius_mm = local_field["method"], float(local_field["radius_mm"])
    if method not in ERODES:
        return None
    smallest_mm = float(local_field["smallest_radius_mm"]) if method == "vsharp" else radius_mm
    if radius_mm < smallest_mm:
        expected = f"local_field.radius_mm of at least smallest_radius_mm, {smallest_mm:g} mm"
        return Problem(where, expected, f"{radius_mm:g} mm: {to_type('local_field.smallest_radius_mm', radius_mm)}")
    radii_mm, least_mm = descending_radii_mm(radius_mm, smallest_mm, edges_mm), least_radius_mm(edges_mm)
    if radii_mm[-1] >= least_mm:
        return None
    setting = f"local_field.{ERODES[method] if radius_mm >= least_mm else 'radius_mm'}"
    edge = f"{LEAST_REACH:g} of a voxel's longest edge, {max(edges_mm):g} mm: smaller spheres stay in their slice"
    remedy = f"{to_type(setting, f'{math.ceil(10 * least_mm - 1e-6) / 10:.1f}')}, or {_without_spheres()}"
    return Problem(where, f"spheres of at least {least_mm:.2g} mm radius ({edge})", f"{radii_mm[-1]:g} mm ({remedy})")


def _without_spheres() -> str:
    return f"a method that erodes nothing, {to_type('local_field.method', 'pdf')}"


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
    if grid and smaller_mm < max(grid[1]):
        return _without_spheres()
    return f"{to_type(setting, f'{smaller_mm:.1f}')}, or {_without_spheres()}"


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
