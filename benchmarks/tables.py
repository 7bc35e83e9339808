"""The tables of one run."""

import pandas as pd

NAMES = ["size", "stage", "method", "input"]
COST_COLUMNS = [
    *NAMES,
    "cpu_s",
    "wall_s",
    "peak_mb",
    "cpu_s_per_million_brain_voxels",
    "fft_pairs",
    "cpu_per_fft_pairs",
    "peer",
    "cpu_per_peer",
    "peak_per_peer",
    "note",
]
ACCURACY_COLUMNS = [*NAMES, "metric", "value"]


def cost_table(rows: list[dict], sizes: pd.DataFrame) -> pd.DataFrame:
    """Costs with their ratios to the size, to the transforms that a row cannot avoid, and to its peer.

    A row that needs no transform is compared with one pair.
    """
    table = pd.DataFrame(rows, columns=COST_COLUMNS)
    size = sizes.set_index("size").loc[table["size"]].reset_index(drop=True)
    table["cpu_s_per_million_brain_voxels"] = table["cpu_s"] / size["million_brain_voxels"]
    table["fft_pairs"] = table["fft_pairs"].fillna(0)
    table["cpu_per_fft_pairs"] = table["cpu_s"] / (table["fft_pairs"].clip(lower=1) * size["fft_pair_s"])
    peers = table.set_index(["size", "stage", "method"])[["cpu_s", "peak_mb"]]
    peers = peers[~peers.index.duplicated()]
    beside = peers.reindex(pd.MultiIndex.from_frame(table[["size", "stage", "peer"]])).reset_index(drop=True)
    table["cpu_per_peer"] = table["cpu_s"] / beside["cpu_s"]
    table["peak_per_peer"] = table["peak_mb"] / beside["peak_mb"]
    return table


def accuracy_table(rows: list[dict]) -> pd.DataFrame:
    """One row a metric."""
    return pd.DataFrame(rows, columns=ACCURACY_COLUMNS)


def by_stage(accuracies: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each stage, one row a method and size, one column a metric."""
    tables = {}
    for stage, rows in accuracies.groupby("stage", sort=False):
        wide = rows.pivot(index=["input", "method", "size"], columns="metric", values="value")
        order = rows[["input", "method", "size"]].drop_duplicates()
        tables[stage] = wide.loc[pd.MultiIndex.from_frame(order), rows["metric"].unique()]
    return tables
