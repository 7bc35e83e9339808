"""The workflow from a folder that is not the project's, and without `--cores`."""

import subprocess
import sys

import pytest
import yaml

SMALL = "rawdata/participants.tsv"  # of a simulated cohort, made in a moment


@pytest.fixture
def run(repository, tmp_path):
    """Snakemake with the shipped Snakefile in a folder of the user's."""

    def snakemake(*arguments):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "workflow/Snakefile"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return snakemake


def test_results_go_to_the_working_folder_with_the_shipped_configuration_and_all_cores(run, tmp_path):
    done = run("--", f"results/simulated/{SMALL}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/simulated" / SMALL).is_file()
    assert (tmp_path / "results/simulated/logs/simulate_cohort.log").is_file()


def test_the_configuration_of_the_working_folder_wins(repository, run, tmp_path):
    config = yaml.safe_load((repository / "config/config.yaml").read_text())
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(config | {"dataset": "mine"}))
    done = run("--dry-run", "--", f"results/mine/{SMALL}")
    assert done.returncode == 0, done.stderr


def test_cores_of_the_command_win(run):
    done = run("check", "--cores", "3")
    assert done.returncode == 0, done.stderr
    assert "Provided cores: 3" in done.stderr
