"""How far a run has got and how long it will take: one line, from the time that jobs of each rule took so far."""

import csv
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean

from workflow.lib.jobs.listener import Listener, Screen
from workflow.lib.words import duration, estimated

QUIET_S = 10.0  # between lines of a log file
BLINK_S = 0.5  # between lines that overwrite each other
SETTLED_S = 10.0  # before that, no time left is shown


@dataclass
class Work:
    """What a run has to do and has done.

    Parameters
    ----------
    planned : rule → number of jobs
    costs : rule → relative seconds, for rules of which no job has finished; may be empty
    finished : rule → number of finished jobs
    seconds : rule → what the jobs have taken [s], where that is known
    """

    planned: Mapping[str, int]
    costs: Mapping[str, float] = field(default_factory=dict)
    finished: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def weights(self, running: list[tuple[str, float]]) -> dict[str, float]:
        """Seconds of a job by rule: the mean of its finished jobs, else its cost, else the mean of the other rules.

        `running` are (rule, age [s]) of unfinished jobs: the first ones of their rule show that it takes at least that.
        """
        known = {rule: fmean(found) for rule, found in self.seconds.items()}
        shared = [rule for rule in known if self.costs.get(rule)]
        scale = sum(known[rule] for rule in shared) / sum(self.costs[rule] for rule in shared) if shared else 1.0
        typical = fmean(known.values()) if known else 1.0
        weights = {rule: scale * self.costs[rule] if rule in self.costs else typical for rule in self.planned} | known
        for rule, age in running:
            if rule not in known:
                weights[rule] = max(weights.get(rule, 0.0), age)
        return weights

    def estimate(self, elapsed_s: float, running: list[tuple[str, float]]) -> tuple[float, float | None]:
        """Share of the work that is done, and seconds left at the pace so far; None as long as nothing is done."""
        weights = self.weights(running)
        total = sum(count * weights[rule] for rule, count in self.planned.items())
        done = sum(count * weights.get(rule, 0.0) for rule, count in self.finished.items())
        done += sum(min(age, weights[rule]) for rule, age in running)
        if not 0 < done < total:
            return float(total > 0 and done >= total), None
        return done / total, elapsed_s * (total - done) / done


def line(done: int, total: int, share: float, elapsed_s: float, left_s: float | None, now: float) -> str:
    """The line itself.

    Parameters
    ----------
    done, total : jobs
    share : of the work, 0 to 1
    elapsed_s, left_s : since the start; until the end, or None where unknown
    now : seconds since the epoch; the line also shows when the end is due, which stays true during a long job
    """
    if done == total:
        return f"{done} of {total} jobs · done in {duration(elapsed_s)}"
    text = f"{done} of {total} jobs · {int(100 * share)} % of the work · {duration(elapsed_s)} so far"
    if left_s is None or elapsed_s < SETTLED_S:
        return text
    end = datetime.fromtimestamp(now + left_s)
    clock = end.strftime("%H:%M" if end.date() == datetime.fromtimestamp(now).date() else "%a %H:%M")
    return f"{text}, about {estimated(left_s)} left ({clock})"


def benchmark_seconds(path: str | None) -> float | None:
    """Seconds in a job's benchmark file; None where there is none yet."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, TypeError, ValueError, KeyError, StopIteration):
        return None


class Progress(Listener):
    """Shows the line whenever a job has finished, but not too often.

    Parameters
    ----------
    screen : where to show it
    costs : gives rule → relative seconds of a job, for rules of which no job has finished; asked when a run begins
    """

    def __init__(self, screen: Screen, costs: Callable[[], Mapping[str, float]] = dict) -> None:
        super().__init__()
        self.screen, self.costs = screen, costs
        self.work, self.jobs, self.text = None, {}, ""
        self.began = self.shown = 0.0
        self.pause_s = BLINK_S if screen.terminal else QUIET_S

    def on_run_info(self, record: logging.LogRecord) -> None:
        """The jobs of the run, counted by rule."""
        planned = {rule: count for rule, count in record.stats.items() if rule != "total"}
        self.work, self.began = Work(planned, self.costs()), record.created

    def on_job_info(self, record: logging.LogRecord) -> None:
        """A job begins, or joins a queue if it is one of a group."""
        self.jobs[record.jobid] = (record.rule_name, record.created, record.benchmark, record.indent)

    def on_job_error(self, record: logging.LogRecord) -> None:
        """A job has ended without a result; it may begin again."""
        self.jobs.pop(record.jobid, None)

    def on_job_finished(self, record: logging.LogRecord) -> None:
        """A job has finished. The cost of one in a group is in its benchmark only."""
        rule, began, benchmark, grouped = self.jobs.pop(record.job_id)
        self.work.finished[rule] += 1
        seconds = benchmark_seconds(benchmark)
        if seconds is None and not grouped:
            seconds = record.created - began
        if seconds is not None:
            self.work.seconds.setdefault(rule, []).append(seconds)

    def on_progress(self, record: logging.LogRecord) -> None:
        """Snakemake counts its jobs: the moment to show the line."""
        elapsed_s = record.created - self.began
        running = [(rule, record.created - began) for rule, began, _, grouped in self.jobs.values() if not grouped]
        share, left_s = self.work.estimate(elapsed_s, running)
        self.text = line(record.done, record.total, share, elapsed_s, left_s, record.created)
        if record.done == record.total:
            self.end()
        elif record.created - self.shown >= self.pause_s:
            self.shown = record.created
            self.screen.show(self.text)
            self.text = self.text if self.screen.terminal else ""

    def end(self) -> None:
        """Write the latest line so that it stays, unless it does already."""
        if self.text:
            self.screen.say(self.text)
            self.text = ""
