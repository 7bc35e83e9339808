"""`q-net container`: print the Apptainer definition of the environment that requirements.lock pins.

q-net container > q-net.def && apptainer build q-net.sif q-net.def
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from workflow.lib.home import HOME
from workflow.lib.setup.container import definition


def main(words: Sequence[str]) -> None:
    """Print the definition."""
    parser = argparse.ArgumentParser(
        prog="q-net container", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(words)
    lock, here = HOME / "requirements.lock", Path.cwd()
    file = lock.relative_to(here) if lock.is_relative_to(here) else lock
    print(definition(lock.read_bytes(), str(file)), end="")
