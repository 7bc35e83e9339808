"""Checks of participants.tsv before any job: every diagnosed subject has a row and one of two groups."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import yaml

from recon.problems import IntakeError, Problem
from workflow.lib.home import HOME
from workflow.lib.setup.config import validator
from workflow.lib.study.participants import UNKNOWN_AGE, Group, Participants, named, read_participants

SCHEMA = HOME / "workflow" / "schemas" / "participants.schema.yaml"
LEFT_OUT = "leaves the subject out, the diagnosis does not"
Problems = dict[str, list[Problem]]


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What participants.tsv means for the diagnosis.

    Parameters
    ----------
    problems : what keeps subjects out, by subject, and under "" what is wrong with the table as a whole
    maps_only : why a subject takes part in the maps alone where nothing is wrong: its group does not count
    notes : what is said of a subject that takes part
    labels : label by subject, as the file has it
    has_groups : whether there is a table that says more than who took part, as the one that DICOM conversion begins
        does not
    """

    problems: Problems
    maps_only: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    has_groups: bool = True


def enrol(
    path: Path, subjects: Sequence[str], settings: Mapping, folds: int, rated_out: Collection[str] = ()
) -> Enrolment:
    """Look who can be diagnosed.

    Parameters
    ----------
    path : participants.tsv
    subjects : those with usable images, `sub-01`
    settings : config section `participants`
    folds : number of folds, at most the smaller group's number of subjects
    rated_out : subjects that take no part because somebody has rated their scans: their rows are not judged
    """
    if not path.is_file():
        expected = "a participants table for the diagnosis (target `maps` needs none)"
        found = "a folder" if path.is_dir() else "none"
        return Enrolment(problems={"": [Problem(str(path), expected, found)]}, has_groups=False)
    try:
        raw = read_participants(path)
    except IntakeError as error:
        return Enrolment(problems={"": list(error.problems)})
    columns = Participants(**settings)
    table, has_groups = named(raw, columns), list(raw.columns) != ["participant_id"]
    labels = _labels(table)
    missing = list(_missing_columns(path, raw, columns))
    if missing:
        return Enrolment(problems={"": missing}, labels=labels, has_groups=has_groups)
    subjects = [subject for subject in subjects if subject not in rated_out]
    return _of_rows(path, table, subjects, columns, folds, labels, rated_out)


def of_subjects(enrolment: Enrolment, wanted: Callable[[str], bool]) -> Enrolment:
    """The same without what is said of subjects that the run is not about."""
    problems = {name: found for name, found in enrolment.problems.items() if not name or wanted(name)}
    return replace(enrolment, problems=problems)


def _labels(table: pd.DataFrame) -> dict[str, str]:
    if not {"participant_id", "group"} <= set(table):
        return {}
    known = table.dropna(subset=["participant_id", "group"])
    return dict(zip(known["participant_id"], known["group"], strict=True))


def _missing_columns(path: Path, raw: pd.DataFrame, columns: Participants) -> Iterable[Problem]:
    hint = ": tabs between the columns?" if len(raw.columns) == 1 else ""
    for name, column in columns.columns.items():
        if column not in raw:
            setting = "" if name == "participant_id" else f" (participants.{name}_column)"
            setting += ", n/a where it is unknown" if name in ("age", "sex") else ""
            yield Problem(str(path), f"a column `{column}`{setting}", f"{', '.join(raw.columns)}{hint}")


def _of_rows(
    path: Path,
    table: pd.DataFrame,
    subjects: Sequence[str],
    columns: Participants,
    folds: int,
    labels: dict[str, str],
    rated_out: Collection[str],
) -> Enrolment:
    """The same for a table that has all columns."""
    aside = table["group"].notna() & ~table["group"].isin(columns.sides)
    named_two = columns.lists or all(table["group"].isin(group.labels).any() for group in columns.groups)
    counted = table[~aside & ~table["participant_id"].isin(rated_out)]
    found = [
        *_presence(path, table, counted, subjects),
        *_duplicates(path, table),
        *_contents(path, counted, columns),
    ]
    problems: Problems = {}
    for subject, problem in found:
        problems.setdefault(subject, []).append(problem)
    wrong = (
        [_unknown_groups(path, table, columns)]
        if aside.any() and not named_two
        else _few(path, counted[~counted["participant_id"].isin(problems)], columns.groups, folds)
    )
    if wrong:
        problems[""] = problems.get("", []) + wrong
    others = set(table["participant_id"][aside]) - set(problems) if named_two else set()
    sides = "in neither list of labels" if columns.lists else f"neither {' nor '.join(columns.sides)}"
    maps_only = {s: f"group {labels[s]} is {sides}" for s in subjects if s in others}
    return Enrolment(problems=problems, maps_only=maps_only, notes=_unknown(counted, subjects, columns), labels=labels)


