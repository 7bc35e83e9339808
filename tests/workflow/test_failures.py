"""What a failed run says at its end: recorded events, and one real run in which jobs raise and are killed."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.recorded_run import Run
from workflow.lib.jobs.failures import exception, how_it_ended, job_name, last_words

TRACEBACK = """local_field of sub-01
Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
    ^^^
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 2, in g
recon.problems.IntakeError: sub-01.json: expected EchoTime, found none
sub-01_mag.nii.gz: expected an image, found a cut one
"""
ALTERED = """Traceback (most recent call last):
  File "job.py", line 1, in f
workflow.lib.jobs.checksums.AlteredFileError: mask.nii: expected SHA-256 aa, found bb
Delete mask.nii and run again
"""
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
    input: expand("{{scan}}.txt", scan=["good", "wrong", "killed"])

rule job:
    output: "{{scan}}.txt"
    log: "logs/{{scan}}.log"
    benchmark: "benchmarks/{{scan}}.tsv"
    resources: mem_mb=700
    script: "job.py"
"""
JOB = """
import os, sys
from pathlib import Path

scan, log = snakemake.wildcards.scan, Path(snakemake.log[0])
log.write_text(f"job of {scan}\\n")
if scan == "wrong":
    log.write_text("Traceback (most recent call last):\\n  File x\\nValueError: expected rad, found deg\\n")
    sys.exit(1)
if scan == "killed":
    os.kill(os.getpid(), 9)
Path(snakemake.output[0]).touch()
"""


@pytest.fixture
def run():
    return Run(io.StringIO())


