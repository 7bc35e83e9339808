"""What a subject was converted from, so that a DICOM folder that changes afterwards is noticed.

One JSON file a subject below `sourcedata/dicom/` of the dataset: of each DICOM file a hash of its name, its size, times
and SHA-256; the converter; and the SHA-256 of what was written. A name of a file may be a person's, so none is kept.
"""

import filecmp
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from recon.files.io import read_json, write_json

FOLDER = Path("sourcedata", "dicom")
FileState = tuple[int, int, int, str]  # size [bytes], times of the last change of content and of state [ns], SHA-256


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a subject was, or would be, converted from.

    Parameters
    ----------
    files : FileState by hash of the file's path inside the subject's folder
    converter : version of dcm2niix
    code : fingerprint of the code of this conversion; None where nobody asked
    """

    files: dict[str, FileState]
    converter: str
    code: str | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a subject was converted from, and what was written of it.

    Parameters
    ----------
    source : Source
    written : SHA-256 of each file of the subject, by its path in the subject's folder
    """

    source: Source
    written: dict[str, str]

    @classmethod
    def of(cls, source: Source, made: Path) -> "Record":
        """The record of a conversion that has just been written to `made`."""
        return cls(source=source, written=_sums(made))

    def edited(self, folder: Path) -> list[str]:
        """Files below the subject's folder that are not as they were written, by name."""
        now = _sums(folder)
        return sorted(name for name in {*now, *self.written} if now.get(name) != self.written.get(name))


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How two sources of a subject differ: numbers of files, and what else."""

    new: int
    other: int
    gone: int
    tools: str

    def __bool__(self) -> bool:
        return self.of_files or bool(self.tools)

    def __str__(self) -> str:
        counts = {"new": self.new, "changed": self.other, "gone": self.gone}
        files = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        return "; ".join(filter(None, [f"DICOM files: {files}" if files else "", self.tools]))

    @property
    def of_files(self) -> bool:
        """Whether the folder differs."""
        return bool(self.new or self.other or self.gone)

    @property
    def only_gone(self) -> bool:
        """Whether files are missing and none has come in their place."""
        return bool(self.gone) and not (self.new or self.other)


def source_of(folder: Path, converter: str, code: str | None, known: Source | None = None) -> Source:
    """What the folder of a subject holds now; the content of files that `known` tells by size and times is not read."""
    before = known.files if known else {}
    return Source(files={name: _state(path, before.get(name)) for name, path in _files(folder)},
                  converter=converter, code=code)  # fmt: skip


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Hash of the path inside the folder, and path, of every file that is not hidden; links are followed."""
    seen = set()
    for inside, folders, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(inside))
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(inside, name)) not in seen]
        for path in (Path(inside, name) for name in names if not name.startswith(".")):
            if path.is_file():
                yield hashlib.sha256(os.fsencode(path.relative_to(folder))).hexdigest()[:16], path


def _state(path: Path, known: FileState | None) -> FileState:
    about = path.stat()
    now = about.st_size, about.st_mtime_ns, about.st_ctime_ns
    return (*now, known[3]) if known and tuple(known[:3]) == now else (*now, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changes(known: Source, now: Source) -> Changes:
    """How the source of a subject differs from the one that it was converted from."""
    both = known.files.keys() & now.files.keys()
    tools = [f"converter {known.converter}, now {now.converter}"] if known.converter != now.converter else []
    tools += ["code of the conversion edited"] if now.code not in (None, known.code) else []
    return Changes(
        new=len(now.files.keys() - both),
        other=sum(known.files[name][3] != now.files[name][3] for name in both),
        gone=len(known.files.keys() - both),
        tools="; ".join(tools),
    )


def converter_version(converter: str) -> str:
    """`v1.0.20240202` of a dcm2niix; empty where it does not tell."""
    told = subprocess.run([converter, "--version"], capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"\bv\d[\w.]*", told.stdout + told.stderr)
    return found[0] if found else ""


def record_path(bids_dir: Path, subject: str) -> Path:
    """Where the record of a subject lies."""
    return bids_dir / FOLDER / f"{subject}.json"


def recorded(bids_dir: Path) -> list[str]:
    """Subjects of the dataset that were converted and are still there, by name."""
    names = (path.stem for path in (bids_dir / FOLDER).glob("sub-*.json"))
    return sorted(name for name in names if (bids_dir / name).is_dir())


def remember(bids_dir: Path, subject: str, record: Record) -> None:
    """Write the record of a subject; one that would stay the same is left alone."""
    if remembered(bids_dir, subject) != record:
        write_json(record_path(bids_dir, subject), asdict(record))


def remembered(bids_dir: Path, subject: str) -> Record | None:
    """The record of a subject; None where there is none that can be read."""
    try:
        content = read_json(record_path(bids_dir, subject))
        source = content["source"]
        source["files"] = {name: tuple(state) for name, state in source["files"].items()}
        return Record(source=Source(**source), written=content["written"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def keep_times(old: Path, new: Path) -> None:
    """Give the files below `new` that equal their namesakes below `old` the times of these: nothing has changed."""
    for path in (path for path in new.rglob("*") if path.is_file()):
        before = old / path.relative_to(new)
        if before.is_file() and filecmp.cmp(before, path, shallow=False):
            about = before.stat()
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
