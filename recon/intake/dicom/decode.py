"""Compressed pixels, decoded in a process of their own: a decoder that meets broken data may end its whole process.

The process is a plain one, `python -m recon.intake.dicom.decode`: unlike those of `multiprocessing` it does not run the
caller's main module again, which may have no guard. It takes a path a line, as JSON, and answers with a line, the words
of an error or the shape and type of the pixels, which follow.
"""

import atexit
import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from pydicom import dcmread

from recon.problems import IntakeError, Problem

READY = b"decoder ready\n"


def decoded(path: Path) -> np.ndarray:
    """Pixels of a DICOM file, ([frame,] row, column).

    Raises
    ------
    ValueError
        Where the decoder fails, in its words, or ends the process.
    IntakeError
        Where the process cannot start.
    """
    process = _process(os.getpid())
    assert process.stdin and process.stdout
    try:
        process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if isinstance(answer, list):
            shape, dtype = answer
            count = math.prod(shape) * np.dtype(dtype).itemsize
            return np.frombuffer(process.stdout.read(count), dtype).reshape(shape).copy()
    except (BrokenPipeError, ValueError):
        _process.cache_clear()  # the next call starts another one
        _end(process)
        answer = "expected pixels that can be decoded, found some that end the decoder"
    raise ValueError(answer)


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


def _serve() -> None:
    """Decode what comes in until nothing does; what a decoder prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers.write(READY)
    answers.flush()
    for line in sys.stdin:
        try:
            pixels = dcmread(json.loads(line), force=True).pixel_array
        except Exception as error:
            answers.write(json.dumps(f"{type(error).__name__}: {error}").encode() + b"\n")
        else:
            answers.write(json.dumps([pixels.shape, pixels.dtype.str]).encode() + b"\n")
            answers.write(pixels.tobytes())
        answers.flush()


if __name__ == "__main__":
    _serve()
