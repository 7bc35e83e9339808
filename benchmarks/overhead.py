"""What the start of a job costs: `python -m benchmarks.overhead RUN [--out FOLDER]` writes overhead.tsv.

RUN is a folder results/NAME of a finished run. Every stage of the reconstruction is a Python of its own that loads its
libraries first. That start, in CPU seconds, stands beside what the whole job took in RUN; the fastest start counts.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pandas as pd

from benchmarks.costs import rules
from workflow.lib.planning.measured import finished_jobs

ROOT = Path(__file__).resolve().parents[1]
STAGES = (
    "prepare_echoes",
    "brain_mask",
    "unwrap_phase",
    "field_mapping",
    "local_field",
    "r2star_map",
    "dipole_inversion",
    "combine_echoes",
    "t1w_map",
    "locate_nuclei",
)
REPEATS = 5
BESIDE = "snakemake.script"  # loaded before the script
TELL = "import resource; used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"


def start_s(modules: str, repeats: int = REPEATS) -> float:
    """CPU seconds of a Python that imports modules and ends."""
    command = [sys.executable, "-c", f"import {modules}; {TELL}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    runs = [subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
            for _ in range(repeats)]  # fmt: skip
    return min(float(run.stdout.split()[-1]) for run in runs)


def overheads(run: Path) -> pd.DataFrame:
    """Start and whole job of every stage [CPU seconds], and of all stages of a scan together.

    Raises
    ------
    ValueError
        A stage has no benchmark file in `run`.
    """
    jobs = finished_jobs(run, rules())
    whole = {stage: [job.cpu_s for job in jobs if job.rule == stage] for stage in STAGES}
    if lacking := [stage for stage, seconds in whole.items() if not seconds]:
        raise ValueError(f"{run}: expected benchmark files of every stage, found none of {', '.join(lacking)}")
    rows = [{"rule": stage, "start_s": start_s(f"workflow.scripts.{stage}, {BESIDE}"), "job_s": median(whole[stage])}
            for stage in STAGES]  # fmt: skip
    table = pd.DataFrame(rows)
    total = {"rule": "all", **table[["start_s", "job_s"]].sum()}
    table = pd.concat([table, pd.DataFrame([total])], ignore_index=True)
    return table.assign(share=table["start_s"] / table["job_s"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("run", type=Path, help="folder results/NAME")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    table = overheads(chosen.run.resolve())
    table.to_csv(chosen.out / "overhead.tsv", sep="\t", index=False, float_format="%.3g")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3g}"))


if __name__ == "__main__":
    main()
