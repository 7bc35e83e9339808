"""Why jobs would run, in words: first causes first, then what runs because of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from workflow.lib.planning.causes import Cause, History
from workflow.lib.planning.dry_run import dry_run, run_of
from workflow.lib.planning.stale import tell_stale
from workflow.lib.words import first_of

if TYPE_CHECKING:  # at run time their modules import each other in a circle
    from snakemake.dag import DAG
    from snakemake.jobs import Job

WIDTH = 100  # characters of a line
MOST = 5  # causes or items that are listed one by one
INDENT = "    "
HARD = "\N{NO-BREAK SPACE}"  # keeps a number with its rule
NOTHING = "Nothing would run: every result is up to date with the data, the settings and the code."


def why(arguments: Sequence[str]) -> str:
    """What a run with these arguments of Snakemake would do and why; files of scans outside it are listed on stderr.

    Raises
    ------
    SystemExit
        Snakemake refuses the arguments.
    """
    with dry_run(arguments) as dag:
        run = run_of(dag)
        tell_stale(Path(run.paths.root), run.scans)
        return report(dag)


def report(dag: DAG) -> str:
    """What a run would do and why.

    Parameters
    ----------
    dag : of a dry run
    """
    jobs = running(dag)
    if not jobs:
        return NOTHING
    history = History(dag)
    causes = without_repeats(dag, {job: history.causes(job) for job in jobs})
    total = sum(not job.rule.norun for job in dag.jobs)
    return "\n".join([f"{len(jobs)} of {total} jobs would run.", *first_causes(causes), *consequences(dag, causes)])


def running(dag: DAG) -> list[Job]:
    """The jobs that would run in the order of their dependence, without targets that compute nothing."""
    wanted = {job for job in dag.needrun_jobs(exclude_finished=False) if not job.rule.norun}
    return [job for level in dag.toposorted() for job in sorted(wanted & set(level), key=_order)]


def _order(job: Job) -> tuple[str, ...]:
    return (job.rule.name, *job.wildcards_dict.values())


def without_repeats(dag: DAG, causes: Mapping[Job, list[Cause]]) -> dict[Job, list[Cause]]:
    """The same, where a job does not repeat a change of settings or code that an earlier job reports."""
    told: dict[Job, set[Cause]] = {}
    left = {}
    for job, found in causes.items():
        before = set().union(*(told[other] for other in dag.dependencies[job] if other in told))
        told[job] = before.union(cause for cause in found if cause.shared)
        left[job] = [cause for cause in found if cause not in before]
    return left


def first_causes(causes: Mapping[Job, list[Cause]]) -> list[str]:
    """A paragraph for each set of rules with the same causes."""
    rules: dict[str, Counter] = {}
    items: dict[str, dict[str, None]] = {}
    for job, found in causes.items():
        for cause in found:
            items.setdefault(cause.text, {})[cause.item] = None
        for text in dict.fromkeys(cause.text for cause in found):
            rules.setdefault(text, Counter())[job.rule.name] += 1
    groups: dict[tuple, list[str]] = {}
    for text, counts in rules.items():
        groups.setdefault(tuple(counts.items()), []).append(_sentence(text, [*filter(None, items[text])]))
    return [line for counts, texts in groups.items() for line in _paragraph(texts, counts)]


def _sentence(text: str, items: list[str]) -> str:
    return f"{text}: {first_of(items, MOST)}" if items else text


def _paragraph(texts: list[str], counts: Iterable[tuple[str, int]]) -> list[str]:
    more = [f"and {len(texts) - MOST} more changes"] if len(texts) > MOST + 1 else []
    return ["", *(texts[:MOST] + more if more else texts), _jobs(counts)]


def _jobs(counts: Iterable[tuple[str, int]], start: str = INDENT) -> str:
    text = ", ".join(f"{rule}{HARD}{count}" for rule, count in counts)
    return fill(text, WIDTH, initial_indent=start, subsequent_indent=INDENT).replace(HARD, " ")


def consequences(dag: DAG, causes: Mapping[Job, list[Cause]]) -> list[str]:
    """The jobs without a cause of their own, under the rule that makes them run: the last one before them."""
    place = {job: number for number, job in enumerate(causes)}
    after: dict[str, Counter] = {}
    for job, found in causes.items():
        if not found:
            last = max((before for before in dag.dependencies[job] if before in place), key=place.get)
            after.setdefault(last.rule.name, Counter())[job.rule.name] += 1
    lines = [_jobs(counts.items(), f"because {rule} runs again: ") for rule, counts in after.items()]
    return ["", *lines] if lines else []
