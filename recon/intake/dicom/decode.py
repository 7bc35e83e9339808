"""Compressed pixels, decoded in a process of their own: a decoder that meets broken data may end its whole process."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydicom import dcmread

T = TypeVar("T")


def decoded(path: Path) -> np.ndarray:
    """Pixels of a DICOM file, ([frame,] row, column).

    Raises
    ------
    Exception
        Whatever the decoder raises; ValueError where it ended the process.
    """
    return apart(_pixels, path)


def apart(work: Callable[..., T], *arguments: object) -> T:
    """What a function returns or raises in the other process; ValueError where that process ends."""
    try:
        return _process().submit(work, *arguments).result()
    except BrokenProcessPool:
        _process.cache_clear()  # the next call starts another one
        raise ValueError("expected pixels that can be decoded, found some that end the decoder") from None


@cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _pixels(path: Path) -> np.ndarray:
    return dcmread(path, force=True).pixel_array
