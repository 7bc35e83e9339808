"""`q-net COMMAND …`, or `python -m workflow COMMAND …`: the one entry to everything that a user starts.

Nothing is imported before it is known which command runs: `q-net --help` answers at once.
"""

import sys
from importlib import import_module
from typing import NamedTuple


class Command(NamedTuple):
    """A sub-command.

    Parameters
    ----------
    module : whose `main` is called
    help : its line in the help
    named : whether `main` gets the name as first word
    own : whether the module is a program of its own, too, whose `main` is told the name that the user typed, `prog`
    """

    module: str
    help: str
    named: bool = False
    own: bool = False


COMMANDS = {
    "run": Command("workflow.cli.run", "run the workflow from raw echoes to the report, or up to a named target", True),
    "check": Command("workflow.cli.run", "check your data before a run; nothing is computed", True),
    "predict": Command("workflow.cli.run", "apply a trained run to new subjects", True),
    "validate": Command("workflow.cli.run", "a trained run on labelled subjects that it has not seen", True),
    "recon": Command("recon.__main__", "one stage of the reconstruction on a folder of files", own=True),
    "evaluate": Command("qnet.__main__", "every table and figure from predictions alone", True, True),
    "compare": Command("qnet.__main__", "compare two runs on the same subjects", True, True),
    "export-dicom": Command("workflow.cli.export_dicom", "the maps of finished scans as derived DICOM series"),
    "why": Command("workflow.cli.why", "what a run would do and why, in words; nothing runs"),
    "plan": Command("workflow.cli.plan", "jobs, core-hours, memory and disk that a run would need; nothing runs"),
    "stale": Command("workflow.cli.stale", "files of scans that are no longer part of a run, one per line"),
    "verify": Command("workflow.cli.verify", "compare results with the checksums of their jobs"),
    "prepare": Command("workflow.cli.prepare", "fetch and check what nodes without internet access need"),
    "container": Command("workflow.cli.container", "print the Apptainer definition of the locked environment"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status.

    Parameters
    ----------
    arguments : the words behind `q-net`; those of this process where None

    Raises
    ------
    SystemExit
        From commands that end themselves, as after `--help`.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        command = COMMANDS[words[0]]
        typed = {"prog": "q-net" if command.named else f"q-net {words[0]}"} if command.own else {}
        return import_module(command.module).main(words if command.named else words[1:], **typed) or 0
    listed = {name: command.help for name, command in COMMANDS.items()}
    return import_module("workflow.cli.bids_app").main(words, listed) or 0


if __name__ == "__main__":
    sys.exit(main())
