"""What jobs will ask SLURM for, compared with what the cluster gives, before the first of them is submitted.

A refusal by sbatch would come for each job and attempt, after minutes, and in groups without its words.
"""

import getpass
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from workflow.lib.jobs.left_over import check_queue

PROFILE = "workflow/profiles/slurm/profile.yaml"
CLOSED = ("DRAIN", "INACTIVE")  # sbatch refuses every job; one that is DOWN keeps them until it is up again
NO_LIMIT = ("UNLIMITED", "INFINITE", "NONE")
# what sbatch says where a job is right, but has to wait; without nodes that are away the first is a refusal
AWAY = "Requested node configuration is not available"
SHUT = "Requested partition configuration not available now"  # of a partition that is DOWN; else a refusal
BUSY = re.compile(r"\(down, drained or reserved\)|busy|timed out|temporarily|unable to contact slurm", re.IGNORECASE)


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


@dataclass(frozen=True, kw_only=True)
class Association:
    """An account of the user, in one partition or (None) in all: jobs that it may have in the queue, None: any."""

    account: str
    partition: str | None
    jobs: int | None


def units_of(dag: Any) -> list[Any]:
    """Jobs and groups of jobs that will be submitted, each a job of SLURM."""
    units = (dag.get_job_group(job) or job for job in dag.needrun_jobs() if not job.is_local)
    return list({id(unit): unit for unit in units}.values())


def one_of_each(units: Iterable[Any]) -> list[Any]:
    """One unit of each rule, and of each set of rules in a group."""
    found: dict[frozenset[str], Any] = {}
    for unit in units:
        found.setdefault(_kind(unit), unit)
    return list(found.values())


def _kind(unit: Any) -> frozenset[str]:
    return frozenset(rule.name for rule in _rules(unit))


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


def lowest_shares(
    units: Iterable[Any], asks: Iterable[Asked], partitions: Mapping[str, Partition]
) -> dict[Any, dict[int, float]]:
    """Rule → part of the time asked that the limits leave its jobs, alone and in groups, by attempt."""
    lowest: dict[Any, dict[int, float]] = {}
    for unit, asked in zip(units, asks, strict=True):
        for attempt, share in shares(asked, limit_of(asked, partitions)).items():
            for rule in _rules(unit):
                found = lowest.setdefault(rule, {})
                found[attempt] = min(share, found.get(attempt, 1))
    return lowest


def cap(rule: Any, share: Mapping[int, float]) -> None:
    """Let a rule ask for its part of what the limit leaves in the attempts that would ask for more."""
    asked = rule.resources["runtime"]

    def minutes(wildcards: Any, input: Any, attempt: int, threads: int, rulename: str, async_run: Any) -> int:
        known = {"input": input, "attempt": attempt, "threads": threads, "rulename": rulename, "async_run": async_run}
        return max(1, int(asked.evaluate(wildcards, **known).value * share.get(attempt, 1)))

    rule.resources["runtime"] = minutes


def cluster_name(text: str) -> str:
    """This cluster's name, from what `scontrol show config` prints; nothing where it does not tell."""
    found = re.search(r"^ClusterName\s*=\s*(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def associations_of(text: str) -> list[Association]:
    """The user's associations.

    Parameters
    ----------
    text : what `sacctmgr --parsable2 show assoc format=account,partition,maxsubmitjobs` prints
    """
    rows = (line.split("|") for line in text.splitlines() if line.count("|") == 2)
    return [
        Association(account=account.lower(), partition=partition or None, jobs=int(most) if most.isdigit() else None)
        for account, partition, most in rows
    ]


def limiting(asked: Asked, associations: Iterable[Association]) -> Association | None:
    """The association whose limit holds for a job; None where one that the job may count to has no limit.

    SLURM chooses the one to count to, by a partition that may be its default: the widest limit refuses nothing that
    it would take.
    """
    account, names = (asked.account or "").lower(), _names(asked)
    own = [one for one in associations if one.account == account]
    own = [one for one in own if not (one.partition and names) or one.partition in names]
    return None if any(one.jobs is None for one in own) else max(own, key=lambda one: one.jobs or 0, default=None)


def too_many(jobs: int, units: Sequence[int], asks: Sequence[Asked], associations: Sequence[Association]) -> list[str]:
    """A sentence for each association of which more jobs would be in the queue at once than SLURM takes.

    Parameters
    ----------
    jobs : at most in the queue at once, as in the profile
    units : jobs of each kind that will be submitted
    asks : what each kind asks
    associations : of the user
    """
    counted: Counter[Association] = Counter()
    for count, asked in zip(units, asks, strict=True):
        if found := limiting(asked, associations):
            counted[found] += count
    return [
        f"`jobs: {jobs}`: expected at most {one.jobs}, as many as account {one.account} may have in the queue"
        + (f" of partition {one.partition}" if one.partition else "")
        for one, count in counted.items()
        if one.jobs is not None and min(jobs, count) > one.jobs
    ]


def submission(unit: Any, asked: Asked, settings: Any) -> list[str]:
    """The words of sbatch by which Snakemake's plugin asks for a job, without the job itself.

    Raises
    ------
    WorkflowError
        The plugin refuses a resource.
    """
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra

    validate_slurm_extra(unit)
    about = {"run_uuid": "test", "slurm_logfile": "/dev/null", "comment_str": "test", "workdir": None}
    about["account"] = f"-A {shlex.quote(asked.account)}" if asked.account else ""
    about["partition"] = f"-p {shlex.quote(asked.partition)}" if asked.partition else ""
    return shlex.split(get_submit_command(unit, about, settings=settings) + set_gres_string(unit))


def words_of(stderr: str) -> str:
    """What sbatch says to refuse a job, without the names of its parts."""
    said = (re.sub(r"^(sbatch: )?(error|fatal|allocation failure): ", "", line) for line in stderr.splitlines())
    return "; ".join(filter(None, dict.fromkeys(line.strip() for line in said)))


def has_to_wait(words: str, *, nodes_away: bool, partition_down: bool) -> bool:
    """Whether sbatch's words mean that a job cannot run now, though it may be submitted, or that nobody judged it."""
    return bool(BUSY.search(words)) or (nodes_away and AWAY in words) or (partition_down and SHUT in words)


def refused_by_sbatch(unit: Any, asked: Asked, settings: Any, partition_down: bool) -> str:
    """A sentence where `sbatch --test-only`, which submits nothing, would not take a job; else nothing."""
    try:
        command = submission(unit, asked, settings)
    except WorkflowError as error:
        return f"{asked.name}: {' '.join(str(error).split())}"
    words = words_of(_run(*command, "--test-only", "--wrap", "true")[1])
    if not words:
        return ""
    where = ("--partition", asked.partition) if asked.partition else ()
    away, _ = _run("sinfo", "--noheader", *where, "--states=down,drain,fail", "--format=%n")
    if has_to_wait(words, nodes_away=bool(away.strip()), partition_down=partition_down):
        logger.warning(f"{asked.name} may have to wait in the queue; sbatch says: {words}")
        return ""
    shown = [option for option in command[1:] if not option.startswith(("--parsable", "--export"))]
    return f"{asked.name}: sbatch says: {words} (asked with {shlex.join(_without_names(shown))})"


def _without_names(options: list[str]) -> list[str]:
    """Options of sbatch without those that ask for nothing."""
    names = ("--job-name", "--output", "--comment")
    return [
        option
        for before, option in zip(["", *options], options, strict=False)
        if before not in names and option not in names
    ]


def end_refused_groups(executor: type) -> None:
    """Let the plugin tell Snakemake of a group that it could not submit.

    Where anything but sbatch's refusal goes wrong, version 2.8 asks the group for the name of its rule, of which it has
    none: nobody hears of that error, and the run never ends.
    """
    submit = executor.run_job

    def run_job(self: Any, job: Any) -> None:
        try:
            submit(self, job)
        except Exception as error:
            from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

            reason = error.__context__ or error
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"Job submission failed with exception: {reason}")

    executor.run_job = run_job


