"""The console command: what it lists, what it hands on, and how it refuses."""

import hashlib
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.pins import ROOT
from tests.recon.intake.raw_files import write_series
from workflow.__main__ import COMMANDS, main
from workflow.cli import bids_app, run
from workflow.cli.run import QUIET

SNAKEFILE = ["--snakefile", str(ROOT / "workflow/Snakefile")]
HEAVY = {"numpy", "pandas", "scipy", "snakemake", "torch", "yaml"}


@pytest.fixture
def started(monkeypatch):
    """What Snakemake would get: a list for each start."""
    found = []
    for module in (run, bids_app):
        monkeypatch.setattr(module, "start", lambda *words: found.append(list(words)))
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    return found


@pytest.fixture
def bids(tmp_path) -> Path:
    folder = tmp_path / "my study"
    write_series(folder, "sub-01/anat/sub-01")
    return folder


def app(started, *words) -> tuple[list[str], dict]:
    """Snakemake's words of a BIDS-App command line, and the overlay that they name."""
    main([*map(str, words)])
    (given,) = started
    overlay = Path(given[given.index("--directory") - 1])
    return given, json.loads(overlay.read_text())


# commands


def test_help_lists_every_command_in_a_line_and_the_groups_of_options(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert re.findall(r"^  ([\w-]+) +\S", text.split("commands")[1].split("\n\n")[0], re.M) == list(COMMANDS)
    assert re.findall(r"^(\w.*):$", text, re.M)[1:] == [
        "positional arguments", "options for filtering BIDS queries", "options to handle performance",
        "workflow configuration", "other options", "examples",
    ]  # fmt: skip
    assert max(map(len, text.splitlines())) <= 120


def test_help_imports_nothing_that_takes_long():
    look = "import sys\nfrom workflow.__main__ import main\ntry: main(['-h'])\nfinally: print('loaded', *sys.modules)"
    found = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.splitlines()[-1].split())


def test_the_command_of_a_checkout_works_from_any_folder(tmp_path):
    """As `make venv` links it: beside a Python, here beside one that starts this one."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    command = python.with_name("q-net")
    command.symlink_to(ROOT / "workflow" / "q-net")
    ended = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("q-net ")


def test_the_version_is_that_of_the_project(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert re.fullmatch(r"q-net \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_how_it_is_used(started, capsys, name):
    with suppress(SystemExit):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: q-net {name} ")
    assert started == []


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["evaluate", "no.tsv", "out"], "q-net evaluate: "),
        (["compare", "no.tsv", "no.tsv", "out"], "q-net compare: "),
        (["recon", "unwrap"], "usage: q-net recon "),
    ],
)
def test_a_refusal_begins_with_what_was_typed(tmp_path, monkeypatch, capsys, words, begins):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(begins)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run"], [*SNAKEFILE, "--cores", "all"]),
        (["run", "maps", "--config", "a=b c"], [*SNAKEFILE, "--cores", "all", "maps", "--config", "a=b c"]),
        (["run", "-c4", "--use-conda"], [*SNAKEFILE, "-c4", "--use-conda"]),
        (["run", "--workflow-profile", "slurm"], [*SNAKEFILE, "--workflow-profile", "slurm"]),
        (["check", "--cores=2"], ["check", *QUIET, *SNAKEFILE, "--cores=2"]),
        (["predict", "--config", "model=m"], ["predict", *SNAKEFILE, "--cores", "all", "--config", "model=m"]),
        (["validate", "--cores", "2"], ["validate", *SNAKEFILE, "--cores", "2"]),
    ],
)
def test_snakemake_gets_the_users_own_words(started, words, expected):
    assert main(words) == 0
    assert started == [expected]


def test_exit_codes_pass_through(tmp_path):
    words = [sys.executable, "-m", "workflow", "run", "--config", "local_field={'threshold': 7}", "--dry-run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "config: expected" in done.stdout


# the BIDS-App form


def test_participant_makes_maps_and_group_everything(started, bids, tmp_path):
    for level, target in (("participant", "maps"), ("group", "all")):
        started.clear()
        words, config = app(started, bids, tmp_path / "out", level)
        assert words[0] == target
        assert config == {
            "dataset": "my-study", "bids_dir": str(bids), "dicom_dir": None, "output_dir": str(tmp_path / "out"),
            "select": {},
        }  # fmt: skip
        assert words[words.index("--directory") + 1] == str(tmp_path / "out")


def test_options_become_words_and_configuration(started, bids, tmp_path):
    filters = tmp_path / "filters.json"
    filters.write_text('{"megre": {"acquisition": null, "run": 1}}')
    words, config = app(
        started, bids, tmp_path / "out", "participant", "--participant-label", "01", "sub-02", "--session-label", "1",
        "--bids-filter-file", filters, "--derivatives", f"masks={tmp_path}", f"labels={bids}", "--nprocs", 3,
        "--mem", 2.5, "--pipeline", "consensus", "--on-error", "skip", "--configfile", "mine.yaml",
        "-w", tmp_path / "work", "--dry-run", "--config", "seed=1",
    )  # fmt: skip
    assert config["select"] == {
        "participants": ["01", "sub-02"], "sessions": ["1"], "filters": {"acquisition": None, "run": 1},
    }  # fmt: skip
    assert config["derivatives"] == {"masks": str(tmp_path), "labels": str(bids)}
    assert (config["pipeline"], config["on_error"]) == ("consensus", "skip")
    assert words[1:3] == ["--configfile", str(Path("mine.yaml").resolve())]
    assert words[words.index("--directory") + 1] == str(tmp_path / "work")
    assert words[words.index("--resources") + 1] == "mem_mb=2500"
    assert words[-5:] == ["--cores", "3", "--dry-run", "--config", "seed=1"]


def test_intermediate_files_lie_in_the_working_folder(started, bids, tmp_path):
    app(started, bids, tmp_path / "out", "participant", "-w", tmp_path / "work")
    assert (tmp_path / "out/work").resolve() == tmp_path / "work/stages"


def refusal(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("output", ["", "out", "sub-01"])
def test_results_are_not_written_into_the_dataset(started, bids, capsys, output):
    assert "expected OUTPUT_DIR outside of the dataset" in refusal(capsys, bids, bids / output, "participant")
    assert started == []
    app(started, bids, bids / "derivatives/qnet", "participant")


def test_what_cannot_be_understood_is_refused(started, bids, tmp_path, capsys):
    filters, out = tmp_path / "filters.json", tmp_path / "out"
    assert "none: expected a BIDS folder" in refusal(capsys, tmp_path / "none", out, "participant")
    assert "invalid choice: 'session'" in refusal(capsys, bids, out, "session")
    for content, expected in (("{", "expected JSON"), ('{"bold": {}}', 'expected {"megre"'), ("[]", 'expected {"meg')):
        filters.write_text(content)
        assert expected in refusal(capsys, bids, out, "participant", "--bids-filter-file", filters)
    assert "a different NAME" in refusal(capsys, bids, out, "participant", "--derivatives", "a=x", "a=y")
    assert started == []


def test_a_selection_reaches_snakemake_and_the_dataset_is_not_touched(bids, tmp_path):
    before = contents(bids)
    words = [sys.executable, "-m", "workflow", bids, tmp_path / "out", "participant", "--participant-label", "9"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected sub-9 (config select.participants), found sub-01" in done.stderr
    assert contents(bids) == before


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
