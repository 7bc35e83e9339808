"""Files of scans that an earlier run had and this one has not: no job reads them, but a person may."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from workflow.lib.planning.dry_run import dry_run, run_of
from workflow.lib.study.names import scan_in

SOURCES = ("bids", "check")  # converted DICOM and what the check remembers: what a run starts from
MOST = 6  # scans that are named


def stale(arguments: Sequence[str]) -> list[Path]:
    """Files of scans outside the run that these arguments of Snakemake describe; SystemExit where it refuses them."""
    with dry_run(arguments) as dag:
        run = run_of(dag)
        return [file for files in stale_files(Path(run.paths.root), run.scans).values() for file in files]


def stale_files(root: Path, scans: Collection[str]) -> dict[str, list[Path]]:
    """Files below results/<dataset> by the scan that they belong to, of scans that are not part of the run.

    Parameters
    ----------
    root : results/<dataset>
    scans : names of the scans of the run
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*sub-*")):
        named = scan_in(path.name)
        if named and named not in scans and path.is_file() and path.relative_to(root).parts[0] not in SOURCES:
            found.setdefault(named, []).append(path)
    return found


def tell_stale(root: Path, scans: Collection[str]) -> None:
    """Say on stderr which scans have files of an earlier run only."""
    if stale := stale_files(root, scans):
        names = [*list(stale)[:MOST], *([f"{len(stale) - MOST} more"] if len(stale) > MOST else [])]
        number = sum(map(len, stale.values()))
        files = "1 file" if number == 1 else f"{number} files"
        print(
            f"{root}: {files} of scans that are not part of this run: {', '.join(names)}. They are not "
            "used; `q-net stale`, with the arguments of the run, lists them",
            file=sys.stderr,
        )
