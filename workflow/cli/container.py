"""`q-net container`: print the Apptainer definition of the environment that requirements.lock pins.

q-net container > q-net.def && apptainer build q-net.sif q-net.def
"""

import argparse
from collections.abc import Sequence

from workflow.lib.home import HOME
from workflow.lib.setup.container import definition


def main(words: Sequence[str]) -> None:
    """Print the definition."""
    parser = argparse.ArgumentParser(
        prog="q-net container", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(words)
    print(definition((HOME / "requirements.lock").read_bytes()), end="")
