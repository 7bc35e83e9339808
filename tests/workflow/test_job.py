"""The wrapper of a job: its log, the checksums of its files, and what verifies them later."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from recon.problems import IntakeError, Problem
from workflow.cli import verify
from workflow.lib.jobs import checksums, just_written
from workflow.lib.jobs.checksums import AlteredFileError, raw_inputs
from workflow.lib.jobs.error_record import kind_of
from workflow.lib.jobs.job import job
from workflow.lib.study.clock import check_clock

RAW, MAP, SIDECAR, TABLE = "data/echo.nii.gz", "results/x/maps/chi.nii.gz", "results/x/maps/chi.json", "results/x/t.tsv"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a raw image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # a job that fails replaces it
    for name in ("data", "results/x/maps", "results/x/logs/sub-01"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / RAW).write_text("raw")
    return tmp_path


def given(rule, log, inputs, output):
    """What Snakemake gives a script."""
    names = {"wildcards": {"scan": "sub-01", "variant": ""}, "params": {"cfg": {"power": 2}}}
    return SimpleNamespace(rule=rule, log=[f"results/x/logs/{log}"], input=inputs, output=[output], **names)


def reconstruct(folder, content="chi"):
    """A job that writes an image with its sidecar from the raw one."""
    with job(given("combine", "sub-01/combine.log", [RAW], MAP)):
        print("computing")
        (folder / MAP).write_text(content)
        (folder / SIDECAR).write_text("{}")


def tabulate(folder):
    """A job that reads it."""
    with job(given("tabulate", "tabulate.log", [MAP], TABLE)):
        (folder / TABLE).write_text("t")


def test_a_job_records_what_it_read_and_wrote_and_its_log(folder):
    reconstruct(folder)
    record = json.loads((folder / "results/x/checksums/jobs/sub-01/combine.json").read_text())
    assert (record["rule"], list(record["inputs"]), set(record["outputs"])) == ("combine", [RAW], {MAP, SIDECAR})
    assert (folder / "results/x/logs/sub-01/combine.log").read_text() == (
        'combine · scan=sub-01 · {"power": 2}\ncomputing\n'
    )


def test_the_sums_are_those_of_sha256sum(folder):
    reconstruct(folder)
    sums = (folder / "results/x/checksums/files/maps/chi.nii.gz.sha256").read_text()
    command = ["sha256sum", "--check", "--strict", "-"]
    found = subprocess.run(command, input=sums, cwd="results/x", capture_output=True, text=True, check=True)
    assert found.stdout == "maps/chi.nii.gz: OK\nmaps/chi.json: OK\n"


def test_the_same_run_gives_the_same_records(folder):
    def records():
        return {path: path.read_bytes() for path in (folder / "results/x/checksums").rglob("*.*")}

    reconstruct(folder)
    before = records()
    reconstruct(folder)
    assert records() == before


DAMAGES = {
    "another byte": lambda: Path(MAP).write_text("chj"),
    "cut short": lambda: Path(MAP).write_text(""),
    "another sidecar": lambda: Path(SIDECAR).write_text("[]"),
    "no sidecar": lambda: Path(SIDECAR).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_altered_input_is_refused(folder, damage):
    reconstruct(folder)
    DAMAGES[damage]()
    with pytest.raises(AlteredFileError, match=f"Delete {MAP} and run again to remake it. Do not edit") as error:
        tabulate(folder)
    assert "as rule combine wrote it, found" in str(error.value)
    assert "AlteredFileError" in (folder / "results/x/logs/tabulate.log").read_text()
    assert not (folder / TABLE).exists()


def test_a_vanished_input_is_named(folder):
    (folder / RAW).unlink()
    with pytest.raises(FileNotFoundError, match=f"{RAW}: expected this input, found no file"):
        reconstruct(folder)


def test_an_input_without_a_record_is_taken_as_it_is(folder):
    (folder / MAP).write_text("by hand")
    tabulate(folder)
    assert raw_inputs(folder / "results/x").keys() == {MAP}


def test_a_job_that_fails_leaves_no_record(folder):
    reconstruct(folder)
    with (
        pytest.raises(RuntimeError),
        job(given("combine", "sub-01/combine.log", [RAW], MAP)),
    ):
        raise RuntimeError
    assert not [path for path in (folder / "results/x/checksums").rglob("*") if path.is_file()]


def test_a_job_that_fails_says_why_beside_its_log_until_it_runs_again(folder):
    problem = Problem(RAW, "two echoes", "one")
    with pytest.raises(IntakeError), job(given("combine", "sub-01/combine.log", [RAW], MAP)):
        raise IntakeError([problem])
    path = folder / "results/x/logs/sub-01/combine.error.json"
    found = json.loads(path.read_text())
    assert (found["rule"], found["wildcards"]["scan"], found["kind"]) == ("combine", "sub-01", "data")
    assert found["problems"] == [{"file": RAW, "expected": "two echoes", "found": "one"}]
    reconstruct(folder)
    assert not path.exists()


class OutOfMemoryError(RuntimeError):
    """As PyTorch has it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("a.nii: expected rad, found deg"), "data"),
        (ValueError("operands could not be broadcast together"), "code"),
        (FileNotFoundError("a.nii"), "data"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (MemoryError(), "memory"),
        (OutOfMemoryError(), "memory"),
        (KeyboardInterrupt(), "cancelled"),
        (KeyError("x"), "code"),
    ],
    ids=repr,
)
def test_an_exception_is_of_a_kind(error, kind):
    assert kind_of(error) == kind


