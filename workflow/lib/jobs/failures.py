"""What went wrong in a run: each failed job with its reason, the end of its log, and what to do next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import dropwhile

TAIL_LINES = 15
COMPLETE = "AlteredFileError: "  # the exception whose message says everything
LISTED = 10  # failures told in full
BATCHES = {
    "train_image_model": "train_image_model.batch_size",
    "train_inner_model": "train_image_model.batch_size",
    "pretrain_encoder": "pretrain.batch_size",
    "train_scan_model": "train_scan_model.batch_size",
}
KILLED = re.compile(r"SIGKILL|status 137|Killed|MemoryError|[Oo]ut.of.memory|OUT_OF_ME|oom[-_ ]kill|memory limit")
LATE = re.compile(r"DUE TO TIME LIMIT|TIMEOUT")
STOPPED = re.compile(r"SIGINT|SIGTERM|status 130|status 143|CANCELLED|NODE_FAIL")
FULL = re.compile(r"No space left on device|Disk quota exceeded")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed attempt of a job, or of a group of jobs that SLURM ran as one.

    Parameters
    ----------
    rule, name : rule, and rule with wildcards
    attempts : how often it has been tried
    end : how its process ended, in Snakemake's or SLURM's words; may be empty
    text : what its log says; empty if it left none
    log : the log's path, or None
    cluster_text, cluster_log : the same of SLURM's own log
    asked_mb : memory that the job had announced, or None
    """

    rule: str
    name: str
    attempts: int
    end: str
    text: str
    log: str | None
    cluster_text: str = ""
    cluster_log: str | None = None
    asked_mb: int | None = None

    @property
    def message(self) -> str:
        """The exception and its first line; where there is none, how the process ended."""
        told = exception(self.text) or self.end or "it ended without a message"
        return told if self.stands_alone else told.splitlines()[0]

    @property
    def stands_alone(self) -> bool:
        """Whether the exception's message needs neither log nor advice."""
        return exception(self.text).startswith(COMPLETE)

    @property
    def interrupted(self) -> bool:
        """Whether the job was ended on this computer together with the run: Ctrl-C, a shutdown."""
        return not self.cluster_log and bool(STOPPED.search(self.message))


def exception(text: str) -> str:
    """What the last traceback says: the exception's name without its module, and its message to the last line."""
    _, found, last = text.rpartition("Traceback (most recent call last):")
    lines = iter(last.splitlines()[1:])
    told = "\n".join(line for line in dropwhile(lambda line: line[:1].isspace(), lines))
    return re.sub(r"^(?:\w+\.)+", "", told).rstrip() if found else ""


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """`local_field of sub-01`, `train_image_model of input crop, seed 0, fold 1`."""
    if "scan" in wildcards:
        return f"{rule} of {wildcards['scan']}"
    parts = [f"{key} {value}" for key, value in wildcards.items() if value]
    return f"{rule} of {', '.join(parts)}" if parts else rule


def how_it_ended(message: str) -> str:
    """`killed by SIGKILL`, `exit status 1`, or SLURM's sentence about a job's state; nothing if no such words occur."""
    if found := re.search(r"died with <Signals\.(\w+)", message):
        return f"killed by {found[1]}"
    if found := re.search(r"exit status \d+", message):
        return found[0]
    found = re.search(r"SLURM-job '[^']*' failed.*?SLURM status is: '\w+'", message, re.S)
    return found[0] if found else ""


def last_words(cluster_text: str) -> str:
    """The line of SLURM's log that says best what ended a job from outside, or nothing."""
    for sign in (FULL, LATE, KILLED, STOPPED):
        if found := next((line for line in cluster_text.splitlines() if sign.search(line)), None):
            return found.strip()
    return ""


def advice(failure: Failure) -> str:
    """What to do about a failure before the run is started again, or nothing."""
    words = failure.message if exception(failure.text) else "\n".join((failure.end, failure.cluster_text))
    if FULL.search(words):
        return "free disk space where the message says"
    if LATE.search(words):
        return f"it ran out of time: raise `runtime` of {failure.rule} in the profile"
    if KILLED.search(words):
        return _about_memory(failure)
    if STOPPED.search(words):
        return "it was stopped from outside: nothing to mend"
    return ""


def _about_memory(failure: Failure) -> str:
    asked = f" (it had announced {failure.asked_mb} MB)" if failure.asked_mb else ""
    smaller = f"lower `{BATCHES[failure.rule]}`, " if failure.rule in BATCHES else ""
    if failure.cluster_log:
        return f"it was killed, most likely for memory{asked}: {smaller}raise `mem_mb` of {failure.rule} in the profile"
    fewer = "run fewer jobs at once: a smaller --cores, or --resources mem_mb=N, what this computer has to spare"
    return f"it was killed, most likely for memory{asked}: {smaller}{fewer}"


def paragraph(failure: Failure, tail_lines: int = TAIL_LINES) -> str:
    """A failure in full."""
    times = f", tried {failure.attempts} times" if failure.attempts > 1 else ""
    lines = [f"{failure.name}{times}", *(f"  {text}" for text in failure.message.splitlines())]
    if failure.stands_alone:
        return "\n".join(lines)
    shown = failure.text or failure.cluster_text
    lines += [f"    | {text}" for text in shown.rstrip().splitlines()[-tail_lines:]]
    empty = "" if failure.text else " (empty; what it printed stands above)"
    lines += [f"  log: {failure.log}{empty}"] if failure.log else []
    lines += [f"  SLURM's log: {failure.cluster_log}"] if failure.cluster_log else []
    lines += [f"  → {what}"] if (what := advice(failure)) else []
    return "\n".join(lines)


def summary(failures: list[Failure], others: list[str]) -> str:
    """All that went wrong, and how to go on.

    Parameters
    ----------
    failures : the jobs that no further attempt has saved
    others : messages of errors that no job's command made
    """
    stopped = [failure for failure in failures if failure.interrupted]
    broken = [failure for failure in failures if not failure.interrupted]
    parts = [f"{len(broken)} failed job{'s' if len(broken) > 1 else ''}:"] if broken else []
    parts += [paragraph(failure) for failure in broken[:LISTED]]
    if more := broken[LISTED:]:
        parts.append(f"and {len(more)} more:\n" + "\n".join(f"  {one.name}: {one.message}" for one in more))
    parts += others
    if stopped or not parts:
        names = ": " + ", ".join(failure.name for failure in stopped) if stopped else ""
        parts.append(f"The run was stopped before its end{names}.")
    go_on = "The same command continues: what is finished stays, what failed or was not begun runs."
    return "\n\n".join([*parts, go_on])