def _unknown(counted: pd.DataFrame, subjects: Sequence[str], columns: Participants) -> dict[str, str]:
    """A note for every diagnosed subject whose age is no number, or whose sex is missing, as BIDS allows it."""
    people = counted[counted["participant_id"].isin(subjects)].set_index("participant_id")
    ages = people["age"].fillna("n/a")
    notes: dict[str, list[str]] = {}
    for subject, age in ages[ages.str.fullmatch(f"n/a|{UNKNOWN_AGE}")].items():
        of_age = "what needs age (confounding by age, norms of controls)"
        notes[subject] = [f"no number of years in column `{columns.age_column}` ({age}): {of_age} {LEFT_OUT}"]
    for subject in people.index[people["sex"].isna()]:
        of_sex = "what needs sex (confounding by sex)"
        notes.setdefault(subject, []).append(f"no value in column `{columns.sex_column}` (n/a): {of_sex} {LEFT_OUT}")
    return {subject: "; ".join(of_subject) for subject, of_subject in notes.items()}


def _presence(
    path: Path, table: pd.DataFrame, counted: pd.DataFrame, subjects: Sequence[str]
) -> Iterable[tuple[str, Problem]]:
    """Subjects of the two groups without images, and images of nobody in the table."""
    listed, scanned = set(counted["participant_id"].dropna()), set(subjects)
    absent = scanned - set(table["participant_id"])
    yield from ((s, Problem(str(path), f"usable images of {s}", "none")) for s in sorted(listed - scanned))
    yield from ((s, Problem(str(path), f"a row for {s}", "none")) for s in sorted(absent))


def _duplicates(path: Path, table: pd.DataFrame) -> Iterable[tuple[str, Problem]]:
    counts = table["participant_id"].value_counts(sort=False)
    return ((s, Problem(str(path), f"one row for {s}", f"{n}")) for s, n in counts[counts > 1].items())


def _contents(path: Path, counted: pd.DataFrame, columns: Participants) -> Iterable[tuple[str, Problem]]:
    """Cells that the schema does not allow, by subject; a row without a name belongs to the table as a whole."""
    rules = validator(SCHEMA).schema["properties"]
    for row in counted.to_dict("records"):
        subject = row["participant_id"] or ""
        for error in sorted(validator(SCHEMA).iter_errors(row), key=lambda error: list(rules).index(error.path[0])):
            name = error.path[0]
            expected = f"{rules[name]['description']} in column `{columns.columns[name]}`"
            where = f"{path}, {subject}" if subject else str(path)
            shown = _label(row[name]) if name == "participant_id" else row[name]
            yield subject, Problem(where, expected, shown or "no value")


def _label(text: str | None) -> str | None:
    """A participant_id that is none, as a message shows it: what to write where only the prefix lacks."""
    return f"{text}: write sub-{text}" if text and re.fullmatch("[0-9A-Za-z]+", text) else text


def _unknown_groups(path: Path, table: pd.DataFrame, columns: Participants) -> Problem:
    """More or other groups than the two that are diagnosed: which there are, and what to write."""
    sizes = table["group"].value_counts().sort_index()
    found = ", ".join(f"{label} ({size})" for label, size in sizes.items())
    expected = f"the two groups {' and '.join(columns.sides)} in column `{columns.group_column}`"
    return Problem(str(path), expected, f"{found}{_advice(list(sizes.index), columns)}")


def _advice(labels: list[str], columns: Participants) -> str:
    """`: name the two, for example --config …`, with labels of the table, on their sides where these are known."""
    controls, patients = (next((label for label in group.labels if label in labels), None) for group in columns.groups)
    rest = [label for label in labels if label not in (controls, patients)]
    sides = [side or rest.pop(0) for side in (controls, patients) if side or rest]
    if len(sides) < 2:
        return ""
    few = len(labels) == 2
    keys = ("negative_label", "positive_label") if few else ("negative_labels", "positive_labels")
    wanted = "name the two" if few else "name two groups, or list which labels count; other labels get maps only"
    return f": {wanted}{_line(dict(zip(keys, sides, strict=True)), few)}"


def _line(sides: dict[str, str], few: bool) -> str:
    """What to type; nothing where a label holds what a shell would read otherwise."""
    if not all(re.fullmatch(r"[\w.+ -]+", label) for label in sides.values()):
        return ""
    values = {key: int(label) if re.fullmatch(r"0|[1-9]\d*", label) else label for key, label in sides.items()}
    section = values if few else {key: [value] for key, value in values.items()}
    text = yaml.safe_dump(section, default_flow_style=True, allow_unicode=True, width=1000).strip()
    return f', for example --config "participants={text}"'


def _few(path: Path, usable: pd.DataFrame, groups: tuple[Group, Group], folds: int) -> list[Problem]:
    """Problem of groups that are smaller than the number of folds, counted without the subjects that have problems."""
    sizes = {group.name: int(usable["group"].isin(group.labels).sum()) for group in groups}
    if min(sizes.values()) >= folds:
        return []
    found = ", ".join(f"{name} ({size})" for name, size in sizes.items())
    return [Problem(str(path), f"at least {folds} usable subjects in each group (folds)", found)]
