"""Every stage and both arms beside another commit, arrays in memory: `python -m benchmarks.kernels --against COMMIT`.

Each build runs its own `python -m benchmarks --no-peers` in turn, in the environment of this Python. Medians go to
kernels.tsv, of the rows that both builds have: CPU seconds, peak memory, and NRMSE [%] where the row has one.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.heads import SIZES
from benchmarks.usage import ROOT, checkout

ROW = ["size", "stage", "method", "input"]
BUILDS = ("before", "after")


def measured(code: Path, size: str, out: Path) -> pd.DataFrame:
    """Cost and error of every row, as the build in `code` measures them."""
    command = [sys.executable, "-m", "benchmarks", "--size", size, "--no-peers", "--out", str(out)]
    subprocess.run(command, cwd=code, check=True, stdout=subprocess.DEVNULL)
    cost, errors = (pd.read_csv(out / f"{name}.tsv", sep="\t") for name in ("cost", "accuracy"))
    nrmse = errors[errors["metric"] == "nrmse_percent"].set_index(ROW)["value"]
    return cost.set_index(ROW)[["cpu_s", "peak_mb"]].assign(nrmse_percent=nrmse)


def beside(runs: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """Medians of the rows that both builds have, and what is left of cost and memory."""
    medians = [
        pd.concat(runs[build]).groupby(level=ROW, sort=False).median().add_suffix(f"_{build}") for build in BUILDS
    ]
    table = medians[0].join(medians[1], how="inner")
    for quantity in ("cpu_s", "peak_mb"):
        table[f"{quantity}_ratio"] = table[f"{quantity}_after"] / table[f"{quantity}_before"]
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both builds in turn, write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--against", required=True, metavar="COMMIT", help="the build to compare with")
    parser.add_argument("--size", choices=SIZES, default="paper")
    parser.add_argument("--repeats", type=int, default=3, help="of each build; medians count")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    runs: dict[str, list[pd.DataFrame]] = {build: [] for build in BUILDS}
    with tempfile.TemporaryDirectory() as scratch:
        codes = checkout(chosen.against, Path(scratch) / "code"), ROOT
        for repeat in range(chosen.repeats):
            for build, code in zip(BUILDS, codes, strict=True):
                runs[build].append(measured(code, chosen.size, Path(scratch) / f"{build}{repeat}"))
    table = beside(runs)
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "kernels.tsv", sep="\t", float_format="%.3g", na_rep="n/a")
    print(table.to_string(float_format=lambda x: f"{x:.3g}", na_rep=""))


if __name__ == "__main__":
    main()
