"""What a failed run says at its end: recorded events, and one real run in which jobs raise and are killed."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from recon.problems import IntakeError, Problem
from tests.workflow.recorded_run import Run
from workflow.lib.jobs.checksums import AlteredFileError
from workflow.lib.jobs.error_record import record_of, write_error
from workflow.lib.jobs.failures import CORRECT, RESUME, how_it_ended, job_name, last_words

REFUSED = IntakeError(
    [
        Problem("sub-01.json", "EchoTime", "none"),
        Problem("sub-01_mag.nii.gz", "an image", "a cut one"),
    ]
)
FAILED = "returned non-zero exit status 1"
ALTERED = AlteredFileError("mask.nii: expected SHA-256 aa, found bb\nDelete mask.nii and run again")
SNAKEFILE = """
import sys
sys.path.insert(0, {repository!r})
from snakemake.logging import logger
from workflow.lib.jobs.watch import Watch

if workflow.is_main_process:
    WATCH = Watch(logger, workflow.output_settings)

onerror:
    WATCH.failed()

rule all:
    input: expand("results/x/{{scan}}.txt", scan=["good", "wrong", "killed"])

rule job:
    output: "results/x/{{scan}}.txt"
    log: "results/x/logs/{{scan}}.log"
    benchmark: "benchmarks/{{scan}}.tsv"
    resources: mem_mb=700
    script: "job.py"
"""
JOB = """
import os, sys
sys.path.insert(0, {repository!r})
from pathlib import Path
from workflow.lib.jobs.job import job

with job(snakemake):
    scan = snakemake.wildcards.scan
    if scan == "wrong":
        raise ValueError("scan.nii: expected rad, found deg")
    if scan == "killed":
        os.kill(os.getpid(), 9)
    Path(snakemake.output[0]).touch()
"""


@pytest.fixture
def run():
    return Run(io.StringIO())


@pytest.fixture
def log(tmp_path):
    """Write a log, and the record of an error beside it, and give the log's path."""

    def write(text, name="job.log", error=None):
        path = tmp_path / name
        path.write_text(text)
        if error:
            write_error(path, record_of(error, "rule", {}))
        return str(path)

    return write


def told(run):
    """The summary at the end of the run."""
    before = run.stream.getvalue()
    run.watch.failed()
    return run.stream.getvalue().removeprefix(before)


def test_a_real_run_tells_what_failed_why_and_how_to_go_on(repository, tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(repository=str(repository)))
    (tmp_path / "job.py").write_text(JOB.format(repository=str(repository)))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--retries", "1"]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stderr
    during, found, end = text.partition("\n2 failed jobs:\n")
    assert found, text
    for expected in (
        "failed: job of wrong, attempt 1: ValueError: scan.nii: expected rad, found deg",
        "failed: job of killed, attempt 2: killed by SIGKILL",
        "1 of 4 jobs",
    ):
        assert expected in during
    for expected in (
        "job of wrong, tried 2 times\n  ValueError: scan.nii: expected rad, found deg\n    | job · scan=wrong",
        "  log: results/x/logs/wrong.log\n  → correct this input first",
        "job of killed, tried 2 times\n  killed by SIGKILL\n    | job · scan=killed",
        "most likely for lack of memory (700 MB requested): run fewer jobs at once",
        CORRECT,
    ):
        assert expected in end
    for noise in ("CalledProcessError", "steps (", "Select jobs", "Finished jobid", "Error in rule"):
        assert noise not in text
    left = {path.name for path in Path(tmp_path, "results/x/logs").iterdir()}
    assert left == {"good.log", "wrong.log", "killed.log", "wrong.error.json"}


def test_the_error_of_the_last_attempt_is_told(run, log):
    run.start(0, 1, "local_field", log=[log("x", error=RuntimeError("first"))], scan="sub-01")
    run.fail(1, 1)
    run.start(2, 1, "local_field", log=[log("the log", error=RuntimeError("second"))], scan="sub-01")
    run.fail(3, 1)
    text = told(run)
    assert "1 failed job:\n\nlocal_field of sub-01, tried 2 times\n  RuntimeError: second\n    | the log\n" in text
    assert "first" not in text and RESUME in text


def test_every_problem_of_an_input_is_named_and_must_be_corrected_first(run, log):
    path = log("Traceback", error=REFUSED)
    run.start(0, 1, "prepare_echoes", log=[path], scan="sub-01")
    run.fail(1, 1)
    text = told(run)
    assert (
        "prepare_echoes of sub-01\n  sub-01.json: expected EchoTime, found none\n"
        f"  sub-01_mag.nii.gz: expected an image, found a cut one\n  log: {path}\n  → correct this input first"
    ) in text
    assert text.rstrip().endswith(CORRECT) and RESUME not in text


def test_a_failure_that_was_made_good_is_not_told(run, log):
    run.begin(map=2)
    run.start(0, 1, "map", log=[log("x")])
    run.fail(1, 1)
    run.start(2, 1, "map", log=[log("x")])
    run.finish(3, 1)
    assert "failed job" not in told(run)


def test_the_refusal_of_an_altered_file_stands_alone(run, log):
    run.start(0, 1, "local_field", log=[log("x", error=ALTERED)], scan="sub-01")
    run.fail(1, 1)
    expected = "local_field of sub-01\n  AlteredFileError: mask.nii: expected SHA-256 aa, found bb\n  Delete mask.nii"
    assert expected in told(run)
    assert "log:" not in told(run)


def test_log_and_error_of_an_earlier_run_are_not_shown(run, log):
    run.start(1e9, 1, "map", log=[log("old", error=KeyError("old"))])  # begins after both were written
    run.fail(1e9 + 1, 1)
    assert "old" not in told(run)


