"""What went wrong in a run: each failed job with its reason, the end of its log, and what to do next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from recon.problems import to_type
from workflow.lib.jobs.error_record import CANCELLED, CODE, DATA, DISK, MEMORY, ErrorRecord

TAIL_LINES = 15
LISTED = 10  # failures told in full
TIME = "time"  # a kind of failure that only a cluster knows
BATCHES = {
    "train_image_model": "train_image_model.batch_size",
    "train_inner_model": "train_image_model.batch_size",
    "pretrain_encoder": "pretrain.batch_size",
    "train_scan_model": "train_scan_model.batch_size",
}
REFUSED = "refused"  # by sbatch: there never was a job
# how Snakemake and SLURM say that a job was ended from outside, which it cannot say itself
ENDED = {
    REFUSED: re.compile(r"refused by sbatch"),
    DISK: re.compile(r"No space left on device|Disk quota exceeded"),
    TIME: re.compile(r"DUE TO TIME LIMIT|TIMEOUT"),
    MEMORY: re.compile(r"SIGKILL|status 137|Killed|[Oo]ut.of.memory|OUT_OF_ME|oom[-_ ]kill|memory limit"),
    CANCELLED: re.compile(r"SIGINT|SIGTERM|status 130|status 143|CANCELLED|NODE_FAIL"),
}
SBATCH = re.compile(
    r"sbatch failed\. The error message was '(?P<words>.*?)'\.\n(\s*sbatch call:\s*(?P<call>[^\n]*?)( --wrap=|\n|$))?"
    r"|submission failed with exception: (?P<other>.*)",
    re.S,
)
ADVICE = {
    DISK: "free disk space, or make the folder in the message writable",
    CANCELLED: "it was cancelled; nothing needs fixing",
    REFUSED: "correct the line of the SLURM profile that asks for it (`jobs` where too many were submitted), see "
    "docs/how-to/cluster.md",
    DATA: "correct this input first; until then the job fails in the same way",
}
RESUME = "Run the same command again to resume; finished jobs are kept."
CORRECT = "Correct the input named above, then run the same command again; finished jobs are kept."


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed attempt of a job, or of a group of jobs that SLURM ran as one.

    Parameters
    ----------
    rule, name : rule, and rule with wildcards
    attempts : how often it has been tried
    end : how its process ended, in Snakemake's or SLURM's words; may be empty
    record : what it says itself; None where it was ended from outside
    text : what its log says; empty if it left none
    log : the log's path, or None
    cluster_text, cluster_log : the same of SLURM's own log
    asked_mb : memory that the job had asked for, or None
    """

    rule: str
    name: str
    attempts: int
    end: str
    record: ErrorRecord | None
    text: str
    log: str | None
    cluster_text: str = ""
    cluster_log: str | None = None
    asked_mb: int | None = None

    @property
    def message(self) -> str:
        """What went wrong in the job's own words; if it left none, how its process ended."""
        return self.record.sentence if self.record else self.end or "it ended without a message"

    @property
    def kind(self) -> str:
        """What sort of failure it is."""
        if self.record:
            return self.record.kind
        return next((kind for kind, sign in ENDED.items() if sign.search(f"{self.end}\n{self.cluster_text}")), CODE)

    @property
    def explains_itself(self) -> bool:
        """Whether the message needs no end of the log."""
        return self.record is not None and bool(self.record.problems or self.altered)

    @property
    def altered(self) -> bool:
        """Whether a file was altered between jobs; the message then says what to do."""
        return self.record is not None and self.record.error == "AlteredFileError"

    @property
    def interrupted(self) -> bool:
        """Whether the job was ended on this computer together with the run: Ctrl-C, a shutdown."""
        return not self.cluster_log and self.kind == CANCELLED


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """`local_field of sub-01`, `train_image_model of input crop, seed 0, fold 1`."""
    if "scan" in wildcards:
        return f"{rule} of {wildcards['scan']}"
    parts = [f"{key} {value}" for key, value in wildcards.items() if value]
    return f"{rule} of {', '.join(parts)}" if parts else rule


def how_it_ended(message: str) -> str:
    """`killed by SIGKILL`, `exit status 1`, what sbatch said to refuse which call, or SLURM's sentence about its state.

    Nothing if no such words occur.
    """
    if found := SBATCH.search(message):
        words = " ".join((found["words"] or found["other"]).replace("sbatch: error: ", "").split())
        return f"refused by sbatch: {words}" + (f" (asked with {found['call']})" if found["call"] else "")
    if found := re.search(r"died with <Signals\.(\w+)", message):
        return f"killed by {found[1]}"
    if found := re.search(r"exit status \d+", message):
        return found[0]
    found = re.search(r"SLURM-job '[^']*' failed.*?SLURM status is: '\w+'", message, re.S)
    return found[0] if found else ""


def last_words(cluster_text: str) -> str:
    """The line of SLURM's log that best explains what ended a job from outside, or nothing."""
    for sign in ENDED.values():
        if found := next((line for line in cluster_text.splitlines() if sign.search(line)), None):
            return found.strip()
    return ""


def advice(failure: Failure) -> str:
    """What to do about a failure before the run is started again, or nothing."""
    if failure.kind == MEMORY:
        return _about_memory(failure)
    if failure.kind == TIME:
        return f"it ran out of time: raise `runtime` of {failure.rule} in the profile"
    return ADVICE.get(failure.kind, "")


def _about_memory(failure: Failure) -> str:
    asked = f" ({failure.asked_mb} MB requested)" if failure.asked_mb else ""
    smaller = (
        f"lower {BATCHES[failure.rule]} ({to_type(BATCHES[failure.rule], 'N')}), " if failure.rule in BATCHES else ""
    )
    why = f"it ran out of memory{asked}" if failure.record else f"it was killed, most likely for lack of memory{asked}"
    if failure.cluster_log:
        return f"{why}: {smaller}raise `mem_mb` of {failure.rule} in the profile"
    advice = "run fewer jobs at once (a smaller --cores), or set --resources mem_mb=N to this computer's memory"
    return f"{why}: {smaller}{advice}"


def paragraph(failure: Failure, tail_lines: int = TAIL_LINES) -> str:
    """A failure in full."""
    times = f", tried {failure.attempts} times" if failure.attempts > 1 else ""
    lines = [f"{failure.name}{times}", *(f"  {text}" for text in failure.message.splitlines())]
    if failure.altered:
        return "\n".join(lines)
    shown = "" if failure.explains_itself else failure.text or failure.cluster_text
    lines += [f"    | {text}" for text in shown.rstrip().splitlines()[-tail_lines:]]
    empty = "" if failure.text else " (empty; its output is shown above)"
    began = failure.text or failure.kind != REFUSED
    lines += [f"  log: {failure.log}{empty}"] if failure.log and began else []
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
        parts.append(
            f"and {len(more)} more:\n" + "\n".join(f"  {one.name}: {one.message.splitlines()[0]}" for one in more)
        )
    parts += others
    if stopped or not parts:
        names = ": " + ", ".join(failure.name for failure in stopped) if stopped else ""
        parts.append(f"The run was stopped before its end{names}.")
    wrong_input = any(failure.kind == DATA for failure in broken)
    return "\n\n".join([*parts, CORRECT if wrong_input else RESUME])
