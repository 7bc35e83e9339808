"""What the check means for the run: which scans take part, which are left out and why, whether anything may start."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from recon.intake.scan import Scan
from recon.problems import Problem, printable, to_type
from workflow.lib.study.check_facts import UNKNOWN_MODEL
from workflow.lib.study.check_table import Record, status
from workflow.lib.study.enrolment import Enrolment
from workflow.lib.study.intake import Intake
from workflow.lib.words import counts as counts_of

MOST_KINDS = 4  # of scanners and protocols that a note describes
PROTOCOL = {  # what tells protocols of a scanner apart: how a note says it
    "te_ms": "TE {} ms",
    "tr_s": "TR {} s",
    "flip_angles_deg": "flip {}°",
    "voxel_size_mm": "voxels {} mm",
}


def in_words(problems: dict[str, list[Problem]]) -> dict[str, list[str]]:
    """Reasons by name, as a page or a terminal can show them."""
    return {name: [printable(str(problem)) for problem in found] for name, found in problems.items()}


def exclude(intake: Intake) -> tuple[dict[str, Scan], dict[str, list[str]]]:
    """The good scans, and for everything else the reasons in words."""
    return intake.scans, in_words(intake.problems)


def must_stop(intake: Intake, on_error: str) -> bool:
    """Whether no job may run: any problem with `stop`; with `skip` one of the whole dataset, or nothing left to do."""
    return bool(intake.problems) if on_error == "stop" else "" in intake.problems or not intake.scans


def not_diagnosed(table: Enrolment) -> dict[str, list[str]]:
    """Reasons in words by subject whom the participants table leaves out of the diagnosis."""
    return in_words(told_problems(table)) | {subject: [note] for subject, note in table.maps_only.items()}


def told_problems(table: Enrolment) -> dict[str, list[Problem]]:
    """What the check says of the participants table; nothing where there is none yet, as the maps need none."""
    return table.problems if table.has_groups else {}


def in_study(
    intake: Intake,
    table: Enrolment,
    sites: Mapping[str, str],
    chi_echoes: Callable[[int], Sequence[int]],
    on_error: str,
) -> list[Record]:
    """The rows of the check table, with what the study makes of each scan.

    Parameters
    ----------
    intake : Intake
    table : what the participants table says
    sites : of each scan that takes part, "" where it is unknown
    chi_echoes : number of echoes → those that susceptibility is computed from, consecutive
    on_error : `stop` or `skip`
    """
    records, table_problems = {record.name: record for record in intake.records}, told_problems(table)
    subjects = {name.split("_")[0] for name in records}
    records |= {name: Record(name=name) for name in table_problems if name not in subjects}
    if of_all := [*filter(None, [table.notes.get("")]), *_scanners(records, table, sites)]:
        whole = records.get("", Record(name=""))
        records[""] = replace(whole, notes=(*whole.notes, *of_all))

    def completed(record: Record) -> Record:
        subject = record.name.split("_")[0]
        echoes = (
            {"chi_echoes": _span(chi_echoes(int(record.facts["echoes"])))}
            if record.facts and not record.problems
            else {}
        )
        known = replace(
            record,
            group=table.labels.get(subject, ""),
            maps_only=table.maps_only.get(subject, ""),
            notes=(*record.notes, *filter(None, [subject and table.notes.get(subject)])),
            facts=record.facts | echoes,
            table_problems=tuple(table_problems.get(subject, ())),
        )
        return replace(known, status=status(known, on_error))

    return [completed(records[name]) for name in sorted(records)]


def _scanners(records: Mapping[str, Record], table: Enrolment, sites: Mapping[str, str]) -> list[str]:
    """A note where sidecars tell of several scanners or protocols that nothing in the participants table tells apart.

    Without sites that is the whole dataset, else each site.
    """
    scanned = {name: record for name, record in records.items() if record.facts}
    column = f"(under another name: {to_type('participants.site_column', 'NAME')})"
    if not table.has_sites:
        advice = "to have sites examined as a confound and spread over the folds, add a column `site` to "
        return [f"{found}: {advice}participants.tsv {column}" for found in _kinds(scanned, table.labels)]
    advice = "they count as one; to have them examined apart, give them names of their own in that column"
    return [
        f"{f'site {site}' if site else 'scans of unknown site'}: {found}: {advice}"
        for site in sorted({*sites.values()})
        for found in _kinds({name: one for name, one in scanned.items() if sites.get(name) == site}, table.labels)
    ]


def _kinds(records: Mapping[str, Record], labels: Mapping[str, str]) -> list[str]:
    """`2 scanners according to the sidecars (…: 3 HC, 1 HH; …)`, the commonest first; nothing where there is one."""
    scanners: dict[str, list[Record]] = {}
    for record in records.values():
        scanners.setdefault(record.facts.get("scanner") or "not told", []).append(record)
    counts: dict[str, Counter[str]] = {}
    for scanner, members in scanners.items():
        differ = [fact for fact in PROTOCOL if len({one.facts.get(fact, "") for one in members}) > 1]
        for one in members:
            protocol = [PROTOCOL[fact].format(one.facts.get(fact) or "unknown") for fact in differ]
            group = labels.get(one.name.split("_")[0], "no group")
            counts.setdefault(", ".join([scanner, *protocol]), Counter())[group] += 1
    if len(counts) < 2:
        return []
    kinds = sorted(counts, key=lambda kind: (-counts[kind].total(), kind))
    told = [f"{kind}: {counts_of(dict(sorted(counts[kind].items())))}" for kind in kinds[:MOST_KINDS]]
    told += [f"{len(kinds) - MOST_KINDS} more"] if len(kinds) > MOST_KINDS else []
    what = "protocols" if len(scanners) == 1 else "scanners" if len(kinds) == len(scanners) else "scanners or protocols"
    unknown = any(UNKNOWN_MODEL in scanner or scanner == "not told" for scanner in scanners)
    more = "; scanners of unknown model may be several" if unknown else ""
    return [f"{len(kinds)} {what} according to the sidecars ({'; '.join(told)}{more})"]


def _span(echoes: Sequence[int]) -> str:
    return f"{echoes[0]} to {echoes[-1]}" if len(echoes) > 1 else str(echoes[0])


def failed(records: list[Record]) -> bool:
    """Whether the check found what stops a run: then its command must not succeed."""
    return any(record.status == "ERROR" for record in records)
