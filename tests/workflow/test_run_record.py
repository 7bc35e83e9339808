"""run.json: the same state gives the same bytes, every change of state is in it, and nothing personal is."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from qnet.networks.precision import BFLOAT16_FLAGS
from workflow.lib.record.run_record import BFLOAT16, code_state, named_inputs, processor, state, without_folders
from workflow.scripts.run_record import main

CPU = """processor\t: 0
model name\t: Some Processor @ 2.20GHz
bugs\t\t:
flags\t\t: fpu avx2 fma avx512f avx512_bf16

processor\t: 1
"""
CONFIG = {"bids_dir": "/home/anna/mystudy", "folds": {"folds": 2}, "weights": ["~/w.safetensors", "none"]}


def git(folder, *arguments):
    identity = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, env=os.environ | identity)


@pytest.fixture
def checkout(tmp_path):
    """A repository with one module."""
    (tmp_path / "recon").mkdir()
    (tmp_path / "recon/a.py").write_text("A = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    return tmp_path


@pytest.fixture
def record(tmp_path):
    """Write a record beside two jobs' records; its text."""
    root = tmp_path / "results/mystudy"
    jobs = root / "checksums/jobs"
    jobs.mkdir(parents=True)
    raw, mask = (f"/data/mystudy/{name}" for name in ("sub-01/anat/sub-01_x.nii.gz", "derivatives/sub-01/mask.nii.gz"))
    phase = "/".join((str(root), "work", "sub-01", "phase.nii"))
    (jobs / "a.json").write_text(json.dumps({"rule": "a", "inputs": {raw: "aa", mask: "bb"}, "outputs": {phase: "cc"}}))
    (jobs / "b.json").write_text(json.dumps({"rule": "b", "inputs": {phase: "cc"}, "outputs": {}}))

    def write(**changes):
        described = {"config": CONFIG, "overlays": ["/home/anna/paper.yaml"], "targets": ["maps"], "scans": 1} | changes
        main(
            str(root / "run.json"),
            state=state(**described),
            datasets={"user": "/data/mystudy/derivatives", "raw": "/data/mystudy"},
            folders=["sub-01"],
            versions={"Q-Net": "1.2.3"},
        )
        return (root / "run.json").read_text()

    return write


def test_the_record_holds_what_the_results_were_made_from(record):
    content = json.loads(record())
    assert content["versions"] == {"Q-Net": "1.2.3"}
    assert content["config"] == {"bids_dir": "mystudy", "folds": {"folds": 2}, "weights": ["w.safetensors", "none"]}
    assert content["overlays"] == ["paper.yaml"]
    assert content["targets"] == ["maps"]
    assert content["scans"] == 1
    assert content["inputs"] == {"bids:raw:sub-01/anat/sub-01_x.nii.gz": "aa", "bids:user:sub-01/mask.nii.gz": "bb"}
    assert {"revision", "edited"} == set(content["code"])
    assert {"machine", "model", "instructions", "precision_auto"} == set(content["cpu"])


def test_the_same_state_gives_the_same_bytes(record):
    assert record() == record()


def test_no_user_host_or_folder_is_in_it(record):
    text = record()
    for personal in ("anna", "/home", os.uname().nodename, str(Path.home())):
        assert not re.search(rf"(?<!\w){re.escape(personal)}(?!\w)", text), personal


def test_a_change_of_the_configuration_changes_the_state():
    first, second = (state({"folds": folds}, [], ["all"], 1) for folds in (2, 3))
    assert first != second
    assert first == state({"folds": 2}, [], ["all"], 1)


def test_an_edit_of_the_code_is_told_beside_the_revision(checkout):
    clean = code_state(checkout)
    assert len(clean["revision"]) == 40
    assert clean["edited"] is False
    (checkout / "notes.txt").write_text("no code")
    assert code_state(checkout) == clean
    (checkout / "recon/b.py").write_text("B = 1\n")
    assert code_state(checkout) == clean | {"edited": True}


def test_without_git_there_is_no_revision(checkout, tmp_path, monkeypatch):
    unknown = {"revision": None, "edited": None}
    inside = checkout / "copy"  # in somebody else's repository
    inside.mkdir()
    assert code_state(inside) == unknown
    monkeypatch.setenv("PATH", str(inside))
    assert code_state(checkout) == unknown


def test_the_processor_is_told_as_far_as_results_depend_on_it():
    about = processor(CPU)
    assert about["model"] == "Some Processor @ 2.20GHz"
    assert about["instructions"] == ["avx2", "fma", "avx512f", "avx512_bf16"]
    assert about["precision_auto"] == "bfloat16"
    assert processor(CPU.replace("avx512_bf16", ""))["precision_auto"] == "float32"
    assert processor("")["model"] == "unknown"


def test_the_number_format_is_decided_as_training_decides_it():
    assert BFLOAT16 == BFLOAT16_FLAGS


def test_inputs_have_names_that_hold_everywhere():
    sums = {
        "/data/x/sub-02/anat/sub-02_a.json": "1",
        "/data/x/participants.tsv": "2",
        "/data/x/sub-03/ses-1/anat/a.json": "3",  # left out of this run
        "/home/anna/boxes.tsv": "4",
        "results/other/qnet/model.json": "5",
    }
    assert named_inputs(sums, {"user": "/data/x/derivatives", "raw": "/data/x"}, ["sub-02", "sub-03/ses-2"]) == {
        "bids:raw:participants.tsv": "2",
        "bids:raw:sub-02/anat/sub-02_a.json": "1",
        "boxes.tsv": "4",
        "results/other/qnet/model.json": "5",
    }


def test_paths_of_a_configuration_lose_their_folders_and_nothing_else_changes():
    config = {"a": ["/x/y.tsv", "a/b"], "b": {"c": 1.5, "d": None}}
    assert without_folders(config) == {"a": ["y.tsv", "a/b"], "b": {"c": 1.5, "d": None}}
    assert config["a"][0] == "/x/y.tsv"
