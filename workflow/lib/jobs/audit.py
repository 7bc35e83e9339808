"""What has become of the files that jobs of a run have written."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recon.files.atomic import LEFT_OVER
from workflow.lib.jobs.checksums import FOLDER, Written, differences, read_file_record

# what no job declares, or the intake looks after
KEPT_BY_OTHERS = (FOLDER, "logs", "benchmarks", "check", "bids", ".snakemake")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Files of a run, by what was found.

    Parameters
    ----------
    files : number of files that have a checksum
    altered : a line for each that is another than its job wrote
    missing : recorded, but gone: made again when a job needs them
    unrecorded : that no job has recorded: written by hand, by a job that was killed, or before there were records
    left_over : temporary files of killed jobs, which may be deleted
    """

    files: int
    altered: list[str]
    missing: list[str]
    unrecorded: list[str]
    left_over: list[str]

    def remarks(self) -> dict[str, list[str]]:
        """All findings, the worst first."""
        kinds = ("altered", "missing", "unrecorded", "left_over")
        return {kind.replace("_", " "): getattr(self, kind) for kind in kinds}

    def summary(self) -> str:
        """Numbers of files."""
        found = ", ".join(f"{len(lines)} {kind}" for kind, lines in self.remarks().items())
        return f"{self.files} files with a checksum, {found}"


def audit(folder: Path) -> Audit:
    """Verify every file of the run in `folder`; reading is all it costs, by several threads."""
    records = list(_records(folder))
    files = {file for written in records for file in written.sums}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        altered = [line for lines in pool.map(_altered, records) for line in lines]
    others = sorted(set(_results(folder)) - files)
    return Audit(
        files=len(files),
        altered=sorted(set(altered)),
        missing=sorted(str(file) for file in files if not file.is_file()),
        unrecorded=[str(file) for file in others if not LEFT_OVER.match(file.name)],
        left_over=[str(file) for file in others if LEFT_OVER.match(file.name)],
    )


def _records(folder: Path) -> Iterator[Written]:
    for path in sorted((folder / FOLDER / "files").rglob("*.sha256")):
        if not LEFT_OVER.match(path.name):
            yield read_file_record(path, folder)


def _altered(written: Written) -> list[str]:
    """Differences of the files that are still there."""
    there = {file: found for file, found in written.sums.items() if file.is_file()}
    return differences(Written(rule=written.rule, sums=there))


def _results(folder: Path) -> Iterator[Path]:
    """The files of a run, except those that other tools keep there."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in KEPT_BY_OTHERS:
            yield from (file for file in path.rglob("*") if file.is_file())
        elif path.is_file() and path.stem != "check":
            yield path
