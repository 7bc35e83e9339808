"""Folds for cross-validation: whole subjects, stratified by group, age and sex."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

MISSING = ("", "n/a")  # spellings of an unknown sex
COLUMNS = ["participant_id", "label", "group", "age", "sex", "fold"]


@dataclass(frozen=True, kw_only=True)
class Folds:
    """How subjects are assigned to folds."""

    folds: int
    seed: int


def make_folds(table: pd.DataFrame, params: Folds) -> pd.DataFrame:
    """Deal subjects into folds.

    Within a group, subjects are sorted by age tercile and sex (the unknown is a stratum of its own), shuffled inside
    each of these strata, and dealt to the folds in turn; the second group continues where the first one stopped.
    So the sizes of folds differ by at most one, and so do the shares of each group and of each stratum.

    Parameters
    ----------
    table : DataFrame
        participant_id, label (1 for the positive group, 0 for the other), group (its name), age [years, text or
        number] and sex, both missing where unknown; one row per subject.
    params : Folds

    Returns
    -------
    DataFrame
        participant_id, label, group, age, sex, fold (0…), sorted by participant.

    Raises
    ------
    ValueError
        A column or value is missing, a participant occurs twice, a group is empty, or a fold would
        lack a group.
    """
    _check(table)
    age = pd.to_numeric(table["age"], errors="coerce")
    if (strange := age.isna() & table["age"].notna()).any():
        found = table.loc[strange, "age"].tolist()
        raise ValueError(f"participants: expected numbers of years in column 'age', found {found}")
    sizes = table["label"].value_counts()
    if set(sizes.index) != {0, 1}:
        found = sorted(set(table["group"]))
        raise ValueError(f"participants: expected subjects of two groups, labels 0 and 1, found {found}")
    smaller = int(sizes.min())
    if not 2 <= params.folds <= smaller:
        raise ValueError(f"folds: expected 2 to {smaller}, the subjects of the smaller group, found {params.folds}")

    folds = table.assign(age=age, label=table["label"].astype(int))
    folds["fold"] = _deal(folds, params.folds, np.random.default_rng(params.seed))
    return folds.sort_values("participant_id", ignore_index=True)[COLUMNS]


def _check(table: pd.DataFrame) -> None:
    """ValueError unless every subject occurs once and has all that folds need; age and sex may be unknown."""
    for column in COLUMNS[:-1]:
        if column not in table:
            raise ValueError(f"participants: expected a column {column!r}, found {list(table.columns)}")
        if column not in ("age", "sex") and table[column].isna().any():
            without = table.loc[table[column].isna(), "participant_id"].tolist()
            raise ValueError(f"participants: expected a value of {column!r} for each subject, found none for {without}")
    if table["participant_id"].duplicated().any():
        twice = table.loc[table["participant_id"].duplicated(), "participant_id"].tolist()
        raise ValueError(f"participants: expected one row per subject, found more for {twice}")


def _deal(table: pd.DataFrame, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each row: subjects in the order of label, age tercile and sex are dealt in turn."""
    tercile = terciles(table["age"].to_numpy(float))
    chance = rng.permutation(len(table))
    # np.lexsort sorts by its last key first
    order = np.lexsort([chance, table["sex"].fillna("").astype(str), tercile, table["label"]])
    fold = np.empty(len(table), dtype=int)
    fold[order] = np.arange(len(table)) % folds
    return fold


def terciles(age: np.ndarray) -> np.ndarray:
    """Third (0, 1, 2) of the known ages (n,) that each lies in; 3 where it is unknown (NaN)."""
    known = age[~np.isnan(age)]
    limits = np.quantile(known, [1 / 3, 2 / 3]) if len(known) else [np.inf, np.inf]
    return np.where(np.isnan(age), 3, np.searchsorted(limits, age))


def read_folds(path: str | Path) -> pd.DataFrame:
    """The table that `make_folds` made; an unknown age is NaN, an unknown sex None."""
    text = {"participant_id": str, "group": str, "sex": str}
    table = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False)
    if "age" in table:
        table["age"] = pd.to_numeric(table["age"], errors="coerce")
    if "sex" in table:
        table["sex"] = table["sex"].mask(table["sex"].isin(MISSING), None)
    return table


def ages(folds: pd.DataFrame) -> dict[str, float]:
    """Participant → age [years], NaN where it is unknown."""
    return dict(zip(folds["participant_id"], folds["age"].astype(float), strict=True))


def training_labels(folds: pd.DataFrame, fold: int, shuffled_by: int | None = None) -> dict[str, int]:
    """Participant → label of every subject outside `fold`.

    Parameters
    ----------
    folds : DataFrame
    fold : int
    shuffled_by : int, optional
        Seed of a permutation of these labels, for a training that can learn nothing but chance. It follows from
        seed and fold alone, so both stages see the same. Held-out labels are never permuted.
    """
    rows = folds[folds["fold"] != fold]
    labels = rows["label"].to_numpy()
    if shuffled_by is not None:
        labels = np.random.default_rng([shuffled_by, fold]).permutation(labels)
    return dict(zip(rows["participant_id"], map(int, labels), strict=True))


def inner_folds(folds: pd.DataFrame, fold: int, count: int) -> dict[str, int]:
    """Deal the training subjects of `fold` into inner folds, as `make_folds` deals all subjects.

    Parameters
    ----------
    folds : DataFrame
    fold : int
    count : int

    Returns
    -------
    dict
        Participant → inner fold (0…) of every subject outside `fold`.

    Raises
    ------
    ValueError
        An inner fold would lack a group.
    """
    rows = folds[folds["fold"] != fold]
    smaller = int(rows["label"].value_counts().min())
    if not 2 <= count <= smaller:
        where = f"the subjects of the smaller group outside fold {fold}"
        raise ValueError(f"inner_folds: expected 2 to {smaller}, {where}, found {count}")
    inner = _deal(rows, count, np.random.default_rng(fold))
    return dict(zip(rows["participant_id"], map(int, inner), strict=True))


def held_out_labels(folds: pd.DataFrame, fold: int) -> dict[str, int]:
    """Participant → label of every subject of `fold`."""
    rows = folds[folds["fold"] == fold]
    return dict(zip(rows["participant_id"], map(int, rows["label"]), strict=True))
