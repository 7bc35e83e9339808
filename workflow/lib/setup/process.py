"""What every process of a run sets for itself and for the jobs that it starts."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from snakemake.exceptions import WorkflowError

from workflow.lib.ending import end_at_once
from workflow.lib.setup.command_line import with_words
from workflow.lib.setup.effect import Given, given_by_user
from workflow.lib.setup.options import check_repeated

ENVIRONMENT = {
    "NO_ET": "1",  # these packages ask the network for news unless told not to
    "NIPYPE_NO_ET": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "PYTHONNOUSERSITE": "1",  # packages in the user's home would come before an environment's own
    "OMP_NUM_THREADS": "1",  # jobs run side by side; those with more threads say so in code
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def prepare_process() -> None:
    """Set the environment of all jobs where the user has not; let Python look for waste less often, not at the end."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(50_000, 20, 50)  # a plan makes millions of objects that stay; looking for waste took a seventh
    end_at_once()


def run_stages_here(workflow: Any) -> None:
    """Let the Snakemake of a cluster's job run the stages of that job itself, once all rules are known.

    Its executor would start another Snakemake for each, which takes longer than most stages; rules that are local it
    leaves to this process.
    """
    if workflow.remote_exec:
        workflow.localrules(*(rule.name for rule in workflow.rules))


def given(config: Mapping, workflow: Any) -> Given:
    """The settings that the user gave, see `given_by_user`; none in a process that a run starts, which judges none."""
    asked = workflow.config_settings
    return given_by_user(config, asked.configfiles, asked.config_args or ()) if workflow.is_main_process else {}


def understood(config: Mapping, workflow: Any) -> Mapping:
    """The configuration as the user's command means it, after a look at what Snakemake would lose or cannot do.

    Raises
    ------
    ValueError
        The command cannot be followed.
    """
    if workflow.is_main_process:
        check_repeated(sys.argv)
        check_storage(workflow.storage_settings.default_storage_provider)
    return with_words(config, workflow.config_settings.config_args or ())


def check_storage(provider: str | None) -> None:
    """Refuse a storage provider: logs, checksums and the check of the data need paths that all jobs share.

    Raises
    ------
    ValueError
        One is named.
    """
    if provider:
        raise ValueError(
            f"--default-storage-provider {provider}: expected none, since results are files on a disk that all nodes "
            "share. For fast scratch on a node run the whole workflow there and copy its results back, see "
            "docs/how-to/cluster.md: snakemake --directory $TMPDIR/run …"
        )


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a ValueError into Snakemake's WorkflowError, of which it prints the message without a traceback."""
    try:
        yield
    except ValueError as error:
        raise WorkflowError(str(error)) from None
