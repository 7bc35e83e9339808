"""A run that never took place: a logger with a handler like Snakemake's own, and records as Snakemake makes them."""

import logging
from dataclasses import dataclass
from types import SimpleNamespace

from workflow.lib.jobs.watch import Watch

NOON = 1.7e9


@dataclass
class Resources:
    """What a job had announced."""

    mem_mb: int


class Run:
    """A logger with Snakemake's own handler, and the events of a run."""

    def __init__(self, stream, quiet=(), dryrun=False, verbose=False, costs=dict):
        self.logger = logging.Logger("run", logging.INFO)
        native = logging.StreamHandler(stream)
        native.addFilter(lambda record: record.msg)  # as Snakemake's own handler does
        native.name = "DefaultStreamHandler"
        self.logger.addHandler(native)
        words = [SimpleNamespace(name=word.upper()) for word in quiet]
        settings = SimpleNamespace(quiet=words, dryrun=dryrun, verbose=verbose)
        self.watch = Watch(self.logger, settings, costs)
        self.stream, self.done, self.total = stream, 0, 0

    def tell(self, at_s, event=None, message="", **facts):
        record = logging.LogRecord("run", logging.INFO, "", 0, message, (), None)
        record.created = NOON + at_s
        record.__dict__.update(facts, event=event)
        self.logger.handle(record)

    def begin(self, **stats):
        self.total = sum(stats.values())
        self.tell(0, "run_info", stats=stats | {"total": self.total})

    def start(self, at_s, number, rule, benchmark=None, grouped=False, log=(), **wildcards):
        about = {"rule_name": rule, "wildcards": wildcards, "log": list(log), "resources": Resources(1800)}
        self.tell(at_s, "job_info", jobid=number, benchmark=benchmark, indent=grouped, **about)

    def finish(self, at_s, number):
        self.done += 1
        self.tell(at_s, "job_finished", f"Finished jobid: {number}", job_id=number)
        self.tell(at_s, "progress", None, done=self.done, total=self.total)

    def fail(self, at_s, number, end="returned non-zero exit status 1", log=(), message=None):
        command = f"CalledProcessError in file x.smk, line 2:\nCommand 'set -euo pipefail; python x.py' {end}."
        self.tell(at_s, "error", command, exception="RuleException")
        self.tell(at_s, "job_error", "Error in rule", jobid=number, log=list(log), rule_msg=message, indent=False)

    def fail_group(self, at_s, numbers, cluster_log):
        jobs = [{"jobid": number, "rule_msg": None} for number in numbers]
        self.tell(at_s, "group_error", "Error in group", groupid="scan", aux_logs=[cluster_log], job_error_info=jobs)
        for number in numbers:
            self.tell(at_s, "job_error", "Error in rule", jobid=number, log=[], rule_msg=None, indent=True)

    @property
    def lines(self):
        return [line for line in self.stream.getvalue().splitlines() if line]
