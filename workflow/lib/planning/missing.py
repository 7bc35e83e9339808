"""The jobs that a run would start now, asked of Snakemake itself: nothing runs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from snakemake.cli import parse_args
from snakemake.dag import DAG

from workflow.lib.home import HOME
from workflow.lib.planning.costs import Size
from workflow.lib.planning.dry_run import dry_run, run_of
from workflow.lib.planning.sizes import size_of

SLURM = HOME / "workflow" / "profiles" / "slurm" / "profile.yaml"


class Missing(NamedTuple):
    """A job that would run.

    Parameters
    ----------
    rule : its name
    size : what it works on
    memory_mb : what it asks for; 0 where it needs little
    needs : numbers of the jobs that must end before, in the list that holds this job
    group : label under which a cluster gets it together with its neighbours, without a label of the SLURM profile the
        rule's name; None runs beside the controller
    """

    rule: str
    size: Size
    memory_mb: int
    needs: set[int]
    group: str | None


class Found(NamedTuple):
    """What Snakemake would do.

    Parameters
    ----------
    jobs : every job after those that it needs
    rules : names of all rules
    dataset : folder of the run
    cores, slots : cores of this machine that were asked for, jobs at once in a queue
    """

    jobs: list[Missing]
    rules: frozenset[str]
    dataset: Path
    cores: int
    slots: int


def missing(arguments: Sequence[str]) -> Found:
    """The jobs of a Snakemake command line that have not run yet, or must run again.

    Parameters
    ----------
    arguments : as Snakemake takes them; those that choose targets, configuration, profile, cores and forced rules count

    Raises
    ------
    SystemExit
        Snakemake refused the arguments, the configuration or the data, and said why on standard error.
    """
    _, args = parse_args(arguments)
    here = args.cores if args.cores and args.executor in (None, "local") else len(os.sched_getaffinity(0))
    with dry_run(arguments) as dag:
        return _found(dag, here, args.jobs)


def _found(dag: DAG, cores: int, slots: int | None) -> Found:
    """The jobs of a graph that would run, without targets that compute nothing."""
    profile, run = yaml.safe_load(SLURM.read_text(encoding="utf-8")), run_of(dag)
    levels = dag.toposorted(set(dag.needrun_jobs(exclude_finished=False)))
    flat = [job for level in levels for job in sorted(level, key=lambda job: job.output) if job.output]
    number = {job: place for place, job in enumerate(flat)}
    jobs = [
        Missing(
            rule=job.rule.name,
            size=size_of(job.wildcards_dict, run),
            memory_mb=int(job.resources.get("mem_mb", 0)),
            needs={number[other] for other in dag.dependencies[job] if other in number},
            group=None if job.is_local else profile["groups"].get(job.rule.name, job.rule.name),
        )
        for job in flat
    ]
    rules = frozenset(rule.name for rule in dag.workflow.rules)
    return Found(jobs, rules, Path(run.paths.root), cores, slots or profile["jobs"])
