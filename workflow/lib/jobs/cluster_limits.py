"""What jobs will ask SLURM for, compared with what the cluster gives, before the first of them is submitted.

A refusal by sbatch would come for each job and attempt, after minutes, and in groups without its words.
"""

import getpass
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from workflow.lib.jobs.left_over import check_queue

PROFILE = "workflow/profiles/slurm/profile.yaml"
CLOSED = ("DRAIN", "INACTIVE")  # sbatch refuses every job; one that is DOWN keeps them until it is up again
NO_LIMIT = ("UNLIMITED", "INFINITE", "NONE")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a job, or a group of jobs, asks.

    Parameters
    ----------
    name : of the rule or the group
    partition, account : as in the profile, None where it names none
    minutes : wall time at each attempt; none: no limit asked
    """

    name: str
    partition: str | None
    account: str | None
    minutes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition: its longest job [min], None without a limit, who may use it (no accounts: all), and its state."""

    minutes: float | None
    allowed: frozenset[str]
    denied: frozenset[str]
    state: str = "UP"


def units_of(dag: Any) -> list[Any]:
    """Jobs and groups of jobs that will be submitted: one of each rule, and of each set of rules in a group."""
    found: dict[frozenset[str], Any] = {}
    for job in (job for job in dag.needrun_jobs() if not job.is_local):
        unit = dag.get_job_group(job) or job
        found.setdefault(frozenset(rule.name for rule in _rules(unit)), unit)
    return list(found.values())


def _rules(unit: Any) -> list[Any]:
    return [job.rule for job in unit.jobs] if unit.is_group() else [unit.rule]


def asked_by(unit: Any) -> Asked:
    """What a job or group of Snakemake's plan asks; its resources are functions of the attempt."""
    by_attempt = []
    for attempt in range(1 + unit.restart_times, 0, -1):
        unit.attempt = attempt
        by_attempt.append(unit.resources)
    first, minutes = by_attempt[-1], [asked.get("runtime") for asked in reversed(by_attempt)]
    partition, account, rules = first.get("slurm_partition"), first.get("slurm_account"), _rules(unit)
    return Asked(
        name=f"group {rules[0].group}" if unit.is_group() else f"rule {rules[0].name}",
        partition=str(partition) if partition else None,
        account=str(account) if account else None,
        minutes=tuple(map(int, minutes)) if all(minutes) else (),
    )


def partitions_of(text: str) -> dict[str, Partition]:
    """Partition by name, from what `scontrol show partition --oneliner` prints."""
    found = {}
    for line in text.splitlines():
        facts = dict(re.findall(r"(\w+)=(\S*)", line))
        if "PartitionName" in facts:
            found[facts["PartitionName"]] = Partition(
                minutes=minutes_of(facts.get("MaxTime", "UNLIMITED")),
                allowed=_accounts(facts.get("AllowAccounts", "ALL")),
                denied=_accounts(facts.get("DenyAccounts", "ALL")),
                state=facts.get("State", "UP"),
            )
    return found


def minutes_of(text: str) -> float | None:
    """Minutes of SLURM's `days-hours:minutes:seconds`, None for no limit."""
    if text in NO_LIMIT:
        return None
    days, _, clock = text.rpartition("-")
    hours, minutes, seconds = ([0, 0, *map(int, clock.split(":"))])[-3:]
    return 1440 * int(days or 0) + 60 * hours + minutes + seconds / 60


def _accounts(text: str) -> frozenset[str]:
    """Accounts of a list, none for `ALL` and `(null)`."""
    return frozenset() if text in ("ALL", "(null)", "") else frozenset(text.lower().split(","))


def refusals_of(asks: Iterable[Asked], partitions: Mapping[str, Partition], accounts: frozenset[str]) -> list[str]:
    """A sentence for everything that the cluster would refuse; no accounts: the cluster does not tell."""
    return list(dict.fromkeys(sentence for asked in asks for sentence in _refusals(asked, partitions, accounts)))