def test_leftovers_of_killed_writers_go_when_their_job_comes_again(folder):
    of_this_job = [folder / f"results/x/maps/.77.partial.chi{end}" for end in (".nii.gz", ".json", ".checkpoint")]
    of_another = folder / "results/x/maps/.77.partial.chi2.nii.gz"
    for path in (*of_this_job, of_another):
        path.touch()
    reconstruct(folder)
    assert not any(path.exists() for path in of_this_job)
    assert of_another.exists()


def test_raw_inputs_are_those_that_no_job_made(folder):
    reconstruct(folder)
    tabulate(folder)
    found = raw_inputs(folder / "results/x")
    assert list(found) == [RAW] and len(found[RAW]) == 64


def test_verify_tells_what_became_of_every_file(folder, capsys):
    reconstruct(folder)
    tabulate(folder)
    assert verify.main([]) == 0
    assert capsys.readouterr().out == (
        "results/x: 3 files with a checksum, 0 altered, 0 missing, 0 unrecorded, 0 left over\n"
    )
    (folder / TABLE).unlink()
    (folder / "results/x/notes.txt").touch()
    (folder / "results/x/maps/.77.partial.chi.nii.gz").touch()
    assert verify.main(["results/x"]) == 0
    found = capsys.readouterr().out
    assert f"missing: {TABLE}\nunrecorded: results/x/notes.txt\nleft over: results/x/maps/.77" in found
    (folder / MAP).write_text("oops")
    assert verify.main(["results/x"]) == 1
    assert f"altered: {MAP}: expected SHA-256" in capsys.readouterr().out


def test_verify_needs_something_to_verify(capsys):
    assert verify.main([]) == 1
    assert "found none" in capsys.readouterr().err


def test_a_file_from_the_future_is_refused(folder):
    check_clock([RAW, "gone"])
    tomorrow = time.time() + 86400
    os.utime(folder / RAW, (tomorrow, tomorrow))
    with pytest.raises(ValueError, match=rf"{RAW}: expected a modification time in the past, found .*touch {RAW}"):
        check_clock([RAW])


def test_a_file_that_was_just_written_is_not_read_again_but_an_altered_one_is(folder, monkeypatch):
    (folder / ".snakemake").mkdir()
    image, read = folder / "image.nii", []
    monkeypatch.setattr(just_written, "sha256", lambda path: read.append(path) or checksums.sha256(path))
    monkeypatch.setattr(just_written, "TICK_S", -1)
    image.write_bytes(b"one")
    os.utime(image, ns=(0, 0))
    found = just_written.hashed(image)
    assert just_written.known_sha256(image) == found
    assert len(read) == 1
    time.sleep(2 * 0.02)  # ticks of a coarse clock
    image.write_bytes(b"two")
    os.utime(image, ns=(0, 0))  # as if nothing had happened
    assert just_written.known_sha256(image) != found
    monkeypatch.setattr(just_written, "LONGEST_S", 0)
    just_written.hashed(image)
    read.clear()
    just_written.known_sha256(image)
    assert len(read) == 1


def test_a_file_that_may_change_within_the_same_tick_is_not_remembered(folder, monkeypatch):
    (folder / ".snakemake").mkdir()
    monkeypatch.setattr(just_written, "TICK_S", 3600)
    (folder / "image.nii").write_bytes(b"one")
    just_written.hashed(folder / "image.nii")
    assert not just_written.FOLDER.exists()


def test_a_process_does_not_search_all_that_it_loaded_at_its_end(repository):
    last = "atexit.register(lambda: print(gc.get_freeze_count() > 0))"  # registered first, it comes last
    code = f"import atexit, gc; {last}; from workflow.lib.ending import end_at_once; end_at_once()"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
