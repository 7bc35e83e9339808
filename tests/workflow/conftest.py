"""A copy of the project in a temporary folder, and one real run of a tiny cohort that many tests look at."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TINY = {
    "dataset": "tiny",
    "simulate": {"subjects": 4, "voxel_size_mm": [3.0, 3.0, 3.0], "te_s": [0.005, 0.015, 0.025]},
    "slice_stack": {"slices": 3, "image_size": 40},
    "folds": {"folds": 2},
    "train_image_model": {"epochs": 2, "batch_size": 4},
    "train_scan_model": {"epochs": 2, "hidden_size": 8},
    "baselines": {"permutations": 5, "inner_folds": 2},
    "evaluate": {"bootstrap": 50},
}


def snakemake(project: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run Snakemake in a project folder; the text it printed is in `stdout`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=project,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if check and run.returncode:
        pytest.fail(f"snakemake {' '.join(arguments)}:\n{run.stdout[-6000:]}")
    return run


def planned_jobs(project: Path, *arguments: str) -> dict[str, int]:
    """{rule: number of jobs} that a dry run lists, without targets that compute nothing."""
    text = snakemake(project, "--dry-run", *arguments).stdout
    table = re.search(r"^job +count\n[-\s]+\n(.*?)^total ", text, re.M | re.S)
    if table is None:
        assert "Nothing to be done" in text, text[-3000:]
        return {}
    jobs = {rule: int(count) for rule, count in (line.split() for line in table[1].splitlines())}
    return {rule: count for rule, count in jobs.items() if rule not in ("all", "maps")}


@pytest.fixture(scope="session")
def project(repository, tmp_path_factory) -> Path:
    """The project's files and `tiny.yaml`, an overlay that runs in a minute."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("config", "workflow", "recon", "qnet", "resources"):
        shutil.copytree(repository / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "pyproject.toml", copy)
    (copy / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return copy


@pytest.fixture(scope="session")
def tiny(project) -> Path:
    """The project after a full run of the tiny cohort."""
    snakemake(project, "--configfile", "tiny.yaml")
    return project