def check_cluster(workflow: Any, folder: Path) -> None:
    """Refuse a run beside jobs of an earlier one in its folder, or one whose jobs SLURM would refuse.

    The time of later attempts is capped at the limit of their partition. Silent where no job goes to SLURM.

    Raises
    ------
    RuntimeError
        See `check_queue`.
    WorkflowError
        SLURM cannot be asked, or a sentence for each setting of the profile.
    """
    check_queue(folder)
    if workflow.executor_plugin.name != "slurm":
        return
    end_refused_groups(workflow.executor_plugin.executor)
    partitions = partitions_of(told_by_scontrol(shutil.which, _run))
    cluster = cluster_name(_run("scontrol", "show", "config")[0])
    own = ("show", "assoc", f"user={getpass.getuser()}", *([f"cluster={cluster}"] if cluster else []))
    told = _run("sacctmgr", "--noheader", "--parsable2", *own, "format=account,partition,maxsubmitjobs")[0]
    associations = associations_of(told)
    every = units_of(workflow.dag)
    units = one_of_each(every)
    asks = [asked_by(unit) for unit in units]
    wrong = refusals_of(asks, partitions, frozenset(one.account for one in associations))
    counts = list(Counter(map(_kind, every)).values())  # in the order of `units`: each kind where it is met first
    wrong += too_many(workflow.resource_settings.nodes, counts, asks, associations)
    down = {name for asked in asks for name in _names(asked) if name in partitions and partitions[name].state == "DOWN"}
    if not wrong:
        tried = (
            refused_by_sbatch(unit, asked, workflow.executor_settings, not down.isdisjoint(_names(asked)))
            for unit, asked in zip(units, asks, strict=True)
        )
        wrong = list(filter(None, tried))
    if wrong:
        raise WorkflowError("\n  ".join([f"SLURM would refuse what {PROFILE} asks for:", *wrong]))
    for name in sorted(down):
        logger.warning(f"partition {name} is DOWN: its jobs wait until it is up again")
    for rule, share in lowest_shares(units, asks, partitions).items():
        cap(rule, share)


def told_by_scontrol(which: Callable[[str], str | None], run: Callable[..., tuple[str, str]]) -> str:
    """The partitions as `scontrol` prints them.

    Parameters
    ----------
    which, run : find a command, and give what it prints and complains of

    Raises
    ------
    WorkflowError
        No job could be submitted: there is no sbatch here, or the cluster does not answer.
    """
    if not which("sbatch"):
        raise WorkflowError(
            "SLURM: expected the command sbatch, found none on this computer: start the run where jobs may be "
            "submitted (a login node), or leave out --workflow-profile"
        )
    printed, said = run("scontrol", "show", "partition", "--oneliner")
    if not partitions_of(printed):
        words = words_of(said) or "no partition"
        raise WorkflowError(f"SLURM: expected the partitions of this cluster, found scontrol saying: {words}")
    return printed


def _run(*command: str) -> tuple[str, str]:
    """What a command of the cluster prints; and, where it is missing or fails, what it complains of."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return "", str(error)
    return (done.stdout, "") if done.returncode == 0 else ("", done.stderr or f"exit status {done.returncode}")
