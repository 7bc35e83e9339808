"""`q-net stale [ARGUMENTS OF SNAKEMAKE]`: files of scans that are no longer part of a run, one per line."""

from collections.abc import Sequence

from workflow.cli.snakemake import helped, with_snakefile
from workflow.lib.planning.stale import stale


def main(words: Sequence[str]) -> None:
    """Print the files; SystemExit where Snakemake refuses the words."""
    if helped("stale", words):
        return
    for file in stale(with_snakefile(words)):
        print(file)
