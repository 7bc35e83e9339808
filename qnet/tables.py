"""Tables as tab-separated text; those of predictions are written by `qnet.predictions`."""

from pathlib import Path

import pandas as pd

from qnet.atomic import atomic


def write_table(path: str | Path, table: pd.DataFrame, digits: int | None = 10) -> None:
    """Write a table; undefined cells read n/a, numbers have so many significant digits, or all of them."""
    with atomic(path) as part:
        table.to_csv(part, sep="\t", index=False, na_rep="n/a", float_format=digits and f"%.{digits}g")
