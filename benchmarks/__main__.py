"""Time, memory and accuracy of every stage and chain: `python -m benchmarks [--size SIZE] [--out FOLDER]`."""

import argparse
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.heads import SIZES
from benchmarks.picture import accuracy_picture, cost_picture
from benchmarks.run import Record, run_size
from benchmarks.tables import accuracy_table, by_stage, cost_table
from recon.settings import arm

ROOT = Path(__file__).resolve().parents[1]
ARMS = ("paper", "consensus")
PACKAGES = ("numpy", "scipy", "scikit-image")


def configuration() -> tuple[dict, dict[str, dict]]:
    """The shipped configuration, and that of both arms."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    return config, {name: arm(config | {"pipeline": name}) for name in ARMS}


def machine() -> pd.DataFrame:
    """What the figures depend on besides the code, without names."""
    facts = {"cores": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()}
    return pd.DataFrame(list((facts | {name: version(name) for name in PACKAGES}).items()), columns=["item", "value"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, write the tables and pictures, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=[*SIZES, "all"], default="all")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--repeats", type=int, default=3, help="of short calls; the fastest counts")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="leave brainextractor out")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)

    config, arms = configuration()
    record = Record([], [], [])
    for name in SIZES if chosen.size == "all" else [chosen.size]:
        made = run_size(name, config, arms, chosen.repeats, chosen.peers, chosen.out)
        for table, rows in zip(record, made, strict=True):
            table.extend(rows)

    sizes = pd.DataFrame(record.sizes)
    costs, accuracies = cost_table(record.costs, sizes), accuracy_table(record.accuracies)
    tables = {"machine": machine(), "sizes": sizes, "cost": costs, "accuracy": accuracies}
    for name, table in tables.items():
        table.to_csv(chosen.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4g", na_rep="n/a")
    cost_picture(chosen.out / "cost.png", costs)
    accuracy_picture(chosen.out / "accuracy.png", accuracies)
    for table in (tables["machine"], sizes, costs):
        print(f"\n{table.to_string(index=False, na_rep='', float_format=lambda x: f'{x:.4g}')}")
    for stage, table in by_stage(accuracies).items():
        print(f"\n{stage}\n{table.to_string(na_rep='', float_format=lambda x: f'{x:.4g}')}")


if __name__ == "__main__":
    main()
