"""Jobs that an interrupted run left in SLURM's queue: a second run beside them would write the same files."""

import os
import shutil
import subprocess
from pathlib import Path


def left_over(queue: str, folder: Path, own_job: str | None) -> list[str]:
    """Numbers of the jobs that Snakemake has submitted from a folder, by the lines `number|folder|comment` of squeue.

    Parameters
    ----------
    queue : what squeue printed; finished jobs are not in it, finishing ones are
    folder : where the run works
    own_job : number of the job that this process runs in, if it is one
    """
    lines = [line.split("|", 2) for line in queue.splitlines() if line.count("|") >= 2]
    return [
        number
        for number, directory, comment in lines
        if directory == str(folder) and comment.startswith("rule_") and number.split("_")[0] != own_job
    ]


def check_queue(folder: Path) -> None:
    """Refuse to run beside jobs of an earlier run, with or without a cluster of one's own.

    Raises
    ------
    RuntimeError
        Jobs from `folder` are in the queue; the message gives their numbers and what to do.
    """
    if shutil.which("squeue") is None:
        return
    command = ["squeue", "--me", "--noheader", "--format=%i|%Z|%k"]
    try:
        queue = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return  # no cluster behind the command: nothing runs there
    if jobs := left_over(queue, folder, os.environ.get("SLURM_JOB_ID")):
        raise RuntimeError(
            f"{folder}: expected no jobs of an earlier run in the queue, found {len(jobs)}: {' '.join(jobs)}. "
            f"Wait until they have ended (their results are kept) or cancel them: scancel {' '.join(jobs)}"
        )
