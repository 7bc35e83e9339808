"""The few facts that are read from DICOM files before and beside the converter. None of the identifiers may be shown.

Tags are found by their bytes, little endian, with explicit or implicit value representation.
"""

import mmap
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

MAGIC_OFFSET, MAGIC = 128, b"DICM"
HEAD_BYTES = 2**18
UID = rb"(?:UI..|..\x00\x00)([0-9.]+)\x00?"
# StudyInstanceUID (0020,000D), then SeriesInstanceUID (0020,000E); references to other images part the two
SERIES = re.compile(rb"\x20\x00\x0d\x00" + UID + rb"\x20\x00\x0e\x00" + UID, re.DOTALL)
ENHANCED = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.4\.1[^0-9.]")  # Enhanced MR Image Storage
# EffectiveEchoTime (0018,9082), or where the pixels (7FE0,0010) begin
ECHO_TIME = re.compile(rb"\x18\x00\x82\x90(?:FD\x08\x00|\x08\x00\x00\x00)(.{8})|\xe0\x7f\x10\x00", re.DOTALL)


def is_dicom(path: Path) -> bool:
    """Whether a file holds DICOM; one that cannot be read does not."""
    try:
        with path.open("rb") as file:
            file.seek(MAGIC_OFFSET)
            return file.read(len(MAGIC)) == MAGIC
    except OSError:  # its message would show the file's name, which may be a person's
        return False


def study(path: Path) -> bytes | None:
    """Identifier of the examination; None where it cannot be told."""
    match = SERIES.search(_head(path))
    return match[1] if match else None


def enhanced_echo_times(folder: Path) -> dict[str, set[float]]:
    """Echo times [s] that the enhanced (multi-frame) files below a folder hold, by SeriesInstanceUID."""
    found: defaultdict[str, set[float]] = defaultdict(set)
    for path in sorted(folder.rglob("*")):
        if not (path.is_file() and is_dicom(path)):
            continue
        head = _head(path)
        if ENHANCED.search(head) and (match := SERIES.search(head)):
            found[match[2].decode()] |= set(_echo_times(path))
    return found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _echo_times(path: Path) -> Iterator[float]:
    """Echo times [s] of the frames of one file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in ECHO_TIME.finditer(content):
            if match[1] is None:
                return
            yield struct.unpack("<d", match[1])[0] / 1000
