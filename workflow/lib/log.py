"""The log file of a job."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def job_log(path: str) -> Iterator[None]:
    """Send what a job prints and warns to its log; a failure leaves its traceback there."""
    with open(path, "w", buffering=1, encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        logging.captureWarnings(True)
        logging.basicConfig(stream=log, level=logging.INFO, format="%(message)s", force=True)
        try:
            yield
        except Exception:
            traceback.print_exc()
            raise
