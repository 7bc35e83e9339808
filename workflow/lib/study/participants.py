"""participants.tsv: read in one way for everybody, and the two groups that its labels stand for.

Every cell is text without the blanks around it. `n/a` and the empty cell are missing, nothing else is: `NA`, `None` and
`null` are labels like any other.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recon.problems import IntakeError, Problem

MISSING = ("n/a", "")
UNKNOWN_AGE = r"[0-9]+\+"  # 89+: BIDS hides ages that would identify


@dataclass(frozen=True)
class Group:
    """One side of the diagnosis: its name, and the labels of the table that belong to it."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Participants:
    """Columns and labels of participants.tsv: section `participants` of the configuration.

    Parameters
    ----------
    group_column, age_column, sex_column : names of columns; that of the subjects is `participant_id` (BIDS)
    site_column, family_column : the same of two that a table need not have: centre or scanner, and who is related
    positive_label, negative_label : label of the patients and of the controls
    positive_labels, negative_labels : labels that count as one group, in place of the single label unless empty
    scan : which scan of a subject is diagnosed, `first` or `last`

    Raises
    ------
    ValueError
        A label stands on both sides, or is one that marks a missing value.
    """

    group_column: str
    age_column: str
    sex_column: str
    site_column: str
    family_column: str
    positive_label: str | float
    negative_label: str | float
    positive_labels: list[str | float]
    negative_labels: list[str | float]
    scan: str

    def __post_init__(self) -> None:
        if both := sorted(set(self.groups[0].labels) & set(self.groups[1].labels)):
            raise ValueError(f"participants: expected different labels for the two groups, found {both[0]} in both")
        if no_labels := sorted(self.sides.keys() & set(MISSING)):
            raise ValueError(f"participants: expected labels other than n/a and empty text, found {no_labels[0]!r}")

    @property
    def columns(self) -> dict[str, str]:
        """Name in this project → column of the file."""
        own = {"age": self.age_column, "sex": self.sex_column, "group": self.group_column}
        return {"participant_id": "participant_id", **own}

    @property
    def optional(self) -> dict[str, str]:
        """The same for the columns that a table need not have."""
        return {"site": self.site_column, "family": self.family_column}

    @property
    def groups(self) -> tuple[Group, Group]:
        """Controls and patients: labels 0 and 1 of the learning."""
        return (
            _group(self.negative_labels or [self.negative_label]),
            _group(self.positive_labels or [self.positive_label]),
        )

    @property
    def sides(self) -> dict[str, int]:
        """Label of the table → 0 for controls, 1 for patients."""
        return {label: side for side, group in enumerate(self.groups) for label in group.labels}

    @property
    def lists(self) -> bool:
        """Whether the labels that count are listed: then subjects of other groups take part in the maps alone."""
        return bool(self.positive_labels or self.negative_labels)


def _group(labels: list[str | float]) -> Group:
    texts = tuple(dict.fromkeys(map(label_text, labels)))
    return Group("/".join(texts), texts)


def label_text(label: str | float) -> str:
    """A label of the configuration as a cell holds it: 1, 1.0 and "1" of YAML are one label."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label).strip()


def read_participants(path: str | Path) -> pd.DataFrame:
    """Every row of the file as text, None where a value is missing.

    A byte order mark, line ends of Windows, blanks around cells, empty lines and empty cells at the end of a line do
    not matter.

    Raises
    ------
    IntakeError
        The file cannot be read, or is no tab-separated table in UTF-8.
    """
    try:
        header, *rows = _lines(path) or [(1, [])]
    except (OSError, ValueError, csv.Error) as error:  # forbidden, not UTF-8, quotes that do not end
        raise IntakeError([Problem(str(path), "a tab-separated table in UTF-8", str(error).strip())]) from None
    columns = header[1]
    if "" in columns or len(set(columns)) < len(columns) or not columns:
        raise IntakeError([Problem(str(path), "different names of columns in the first line", repr(columns))])
    for number, cells in rows:
        if len(cells) > len(columns):
            expected = f"a tab-separated table with {len(columns)} cells in each line"
            raise IntakeError([Problem(str(path), expected, f"{len(cells)} in line {number}")])
    filled = [[None if cell in MISSING else cell for cell in cells] for _, cells in rows]
    padded = [cells + [None] * (len(columns) - len(cells)) for cells in filled]
    return pd.DataFrame(padded, columns=columns, dtype=object)


def _lines(path: str | Path) -> list[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty, without empty cells at the end."""
    lines = []
    with open(path, encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file, delimiter="\t", strict=True)
        for cells in table:
            texts = [cell.strip() for cell in cells]
            while texts and not texts[-1]:
                texts.pop()
            if texts:
                lines.append((table.line_num, texts))
    return lines


