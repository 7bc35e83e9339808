"""`q-net why [ARGUMENTS OF SNAKEMAKE]`: what a run would do and why; nothing runs."""

from collections.abc import Sequence
from pathlib import Path

from workflow.cli.snakemake import helped, with_snakefile
from workflow.lib.planning.dry_run import dry_run
from workflow.lib.planning.stale import tell_stale
from workflow.lib.planning.why import report


def main(words: Sequence[str]) -> None:
    """Print the report; SystemExit where Snakemake refuses the words."""
    if helped("why", words):
        return
    with dry_run(with_snakefile(words)) as dag:
        print(report(dag))
        tell_stale(Path(dag.workflow.globals["P"].root), dag.workflow.globals["SCANS"])
