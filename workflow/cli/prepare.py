"""`q-net prepare`: with internet access, fetch and check what nodes without it need.

Prints what is ready and what is missing; the exit status is 1 where something is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow.lib.home import HOME
from workflow.lib.setup import prepare


def main(words: Sequence[str]) -> int:
    """Print what is ready and what is missing; 1 where something is missing."""
    options = _options(words)
    configs = [HOME / "config/config.yaml", *options.configfile]
    path = prepare.weights_path()
    if options.download and not path.exists() and _agreed(f"Download {prepare.WEIGHTS_URL} (45 MB) to {path}?"):
        try:
            prepare.download(path)
        except (OSError, ValueError) as error:
            print(f"the ImageNet weights could not be fetched: {error}", file=sys.stderr)
    if options.use_conda:
        items = [prepare.conda_environments(Path.cwd())]
    else:
        items = [prepare.packages((HOME / "requirements.lock").read_text()), prepare.template()]
    items += [prepare.fonts(), prepare.weights(options.download or prepare.wants_imagenet(configs))]
    print(prepare.table(items))
    return int(any(item.state == "missing" for item in items))


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="q-net prepare", description=__doc__.split("\n\n")[1])
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], help="the overlays that you will run with")
    parser.add_argument("--use-conda", action="store_true", help="make the conda environments of all rules")
    parser.add_argument("--download", action="store_true", help="offer to fetch the ImageNet weights, 45 MB")
    return parser.parse_args(words)


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to ask
        return False
