"""Why a job failed, as it says itself: a small JSON file beside its log, `….error.json`.

A job that is killed leaves none; then its exit status or SLURM's state of it decides.
"""

import errno
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from recon.files.atomic import atomic
from recon.problems import Problem

DATA, MEMORY, DISK, CANCELLED, CODE = "data", "memory", "disk", "cancelled", "code"
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
INPUT_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
SKEW_S = 60.0  # clocks of nodes differ: a file older than its job by more than that is of an earlier run


@dataclass(frozen=True, kw_only=True)
class ErrorRecord:
    """A failure.

    Parameters
    ----------
    rule, wildcards : of the job
    kind : `data`, an input that fails again until it is corrected; `memory`; `disk`; `cancelled`; `code`, anything else
    error : name of the exception
    message : its text
    problems : `file`, `expected` and `found` of every problem of the input that is known that exactly
    """

    rule: str
    wildcards: dict[str, str]
    kind: str
    error: str
    message: str
    problems: list[dict[str, str]]

    @property
    def sentence(self) -> str:
        """The problems, one line each; else name and text of the exception."""
        if self.problems:
            return "\n".join(str(Problem(**problem)) for problem in self.problems)
        return f"{self.error}: {self.message}" if self.message else self.error


def kind_of(error: BaseException) -> str:
    """What sort of failure an exception is."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"}:  # NumPy's and PyTorch's own are of these
        return MEMORY
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return DISK
    if isinstance(error, KeyboardInterrupt):
        return CANCELLED
    refused = isinstance(error, ValueError) and all(word in str(error) for word in ("expected ", "found "))
    return DATA if refused or hasattr(error, "problems") or isinstance(error, INPUT_ERRORS) else CODE


def record_of(error: BaseException, rule: str, wildcards: dict[str, str]) -> ErrorRecord:
    """The record of an exception that a job raised, with the exception's `problems` if it has any."""
    problems = [problem.as_dict() for problem in getattr(error, "problems", ())]
    name, message = type(error).__name__, str(error)
    return ErrorRecord(
        rule=rule, wildcards=wildcards, kind=kind_of(error), error=name, message=message, problems=problems
    )


def error_path(log: str | Path) -> Path:
    """Path of the record of the job with this log."""
    return Path(log).with_suffix(".error.json")


def write_error(log: str | Path, record: ErrorRecord) -> None:
    """Write it whole or not at all."""
    with atomic(error_path(log)) as part:
        part.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_error(log: str | Path | None, began_s: float) -> ErrorRecord | None:
    """The record of a job that began then [s since the epoch]; None where there is none that can be read."""
    try:
        return ErrorRecord(**json.loads(read_since(log and error_path(log), began_s)))
    except (ValueError, TypeError):
        return None


def read_since(path: str | Path | None, began_s: float) -> str:
    """A text file's content, if it was written after `began_s` [s since the epoch]; else nothing."""
    try:
        file = Path(path)
        return file.read_text(encoding="utf-8", errors="replace") if file.stat().st_mtime > began_s - SKEW_S else ""
    except (OSError, TypeError):
        return ""
