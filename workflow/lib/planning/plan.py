"""What a run would need before it starts: jobs, core-hours, wall time, memory, disk."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from workflow.lib.planning.costs import DISK, DRIVERS, FAR, Costs, Line, arm_of, read_costs
from workflow.lib.planning.measured import Job, finished_jobs
from workflow.lib.planning.missing import Found, Missing, missing
from workflow.lib.planning.schedule import components, contract, makespan

START_S = 5.0  # Snakemake reads the workflow and the data
DISPATCH_S = 0.2  # and looks after each job: CPU seconds of the controller over jobs, tiny and full cohort
STEP_S = 5.0  # on a cluster every stage of a job is a Snakemake of its own
QUEUE_S = 20.0  # submission, start and the next look at the queue, in an empty queue
HERE, SHIPPED, UNKNOWN = "measured here", "shipped", "unknown"


class Row(NamedTuple):
    """The jobs of one rule: their number, CPU seconds together, whose costs these are, and how far from measured."""

    rule: str
    jobs: int
    cpu_s: float
    source: str
    far: float


class Plan(NamedTuple):
    """What the missing jobs need.

    Parameters
    ----------
    dataset : folder of the run
    rows : one a rule, in the order of the work
    jobs, cluster_jobs : in all; as a cluster gets them, stages of a scan or fold together
    cpu_s : seconds of one core
    cores, wall_s : seconds until the last job ends on so many free cores
    slots, cluster_wall_s : the same in an empty queue that takes so many jobs at once
    memory_mb, memory_rule : what the largest job asks for
    disk_mb : by folder of the run
    stretch : wall seconds of earlier jobs here over their CPU seconds; 1 where there are none
    runs : names of the runs that were measured here
    machine : where the shipped costs come from
    """

    dataset: str
    rows: list[Row]
    jobs: int
    cluster_jobs: int
    cpu_s: float
    cores: int
    wall_s: float
    slots: int
    cluster_wall_s: float
    memory_mb: int
    memory_rule: str
    disk_mb: dict[str, float]
    stretch: float
    runs: list[str]
    machine: str


class Speed:
    """How much slower or faster than the shipped costs the rules ran here.

    Parameters
    ----------
    costs : the shipped lines
    jobs : finished jobs of this machine
    """

    def __init__(self, costs: Costs, jobs: Sequence[Job]) -> None:
        self._found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for job in jobs:
            line = costs.line(job.rule, job.size.together)
            if line and line.at(job.size) > 0:
                ratio = job.cpu_s / line.at(job.size)
                key = job.rule, arm_of(job.rule, job.size.together)
                self._found.setdefault(key, []).append((DRIVERS[line.driver](job.size), ratio))

    def of(self, job: Missing, line: Line) -> float | None:
        """Median ratio over the finished jobs of comparable size; None where there are none."""
        at = DRIVERS[line.driver](job.size)
        known = self._found.get((job.rule, arm_of(job.rule, job.size.together)), [])
        near = [ratio for x, ratio in known if max(x, at) <= FAR * min(x, at)]
        return median(near) if near else None


def seconds(job: Missing, costs: Costs, speed: Speed) -> tuple[float, str, float]:
    """CPU seconds of a job, whose costs these are, and how many times the largest measured size it has."""
    line = costs.line(job.rule, job.size.together)
    if line is None:
        return 0.0, UNKNOWN, 0.0
    ratio = speed.of(job, line)
    return (line.at(job.size), SHIPPED, line.far(job.size)) if ratio is None else (line.at(job.size) * ratio, HERE, 1.0)


def disk(jobs: Sequence[Missing], costs: Costs) -> dict[str, float]:
    """Disk that jobs fill [MB], by folder of the run."""
    total = dict.fromkeys(DISK, 0.0)
    for job in jobs:
        for quantity in DISK:
            if line := costs.line(job.rule, job.size.together, quantity):
                total[quantity] += line.at(job.size)
    return {quantity.removesuffix("_mb"): mb for quantity, mb in total.items()}


def cluster_seconds(jobs: Sequence[Missing], took: Sequence[float], slots: int) -> tuple[int, float]:
    """Number of jobs that a cluster gets, and the wall seconds with so many of them at once in an empty queue."""
    part = components([job.needs for job in jobs], [job.group for job in jobs])
    whole, submitted = [0.0] * (max(part, default=-1) + 1), set()
    for job, number, cpu_s in zip(jobs, part, took, strict=True):
        whole[number] += cpu_s + (STEP_S if job.group else 0.0)
        if job.group and number not in submitted:
            whole[number] += QUEUE_S
            submitted.add(number)
    return len(submitted), makespan(whole, contract([job.needs for job in jobs], part), slots, DISPATCH_S)


def make_plan(found: Found, costs: Costs, measured: dict[str, list[Job]]) -> Plan:
    """What the missing jobs need.

    Parameters
    ----------
    found : what Snakemake would run
    costs : the shipped costs
    measured : finished jobs by the name of their run
    """
    here = [job for jobs in measured.values() for job in jobs]
    speed = Speed(costs, here)
    each = [seconds(job, costs, speed) for job in found.jobs]
    took = [cpu_s for cpu_s, _, _ in each]
    cluster_jobs, cluster_wall_s = cluster_seconds(found.jobs, took, found.slots)
    largest = max(found.jobs, key=lambda job: job.memory_mb, default=None)
    busy_s = sum(job.cpu_s for job in here)
    return Plan(
        dataset=str(found.dataset),
        rows=_rows(found.jobs, each),
        jobs=len(found.jobs),
        cluster_jobs=cluster_jobs,
        cpu_s=sum(took),
        cores=found.cores,
        wall_s=_wall(found.jobs, took, found.cores),
        slots=found.slots,
        cluster_wall_s=cluster_wall_s,
        memory_mb=largest.memory_mb if largest else 0,
        memory_rule=largest.rule if largest else "",
        disk_mb=disk(found.jobs, costs),
        stretch=sum(job.wall_s for job in here) / busy_s if busy_s else 1.0,
        runs=sorted(name for name, jobs in measured.items() if jobs),
        machine=costs.machine,
    )


def _wall(jobs: Sequence[Missing], took: Sequence[float], cores: int) -> float:
    return START_S + makespan(took, [job.needs for job in jobs], cores, DISPATCH_S) if jobs else 0.0


def _rows(jobs: Sequence[Missing], each: Sequence[tuple[float, str, float]]) -> list[Row]:
    """One row a rule; a rule whose jobs are known from several places names the worst."""
    number, cpu_s, worst, far = Counter(job.rule for job in jobs), Counter(), {}, {}
    for job, (took, source, distance) in zip(jobs, each, strict=True):
        cpu_s[job.rule] += took
        worst[job.rule] = max(worst.get(job.rule, HERE), source, key=[HERE, SHIPPED, UNKNOWN].index)
        far[job.rule] = max(far.get(job.rule, 0.0), distance)
    return [Row(rule, count, cpu_s[rule], worst[rule], far[rule]) for rule, count in number.items()]


def plan_of(arguments: Sequence[str]) -> Plan:
    """The plan of a command line of Snakemake, from the shipped costs and from finished runs beside this one.

    Raises
    ------
    SystemExit
        Snakemake refuses the arguments, the configuration or the data, and has said why on standard error.
    """
    found = missing(arguments)
    runs = sorted(path.parent for path in found.dataset.parent.glob("*/benchmarks"))
    measured = {run.name: finished_jobs(run, found.rules) for run in runs}
    return make_plan(found, read_costs(), measured)


def free_mb(folder: Path) -> float:
    """Free disk space where a folder is or will be [MB]."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free / 1e6
