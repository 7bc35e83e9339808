"""Who took part: numbers, age and sex per group and per test fold."""

import pandas as pd


def describe(people: pd.DataFrame) -> dict[str, object]:
    """Number, age and sex of some participants; age and sex only where the table knows them."""
    about: dict[str, object] = {"n": len(people)}
    if "age" in people:
        age = pd.to_numeric(people["age"], errors="coerce")
        about["age"] = f"{age.mean():.1f} ± {age.std():.1f} ({age.min():.0f} to {age.max():.0f})"
    if "sex" in people:
        counts = people["sex"].value_counts().sort_index()
        about["sex"] = ", ".join(f"{count} {sex}" for sex, count in counts.items())
    return about


def by_group(people: pd.DataFrame) -> dict[str, dict]:
    """Group → description, then everybody under `all`."""
    return {group: describe(members) for group, members in people.groupby("group")} | {"all": describe(people)}


def by_fold(people: pd.DataFrame) -> dict[int, dict]:
    """Test fold → description, with the number of each group under `groups`."""
    return {
        fold: describe(members) | {"groups": members["group"].value_counts().sort_index().to_dict()}
        for fold, members in people.groupby("fold")
    }
