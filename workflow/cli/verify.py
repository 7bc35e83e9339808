"""`q-net verify [results/NAME …]`: compare the files of finished jobs with their checksums."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow.lib.jobs.audit import Audit, audit


def text(folder: Path, found: Audit) -> str:
    """One line per file that differs or is missing, and a summary."""
    lines = [f"{name}: {line}" for name, lines in found.remarks().items() for line in lines]
    return "\n".join([*lines, f"{folder}: {found.summary()}"])


def main(words: Sequence[str]) -> int:
    """Print what was found; 1 where a file was altered, or where nothing can be verified."""
    parser = argparse.ArgumentParser(prog="q-net verify", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="default: every run below results/")
    folders = parser.parse_args(words).folders or sorted(path.parent for path in Path("results").glob("*/checksums"))
    found = {folder: audit(folder) for folder in folders}
    for folder, of_run in found.items():
        print(text(folder, of_run))
    if not any(of_run.files for of_run in found.values()):
        print("expected a finished run (a folder results/NAME with its checksums), found none", file=sys.stderr)
        return 1
    return int(any(of_run.altered for of_run in found.values()))
