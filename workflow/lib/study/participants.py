"""Checks of participants.tsv before any job: every diagnosed subject has a row, an age, a sex and one of two groups."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from recon.files.tables import read_table
from recon.problems import Problem

Problems = dict[str, list[Problem]]


def participant_problems(path: Path, subjects: Sequence[str], columns: Mapping, folds: int) -> Problems:
    """What keeps subjects out of the diagnosis.

    Parameters
    ----------
    path : participants.tsv
    subjects : those with usable images, `sub-01`
    columns : config section `participants`
    folds : number of folds, at most the smaller group's number of subjects

    Returns
    -------
    problems : by subject, and under "" those of the table as a whole; empty where all is well
    """
    table, wrong = _table(path, columns["group_column"])
    if wrong or table is None:
        return {"": wrong}
    found = [
        *_presence(path, table, subjects),
        *_duplicates(path, table),
        *_contents(path, table, columns),
    ]
    problems: Problems = {}
    for subject, problem in found:
        problems.setdefault(subject, []).append(problem)
    few = _group_sizes(path, table[~table.participant_id.isin(problems)], columns, folds)
    return problems | ({"": few} if few else {})


def tells_groups(path: Path) -> bool:
    """Whether there is a table that says more than who took part, as the one that DICOM conversion begins does not."""
    if not path.is_file():
        return False
    try:
        return list(read_table(path).columns) != ["participant_id"]
    except (OSError, ValueError):
        return True


def _table(path: Path, group: str) -> tuple[pd.DataFrame | None, list[Problem]]:
    """The table, or why there is none."""
    if not path.is_file():
        expected = "a participants table for the diagnosis (target `maps` needs none)"
        return None, [Problem(str(path), expected, "a folder" if path.is_dir() else "none")]
    try:
        table = read_table(path)
    except (OSError, ValueError) as error:  # not UTF-8, ragged, empty, forbidden
        return None, [Problem(str(path), "a tab-separated table in UTF-8", str(error).strip())]
    missing = [column for column in ("participant_id", "age", "sex", group) if column not in table]
    if missing:
        found = f"no {', '.join(missing)} but {', '.join(map(str, table.columns))}"
        hint = ": tabs between the columns?" if len(table.columns) == 1 else ""
        return None, [Problem(str(path), f"columns participant_id, age, sex and {group}", found + hint)]
    return table.astype({"participant_id": str}), []


def _presence(path: Path, table: pd.DataFrame, subjects: Sequence[str]) -> Iterable[tuple[str, Problem]]:
    """Subjects of the table without images, and the reverse."""
    listed, scanned = set(table.participant_id), set(subjects)
    yield from ((s, Problem(str(path), f"usable images of {s}", "none")) for s in sorted(listed - scanned))
    yield from ((s, Problem(str(path), f"a row for {s}", "none")) for s in sorted(scanned - listed))


def _duplicates(path: Path, table: pd.DataFrame) -> Iterable[tuple[str, Problem]]:
    counts = table.participant_id.value_counts(sort=False)
    return ((s, Problem(str(path), f"one row for {s}", f"{n}")) for s, n in counts[counts > 1].items())


def _contents(path: Path, table: pd.DataFrame, columns: Mapping) -> Iterable[tuple[str, Problem]]:
    """Rows without a group, an age or a sex."""
    group, labels = columns["group_column"], _labels(columns)
    for row in table.to_dict("records"):
        subject, age = row["participant_id"], pd.to_numeric(row["age"], errors="coerce")
        if row[group] not in labels:
            yield subject, Problem(str(path), f"{group} {labels[0]} or {labels[1]} for {subject}", _cell(row[group]))
        if not (math.isfinite(age) and age >= 0):
            yield subject, Problem(str(path), f"a number as age of {subject}", _cell(row["age"]))
        if pd.isna(row["sex"]):
            yield subject, Problem(str(path), f"a sex for {subject}", _cell(row["sex"]))


def _labels(columns: Mapping) -> list:
    return [columns["negative_label"], columns["positive_label"]]


def _cell(value: object) -> str:
    return "n/a" if pd.isna(value) else str(value)


def _group_sizes(path: Path, usable: pd.DataFrame, columns: Mapping, folds: int) -> list[Problem]:
    """Problem of groups that are smaller than the number of folds, counted without the subjects that have problems."""
    sizes = usable[columns["group_column"]].value_counts().reindex(_labels(columns), fill_value=0)
    if sizes.min() >= folds:
        return []
    found = ", ".join(f"{size} {label}" for label, size in sizes.items())
    return [Problem(str(path), f"at least {folds} usable subjects in each group (folds)", found)]
