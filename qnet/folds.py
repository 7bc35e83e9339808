"""Folds for cross-validation: whole subjects, stratified by group, site, age and sex; or whole sites, or families."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

MISSING = ("", "n/a")  # spellings of an unknown sex, site or family
UNKNOWN_AS_NONE = {"sex", "site", "family"}
COLUMNS = ["participant_id", "label", "group", "age", "sex", "fold"]
OPTIONAL = ["site", "family"]  # columns that follow where the participants table has them and the folds heed them
STRATIFIED, LEAVE_ONE_SITE_OUT, GROUPED = "stratified", "leave_one_site_out", "grouped"
SCHEMES = {  # name → how subjects are dealt, as a methods section says it
    STRATIFIED: "folds of whole subjects, stratified by group, site where it is known, age tercile and sex",
    LEAVE_ONE_SITE_OUT: "folds, each of which holds all subjects of one site",
    GROUPED: "folds of whole families (relatives share a fold), evened by group, site where it is known, age tercile "
    "and sex",
}


@dataclass(frozen=True, kw_only=True)
class Folds:
    """How subjects are assigned to folds."""

    scheme: str  # a key of SCHEMES
    folds: int
    seed: int


def make_folds(table: pd.DataFrame, params: Folds) -> pd.DataFrame:
    """Deal subjects into folds.

    `stratified`: within a group, subjects are sorted by site, age tercile and sex (the unknown is a stratum of its
    own), shuffled inside each of these strata, and dealt to the folds in turn; the second group continues where the
    first one stopped. So the sizes of folds differ by at most one, and so do the shares of each group and stratum.
    `leave_one_site_out`: each site is a fold, in the order of their names. `grouped`: the members of a family share a
    fold, see `_deal_families`.

    Parameters
    ----------
    table : DataFrame
        participant_id, label (1 for the positive group, 0 for the other), group (its name), age [years, text or
        number] and sex, both missing where unknown; one row per subject. Optional: site, and family, which only
        `grouped` heeds; a subject without a family is one of its own.
    params : Folds

    Returns
    -------
    DataFrame
        participant_id, label, group, age, sex, fold (0…), sorted by participant; then site where the table has it, and
        family with `grouped`.

    Raises
    ------
    ValueError
        A column or value is missing, a participant occurs twice, a group is empty, a fold would lack a group (of
        `leave_one_site_out`: all sites but one would), or the folds are not as many as the sites.
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
    folds = table.assign(age=age, label=table["label"].astype(int))
    if params.scheme != GROUPED:
        folds = folds.drop(columns="family", errors="ignore")
    if params.scheme == LEAVE_ONE_SITE_OUT:
        folds["fold"] = _by_site(folds, params.folds)
    else:
        smaller = int(sizes.min())
        if not 2 <= params.folds <= smaller:
            raise ValueError(f"folds: expected 2 to {smaller}, the subjects of the smaller group, found {params.folds}")
        folds["fold"] = _deal(folds, params.folds, np.random.default_rng(params.seed))
    if params.scheme == GROUPED:
        _check_groups(folds, params.folds)
    return folds.sort_values("participant_id", ignore_index=True)[COLUMNS + [c for c in OPTIONAL if c in folds]]


def _by_site(table: pd.DataFrame, folds: int) -> np.ndarray:
    """Number of the site of each row, sites in the order of their names."""
    unknown = table["site"].isna() if "site" in table else np.ones(len(table), bool)
    if unknown.any():
        who = table.loc[unknown, "participant_id"].tolist()
        raise ValueError(f"participants: expected a site of each subject ({LEAVE_ONE_SITE_OUT}), found none for {who}")
    if message := one_site_out_fails(table["site"], table["label"], folds):
        raise ValueError(f"folds: {message}")
    return np.unique(table["site"].to_numpy(str), return_inverse=True)[1]


def one_site_out_fails(site: pd.Series, label: pd.Series, folds: int) -> str:
    """Why folds cannot be the sites: `expected …, found …`; empty where they can.

    Parameters
    ----------
    site, label : of each subject, all known
    folds : the setting
    """
    sites = sorted(site.unique())
    pooled = f'--config "folds={{scheme: {STRATIFIED}}}" pools them'
    if len(sites) < 2:
        return f"expected at least 2 sites to leave one out, found {', '.join(sites)}: {pooled}"
    for left_out in sites:
        if label[site != left_out].nunique() < 2:
            found = f"found one group outside {left_out}: {pooled}"
            return f"expected both groups outside each site to learn from, {found}"
    if folds != len(sites):
        line = f'--config "folds={{scheme: {LEAVE_ONE_SITE_OUT}, folds: {len(sites)}}}"'
        return f"expected as many folds as sites, {len(sites)} ({', '.join(sites)}), found {folds}: {line}"
    return ""


def _check_groups(folds: pd.DataFrame, count: int) -> None:
    """ValueError where families leave a fold without one of the groups."""
    held = folds.groupby("label")["fold"].nunique()
    if held.min() < count:
        name = folds.loc[folds["label"] == held.idxmin(), "group"].iloc[0]
        expected = f"families ({GROUPED}) that give every fold both groups"
        line = f': fewer may do, --config "folds={{folds: {count - 1}}}"' if count > 2 else ""
        raise ValueError(f"folds: expected {expected}, found {name} in {held.min()} of {count} folds{line}")


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
    """Fold of each row, by strata of label, site, age tercile and sex; whole families where there is that column."""
    tercile, chance = terciles(table["age"].to_numpy(float)), rng.permutation(len(table))
    text = {name: table[name].fillna("").to_numpy(str) for name in ("sex", "site") if name in table}
    label, place = table["label"].to_numpy(int), text.get("site", np.zeros(len(table)))
    if "family" not in table:
        return in_turn([label, place, tercile, text["sex"]], folds, chance)
    everybody = np.zeros(len(table))
    partitions = [[everybody], [label], [label, place], [label, tercile, text["sex"]]]
    return _deal_families(families_of(table), partitions, folds, chance)


