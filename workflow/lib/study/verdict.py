"""What the check means for the run: which scans take part, which are left out and why, whether anything may start."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from recon.intake.scan import Scan
from recon.problems import Problem, printable, to_type
from workflow.lib.study.check_table import Record, status
from workflow.lib.study.enrolment import Enrolment
from workflow.lib.study.intake import Intake
from workflow.lib.words import counts as counts_of


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
    chi_echoes: Callable[[int], Sequence[int]],
    on_error: str,
) -> list[Record]:
    """The rows of the check table, with what the study makes of each scan.

    Parameters
    ----------
    intake : Intake
    table : what the participants table says
    chi_echoes : number of echoes → those that susceptibility is computed from, consecutive
    on_error : `stop` or `skip`
    """
    records, table_problems = {record.name: record for record in intake.records}, told_problems(table)
    subjects = {name.split("_")[0] for name in records}
    records |= {name: Record(name=name) for name in table_problems if name not in subjects}
    if of_all := [*filter(None, [table.notes.get("")]), *_scanners(records, table)]:
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


def _scanners(records: dict[str, Record], table: Enrolment) -> list[str]:
    """A note where sidecars tell of several scanners and the participants table tells no sites."""
    counts: dict[str, Counter[str]] = {}
    for record in records.values():
        if found := record.facts.get("scanner"):
            counts.setdefault(found, Counter())[table.labels.get(record.name.split("_")[0], "no group")] += 1
    if table.has_sites or len(counts) < 2:
        return []
    groups = "; ".join(f"{name}: {counts_of(dict(sorted(of.items())))}" for name, of in sorted(counts.items()))
    advice = "to have sites examined as a confound and spread over the folds, add a column `site` to participants.tsv "
    advice += f"(under another name: {to_type('participants.site_column', 'NAME')})"
    return [f"{len(counts)} scanners according to the sidecars ({groups}): {advice}"]


def _span(echoes: Sequence[int]) -> str:
    return f"{echoes[0]} to {echoes[-1]}" if len(echoes) > 1 else str(echoes[0])


def failed(records: list[Record]) -> bool:
    """Whether the check found what stops a run: then its command must not succeed."""
    return any(record.status == "ERROR" for record in records)
