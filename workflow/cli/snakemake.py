"""How commands call Snakemake: the shipped Snakefile under the user's own words."""

import argparse
import os
import sys
from collections.abc import Sequence

from workflow.lib.home import HOME

SNAKEFILE = ("--snakefile", str(HOME / "workflow" / "Snakefile"))
ALL_CORES = ("--cores", "all")


def with_snakefile(words: Sequence[str]) -> list[str]:
    """A user's words behind the option that names the shipped Snakefile, which works from any folder."""
    return [*SNAKEFILE, *words]


def says_where(words: Sequence[str]) -> bool:
    """Whether words say on how many cores, or on which cluster, to run; else Snakemake would refuse them."""
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