def _refusals(asked: Asked, partitions: Mapping[str, Partition], accounts: frozenset[str]) -> Iterable[str]:
    names = _names(asked)
    if unknown := [name for name in names if name not in partitions]:
        there = ", ".join(partitions)
        yield f"`slurm_partition: {unknown[0]}` of {asked.name}: expected a partition of this cluster ({there})"
        return
    account = (asked.account or "").lower()
    if account and accounts and account not in accounts:
        yield f"`slurm_account: {asked.account}`: expected an account of yours ({', '.join(sorted(accounts))})"
    for name in names:
        if (state := partitions[name].state) in CLOSED:
            yield f"`slurm_partition: {name}` of {asked.name}: expected a partition that takes jobs, found it {state}"
        allowed, denied = partitions[name].allowed, partitions[name].denied
        if account and ((allowed and account not in allowed) or account in denied):
            yield f"`slurm_account: {asked.account}` of {asked.name}: expected an account that partition {name} takes"
    limit = limit_of(asked, partitions)
    if limit and asked.minutes and asked.minutes[0] > limit:
        adds = ", to which its rules add up" if asked.name.startswith("group") else ""
        yield (
            f"`runtime` of {asked.name}: expected at most {limit:g} minutes, the limit of partition {asked.partition}, "
            f"found {asked.minutes[0]}{adds}"
        )


def _names(asked: Asked) -> list[str]:
    return [name for name in (asked.partition or "").split(",") if name]


def limit_of(asked: Asked, partitions: Mapping[str, Partition]) -> float | None:
    """The longest that the partitions of a job let it run [min]; None without a limit."""
    limits = [partitions[name].minutes for name in _names(asked)]
    return None if None in limits else max(limits, default=None)


def shares(asked: Asked, limit: float | None) -> dict[int, float]:
    """Part of the time asked that the limit leaves, by attempt; attempts within the limit are left out."""
    if not limit:
        return {}
    return {attempt: limit / minutes for attempt, minutes in enumerate(asked.minutes, 1) if minutes > limit}


def cap(rule: Any, share: Mapping[int, float]) -> None:
    """Let a rule ask for its part of what the limit leaves in the attempts that would ask for more."""
    asked = rule.resources["runtime"]

    def minutes(wildcards: Any, input: Any, attempt: int, threads: int, rulename: str, async_run: Any) -> int:
        known = {"input": input, "attempt": attempt, "threads": threads, "rulename": rulename, "async_run": async_run}
        return max(1, int(asked.evaluate(wildcards, **known).value * share.get(attempt, 1)))

    rule.resources["runtime"] = minutes


def check_cluster(workflow: Any, folder: Path) -> None:
    """Refuse a run beside jobs of an earlier one in its folder, or one whose jobs SLURM would refuse.

    The time of later attempts is capped at the limit of their partition. Silent where no job goes to SLURM, or the
    cluster does not tell.

    Raises
    ------
    RuntimeError
        See `check_queue`.
    WorkflowError
        A sentence for each setting of the profile.
    """
    check_queue(folder)
    if workflow.executor_plugin.name != "slurm":
        return
    partitions = partitions_of(_printed("scontrol", "show", "partition", "--oneliner"))
    if not partitions:
        return
    own = ("show", "assoc", f"user={getpass.getuser()}", "format=account")
    accounts = frozenset(_printed("sacctmgr", "--noheader", "--parsable2", *own).lower().split())
    units = units_of(workflow.dag)
    asks = [asked_by(unit) for unit in units]
    if wrong := refusals_of(asks, partitions, accounts):
        raise WorkflowError("\n  ".join([f"SLURM would refuse what {PROFILE} asks for:", *wrong]))
    lowest: dict[Any, dict[int, float]] = {}
    for unit, asked in zip(units, asks, strict=True):
        for attempt, share in shares(asked, limit_of(asked, partitions)).items():
            for rule in _rules(unit):
                found = lowest.setdefault(rule, {})
                found[attempt] = min(share, found.get(attempt, 1))
    for rule, share in lowest.items():
        cap(rule, share)


def _printed(*command: str) -> str:
    """What a command of the cluster prints; nothing where it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
