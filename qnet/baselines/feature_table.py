"""Tables of features, one a scan, read without what computes them."""

from pathlib import Path

import pandas as pd

COLUMNS = ["name", "map", "kind", "region", "side", "unit", "value"]


def read_features(paths: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of several scans, one a subject.

    Parameters
    ----------
    paths : list of path
        `…/sub-<label>[…]_features.tsv`.

    Returns
    -------
    values : DataFrame
        A row for each participant, a column for each feature, NaN where missing.
    about : DataFrame
        Map, kind, region, side and unit of each feature, by name.

    Raises
    ------
    ValueError
        Tables list different features, or two are of one subject.
    """
    tables: dict[str, pd.DataFrame] = {}
    for path in paths:
        participant = Path(path).name.split("_")[0]
        table = pd.read_csv(path, sep="\t", na_values=["n/a"]).set_index("name")
        first = next(iter(tables.values()), table)
        if participant in tables or not table.index.equals(first.index):
            found = "two for one subject" if participant in tables else "others"
            raise ValueError(f"{path}: expected one table per subject with the features of {paths[0]}, found {found}")
        tables[participant] = table
    values = pd.DataFrame({name: table["value"] for name, table in tables.items()}).T
    return values, next(iter(tables.values())).drop(columns="value")
