"""The files of a DICOM folder, whatever they are packed in. No name of a file may be shown: it may be a person's."""

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydicom import dcmread

MAGIC_OFFSET, MAGIC = 128, b"DICM"
HEAD_BYTES = 265
# kinds of value (VR) that elements at the start of a file have
FIRST_VRS = (b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"SH", b"LO", b"ST")
BYTES_OF_FIRST = 1024  # that the value of an implicit element at the start of a file may have
INDEX = "DICOMDIR"  # of a CD: it lists images and is none
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
# what nothing here unpacks: name, first byte, and the bytes from there
ARCHIVES = (
    ("7z", 0, b"7z\xbc\xaf\x27\x1c"), ("rar", 0, b"Rar!"), ("tar", 257, b"ustar"), ("bzip2", 0, b"BZh"),
    ("xz", 0, b"\xfd7zXZ\0"), ("zstd", 0, b"\x28\xb5\x2f\xfd"), ("compress", 0, b"\x1f\x9d"),
)  # fmt: skip
DEEPEST = 3  # archives in each other
# other files of images, by the end of their names
OTHERS = {
    "NIfTI images, which belong into a BIDS folder (config bids_dir)": (".nii", ".nii.gz"),
    "PAR and REC files of Philips: export DICOM": (".par", ".rec"),
    "raw data of a scanner, not reconstructed": (".dat", ".raw", ".lab", ".sin", ".7"),
}
UNPACKED_BYTES = 2**34  # of one visit; more is a fault of the archive


class Source(NamedTuple):
    """One file; `order` counts the files of the visit by name from 1, which names it without showing its name."""

    order: int
    path: Path
    unpacked: bool = False


def is_dicom(path: Path) -> bool:
    """Whether a file holds DICOM, maybe gzipped, and is not the index of a CD; one that cannot be read does not."""
    return path.name.upper() != INDEX and begins_as_dicom(head_of(path))


def begins_as_dicom(head: bytes) -> bool:
    """Whether the first bytes of a file are those of DICOM, with or without the preamble of its file format."""
    return has_preamble(head) or _bare(head)


def has_preamble(head: bytes) -> bool:
    """Whether a file begins as the format says: 128 bytes of any kind, then `DICM`."""
    return head[MAGIC_OFFSET : MAGIC_OFFSET + len(MAGIC)] == MAGIC


def _bare(head: bytes) -> bool:
    """Whether a file begins with an element of group 0002 or 0008, as old archives and network dumps leave it."""
    if head[:2] not in (b"\x02\0", b"\x08\0", b"\0\x08"):
        return False
    if head[4:6] in FIRST_VRS:
        return True
    return head[:2] == b"\x08\0" and len(head) > 8 and int.from_bytes(head[4:8], "little") <= BYTES_OF_FIRST


def head_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked where it is gzipped; none where it cannot be read."""
    # an error's message would show the file's name
    with suppress(OSError, EOFError, zlib.error), _opened(path) as file:
        return file.read(HEAD_BYTES)
    return b""


def _opened(path: Path) -> BinaryIO:
    file = path.open("rb")
    start = file.read(len(GZIP))
    file.seek(0)
    if start != GZIP:
        return file
    file.close()
    return gzip.open(path, "rb")  # type: ignore[return-value]


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive."""
    return head_of(path).startswith(ZIP)


def archive_kind(path: Path) -> str | None:
    """Name of the kind of archive where nothing here unpacks it."""
    head = head_of(path)
    return next((name for name, start, magic in ARCHIVES if head[start : start + len(magic)] == magic), None)


def study(path: Path) -> str | None:
    """Identifier of the examination; None where it cannot be told."""
    try:
        with _opened(path) as file:
            return dcmread(file, stop_before_pixels=True, specific_tags=["StudyInstanceUID"], force=True).get(
                "StudyInstanceUID"
            )
    except Exception:  # whatever a broken header raises, it tells no examination, and its text may hold a name
        return None


def sources(folder: Path, unpacked: Path) -> Iterator[Source]:
    """All files of a visit in the order of their names, those of zip and gzip files unpacked into another folder.

    A zip archive that cannot be unpacked comes as it is.
    """
    left, count = UNPACKED_BYTES, 0
    for order, path in enumerate(_files(folder), 1):
        waiting = [] if path.name.upper() == INDEX else [(0, path)]
        while waiting:
            depth, packed = waiting.pop(0)
            if depth == DEEPEST or not (_starts(packed, GZIP) or can_be_unpacked(packed)):
                yield Source(order, packed, unpacked=depth > 0)
                continue
            for content in _contents(packed):
                count += 1
                target = unpacked / str(count)
                with content, target.open("wb") as file:
                    left -= _copy(content, file, left)
                waiting.append((depth + 1, target))


def _files(folder: Path) -> list[Path]:
    paths = (Path(inside, name) for inside, _, names in os.walk(folder) for name in names)
    return sorted((path for path in paths if path.is_file()), key=lambda path: os.fsencode(path))


def told_of_others(folder: Path) -> str:
    """What a folder without DICOM files holds instead."""
    names = [path.name.lower() for path in _files(folder)]
    kinds = [kind for kind, ends in OTHERS.items() if any(name.endswith(ends) for name in names)]
    return "; ".join(kinds) or (f"none among {len(names)} files" if names else "none")


def _starts(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _contents(path: Path) -> Iterator[BinaryIO]:
    """What a gzip or a zip file holds, each opened."""
    if _starts(path, GZIP):
        yield _opened(path)
        return
    with zipfile.ZipFile(path) as archive:
        for info in _members(archive):
            yield archive.open(info)  # type: ignore[misc]


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive by name, without the index of a CD."""
    files = [info for info in archive.infolist() if not info.is_dir() and Path(info.filename).name.upper() != INDEX]
    return sorted(files, key=lambda info: info.filename)


def can_be_unpacked(path: Path) -> bool:
    """Whether a file is a zip archive of which every file can be opened."""
    if not is_zip(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            for info in _members(archive):
                archive.open(info).close()
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):  # encrypted, or packed in an unknown way
        return False
    return True


def _copy(content: BinaryIO, file: BinaryIO, most: int) -> int:
    """Bytes copied; what is broken ends where it breaks, as a truncated file does."""
    with suppress(OSError, EOFError, zlib.error, zipfile.BadZipFile):
        while file.tell() <= most and (chunk := content.read(2**20)):
            file.write(chunk)
    return file.tell()
