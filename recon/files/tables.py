"""Tables in and out, as BIDS has them; apart from `recon.files.io` because pandas takes a second to import."""

from pathlib import Path

import pandas as pd

from recon.files.atomic import atomic


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a tab-separated table in which n/a marks a missing value (BIDS)."""
    return pd.read_csv(path, sep="\t", na_values=["n/a"])


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a tab-separated table in which n/a marks a missing value (BIDS)."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a")