@pytest.fixture
def log(tmp_path):
    """Write a log and give its path."""

    def write(text, name="job.log"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def told(run):
    """The summary at the end of the run."""
    before = run.stream.getvalue()
    run.watch.failed()
    return run.stream.getvalue().removeprefix(before)


def test_a_real_run_tells_what_failed_why_and_how_to_go_on(repository, tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(repository=str(repository)))
    (tmp_path / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--retries", "1"]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stderr
    during, found, end = text.partition("\n2 failed jobs:\n")
    assert found, text
    for expected in (
        "failed: job of wrong, attempt 1: ValueError: expected rad, found deg",
        "failed: job of killed, attempt 2: killed by SIGKILL",
        "1 of 4 jobs",
    ):
        assert expected in during
    for expected in (
        "job of wrong, tried 2 times\n  ValueError: expected rad, found deg\n    | Traceback",
        "  log: logs/wrong.log\n",
        "job of killed, tried 2 times\n  killed by SIGKILL\n    | job of killed\n  log: logs/killed.log\n",
        "most likely for memory (it had announced 700 MB): run fewer jobs at once",
        "The same command continues",
    ):
        assert expected in end
    for noise in ("CalledProcessError", "steps (", "Select jobs", "Finished jobid", "Error in rule"):
        assert noise not in text
    assert Path(tmp_path, "logs/killed.log").read_text() == "job of killed\n"


def test_the_log_of_the_last_attempt_is_told(run, log):
    run.start(0, 1, "local_field", log=[log("x")], scan="sub-01")
    run.fail(1, 1)
    run.start(2, 1, "local_field", log=[log(TRACEBACK)], scan="sub-01")
    run.fail(3, 1)
    text = told(run)
    assert "1 failed job:\n\nlocal_field of sub-01, tried 2 times\n  IntakeError: sub-01.json: expected" in text
    assert "    | sub-01_mag.nii.gz: expected an image, found a cut one\n" in text


def test_a_failure_that_was_made_good_is_not_told(run, log):
    run.begin(map=2)
    run.start(0, 1, "map", log=[log("x")])
    run.fail(1, 1)
    run.start(2, 1, "map", log=[log("x")])
    run.finish(3, 1)
    assert "failed job" not in told(run)


def test_the_refusal_of_an_altered_file_stands_alone(run, log):
    run.start(0, 1, "local_field", log=[log(ALTERED)], scan="sub-01")
    run.fail(1, 1)
    expected = "local_field of sub-01\n  AlteredFileError: mask.nii: expected SHA-256 aa, found bb\n  Delete mask.nii"
    assert expected in told(run)
    assert "log:" not in told(run)


def test_a_log_of_an_earlier_run_is_not_shown(run, log):
    run.start(1e9, 1, "map", log=[log(TRACEBACK)])  # begins after the log was written
    run.fail(1e9 + 1, 1)
    assert "KeyError" not in told(run)


def test_a_log_is_shown_from_its_end(run, log):
    run.start(0, 1, "map", log=[log("\n".join(f"line {number}" for number in range(100)))])
    run.fail(1, 1)
    text = told(run)
    assert "    | line 85\n" in text
    assert "line 84\n" not in text


def test_a_group_is_told_by_the_job_that_failed_in_it(run, log):
    for number, (rule, text) in enumerate([("one", "done"), ("two", TRACEBACK), ("three", "")]):
        run.start(0, number, rule, grouped=True, log=[log(text, f"{rule}.log")], scan="sub-01")
    run.fail_group(9, [2, 1, 0], log("Error in rule one:", "slurm.log"))
    text = told(run)
    assert "1 failed job:\n\ntwo of sub-01\n  IntakeError:" in text
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
    ("rule", "last", "end", "expected"),
    [
        ("map", "", "died with <Signals.SIGKILL: 9>", "--resources mem_mb=N"),
        ("map", "", "returned non-zero exit status 137", "1800 MB"),
        ("train_image_model", "MemoryError", "returned non-zero exit status 1", "lower `train_image_model.batch_size`"),
        ("map", "OSError: [Errno 28] No space left on device", "returned non-zero exit status 1", "free disk space"),
    ],
)
def test_the_advice_follows_from_the_end(run, log, rule, last, end, expected):
    text = f"Traceback (most recent call last):\n  File x\n{last}\n" if last else "begun\n"
    run.start(0, 1, rule, log=[log(text)])
    run.fail(1, 1, end)
    assert expected in told(run).partition("  → ")[2]


def test_ten_failures_are_told_in_full_and_the_others_by_name(run, log):
    for number in range(12):
        run.start(0, number, "map", log=[log(TRACEBACK)], scan=f"sub-{number:02d}")
        run.fail(1, number)
    text = told(run)
    assert "12 failed jobs:" in text
    assert "and 2 more:\n  map of sub-10: IntakeError: sub-01.json" in text


def test_other_errors_are_told_again(run):
    run.tell(1, "error", "MissingOutputException in rule map: sub-01.nii.gz")
    assert "MissingOutputException in rule map: sub-01.nii.gz" in told(run)


def test_an_interrupted_run_says_what_it_was_at_and_how_to_go_on(run, log):
    run.start(0, 1, "map", log=[log("begun")], scan="sub-01")
    run.fail(1, 1, "died with <Signals.SIGINT: 2>")
    assert told(run).strip() == (
        "The run was stopped before its end: map of sub-01.\n\n"
        "The same command continues: what is finished stays, what failed or was not begun runs."
    )


def test_a_cancelled_job_of_a_cluster_counts_as_failed(run, log):
    run.start(0, 0, "map", "none.tsv", grouped=True, log=[log("map")], scan="sub-01")
    run.fail_group(9, [0], log("slurmstepd: error: *** JOB 3 ON n1 CANCELLED AT 2026-11-23 ***", "slurm.log"))
    assert "  → it was stopped from outside: nothing to mend" in told(run)


def test_last_words_say_why_before_they_say_how():
    text = "error: StepId=2.0 exceeded memory limit\nerror: *** STEP 2.0 CANCELLED ***\nsrun: error: task 0: Killed\n"
    assert last_words(text) == "error: StepId=2.0 exceeded memory limit"
    assert last_words("error: *** JOB 3 CANCELLED AT 12:00 DUE TO TIME LIMIT ***").endswith("TIME LIMIT ***")
    assert last_words("all is well") == ""


def test_wildcards_make_a_name():
    assert job_name("report", {}) == "report"
    fold = {"variant": "", "input": "crop", "seed": "0", "fold": "1"}
    assert job_name("train_image_model", fold) == "train_image_model of input crop, seed 0, fold 1"


def test_what_is_no_traceback_has_no_exception():
    assert exception("ValueError: only mentioned") == ""
    assert how_it_ended("nothing known") == ""
