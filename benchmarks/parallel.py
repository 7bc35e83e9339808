"""How well the reconstruction fills several cores: `python -m benchmarks.parallel RUN [RUN …]` writes parallel.tsv.

RUN is a folder results/NAME of a finished run. Snakemake noted start and end of every job and what it read. From that
the reconstruction of all scans is scheduled anew on 1 to 16 cores: a job starts as soon as what it reads is there and
a core is free. `busy` tells which share of its own cores the run itself kept at work meanwhile.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pandas as pd

from benchmarks.notes import notes
from benchmarks.overhead import STAGES
from workflow.lib.planning.schedule import makespan

ROOT = Path(__file__).resolve().parents[1]
CORES = (1, 2, 4, 8, 16)


class Job(NamedTuple):
    """A finished job: its rule, start and end [s], and what it read and wrote."""

    rule: str
    start_s: float
    end_s: float
    inputs: frozenset[str]
    outputs: frozenset[str]


def finished(run: Path) -> list[Job]:
    """All jobs of a run in the order in which they started.

    Raises
    ------
    ValueError
        Snakemake's notes about the run are gone.
    """
    jobs = {}
    for output, note in notes(run):
        about = note["rule"], note["starttime"], note["endtime"], frozenset(note["input"])
        jobs.setdefault((note["rule"], *note["log"]), (about, []))[1].append(output)
    if not jobs:
        raise ValueError(f"{run}: expected Snakemake's notes of a finished run in .snakemake/metadata, found none")
    found = [Job(*about, frozenset(outputs)) for about, outputs in jobs.values()]
    return sorted(found, key=lambda job: job.start_s)


def gap(jobs: Sequence[Job]) -> float:
    """Median time [s] from the end of a job to the next start."""
    ends = sorted(job.end_s for job in jobs)
    waits = [job.start_s - max(end for end in ends if end <= job.start_s) for job in jobs if job.start_s >= ends[0]]
    return median(waits) if waits else 0.0


def busy(jobs: Sequence[Job], start_s: float, end_s: float) -> tuple[int, float]:
    """Most jobs at once between two times, and the share of the time of so many cores that they fill."""
    spans = [(max(job.start_s, start_s), min(job.end_s, end_s)) for job in jobs]
    spans = [(start, end) for start, end in spans if end > start]
    cores = max(sum(a < end and b > end for a, b in spans) + 1 for _, end in spans)
    return cores, sum(end - start for start, end in spans) / (cores * (end_s - start_s))


def schedule(jobs: Sequence[Job], gap_s: float) -> list[dict]:
    """Work and time [s] of jobs on every number of cores, and the share of the cores that works."""
    maker = {output: number for number, job in enumerate(jobs) for output in job.outputs}
    needs = [{maker[name] for name in job.inputs if name in maker} for job in jobs]
    seconds = [job.end_s - job.start_s for job in jobs]
    rows = []
    for cores in CORES:
        time_s = makespan(seconds, needs, cores, gap_s)
        efficiency = sum(seconds) / (cores * time_s)
        rows.append({"cores": cores, "work_s": sum(seconds), "time_s": time_s, "efficiency": efficiency})
    return rows


def table(run: Path) -> pd.DataFrame:
    """The reconstruction of a run on every number of cores, and what the run itself did."""
    jobs = finished(run)
    recon = [job for job in jobs if job.rule in STAGES]
    gap_s = gap(jobs)
    cores, share = busy(jobs, min(job.start_s for job in recon), max(job.end_s for job in recon))
    own = {"run": run.name, "jobs": len(recon), "gap_s": gap_s, "own_cores": cores, "busy": share}
    return pd.DataFrame([own | row for row in schedule(recon, gap_s)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders results/NAME")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    rows = pd.concat([table(run.resolve()) for run in chosen.runs])
    rows.to_csv(chosen.out / "parallel.tsv", sep="\t", index=False, float_format="%.4g")
    print(rows.to_string(index=False, float_format=lambda x: f"{x:.3g}"))


if __name__ == "__main__":
    main()
