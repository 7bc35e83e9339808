"""What only the voxels of a scan tell, and a small JSON file a scan that remembers it.

A file is true as long as its key is: a hash of the scan's files with size and time, the settings and the code.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recon.files.io import Volume, read_json, sidecar_path, write_json
from recon.files.nifti_header import read_header
from recon.intake.decide import PrepareEchoes, decide
from recon.intake.decisions import Decision
from recon.intake.read import first_magnitude
from recon.intake.scan import Scan
from recon.problems import IntakeError, Problem, ProblemError
from workflow.lib.jobs.checksums import sha256
from workflow.lib.record.provenance import code
from workflow.lib.study.check_facts import facts_of_files, facts_of_voxels
from workflow.lib.study.decided import kept
from workflow.lib.study.scans import files_of

# of the mean magnitude outside a brain mask; in eight generated heads (SYNTHETIC DATA) it is 2.4 to 5.4 times as much
# inside, and 1.3 to 2.6 times where they are cropped to the brain's box
LEAST_INSIDE = 0.5
ONE_ECHO = "a single echo: susceptibility, but no R2*, and the phase at TE = 0 stays in the field"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the voxels of a scan told, as text that a JSON file can hold; see `check_table.Record`.

    `decided` is for the job that prepares the echoes: see `decided.py`; `sums` are the SHA-256 of the images.
    """

    facts: dict[str, str]
    reasons: dict[str, str]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    decided: dict[str, Any] = field(default_factory=dict)
    sums: tuple[str, ...] = ()


def unforeseen_problem(where: str, error: Exception) -> Problem:
    """A failure that nobody foresaw, told with its kind so that it can be reported."""
    return Problem(where, "an input that can be examined", f"{type(error).__name__}: {error}")


def examine(scan: Scan, prepare: PrepareEchoes, cache: Path) -> Outcome:
    """Decide from the voxels of a scan, and remember it. An unforeseen failure is reported, but not remembered."""
    before = cache_key(scan, prepare)
    try:
        outcome = _decide(scan, prepare)
    except Exception as error:
        return Outcome(facts={}, reasons={}, notes=(), problems=(unforeseen_problem(scan.series.files[0], error),))
    write_json(cache / f"{scan.name}.json", {"key": before, **asdict(outcome)})
    return outcome


def _decide(scan: Scan, prepare: PrepareEchoes) -> Outcome:
    """The outcome of both series; the one that is reconstructed has the last word."""
    problems: list[Problem] = []
    facts, reasons, own_decisions, sums = facts_of_files(scan), {}, {}, {}
    notes = [*scan.notes, *([ONE_ECHO] if len(scan.series.te_s) == 1 else [])]
    for series in filter(None, (scan.low_flip, scan.series)):
        try:
            decisions = decide(series, prepare)
        except IntakeError as error:
            problems += error.problems
        else:
            facts |= facts_of_voxels(decisions)
            reasons = dict(decisions.reasons)
            sums = {file: sha256(file) for file in (*series.files, *series.sidecars)}
            own_decisions = kept(decisions, sums, asdict(prepare), code("workflow/scripts/prepare_echoes.py"))
            notes += decisions.notes
    own, b1 = _user_maps(scan)
    problems += own
    if b1:
        facts["b1"] += f", {b1}"
        notes += b1.notes
    if scan.mask and not own and not problems:
        problems += inverted(scan)
    if scan.mask and not own:
        facts |= {"mask_depth_mm": f"{_depth_mm(scan):.2f}"}
    return Outcome(
        facts=facts,
        reasons=reasons,
        notes=tuple(dict.fromkeys(notes)),
        problems=tuple(problems),
        decided=own_decisions,
        sums=tuple(sums[file] for file in scan.series.files if file in sums),
    )


def _user_maps(scan: Scan) -> tuple[list[Problem], Decision[int] | None]:
    """What is wrong with the voxels of the user's own mask, labels, lesions and B1 map; the unit of the latter."""
    from recon.regions.user_maps import (  # SciPy, which a dataset that was checked before does not need
        B1Map,
        user_b1,
        user_labels,
        user_mask,
        user_regions,
    )

    problems: list[Problem] = []
    unit: Decision[int] | None = None
    files = [(user_mask, scan.mask), (user_labels, scan.nuclei), (user_b1, scan.b1)]
    files += [(partial(user_regions, names=region.names), region.image) for region in scan.regions]
    for read, path in files:
        try:
            if path:
                found = read(path, _grid(scan.series.files[0]))
                unit = found.unit if isinstance(found, B1Map) else unit
        except ProblemError as error:
            problems += error.problems
    return problems, unit


def inverted(scan: Scan) -> list[Problem]:
    """A problem of a user's mask that selects what is not the head: there is far less signal inside than outside."""
    from recon.regions.user_maps import user_mask

    first = first_magnitude(scan.series)
    mask = user_mask(scan.mask, first)
    if mask.all():  # of a crop that lies in the brain
        return []
    inside, outside = (float(first.data[place].mean(dtype=float)) for place in (mask, ~mask))
    if inside >= LEAST_INSIDE * outside:
        return []
    found = f"a mean magnitude of {inside:.3g} inside and {outside:.3g} outside: inverted?"
    return [Problem(scan.mask, "a brain mask, inside which there is signal", found)]


def _depth_mm(scan: Scan) -> float:
    """How deep below its surface the user's own mask reaches at most [mm]; the field of view counts as surface."""
    from scipy import ndimage

    from recon.regions.user_maps import user_mask

    grid = _grid(scan.series.files[0])
    mask = np.pad(user_mask(scan.mask, grid), 1)
    return float(ndimage.distance_transform_edt(mask, sampling=grid.voxel_size_mm).max())


def _grid(image: str) -> Volume:
    """The grid of an image, from its header alone: its voxels are all zero and take no memory."""
    header = read_header(image)
    return Volume(data=np.broadcast_to(np.float32(0), header.shape[:3]), affine=header.affine)


def remembered(cache: Path, scan: Scan, wanted: str | None) -> Outcome | None:
    """What the cache knows of a scan under the key `wanted`, or under any key; None where nothing can be read."""
    try:
        content = read_json(cache / f"{scan.name}.json")
        if wanted not in (None, content.pop("key")):
            return None
        problems = tuple(Problem(**problem) for problem in content.pop("problems"))
        notes, sums = (tuple(content.pop(key)) for key in ("notes", "sums"))
        return Outcome(notes=notes, sums=sums, problems=problems, **content)
    except (ValueError, KeyError, TypeError):
        return None


def cache_key(scan: Scan, prepare: PrepareEchoes) -> str:
    """A hash of everything that an outcome depends on: files with size and time, settings, code."""
    parts = {
        "files": [(path, *_size_and_time(path)) for path in (*files_of(scan), *_sidecars_of_own(scan))],
        "scan": asdict(scan),
        "prepare": asdict(prepare),
        "code": code("workflow/lib/study/outcomes.py"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _sidecars_of_own(scan: Scan) -> list[str]:
    """The sidecars of the user's own files that are read with them, be they there or not."""
    return [str(sidecar_path(scan.b1))] if scan.b1 else []


def _size_and_time(path: str) -> tuple[int, int]:
    """Size [bytes] and time of the last change [ns]; zeros for a missing file, which reading it will report."""
    try:
        about = Path(path).stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns
