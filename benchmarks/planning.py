"""Time and memory of planning: `python -m benchmarks.planning [--subjects 10 100 1000] [--out FOLDER]`.

Every plan is a dry run (`snakemake -n`) of a copy of the project. Beside it, in the same run, stands Snakemake's own
floor: a bare Snakefile with the same rules and as many jobs, of one file each, without scripts, params and functions.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from benchmarks.measure import ONE_THREAD
from recon.files.io import Volume, write_volume

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("config", "workflow", "recon", "qnet", "resources")
GRID, TE_S = (16, 16, 16), (0.005, 0.012, 0.020)
STUDY = 99  # subjects of the paper's study: two inputs, ten folds, five seeds


class Plan(NamedTuple):
    """CPU and wall seconds, largest resident set [MB] and {rule: jobs} of a dry run."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    jobs: dict[str, int]


def plan(folder: Path, *arguments: str) -> Plan:
    """Plan the run of a folder; RuntimeError with Snakemake's message where it cannot."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", "--quiet", "rules", *arguments]
    start = time.perf_counter()
    with (folder / "plan.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | ONE_THREAD, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{text[-2000:]}")
    return Plan(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e6, jobs_of(text))


def jobs_of(text: str) -> dict[str, int]:
    """{rule: number of jobs} of the table that a dry run prints."""
    table = re.search(r"^job +count\n[-\s]+\n(.*?)^total ", text, re.M | re.S)
    return {rule: int(count) for rule, count in (line.split() for line in table[1].splitlines())}


def project(folder: Path) -> Path:
    """A copy of what a run needs."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def bare(jobs: dict[str, int], folder: Path) -> Path:
    """A folder with a Snakefile of the same rules and jobs; a job reads what the one before made of its subject."""
    folder.mkdir(parents=True)
    before: dict[int, str] = {}
    rules = []
    for rule, count in jobs.items():
        given = f'    input: "{before[count]}/{{i}}"\n' if count in before else ""
        rules.append(f'rule {rule}_:\n{given}    output: "{rule}/{{i}}"\n    shell: "touch {{output}}"\n')
        before[count] = rule
    wanted = ", ".join(f'expand("{rule}/{{i}}", i=range({count}))' for rule, count in jobs.items())
    (folder / "Snakefile").write_text("\n".join([f"rule all:\n    input: {wanted}\n", *rules]))
    return folder


def write_scan(folder: Path) -> None:
    """A ball in a field, echo by echo, as small files named `SUBJECT_…`."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID), indexing="ij")
    inside = 1 / (1 + np.exp(20 * (np.sqrt(x**2 + y**2 + z**2) - 0.8)))
    rng, affine = np.random.default_rng(0), np.diag([-3.0, 3.0, 3.0, 1.0])
    facts = {"MagneticFieldStrength": 3.0, "Manufacturer": "Siemens", "FlipAngle": 24.0, "RepetitionTime": 0.036}
    for echo, te_s in enumerate(TE_S, 1):
        signal = 1000 * inside * np.exp(-25 * te_s + 2j * np.pi * (60 * x + 50 * y * z + 40 * z**2) * te_s)
        signal = signal + 10 * (rng.standard_normal(GRID) + 1j * rng.standard_normal(GRID))
        phase = (np.rint(np.angle(signal) * 2048 / np.pi) + 2048) % 4096
        for part, data in (("mag", np.abs(signal)), ("phase", phase)):
            path = folder / f"SUBJECT_echo-{echo}_part-{part}_MEGRE.nii.gz"
            write_volume(path, data, Volume(data=data, affine=affine), facts | {"EchoTime": te_s})


def bids(folder: Path, subjects: int) -> Path:
    """A BIDS dataset of so many subjects in two groups; all have the same images."""
    model = folder / "model"
    model.mkdir(parents=True)
    write_scan(model)
    names = [f"sub-{number:04d}" for number in range(1, subjects + 1)]
    for name in names:
        anat = folder / "data" / name / "anat"
        anat.mkdir(parents=True)
        for file in model.iterdir():
            shutil.copy(file, anat / file.name.replace("SUBJECT", name))
    rows = [{"participant_id": s, "age": 50, "sex": "F", "group": ("HC", "HH")[i % 2]} for i, s in enumerate(names)]
    pd.DataFrame(rows).to_csv(folder / "data/participants.tsv", sep="\t", index=False)
    (folder / "data/dataset_description.json").write_text(json.dumps({"Name": "planning", "BIDSVersion": "1.10.0"}))
    return folder / "data"


def planned(folder: Path, overlay: dict, *configs: str) -> Plan:
    """A plan of the project in `folder` with other values."""
    (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    return plan(folder, "--configfile", *configs, "overlay.yaml")


def plans(folder: Path, subjects: int) -> dict[str, Plan]:
    """A simulated cohort, a dataset at first sight and again, and once with the size of the paper's study."""
    data = str(bids(folder / "bids", subjects))
    copy = project(folder / "project")
    found = {
        "simulated": planned(copy, {"dataset": "simulated", "simulate": {"subjects": subjects + subjects % 2}}),
        "BIDS, with the check": planned(copy, {"dataset": "bids", "bids_dir": data}),
        "BIDS": planned(copy, {"dataset": "bids", "bids_dir": data}),
    }
    if subjects == STUDY:
        found["BIDS, paper.yaml"] = planned(copy, {"dataset": "bids", "bids_dir": data}, "config/paper.yaml")
    return found


def rows(subjects: int) -> list[dict]:
    """What the plans cost, each beside its floor."""
    with TemporaryDirectory() as temporary:
        folder, floors, out = Path(temporary), {}, []
        for name, own in plans(folder, subjects).items():
            sizes = tuple(own.jobs.items())
            if sizes not in floors:
                floors[sizes] = plan(bare(own.jobs, folder / f"bare{len(floors)}"))
            floor = floors[sizes]
            out.append(
                {"plan": name, "subjects": subjects, "jobs": sum(own.jobs.values())}
                | {"cpu_s": own.cpu_s, "wall_s": own.wall_s, "peak_mb": own.peak_mb}
                | {"floor_cpu_s": floor.cpu_s, "floor_peak_mb": floor.peak_mb}
                | {"cpu_per_floor": own.cpu_s / floor.cpu_s, "peak_per_floor": own.peak_mb / floor.peak_mb}
            )
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Plan, write the table, print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, nargs="+", default=[10, STUDY, 1000])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([row for subjects in chosen.subjects for row in rows(subjects)])
    table.to_csv(chosen.out / "planning.tsv", sep="\t", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
