"""`q-net run|check|predict [TARGETS] [ARGUMENTS OF SNAKEMAKE]`: Snakemake itself, from any folder."""

from collections.abc import Sequence

from workflow.cli.snakemake import ALL_CORES, SNAKEFILE, says_where, start

QUIET = ("--quiet", "rules", "host", "reason", "progress")  # the check prints a table of its own
FIRST = {"run": (), "check": ("check", *QUIET), "predict": ("predict",)}
HELP = """usage: q-net {command} {targets}[ARGUMENTS OF SNAKEMAKE]

Results go to results/<dataset>/ in the current folder; without --cores, all cores are used.
Every argument is Snakemake's own: `snakemake --help` lists them. Those most used:

  --config bids_dir=FOLDER dataset=NAME   your data; without bids_dir a cohort is simulated
  --configfile FILE …                     your own values of config.yaml
  --cores N                               processor cores to use
  --dry-run                               list the jobs, run none
  --use-conda                             every rule in its own conda environment
  --workflow-profile slurm                on a SLURM cluster
"""


def main(words: Sequence[str]) -> None:
    """Start Snakemake; `words`: the command and the user's own words."""
    command, *rest = words
    if {"-h", "--help"} & set(rest):
        print(HELP.format(command=command, targets="[TARGETS] " if command == "run" else ""), end="")
        return
    start(*FIRST[command], *SNAKEFILE, *(() if says_where(rest) else ALL_CORES), *rest)
