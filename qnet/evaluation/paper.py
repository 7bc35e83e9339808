"""The numbers that the paper prints, beside ours and never mixed with them (Zabihi et al., arXiv:2110.00203)."""

from typing import Any

import numpy as np
import pandas as pd

from qnet.evaluation.names import PAPER_GROUPS
from qnet.home import HOME

PAPER_RESULTS = HOME / "resources" / "paper_results.tsv"
COLUMNS = ["table", "input", "model", "against", "metric", "unit", "paper_value", "paper_spread"]
COLUMNS += ["ours_value", "ours_spread", "ours_low", "ours_high"]
IN_PERCENT = ("accuracy", "sensitivity", "specificity", "f1")
OURS = {"1": "table1", "2": "table2", "3": "table3_runs", "figure 6": "table1", "figure 8": "table3_runs"}


def comparison(tables: dict[str, pd.DataFrame], people: pd.DataFrame | None) -> pd.DataFrame:
    """Every number of the paper's tables 1 to 3, and the AUCs of its figures, with ours in the same unit.

    Only where the comparison means something: the groups are the paper's, HH and HC, and input and model have
    its names. Ours are what the paper's are: single runs (mean and SD over runs where there are several), not
    the mean score of several runs that `table3` takes, and in table 2 images taken as independent.

    Parameters
    ----------
    tables : table1, table2, table3_runs of the evaluation
    people : of `qnet.evaluation.settings.read_people`, with a column `group`
    """
    if people is None or "group" not in people or set(people["group"]) != PAPER_GROUPS:
        return pd.DataFrame(columns=COLUMNS)
    printed = pd.read_csv(PAPER_RESULTS, sep="\t", dtype={"table": str})
    rows = []
    for paper in printed.itertuples():
        ours = _ours(tables, paper)
        if ours is not None:
            unit = "%" if paper.metric in IN_PERCENT else None
            row = {"table": paper.table, "input": paper.input, "model": paper.model, "against": paper.against}
            row |= {"metric": paper.metric, "unit": unit, "paper_value": paper.value, "paper_spread": paper.spread}
            rows.append(row | {f"ours_{name}": value * (100 if unit else 1) for name, value in ours.items()})
    return pd.DataFrame(rows, columns=COLUMNS)


def _ours(tables: dict[str, pd.DataFrame], paper: Any) -> dict[str, float] | None:
    """Our value of one printed number, as fractions; None where there is no such row."""
    table = tables[OURS[paper.table]]
    if table.empty or "input" not in table:
        return None
    if paper.table == "2":
        same = (table["model_1"] == paper.model) & (table["model_2"] == paper.against) & (table["level"] == "image")
        names = {"value": paper.metric if paper.metric.startswith("auc") else f"{paper.metric}_none"}
    else:
        same = table["model"] == paper.model
        names = {"value": paper.metric, "spread": f"{paper.metric}_sd"}
        names |= {"low": f"{paper.metric}_low", "high": f"{paper.metric}_high"}
    rows = table[same & (table["input"] == paper.input)]
    if rows.empty:
        return None
    return {name: float(rows[column].iloc[0]) if column in rows else np.nan for name, column in names.items()}
