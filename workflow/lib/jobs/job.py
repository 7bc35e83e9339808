"""The wrapper of every job: its log, why it failed, and a watch over the files that it reads and writes.

Nothing here changes what a job computes.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress

from recon.files.atomic import left_over
from workflow.lib.ending import end_at_once
from workflow.lib.jobs.checksums import forget, remember, verified
from workflow.lib.jobs.error_record import error_path, record_of, write_error

MOST = 2000  # characters of settings in the first line of a log


@contextmanager
def job(snakemake) -> Iterator[dict[str, str]]:
    """Log a job, refuse inputs that were altered since they were written, and record the checksums of its files.

    Parameters
    ----------
    snakemake : what Snakemake gives a script; its `log`, `rule`, `wildcards`, `params`, `input` and `output` are used

    Yields
    ------
    SHA-256 of its inputs by file

    Raises
    ------
    AlteredFileError, FileNotFoundError
        See `checksums.verified`.
    """
    end_at_once()
    log, outputs = snakemake.log[0], list(snakemake.output)
    with job_log(log), error_record(snakemake):
        print(heading(snakemake))
        forget(log, outputs)
        for path in {path for output in outputs for path in left_over(output)}:
            path.unlink(missing_ok=True)
        inputs = verified(snakemake.input)
        yield inputs
        remember(log, snakemake.rule, inputs, outputs)


@contextmanager
def error_record(snakemake) -> Iterator[None]:
    """Write a record of an exception beside the log, see `error_record.py`; that of an earlier attempt is removed."""
    log = snakemake.log[0]
    error_path(log).unlink(missing_ok=True)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        with suppress(OSError):  # a full disk: the exception itself matters more
            write_error(log, record_of(error, snakemake.rule, dict(snakemake.wildcards.items())))
        raise


def heading(snakemake) -> str:
    """What runs, for which scan or fold and with which settings: the first line of a log."""
    names = " ".join(f"{key}={value}" for key, value in snakemake.wildcards.items() if value)
    settings = json.dumps(snakemake.params.get("cfg", {}), default=str, sort_keys=True)
    return " · ".join(filter(None, (snakemake.rule, names, settings[:MOST])))


def _message(kind: type[BaseException], error: BaseException, _) -> None:
    print(f"{kind.__name__}: {error}", file=sys.stderr)


@contextmanager
def job_log(path: str) -> Iterator[None]:
    """Send what a job prints and warns to its log; a failure leaves its traceback there and its message on stderr."""
    with open(path, "w", buffering=1, encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        logging.captureWarnings(True)
        logging.basicConfig(stream=log, level=logging.INFO, format="%(message)s", force=True)
        try:
            yield
        except Exception:
            traceback.print_exc()
            sys.excepthook = _message
            raise