def test_a_log_is_shown_from_its_end(run, log):
    run.start(0, 1, "map", log=[log("\n".join(f"line {number}" for number in range(100)))])
    run.fail(1, 1)
    text = told(run)
    assert "    | line 85\n" in text
    assert "line 84\n" not in text


def test_a_group_is_told_by_the_job_that_failed_in_it(run, log):
    for number, (rule, error) in enumerate([("one", None), ("two", REFUSED), ("three", None)]):
        run.start(0, number, rule, grouped=True, log=[log("begun", f"{rule}.log", error)], scan="sub-01")
    run.fail_group(9, [2, 1, 0], log("Error in rule one:", "slurm.log"))
    text = told(run)
    assert "1 failed job:\n\ntwo of sub-01\n  sub-01.json: expected EchoTime" in text
    assert "slurm.log" in text


def test_a_group_that_was_killed_is_told_by_the_job_that_it_was_killed_in(run, log):
    run.start(0, 0, "one", log("s\n1\n", "one.tsv"), grouped=True, log=[log("one", "one.log")], scan="sub-01")
    run.start(0, 1, "two", "none.tsv", grouped=True, log=[log("two", "two.log")], scan="sub-01")
    run.start(0, 2, "three", "none.tsv", grouped=True, log=["none.log"], scan="sub-01")
    run.fail_group(9, [2, 1, 0], log("slurmstepd: error: StepId=2.0 exceeded memory limit, being killed", "slurm.log"))
    text = told(run)
    assert "two of sub-01\n  slurmstepd: error: StepId=2.0 exceeded memory limit, being killed\n" in text
    assert "raise `mem_mb` of two in the profile" in text


def test_a_job_on_a_cluster_names_its_state_and_both_logs(run, log):
    own, cluster = log("begun", "own.log"), log("srun: error", "slurm.log")
    run.start(0, 1, "baselines", log=[own])
    message = "SLURM-job '12' failed, SLURM status is: 'FAILED'. Detailed failure reason unavailable."
    run.tell(1, "job_error", "Error", jobid=1, log=[own, cluster], rule_msg=message, indent=False)
    text = told(run)
    assert (
        f"SLURM-job '12' failed, SLURM status is: 'FAILED'\n    | begun\n  log: {own}\n  SLURM's log: {cluster}" in text
    )


@pytest.mark.parametrize(
    ("rule", "error", "end", "expected"),
    [
        ("map", None, "died with <Signals.SIGKILL: 9>", "--resources mem_mb=N"),
        ("map", None, "returned non-zero exit status 137", "1800 MB"),
        (
            "train_image_model",
            MemoryError(),
            FAILED,
            'lower train_image_model.batch_size (--config "train_image_model={batch_size: N}")',
        ),
        ("map", OSError(errno.ENOSPC, "No space left on device"), FAILED, "free disk space"),
        ("map", FileNotFoundError("a.nii"), FAILED, "correct this input first"),
    ],
)
def test_the_advice_follows_from_what_the_job_left_or_how_it_ended(run, log, rule, error, end, expected):
    run.start(0, 1, rule, log=[log("Killed, says the log, which does not matter", error=error)])
    run.fail(1, 1, end)
    assert expected in told(run).partition("  → ")[2]


def test_ten_failures_are_told_in_full_and_the_others_by_name(run, log):
    for number in range(12):
        run.start(0, number, "map", log=[log("x", error=REFUSED)], scan=f"sub-{number:02d}")
        run.fail(1, number)
    text = told(run)
    assert "12 failed jobs:" in text
    assert "and 2 more:\n  map of sub-10: sub-01.json: expected EchoTime, found none\n" in text


def test_other_errors_are_told_again(run):
    run.tell(1, "error", "MissingOutputException in rule map: sub-01.nii.gz")
    assert "MissingOutputException in rule map: sub-01.nii.gz" in told(run)


def test_an_interrupted_run_says_what_it_was_at_and_how_to_go_on(run, log):
    run.start(0, 1, "map", log=[log("begun")], scan="sub-01")
    run.fail(1, 1, "died with <Signals.SIGINT: 2>")
    assert told(run).strip() == f"The run was stopped before its end: map of sub-01.\n\n{RESUME}"


def test_a_cancelled_job_of_a_cluster_counts_as_failed(run, log):
    run.start(0, 0, "map", "none.tsv", grouped=True, log=[log("map")], scan="sub-01")
    run.fail_group(9, [0], log("slurmstepd: error: *** JOB 3 ON n1 CANCELLED AT 2026-11-23 ***", "slurm.log"))
    assert "  → it was cancelled; nothing needs fixing" in told(run)


def test_last_words_say_why_before_they_say_how():
    text = "error: StepId=2.0 exceeded memory limit\nerror: *** STEP 2.0 CANCELLED ***\nsrun: error: task 0: Killed\n"
    assert last_words(text) == "error: StepId=2.0 exceeded memory limit"
    assert last_words("error: *** JOB 3 CANCELLED AT 12:00 DUE TO TIME LIMIT ***").endswith("TIME LIMIT ***")
    assert last_words("all is well") == ""


def test_wildcards_make_a_name():
    assert job_name("report", {}) == "report"
    fold = {"variant": "", "input": "crop", "seed": "0", "fold": "1"}
    assert job_name("train_image_model", fold) == "train_image_model of input crop, seed 0, fold 1"


def test_an_end_without_known_words_says_nothing():
    assert how_it_ended("nothing known") == ""
