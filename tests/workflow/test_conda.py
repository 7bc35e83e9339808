"""`--use-conda` with a stand-in for conda: see conda_stand_in.py for what is real in it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pins import DRIVER
from tests.workflow import conda_stand_in
from tests.workflow.conftest import snakemake

CONDA = ("--configfile", "tiny.yaml", "--use-conda")
ECHOES = "/".join(("results/tiny", "work", "sub-01", "sub-01_acquisition.json"))


@pytest.fixture(scope="module")
def stand_in(repository, tmp_path_factory) -> Path:
    """Folder of the stand-in; Snakemake finds it where it looks for conda."""
    home = tmp_path_factory.mktemp("conda")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(conda_stand_in.build(home, repository)), prepend=":")
        patch.delenv("NO_ET", raising=False)
        yield home


@pytest.fixture(scope="module")
def prepared(stand_in, project, tmp_path_factory) -> Path:
    """A copy of the project in which all environments were made ahead, by `make prepare` for conda."""
    copy = tmp_path_factory.mktemp("with_conda") / "project"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("results", ".snakemake"))
    command = [sys.executable, "-m", "workflow", "prepare", "--use-conda"]
    run = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"conda environments +ready +4 in", run.stdout)
    return copy


def created(stand_in: Path) -> list[str]:
    """The files that environments were made from, in order; Snakemake hands over copies."""
    return [Path(line).read_text() for line in (stand_in / "created.txt").read_text().splitlines()]


def test_environments_are_made_once_and_every_rule_runs_in_its_own(stand_in, prepared):
    files = {path.read_text(): path.stem for path in (prepared / "workflow/envs").glob("*.yaml")}
    assert sorted(files[text] for text in created(stand_in)) == ["qnet", "recon", "report", "simulate"]

    snakemake(prepared, *CONDA, ECHOES)
    assert len(created(stand_in)) == 4
    notes = {}
    for ran in prepared.glob(".snakemake/conda/*/ran.jsonl"):
        scripts = [note for note in map(json.loads, ran.read_text().splitlines()) if note["ran"].endswith(".py")]
        notes |= {note["ran"].rsplit(".", 2)[1]: note for note in scripts}
        assert {note["CONDA_PREFIX"] for note in scripts} == {str(ran.parent)}
    rules = {rule: files[Path(f"{note['CONDA_PREFIX']}.yaml").read_text()] for rule, note in notes.items()}
    assert rules == {"simulate_subject": "simulate", "prepare_echoes": "recon"}
    for note in notes.values():  # nothing of the caller's; the project itself comes from the folder of the run
        assert note["PYTHONPATH"] == ""
        assert note["NO_ET"] == note["OMP_NUM_THREADS"] == note["PYTHONNOUSERSITE"] == "1"
    assert (prepared / ECHOES).is_file()


def test_an_impossible_pin_is_told_with_its_file(stand_in, prepared):
    file = prepared / "workflow/envs/recon.yaml"
    file.write_text(file.read_text().replace("scipy ==", "scipy ==99."))
    before = len(created(stand_in))
    run = snakemake(prepared, "--use-conda", "--conda-create-envs-only", check=False)
    assert run.returncode
    assert "envs/recon.yaml" in run.stdout
    assert "No candidates were found for scipy ==99." in run.stdout
    assert len(created(stand_in)) == before


def test_the_drivers_environment_solves(stand_in, tmp_path):
    create = ["conda", "env", "create", "--quiet", "--no-default-packages", "--file", DRIVER, "--prefix", tmp_path]
    packages = subprocess.run(create, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "python 3.12.1" in packages
    assert any(package.startswith("snakemake-executor-plugin-slurm ") for package in packages)
