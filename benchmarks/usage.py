"""What every Python process of a command costs, the jobs that a run of Snakemake starts among them.

Snakemake's own benchmark files look at a job every so often and miss what it does after the last look: up to half of a
job of a few seconds. Here each process tells its own CPU seconds and peak memory when it ends.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.measure import ONE_THREAD

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("config", "workflow", "recon", "qnet", "resources", "pyproject.toml", "requirements.lock")
CONTROLLER = "snakemake"  # with the check of the data
# run by Python at its start, and never by this process; the peak is that of this program, not of the one before it
HOOK = """
import atexit, os, sys
def tell():
    import re, resource
    own = resource.getrusage(resource.RUSAGE_SELF)
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024 / 1e6
    with open(os.environ["QNET_USAGE"], "a") as file:
        file.write(f"{sys.argv[0]}\\t{own.ru_utime + own.ru_stime:.3f}\\t{peak:.1f}\\n")
atexit.register(tell)
"""


class Usage(NamedTuple):
    """What a command cost: it and its children [CPU s], by the clock [s], and a row a Python process by their end."""

    cpu_s: float
    wall_s: float
    processes: pd.DataFrame  # `job` (the rule's name, or `snakemake`), `cpu_s`, `peak_mb`


def usage(command: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> Usage:
    """Run a command in a folder. Its processes need not be its children, as those of a cluster's jobs are not.

    Raises
    ------
    RuntimeError
        The command fails.
    """
    with tempfile.TemporaryDirectory() as hook:
        Path(hook, "sitecustomize.py").write_text(HOOK)
        log = Path(hook, "usage.tsv")
        own = {"PYTHONPATH": hook, "QNET_USAGE": str(log)}
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        ended = subprocess.run(command, cwd=folder, env=environment | ONE_THREAD | own, capture_output=True, text=True)
        wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(command)}: expected success, found\n{ended.stderr[-2000:]}")
        told = pd.read_csv(log, sep="\t", names=["job", "cpu_s", "peak_mb"])
    told["job"] = [_name(path) for path in told["job"]]
    return Usage(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall_s, told)


def by_job(processes: pd.DataFrame) -> pd.DataFrame:
    """By job, in the order in which they ended: `jobs` (how many), `cpu_s` of all of them, `peak_mb` of the largest."""
    grouped = processes.groupby("job", sort=False)
    return pd.DataFrame({"jobs": grouped.size(), "cpu_s": grouped["cpu_s"].sum(), "peak_mb": grouped["peak_mb"].max()})


def command_usage(command: Sequence[str], folder: Path) -> pd.DataFrame:
    """Run a command in a folder.

    Returns
    -------
    table : see `by_job`. The last two rows are `jobs`, all but Snakemake itself, and `command`, with what is no Python,
        which has `wall_s` as well.

    Raises
    ------
    RuntimeError
        The command fails.
    """
    spent = usage(command, folder)
    table = by_job(spent.processes)
    jobs = table.drop(index=CONTROLLER, errors="ignore")
    table.loc["jobs"] = [jobs["jobs"].sum(), jobs["cpu_s"].sum(), jobs["peak_mb"].max()]
    table.loc["command"] = [np.nan, spent.cpu_s, table["peak_mb"].max()]
    return table.assign(wall_s=pd.Series({"command": spent.wall_s}))


def _name(program: str) -> str:
    """The rule of a script that Snakemake has put down as `tmp….RULE.py`; anything else is Snakemake itself."""
    found = re.search(r"/tmp\w+\.(\w+)\.py$", program)
    return found[1] if found else CONTROLLER


def project(code: Path, folder: Path) -> Path:
    """A new folder in which the build in `code` runs: older builds do so in their own checkout only."""
    folder.mkdir(parents=True)
    for part in PARTS:
        (folder / part).symlink_to(code / part)
    return folder


def checkout(commit: str, folder: Path) -> Path:
    """The files of a commit in a new folder, apart from git's own records."""
    folder.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", folder], input=packed, check=True)
    return folder


def snakemake(*arguments: str, cores: int = 2) -> list[str]:
    """The command of a run, in the environment of this Python."""
    return [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]


def compared(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Medians over the runs of two builds, what is left of each quantity, and each job's share of the CPU seconds."""
    tables = []
    for build, runs in {"before": before, "after": after}.items():
        table = pd.concat(runs).groupby(level=0, sort=False).median()
        tables.append(table.assign(share=table["cpu_s"] / table.loc["command", "cpu_s"]).add_suffix(f"_{build}"))
    table = tables[0].join(tables[1], how="outer")
    for quantity in ("cpu_s", "wall_s", "peak_mb"):
        table[f"{quantity}_ratio"] = table[f"{quantity}_after"] / table[f"{quantity}_before"]
    order = [name for name in table.index if name not in ("jobs", "command")]
    order.sort(key=lambda name: -table.loc[name, ["cpu_s_before", "cpu_s_after"]].max())
    return table.loc[[*order, "jobs", "command"]].rename_axis("job")
