"""Take in somebody's own dataset while the Snakefile is parsed: which scans are usable, which are not, and why.

Names, sidecars and headers are read anew each time, in a moment. What only voxels tell (units, chopping, sign,
contents) costs seconds a scan; a small JSON file a scan remembers it until a file, a setting or the code changes.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from recon.intake.decide import PrepareEchoes
from recon.intake.index import index
from recon.intake.scan import Scan
from recon.intake.select import EVERYTHING, Select
from recon.problems import Problem
from workflow.lib.study.check_table import MOST, Record, status
from workflow.lib.study.outcomes import Outcome, cache_key, examine, remembered, unforeseen_problem
from workflow.lib.study.safe_paths import odd_paths
from workflow.lib.study.scans import files_of
from workflow.lib.words import first_of


@dataclass(frozen=True, kw_only=True)
class Intake:
    """A dataset as it can be used.

    Parameters
    ----------
    scans : the good ones by name
    records : a row of the check table for every scan, and for every subject without one
    problems : of the others: by scan, by subject where no scan was found, or under "" of the whole dataset
    """

    scans: dict[str, Scan]
    records: list[Record]
    problems: dict[str, list[Problem]]


def to_stderr(done: int, total: int, name: str) -> None:
    """A line of progress; on a terminal each overwrites the one before."""
    end = "\r" if sys.stderr.isatty() and done < total else "\n"
    print(f"intake: read the images of {done} of {total} scans, last {name:<32}", end=end, file=sys.stderr, flush=True)


def take_in(
    bids_dir: Path,
    derivatives: Sequence[Path] | None,
    prepare: PrepareEchoes,
    cache: Path,
    workers: int,
    trust: bool = False,
    select: Select = EVERYTHING,
    progress: Callable[[int, int, str], None] = to_stderr,
) -> Intake:
    """Look at every scan of a dataset; what is wrong with it is returned, never raised.

    Parameters
    ----------
    bids_dir : folder of the dataset
    derivatives : folders with the user's own masks, labels and T1w images; see `index`
    prepare : config section `prepare_echoes`
    cache : folder for one JSON file a scan
    workers : threads; each holds a few echoes in memory
    trust : take what the cache knows without a look whether it is still true, as a job of a running workflow does
    select : the participants, sessions and images that count
    progress : called with (scans read, scans to read, name of the scan) for scans that the cache does not know
    """
    try:
        scans, problems = index(bids_dir, derivatives, select)
    except Exception as error:
        scans, problems = {}, {"": [unforeseen_problem(str(bids_dir), error)]}
    problems = by_scan(problems, scans)
    readable = {name: scan for name, scan in scans.items() if name not in problems}
    outcomes = _outcomes(readable, prepare, cache, workers, trust, progress)
    problems = merged(
        problems, uneven(scans), mixed_contrast(scans),
        odd_paths({name: files_of(scan) for name, scan in scans.items()}),
        {name: outcome.problems for name, outcome in outcomes.items()},
    )  # fmt: skip
    names, copies = sorted({*scans, *problems}), copied(outcomes)
    return Intake(
        scans={name: scan for name, scan in scans.items() if name not in problems},
        records=[_record(name, outcomes.get(name), problems.get(name, []), copies.get(name, ())) for name in names],
        problems=problems,
    )


def with_problems(intake: Intake, problems: dict[str, list[Problem]]) -> Intake:
    """The same dataset, where further subjects, or under "" the whole dataset, have problems; their scans go."""
    if not problems:
        return intake
    known = {record.name: record for record in intake.records}
    found = by_scan(problems, known)
    records = [_worse(known.get(name, Record(name=name)), found.get(name, [])) for name in {**known, **found}]
    return Intake(
        scans={name: scan for name, scan in intake.scans.items() if name not in found},
        records=records,
        problems=merged(intake.problems, found),
    )


def _worse(record: Record, problems: list[Problem]) -> Record:
    """A row with further problems."""
    record = replace(record, problems=(*record.problems, *problems))
    return replace(record, status=status(record, "stop"))


def by_scan(problems: dict[str, list[Problem]], scans: Collection[str]) -> dict[str, list[Problem]]:
    """The problems of a subject or a visit as problems of each of its scans, where it has any."""
    owners = {name: [scan for scan in scans if f"{scan}_".startswith(f"{name}_")] or [name] for name in problems}
    return merged(*({owner: found for owner in owners[name]} for name, found in problems.items()))


def merged(*sources: Mapping[str, Sequence[Problem]]) -> dict[str, list[Problem]]:
    """All problems by name; names without any are dropped."""
    names = dict.fromkeys(name for source in sources for name, problems in source.items() if problems)
    return {name: [problem for source in sources for problem in source.get(name, ())] for name in names}


def uneven(scans: dict[str, Scan]) -> dict[str, list[Problem]]:
    """A problem for every scan whose number of echoes is not that of most scans: each echo becomes a map of its own."""
    counts = Counter(len(scan.series.te_s) for scan in scans.values())
    if len(counts) < 2:
        return {}
    usual = max(counts, key=lambda echoes: (counts[echoes], echoes))
    expected = f"{usual} echoes as in {counts[usual]} of {len(scans)} scans"
    return {
        name: [Problem(scan.series.files[0], expected, f"{len(scan.series.te_s)} in {name}")]
        for name, scan in scans.items()
        if len(scan.series.te_s) != usual
    }


def mixed_contrast(scans: dict[str, Scan]) -> dict[str, list[Problem]]:
    """A problem for every scan without an own T1w image in a dataset where others have one: contrasts must not mix."""
    lacking = [name for name, scan in scans.items() if scan.t1w is None]
    if len(lacking) in (0, len(scans)):
        return {}
    expected = f"an own T1w image among the derivatives, as {len(scans) - len(lacking)} of {len(scans)} scans have one"
    return {name: [Problem(scans[name].series.files[0], expected, f"none of {name}")] for name in lacking}


def copied(outcomes: Mapping[str, Outcome]) -> dict[str, tuple[str, ...]]:
    """A note on every scan of which an image is, byte by byte, another scan's as well: one scan under two names?"""
    own = {name: [one for one, n in Counter(outcome.sums).items() if n == 1] for name, outcome in outcomes.items()}
    holders: dict[str, list[str]] = {}
    for name, sums in own.items():
        for one in sums:
            holders.setdefault(one, []).append(name)
    notes = {}
    for name, sums in own.items():
        others = dict.fromkeys(other for one in sums for other in holders[one] if other != name)
        if others:
            told = (
                f"images equal to those of {first_of(list(others), MOST)}: the same scan under several names? Folds, "
            )
            notes[name] = (f"{told}tests and repeatability would count it several times",)
    return notes


def _record(name: str, outcome: Outcome | None, problems: list[Problem], notes: Sequence[str]) -> Record:
    """A row of the check table before the study is known."""
    record = Record(name=name, problems=tuple(problems))
    if outcome:
        told = (*notes, *outcome.notes)
        record = replace(record, facts=outcome.facts, reasons=outcome.reasons, notes=told)
    return replace(record, status=status(record, "stop"))


def _outcomes(
    scans: dict[str, Scan],
    prepare: PrepareEchoes,
    cache: Path,
    workers: int,
    trust: bool,
    progress: Callable[[int, int, str], None],
) -> dict[str, Outcome]:
    """Outcome by scan: what the cache knows, the rest by several threads (reading and arithmetic free the lock)."""
    known = {name: remembered(cache, scan, None if trust else cache_key(scan, prepare)) for name, scan in scans.items()}
    waiting = [name for name, outcome in known.items() if outcome is None]
    with ThreadPoolExecutor(workers) as pool:
        examined = pool.map(lambda name: examine(scans[name], prepare, cache), waiting)
        for done, (name, outcome) in enumerate(zip(waiting, examined, strict=True), 1):
            known[name] = outcome
            progress(done, len(waiting), name)
    return known
