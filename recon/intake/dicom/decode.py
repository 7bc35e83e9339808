"""Compressed pixels, decoded in a process of their own: a decoder that meets broken data may end its whole process.

The process is a plain one, `python -m recon.intake.dicom.decode`, that takes and gives pickles by its standard streams:
unlike those of `multiprocessing` it does not run the caller's main module again, which may have no guard.
"""

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydicom import dcmread

from recon.problems import IntakeError, Problem

T = TypeVar("T")
READY = b"decoder ready\n"


def decoded(path: Path) -> np.ndarray:
    """Pixels of a DICOM file, ([frame,] row, column).

    Raises
    ------
    Exception
        Whatever the decoder raises; ValueError where it ended the process; IntakeError where that cannot start.
    """
    return apart(_pixels, path)


def apart(work: Callable[..., T], *arguments: object) -> T:
    """What a function returns or raises in the other process; ValueError where that process ends."""
    question, process = pickle.dumps((work, arguments)), _process(os.getpid())
    assert process.stdin and process.stdout
    try:
        process.stdin.write(question)
        process.stdin.flush()
        done, result = pickle.load(process.stdout)
    except (BrokenPipeError, EOFError, pickle.UnpicklingError):
        _process.cache_clear()  # the next call starts another one
        _end(process)
        raise ValueError("expected pixels that can be decoded, found some that end the decoder") from None
    if not done:
        raise result
    return result


@cache
def _process(caller: int) -> "subprocess.Popen[bytes]":
    """The other process of a caller; one that is forked from the caller gets its own."""
    command = [sys.executable, "-P", "-m", "recon.intake.dicom.decode"]
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # where the caller finds its modules
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path}
        )
    except OSError as error:
        raise _not_started(error.strerror or "an error of the system") from None
    assert process.stdout
    if process.stdout.readline() != READY:
        _end(process)
        raise _not_started(f"exit status {process.returncode}")
    atexit.register(_end, process)
    return process


def _not_started(found: str) -> IntakeError:
    return IntakeError([Problem(sys.executable, "a Python process that decodes compressed pixels", found)])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the other process, which waits for its input."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(BrokenPipeError):  # what it did not read
                stream.close()


def _pixels(path: Path) -> np.ndarray:
    return dcmread(path, force=True).pixel_array


def _serve() -> None:
    """Do what comes in until nothing does; what a decoder prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers.write(READY)
    answers.flush()
    while True:
        try:
            work, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = pickle.dumps((True, work(*arguments)))
        except Exception as error:
            answer = _as_error(error)
        answers.write(answer)
        answers.flush()


def _as_error(error: Exception) -> bytes:
    """An error as an answer; one that cannot travel goes by its name alone."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)
    except Exception:
        return pickle.dumps((False, ValueError(type(error).__name__)))
    return answer


if __name__ == "__main__":
    _serve()
