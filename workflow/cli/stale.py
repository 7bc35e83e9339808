"""`q-net stale [ARGUMENTS OF SNAKEMAKE]`: files of scans that are no longer part of a run, one a line."""

from collections.abc import Sequence
from pathlib import Path

from workflow.cli.snakemake import helped, with_snakefile
from workflow.lib.planning.dry_run import dry_run
from workflow.lib.planning.stale import stale_files


def main(words: Sequence[str]) -> None:
    """Print the files; SystemExit where Snakemake refuses the words."""
    if helped("stale", words):
        return
    with dry_run(with_snakefile(words)) as dag:
        names = dag.workflow.globals
        for files in stale_files(Path(names["P"].root), names["SCANS"]).values():
            print(*files, sep="\n")