def named(table: pd.DataFrame, columns: Participants) -> pd.DataFrame:
    """participant_id, age, sex, group, site and family under these names, those that the file has."""
    names = columns.columns | columns.optional
    return pd.DataFrame({name: table[column] for name, column in names.items() if column in table})


def to_diagnose(path: str | Path, settings: Mapping, subjects: list[str]) -> pd.DataFrame:
    """Who is diagnosed: what folds are made from.

    Parameters
    ----------
    path : participants.tsv
    settings : section `participants`
    subjects : those to keep (`sub-01`)

    Returns
    -------
    DataFrame
        participant_id, label (0 for controls, 1 for patients), group (its name), age and sex (None where they are
        unknown), and site and family where there are such columns, in the order of the file.

    Raises
    ------
    ValueError
        A column is missing, a subject has no row, or a group is unknown.
    """
    columns, raw = Participants(**settings), read_participants(path)
    table = named(raw, columns)
    if absent := [column for name, column in columns.columns.items() if name not in table]:
        raise ValueError(f"{path}: expected a column `{absent[0]}`, found {', '.join(raw.columns)}")
    if without := sorted(set(subjects) - set(table["participant_id"])):
        raise ValueError(f"{path}: expected a row for every subject with images, found none for {', '.join(without)}")
    table = table[table["participant_id"].isin(subjects)].reset_index(drop=True)
    if (unknown := ~table["group"].isin(columns.sides)).any():
        found = sorted({str(group) for group in table["group"][unknown]})
        raise ValueError(f"{path}: expected {' or '.join(columns.sides)} as group, found {', '.join(found)}")
    return labelled(table, columns)


def labelled(table: pd.DataFrame, columns: Participants) -> pd.DataFrame:
    """The table of `named` as `to_diagnose` returns it: with label, name of the group, and no age like 89+."""
    label = table["group"].map(columns.sides)
    names = label.map(dict(enumerate(group.name for group in columns.groups)))
    age = table["age"].where(~table["age"].str.fullmatch(UNKNOWN_AGE, na=False), None)
    return table.assign(label=label.astype(int), group=names, age=age)


def ages_of(participants: str | Path, age_column: str) -> dict[str, float]:
    """Age in years by subject, where a participants table gives one; nothing of a table that cannot be read."""
    try:
        table = read_participants(participants)
    except IntakeError:  # maps need no such table; who needs it says what is wrong
        return {}
    if not {"participant_id", age_column} <= set(table):
        return {}
    ages = pd.Series(
        pd.to_numeric(table[age_column], errors="coerce").to_numpy(float), table["participant_id"]
    ).dropna()
    return {str(subject): float(age) for subject, age in ages[~ages.index.duplicated(keep=False)].items()}


def age_of(participants: str | Path | None, subject: str, age_column: str) -> float | None:
    """Age of a subject in years as far as a participants table says; None where there is none or it is no number."""
    table = read_participants(participants) if participants else pd.DataFrame()
    if age_column not in table or "participant_id" not in table:
        return None
    ages = pd.to_numeric(table.loc[table["participant_id"] == subject, age_column], errors="coerce").dropna().unique()
    if len(ages) > 1:
        found = ", ".join(f"{age:g}" for age in ages)
        raise ValueError(f"{participants}: expected one age of {subject}, found {found}")
    return float(ages[0]) if len(ages) else None