def families_of(table: pd.DataFrame) -> np.ndarray:
    """Number (n,) from 0 of the family of each row; who has none is one of its own."""
    names = table["family"].to_numpy(object)
    alone = [name if isinstance(name, str) else (row,) for row, name in enumerate(names)]
    return pd.factorize(pd.Series(alone, dtype=object))[0]


def in_turn(strata: Sequence[np.ndarray], folds: int, chance: np.ndarray) -> np.ndarray:
    """Fold (n,) of each subject: sorted by the strata, the first before all, then by chance, and dealt in turn.

    Parameters
    ----------
    strata : keys (n,)
    folds : their number
    chance : (n,) permutation
    """
    order = np.lexsort([chance, *reversed(strata)])  # np.lexsort sorts by its last key first
    fold = np.empty(len(chance), dtype=int)
    fold[order] = np.arange(len(chance)) % folds
    return fold


def _deal_families(
    families: np.ndarray, partitions: Sequence[Sequence[np.ndarray]], folds: int, chance: np.ndarray
) -> np.ndarray:
    """Fold (n,) of each subject, the same within a family: the largest families first, equal ones by chance.

    Each goes to the fold that then keeps the strata most even: least sum over strata s of
    (subjects of s in the fold) (subjects of s in the family) / (subjects of s), which is half the growth of the sum of
    squares that even folds make least, up to a term that is the same for every fold.

    Parameters
    ----------
    families : (n,) numbers from 0
    partitions : ways to divide the subjects into strata, each by its keys (n,)
    """
    codes = [pd.MultiIndex.from_arrays(keys).factorize()[0] for keys in partitions]
    member = np.concatenate([np.eye(code.max() + 1)[code] for code in codes], axis=1)  # (n, strata)
    held = np.zeros((families.max() + 1, member.shape[1]))  # subjects of each stratum in each family
    np.add.at(held, families, member)
    luck = np.full(len(held), len(chance))
    np.minimum.at(luck, families, chance)
    dealt, fold = np.zeros((folds, member.shape[1])), np.empty(len(held), dtype=int)
    for family in np.lexsort([luck, -np.bincount(families)]):
        fold[family] = np.argmin((dealt * held[family] / member.sum(axis=0)).sum(axis=1))
        dealt[fold[family]] += held[family]
    return fold[families]


def terciles(age: np.ndarray) -> np.ndarray:
    """Third (0, 1, 2) of the known ages (n,) that each lies in; 3 where it is unknown (NaN)."""
    known = age[~np.isnan(age)]
    limits = np.quantile(known, [1 / 3, 2 / 3]) if len(known) else [np.inf, np.inf]
    return np.where(np.isnan(age), 3, np.searchsorted(limits, age))


def read_folds(path: str | Path) -> pd.DataFrame:
    """The table that `make_folds` made; an unknown age is NaN, an unknown sex, site or family None."""
    text = {"participant_id": str, "group": str} | dict.fromkeys(UNKNOWN_AS_NONE, str)
    table = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False)
    if "age" in table:
        table["age"] = pd.to_numeric(table["age"], errors="coerce")
    for column in UNKNOWN_AS_NONE & set(table):
        table[column] = table[column].mask(table[column].isin(MISSING), None)
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
        An inner fold would lack a group, or families leave one group outside an inner fold.
    """
    rows = folds[folds["fold"] != fold]
    smaller = int(rows["label"].value_counts().min())
    if not 2 <= count <= smaller:
        where = f"the subjects of the smaller group outside fold {fold}"
        raise ValueError(f"inner_folds: expected 2 to {smaller}, {where}, found {count}")
    inner = _deal(rows, count, np.random.default_rng(fold))
    if (held := pd.Series(inner, rows.index).groupby(rows["label"]).nunique()).min() < 2:
        name = rows.loc[rows["label"] == held.idxmin(), "group"].iloc[0]
        where = f"inner folds outside fold {fold}, to learn from both groups outside each"
        raise ValueError(f"inner_folds: expected members of {name} in at least 2 {where}, found all in one")
    return dict(zip(rows["participant_id"], map(int, inner), strict=True))


def held_out_labels(folds: pd.DataFrame, fold: int) -> dict[str, int]:
    """Participant → label of every subject of `fold`."""
    rows = folds[folds["fold"] == fold]
    return dict(zip(rows["participant_id"], map(int, rows["label"]), strict=True))


def demographics(folds: pd.DataFrame) -> pd.DataFrame:
    """Age [years] and a column for every sex but the first, by participant; NaN where missing."""
    people = folds.set_index("participant_id")
    sex = people["sex"].mask(people["sex"].isin(MISSING))
    columns = pd.get_dummies(sex, prefix="sex", drop_first=True, dtype=float)
    columns[sex.isna()] = np.nan
    return pd.concat([pd.to_numeric(people["age"], errors="coerce").rename("age"), columns], axis=1)
