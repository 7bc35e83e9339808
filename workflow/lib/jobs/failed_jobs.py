"""Listen for failed jobs, keep what they left, and report each at once in one line."""

import logging

from snakemake.jobs import GroupJob

from workflow.lib.jobs.error_record import read_error, read_since
from workflow.lib.jobs.failures import Failure, how_it_ended, job_name, last_words
from workflow.lib.jobs.listener import Listener, Screen, failed_command

GROUP_MESSAGE = "group_message"


def keep_group_messages() -> None:
    """Let the record of a failed group carry why it failed: Snakemake tells that of single jobs, and drops it here."""
    drops = GroupJob.log_error

    def log_error(self: GroupJob, msg: str | None = None, **about: object) -> None:
        drops(self, msg, **about | {GROUP_MESSAGE: msg})

    GroupJob.log_error = log_error


class FailedJobs(Listener):
    """Collects failures that no later attempt makes good.

    Record and log are read at once, because the next attempt writes them anew.
    """

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen
        self.jobs: dict[int, logging.LogRecord] = {}  # number → what was said when it last began
        self.ends: dict[int, str] = {}  # thread → how the command ended that it had waited for
        self.failed: dict[tuple[int, ...], Failure] = {}  # numbers of the jobs that failed together → failure
        self.others: list[str] = []  # errors that no command of a job made

    def on_job_info(self, record: logging.LogRecord) -> None:
        """A job begins."""
        self.jobs[record.jobid] = record

    def on_job_finished(self, record: logging.LogRecord) -> None:
        """A job has ended well: its earlier attempts no longer matter."""
        self.failed = {ids: failure for ids, failure in self.failed.items() if record.job_id not in ids}

    def on_error(self, record: logging.LogRecord) -> None:
        """A command has failed, and the same thread says next whose it was; or something else went wrong."""
        if failed_command(record):
            self.ends[record.thread] = how_it_ended(str(record.msg))
        else:
            self.others.append(str(record.msg))

    def on_job_error(self, record: logging.LogRecord) -> None:
        """A job has failed; the jobs of a group have been reported together."""
        if record.indent:
            return
        end = self.ends.pop(record.thread, "") or how_it_ended(record.rule_msg or "")
        job = self.jobs[record.jobid]
        self._add((record.jobid,), job, job.rule_name, end, record.log[len(job.log) :])

    def on_group_error(self, record: logging.LogRecord) -> None:
        """A group has failed: in the job that left an error record, else in one that began and has not ended."""
        jobs = [self.jobs[info["jobid"]] for info in record.job_error_info]
        logs = {job.jobid: read_since(next(iter(job.log), None), job.created) for job in jobs}
        told = [job for job in jobs if read_error(next(iter(job.log), None), job.created)]
        begun = [job for job in jobs if logs[job.jobid] and not read_since(job.benchmark, job.created)]
        guilty = (told or begun)[:1]
        first = (guilty or jobs)[0]
        label = guilty[0].rule_name if guilty else f"group {record.groupid}"
        end = how_it_ended(getattr(record, GROUP_MESSAGE, None) or "")
        self._add(tuple(sorted(logs)), first, label, end, record.aux_logs)

    def _add(self, ids: tuple[int, ...], job: logging.LogRecord, label: str, end: str, cluster_logs: list) -> None:
        """Note a failed attempt of `ids`, in which `job` has failed, and say so."""
        log, cluster_log = next(iter(job.log), None), next(iter(cluster_logs), None)
        cluster_text, before = read_since(cluster_log, job.created), self.failed.get(ids)
        failure = Failure(
            rule=job.rule_name,
            name=job_name(label, job.wildcards),
            attempts=before.attempts + 1 if before else 1,
            end=last_words(cluster_text) or end,
            record=read_error(log, job.created),
            text=read_since(log, job.created),
            log=log,
            cluster_text=cluster_text,
            cluster_log=cluster_log,
            asked_mb=getattr(job.resources, "mem_mb", None),
        )
        self.failed[ids] = failure
        if not failure.interrupted:
            self.screen.say(f"failed: {failure.name}, attempt {failure.attempts}: {failure.message.splitlines()[0]}")
