"""Snakemake's own graph of jobs, made in this process and not run: what `snakemake --dry-run` looks at."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_args, parse_config
from snakemake.dag import DAG
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    DeploymentMethod,
    DeploymentSettings,
    OutputSettings,
    ResourceSettings,
)

from workflow.lib.run import Run


@contextmanager
def dry_run(arguments: Sequence[str]) -> Iterator[DAG]:
    """The graph of jobs, with the reason of each that would run.

    Parameters
    ----------
    arguments : those of the command line that decide what runs: targets, configuration, profile, force, until

    Raises
    ------
    SystemExit
        Snakemake refuses; it has told why.
    """
    _, args = parse_args(["--dry-run", *arguments])
    with SnakemakeApi(OutputSettings(dryrun=True, log_level_override=logging.ERROR)) as api:
        try:
            workflow = api.workflow(
                ResourceSettings(cores=args.cores or 1),
                config_settings=ConfigSettings(config=parse_config(args.config), configfiles=args.configfile),
                deployment_settings=DeploymentSettings(deployment_method=_deployment(args)),
                snakefile=args.snakefile,
                workdir=args.directory,
            )
            workflow.dag(_settings(args)).execute_workflow(executor="dryrun")
        except Exception as error:
            api.print_exception(error)
            raise SystemExit(1) from None
        yield workflow._workflow.dag  # the one way to it


def run_of(dag: DAG) -> Run:
    """The run that the rules of a graph were made from: the name RUN of rules/common.smk."""
    return dag.workflow.globals["RUN"]


def _settings(args) -> DAGSettings:
    return DAGSettings(
        targets=args.targets,
        forcetargets=args.force,
        forceall=args.forceall,
        forcerun=args.forcerun,
        until=args.until,
        omit_from=args.omit_from,
        force_incomplete=args.rerun_incomplete,
        rerun_triggers=args.rerun_triggers,
        max_checksum_file_size=args.max_checksum_file_size,
    )


def _deployment(args) -> set[DeploymentMethod]:
    conda = {DeploymentMethod.CONDA} if args.use_conda else set()
    return args.software_deployment_method | conda
