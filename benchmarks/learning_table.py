"""Runs of `benchmarks.learning` side by side: `python -m benchmarks.learning_table RUNS [--out FOLDER]`.

Writes learning.tsv (one row per cohort, run and model of its table 3) and learning.png (the rows named below, one dot
per cohort, against the oracle of the same cohort).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from qnet.labels import SYNTHETIC

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ["preset", "cohort", "run", "input", "model", "auc", "auc_low", "auc_high", "accuracy", "brier", "subjects"]
ORACLE = "oracle on this cohort"
LIMIT = "Bayes limit (theory)"


def read_runs(folder: Path) -> pd.DataFrame:
    """Table 3 and Brier score of RUNS/<run>/<preset>-<seed>, one below the other."""
    tables = []
    # what the runs share is taken from the one with most folds
    for path in sorted(sorted(folder.glob("*/*/table3.tsv")), key=folds_of, reverse=True):
        table = pd.read_csv(path, sep="\t", na_values=["n/a"])
        table["input"] = table["input"].fillna("")
        calibration = pd.read_csv(path.with_name("calibration.tsv"), sep="\t", na_values=["n/a"])
        calibration["input"] = calibration["input"].fillna("")
        table = table.merge(calibration[["input", "model", "brier"]], on=["input", "model"], how="left")
        preset, _, seed = path.parent.name.partition("-")
        tables.append(table.assign(run=path.parents[1].name, preset=preset, cohort=int(seed)))
    if not tables:
        raise ValueError(f"{folder}: expected <run>/<preset>-<seed>/table3.tsv, found none")
    found = pd.concat(tables, ignore_index=True)[COLUMNS]
    shared = found["input"].isin(["regions", "none", "background", ""])  # no network in them
    once = found[shared].drop_duplicates(["preset", "cohort", "input", "model"]).assign(run="")
    return pd.concat([found[~shared], once], ignore_index=True)


def folds_of(path: Path) -> int:
    """Number of folds of the run that a table belongs to."""
    return json.loads(path.with_name("settings.json").read_text(encoding="utf-8"))["folds"]["folds"]


def over_cohorts(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD of the AUC over cohorts, and its mean distance to the oracle of the same cohort."""
    oracle = table[table["model"] == ORACLE].set_index(["preset", "cohort"])["auc"]
    short = table.join(oracle.rename("oracle"), on=["preset", "cohort"])
    short["below_oracle"] = short["oracle"] - short["auc"]
    groups = short.groupby(["preset", "run", "input", "model"], sort=False)
    return groups.agg(
        cohorts=("auc", "size"), auc=("auc", "mean"), auc_sd=("auc", "std"), lowest=("auc", "min"),
        highest=("auc", "max"), below_oracle=("below_oracle", "mean"), accuracy=("accuracy", "mean"),
        brier=("brier", "mean"),
    ).reset_index()  # fmt: skip


def picture(path: Path, table: pd.DataFrame, preset: str) -> None:
    """AUC of every row that has all cohorts of a preset, a dot a cohort, the mean as a bar; highest first."""
    rows = table[(table["preset"] == preset) & (table["model"] != LIMIT)].copy()
    rows["label"] = [" · ".join(filter(None, parts)) for parts in rows[["run", "input", "model"]].to_numpy()]
    whole = rows.groupby("label")["cohort"].transform("size") == rows["cohort"].nunique()
    order = rows[whole].groupby("label")["auc"].mean().sort_values().index
    figure = Figure(figsize=(8, 0.26 * len(order) + 1.4), dpi=120, layout="constrained")
    ax = figure.subplots()
    for y, label in enumerate(order):
        auc = rows.loc[rows["label"] == label, "auc"]
        ax.plot(auc, [y] * len(auc), "o", color="#0072b2", alpha=0.45, markersize=5)
        ax.plot([auc.mean()] * 2, [y - 0.35, y + 0.35], color="black")
    limit = table.loc[(table["preset"] == preset) & (table["model"] == LIMIT), "auc"].iloc[0]
    ax.axvline(limit, color="#d55e00", linestyle="--", linewidth=1, label=f"Bayes limit in theory, {limit:.3f}")
    ax.axvline(0.5, color="0.6", linestyle=":", linewidth=1, label="chance")
    ax.set(yticks=range(len(order)), yticklabels=order, xlabel="scan AUC, cross-validated")
    ax.tick_params(axis="y", labelsize=8)
    ax.legend(loc="lower right", fontsize=8)
    count = rows["cohort"].nunique()
    ax.set_title(f"{SYNTHETIC}: {count} cohorts of preset {preset}, one dot each; bar: mean", fontsize=10)
    figure.savefig(path, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables and the picture, print what is over cohorts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_table", description=__doc__)
    parser.add_argument("runs", type=Path, help="what benchmarks.learning wrote")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--preset", default="paper", help="of the picture")
    chosen = parser.parse_args(arguments)
    table = read_runs(chosen.runs)
    means = over_cohorts(table)
    for name, content in {"learning": table, "learning_means": means}.items():
        content.to_csv(chosen.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4f", na_rep="n/a")
    picture(chosen.out / "learning.png", table, chosen.preset)
    print(means.to_string(index=False))


if __name__ == "__main__":
    main()
