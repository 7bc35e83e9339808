"""What a file is that cannot be read as what its name says, so that a message can tell what to do."""

import os
import re
import stat
from pathlib import Path

POINTER = b"/annex/objects/"  # of git-annex, or a link to one that was checked out as text: ../../.git/annex/objects/…
HEAD = 1024  # bytes that are looked at, as many as any header that is known here has
MARKS = {  # first bytes, in small letters, of what may stand in place of a file: what it is, and the remedy
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file (git lfs pull)",
    POINTER: "a pointer of git-annex: fetch the file (datalad get, git annex get)",
    b"<!doctype html": "a web page: download the file anew",
    b"<html": "a web page: download the file anew",
    b"pk\x03\x04": "a zip archive: unpack it",
}
GZIP = b"\x1f\x8b"
DICOM = 128  # place of its letters


def what_instead(path: str | Path) -> str:
    """What is there in place of a file; empty where nothing is known. Only what lies on a disk is opened."""
    path = str(path)
    if os.path.islink(path) and not os.path.exists(path):
        return "a symbolic link to nothing: fetch the file (datalad get, git annex get), or copy it there"
    head = first_bytes(path)
    if head.startswith(GZIP) and not path.endswith(".gz"):
        return "a file packed by gzip: let its name end in .gz"
    if head[DICOM : DICOM + 4] == b"DICM":
        return "a DICOM file: convert it, or give its folder as dicom_dir"
    small = re.sub(rb"^(\.\./)+\.git(?=/annex/)", b"", head.lstrip().lower())
    return next((what for mark, what in MARKS.items() if small.startswith(mark)), "")


def first_bytes(path: str) -> bytes:
    """The first bytes of a file on a disk; none where it cannot be opened, or is a pipe that may never end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""
