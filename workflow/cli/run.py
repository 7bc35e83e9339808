"""`q-net run|check|predict|validate [TARGETS] [ARGUMENTS OF SNAKEMAKE]`: Snakemake itself, from any folder."""

from collections.abc import Sequence

from workflow.cli.snakemake import ALL_CORES, helped, says_where, start, with_snakefile

QUIET = ("--quiet", "rules", "host", "reason", "progress")  # the check prints a table of its own
FIRST = {"run": (), "check": ("check", *QUIET), "predict": ("predict",), "validate": ("validate",)}


def main(words: Sequence[str]) -> None:
    """Start Snakemake; `words`: the command and the user's own words."""
    command, *rest = words
    if not helped(command, rest):
        start(*FIRST[command], *with_snakefile([*(() if says_where(rest) else ALL_CORES), *rest]))
