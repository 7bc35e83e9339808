"""A folder for a conversion that does not outlive it: until it is cleaned, a header may tell who was scanned."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

PREFIX = ".partial-"


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """Give a hidden folder in `parent`; it is removed in the end, and so are those that killed processes have left."""
    for folder in parent.glob(f"{PREFIX}*"):
        if not _in_use(folder):
            shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix=PREFIX, dir=parent) as name, _locked(Path(name)):
        yield Path(name)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock that the system takes away when this process ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks; then nothing is removed either
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _in_use(folder: Path) -> bool:
    """Whether somebody holds the lock, or nobody can tell."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
