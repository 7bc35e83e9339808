"""Who took part: numbers, age, sex and site per group and per test fold, and who was left out on the way."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from qnet.folds import read_folds
from workflow.lib.words import counts

NO_GROUP, UNKNOWN = "no group", "unknown"


def read_people(folds: str | Path) -> pd.DataFrame:
    """Who was diagnosed: the table of folds, with names of groups as text."""
    return read_folds(folds)


def flow(
    groups: dict[str, str],
    scans: Iterable[str],
    by_images: dict[str, list[str]],
    by_table: dict[str, list[str]],
    by_ratings: dict[str, list[str]] | None = None,
) -> dict:
    """How many subjects came, were left out and were diagnosed: the participants flow of a report (STARD, item 19).

    Parameters
    ----------
    groups : group by subject, for those that have one
    scans : names of the usable scans; a subject stays while it has one of them
    by_images : reasons by name of a scan or a subject that was left out because of its images
    by_table : reasons by subject that was left out of the diagnosis because of the participants table
    by_ratings : reasons by name of a usable scan that somebody has rated fail; a subject stays while it has another

    Returns
    -------
    plain data: `groups` in order, `steps` (each with its `name`, the `counts` by group and its `reasons`)
    """
    usable = {name.split("_")[0] for name in scans}
    refused = {name.split("_")[0] for name in by_images if name}
    named = refused | {name for name in by_table if name}
    lost, unfit = named - usable, usable & by_table.keys()
    good = {name.split("_")[0] for name in scans if name not in (by_ratings or {})}
    bad = usable - unfit - good
    without = {name: by_table[name] for name in sorted(lost - refused)}
    steps = [
        ("Found (images or participants table)", usable | named, {}),
        ("Left out because of the images", lost, by_images | without),
        ("Left out because of the participants table", unfit, {name: by_table[name] for name in sorted(unfit)}),
        *([("Left out because of their ratings", bad, by_ratings)] if by_ratings else []),
        ("Diagnosed", usable - unfit - bad, {}),
    ]
    members = {name: Counter(groups.get(subject, NO_GROUP) for subject in who) for name, who, _ in steps}
    present = sorted(members[steps[0][0]], key=lambda group: (group == NO_GROUP, group))
    return {
        "groups": present,
        "steps": [
            {"name": name, "counts": {group: members[name][group] for group in present}, "reasons": reasons}
            for name, _, reasons in steps
        ],
    }


def describe(people: pd.DataFrame) -> dict[str, object]:
    """Number, age, sex and site of some participants; but for the number only where the table knows them."""
    about: dict[str, object] = {"n": len(people)}
    if "age" in people:
        age = pd.to_numeric(people["age"], errors="coerce")
        about["age"] = _ages(age)
    if "sex" in people:
        about["sex"] = counts(people["sex"].fillna(UNKNOWN).value_counts().sort_index().to_dict())
    if "site" in people:
        about["site"] = counts(people["site"].fillna(UNKNOWN).value_counts().sort_index().to_dict())
    return about


def _ages(age: pd.Series) -> str:
    """Mean, SD and range of the ages [years] that are known, and how many are not."""
    unknown = int(age.isna().sum())
    if unknown == len(age):
        return UNKNOWN
    known = f"{age.mean():.1f} ± {age.std():.1f} ({age.min():.0f} to {age.max():.0f})"
    return f"{known}; {unknown} {UNKNOWN}" if unknown else known


def by_group(people: pd.DataFrame) -> dict[str, dict]:
    """Group → description, then everybody under `all`."""
    return {group: describe(members) for group, members in people.groupby("group")} | {"all": describe(people)}


def by_fold(people: pd.DataFrame) -> dict[int, dict]:
    """Test fold → description, with the number of each group under `groups`."""
    return {
        fold: describe(members) | {"groups": members["group"].value_counts().sort_index().to_dict()}
        for fold, members in people.groupby("fold")
    }
