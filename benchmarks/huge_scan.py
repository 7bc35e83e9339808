"""Maps of a huge scan through the workflow: `python -m benchmarks.huge_scan` writes huge_scan.tsv.

640 x 640 x 176 voxels of 0.35 x 0.35 x 1 mm, eight echoes, from a head of half as many along each axis, and beside it
the matrix of the paper with the same echoes, in the same run: CPU seconds of every job, peak memory, CPU microseconds a
voxel and how many times that of the paper's matrix. Jobs run one after another.
"""

import argparse
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.heads import SIZES, Size
from benchmarks.one_scan import run, write_scan
from benchmarks.usage import ROOT

TE_S = tuple(np.linspace(0.004, 0.032, 8).tolist())
SCANS = {"paper": (SIZES["paper"], 1), "huge": (Size(voxel_size_mm=(0.7, 0.7, 2.0), matrix=(320, 320, 88)), 2)}


def cost(name: str) -> pd.DataFrame:
    """By job: CPU seconds, peak memory [MB] and CPU microseconds a voxel of one scan, with its name."""
    size, finer = SCANS[name]
    with tempfile.TemporaryDirectory() as scratch:
        write_scan(Path(scratch) / "bids", size, TE_S, finer)
        table = run(ROOT, Path(scratch) / "bids", Path(scratch) / "run", cores=1)
    voxels = prod(size.matrix) * finer**3
    table["cpu_us_per_voxel"] = table["cpu_s"] / voxels * 1e6
    return table[["cpu_s", "peak_mb", "cpu_us_per_voxel"]].add_suffix(f"_{name}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the table, print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.huge_scan", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    table = cost("paper").join(cost("huge"))
    table["ratio_per_voxel"] = table["cpu_us_per_voxel_huge"] / table["cpu_us_per_voxel_paper"]
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.rename_axis("job").to_csv(chosen.out / "huge_scan.tsv", sep="\t", float_format="%.3g")
    print(table.to_string(float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
