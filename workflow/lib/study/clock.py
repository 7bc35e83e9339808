"""Inputs that say they were changed in the future.

Snakemake compares times of change: no output can be younger than such an input, and its jobs end in an error after they
have computed. What jobs write, Snakemake stamps anew with the clock of the process that was started, so that the clock
of a worker does not matter.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

TOLERANCE_S = 60.0  # by which the clocks of a file server and of its users may differ


def changed_s(file: str) -> float:
    """Time of the last change [s since 1970]; 0 for a file that is not there, which is for others to tell."""
    try:
        return Path(file).stat().st_mtime
    except OSError:
        return 0.0


def check_clock(files: Iterable[str]) -> None:
    """Refuse files whose time of change has not come yet.

    Raises
    ------
    ValueError
        The message names one of them, says how many there are, and what to do.
    """
    now_s = time.time()
    late = {file: found_s for file in files if (found_s := changed_s(file)) > now_s + TOLERANCE_S}
    if late:
        file = next(iter(late))
        found, now = (f"{datetime.fromtimestamp(moment_s):%Y-%m-%d %H:%M}" for moment_s in (late[file], now_s))
        raise ValueError(
            f"{file}: expected a modification time in the past, found {found}; it is now {now} here ({len(late)} such "
            f"files). Correct the clock that is wrong, or reset the times of the files: touch {file}"
        )
