"""SHA-256 of files that a job has just written, without reading gigabytes again for every job that reads them.

A file counts as it was hashed for an hour, while device, inode, size and the times of its last change are the same.
No program can set the time of the last change of an inode (ctime): whoever alters a file alters it.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from recon.files.atomic import atomic

FOLDER = Path(".snakemake", "q-net-written")  # of the folder of a run; elsewhere nothing is remembered
LONGEST_S = 3600
TICK_S = 0.02  # two ticks of the slowest clock that stamps files: a change within one would show the same time


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal, read to its end."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashed(path: Path) -> str:
    """SHA-256 of a file, remembered for :func:`known_sha256`."""
    before = _identity(path)
    found = sha256(path)
    changed_s = os.stat(path).st_ctime
    if FOLDER.parent.is_dir() and _identity(path) == before and time.time() - changed_s > TICK_S:
        with suppress(OSError):  # a full disk: then it is read again
            FOLDER.mkdir(exist_ok=True)
            with atomic(_memory(path)) as part:
                part.write_text(json.dumps({"identity": before, "sha256": found}), encoding="utf-8")
    return found


def known_sha256(path: Path) -> str:
    """SHA-256 of a file: what :func:`hashed` remembers of the same file, or computed."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(_memory(path).read_text(encoding="utf-8"))
        if known["identity"] == _identity(path) and 0 <= time.time() - os.stat(path).st_ctime < LONGEST_S:
            return str(known["sha256"])
    return sha256(path)


def _identity(path: Path) -> list[int]:
    found = os.stat(path)
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _memory(path: Path) -> Path:
    return FOLDER / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}.json"
