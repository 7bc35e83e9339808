"""Costs of every rule from finished runs: `python -m benchmarks.costs RUN [RUN …]` writes `resources/costs.tsv`.

RUN is a folder results/NAME whose `work/` is still there. Runs of different sizes give each rule a straight line: fixed
part and slope that fit the medians of all sizes with the least relative error, neither below zero.
"""

import argparse
import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from benchmarks.notes import notes
from workflow.lib.planning.costs import DISK, DRIVERS, SECONDS, TABLE, Size, arm_of, driver_of
from workflow.lib.planning.measured import finished_jobs
from workflow.lib.study.names import scan_in

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {name.removesuffix("_mb"): name for name in DISK}
START_S = (
    1.3  # of a Python with NumPy, SciPy and nibabel: the cost at size zero of a rule that was measured at one size
)
Point = tuple[str, str, str, str, float, float]  # rule, arm, quantity, driver, size, cost


def rules() -> frozenset[str]:
    """Names of all rules of the workflow."""
    files = (ROOT / "workflow" / "rules").glob("*.smk")
    return frozenset(name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M))


def fit(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Fixed part and slope of a line through costs at sizes; neither is negative, relative errors are least.

    One size alone cannot tell them apart: all is slope, unless that size is zero.
    """
    x, y = np.asarray(sizes, float), np.asarray(costs, float)
    if not y.any():
        return 0.0, 0.0
    if np.ptp(x) == 0:
        return (0.0, float(np.mean(y) / x[0])) if x[0] else (float(np.mean(y)), 0.0)
    y = np.maximum(y, y.max() / 1e6)
    (fixed, slope), _ = nnls(np.stack([1 / y, x / y], axis=1), np.ones_like(y))
    return float(fixed), float(slope)


def point(rule: str, scan: str, size: Size, quantity: str, cost: float) -> Point:
    """A measured cost with the size that it belongs to."""
    driver = driver_of(rule, size.together, quantity, of_scan=bool(scan))
    return rule, arm_of(rule, size.together), quantity, driver, DRIVERS[driver](size), cost


def written(run: Path) -> Iterable[tuple[str, str, str, float]]:
    """Rule, scan (or ""), folder of the run and megabytes of every output that is there, from Snakemake's own notes."""
    for output, note in notes(run):
        file, (_, _, folder, *_) = run.parents[1] / output, Path(output).parts
        if file.is_file():
            scan = scan_in(file.name) or ""
            yield note["rule"], scan, FOLDERS.get(folder, "other_mb"), file.stat().st_size / 1e6


def points(run: Path) -> list[Point]:
    """Seconds and megabytes of every job of a run."""
    jobs = finished_jobs(run, rules())
    if not jobs:
        raise ValueError(f"{run}: expected benchmarks/ and derivatives/ of a finished run, found none")
    found = [point(job.rule, job.scan, job.size, SECONDS, job.cpu_s) for job in jobs]
    filled, count = Counter(), Counter((job.rule, job.scan) for job in jobs)
    for rule, scan, quantity, mb in written(run):
        filled[rule, scan, quantity] += mb
    sizes = {(job.rule, job.scan): job.size for job in jobs}
    return found + [
        point(rule, scan, sizes[rule, scan], quantity, mb / count[rule, scan])
        for (rule, scan, quantity), mb in filled.items()
        if (rule, scan) in sizes
    ]


def cost_table(measured: Iterable[Point]) -> pd.DataFrame:
    """One line for each rule, arm and quantity."""
    columns = ["rule", "arm", "quantity", "driver", "x", "y"]
    rows = []
    for key, group in pd.DataFrame(measured, columns=columns).groupby(["rule", "arm", "quantity"], sort=True):
        medians = group.groupby("x")["y"].median()
        if key[2] == SECONDS and len(medians) == 1 and medians.index[0]:
            medians = pd.concat([pd.Series({0.0: min(START_S, medians.iloc[0])}), medians])
        fixed, per_unit = fit(medians.index, medians.to_numpy())
        names = dict(zip(["rule", "arm", "quantity"], key, strict=True))
        span = {"low": group["x"].min(), "high": group["x"].max(), "sizes": group["x"].nunique(), "jobs": len(group)}
        rows.append(names | {"fixed": fixed, "per_unit": per_unit, "driver": group["driver"].iloc[0]} | span)
    table = pd.DataFrame(rows)
    return table[(table["fixed"] > 1e-3) | (table["per_unit"] > 1e-6)]


def machine() -> str:
    """The processor that the costs were measured on, without names."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return (
        f"measured on {os.cpu_count()} cores of {found[1] if found else platform.machine()}, shared, 1 thread per job."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders results/NAME")
    parser.add_argument("--out", type=Path, default=TABLE)
    chosen = parser.parse_args(arguments)
    table = cost_table([found for run in chosen.runs for found in points(run.resolve())])
    content = table.to_csv(sep="\t", index=False, float_format="%.4g")
    chosen.out.write_text(f"# {machine()}\n{content}", encoding="utf-8")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.4g}"))


if __name__ == "__main__":
    main()
