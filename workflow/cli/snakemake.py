"""How commands call Snakemake: the shipped Snakefile under the user's own words."""

import argparse
import os
import sys
from collections.abc import Sequence

from workflow.lib.home import HOME
from workflow.lib.setup.options import check_dotted

SNAKEFILE = ("--snakefile", str(HOME / "workflow" / "Snakefile"))
ALL_CORES = ("--cores", "all")
HELP = """usage: q-net {command} [TARGETS] [ARGUMENTS OF SNAKEMAKE]

Results go to results/<dataset>/ in the current folder; without --cores, a run uses all cores.
All arguments are Snakemake's own (see `snakemake --help`). The most common ones:

  --config bids_dir=FOLDER dataset=NAME   your data; without bids_dir a cohort is simulated
  --configfile FILE …                     your own values of config.yaml
  --cores N                               processor cores to use
  --dry-run                               list the jobs without running them
  --use-conda                             run every rule in its own conda environment
  --workflow-profile slurm                run on a SLURM cluster

targets: all (default), maps (stop after the maps; needs no groups), simulate (only write the simulated cohort),
predict and validate (a trained run on new subjects, model=RUN), repeatability (subjects with several scans)
"""


def helped(command: str, words: Sequence[str]) -> bool:
    """Whether words ask for help, which has then been printed: Snakemake's own would drown it."""
    asked = bool({"-h", "--help"} & set(words))
    if asked:
        print(HELP.format(command=command), end="")
    return asked


def with_snakefile(words: Sequence[str]) -> list[str]:
    """A user's words behind the option that names the shipped Snakefile, which works from any folder.

    Raises
    ------
    SystemExit
        With what to write in place of settings that Snakemake cannot read.
    """
    try:
        check_dotted(words)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    return [*SNAKEFILE, *words]


def says_where(words: Sequence[str]) -> bool:
    """Whether the words give a number of cores or a cluster; without either Snakemake would refuse them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--cores")
    parser.add_argument("-j", "--jobs", nargs="?", const="unlimited")
    parser.add_argument("-e", "--executor")
    parser.add_argument("--profile", default=os.environ.get("SNAKEMAKE_PROFILE"))
    parser.add_argument("--workflow-profile")
    known, _ = parser.parse_known_args(words)
    return any(value is not None for value in vars(known).values())


def start(*words: str) -> None:
    """Become Snakemake: this process, its exit status and its signals are Snakemake's from here on.

    `-P` keeps modules of the current folder out of the search path.
    """
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "snakemake", *words])
