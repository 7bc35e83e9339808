"""`q-net why [ARGUMENTS OF SNAKEMAKE]`: what a run would do and why; nothing runs."""

from collections.abc import Sequence

from workflow.cli.snakemake import helped, with_snakefile
from workflow.lib.planning.why import why


def main(words: Sequence[str]) -> None:
    """Print the report; SystemExit where Snakemake refuses the words."""
    if helped("why", words):
        return
    print(why(with_snakefile(words)))
