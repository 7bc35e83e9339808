"""Why a job would run: the causes in the job itself, in a researcher's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflow.lib.planning.changes import SETTINGS, Change, changes, in_words, recorded
from workflow.lib.study.names import scan_in

if TYPE_CHECKING:  # at run time their modules import each other in a circle
    from snakemake.dag import DAG
    from snakemake.jobs import Job

LABELS = {"name": "variant", "inner": "inner fold"}  # of wildcards, where they have another name
SILENT = {"folder"}  # wildcards that another one tells


@dataclass(frozen=True)
class Cause:
    """Why a job runs that no other job makes run.

    Parameters
    ----------
    text : in words; the same for all jobs with this cause
    item : what it is about, where one sentence serves several: scans, files
    shared : a setting or a file of code; of jobs that follow each other, the first tells enough
    """

    text: str
    item: str = ""
    shared: bool = False


class History:
    """What Snakemake has recorded of the jobs of a graph.

    Parameters
    ----------
    dag : of a dry run
    """

    def __init__(self, dag: DAG) -> None:
        self.dag, self.persistence = dag, dag.workflow.persistence
        self.known: dict[str, dict[str, set[str]]] = {}  # rule → wildcard → values that have been run
        self.settings: list[Change] = []  # of the whole configuration, as far as some file has recorded it
        for job in filter(self.has_run, dag.jobs):
            values = self.known.setdefault(job.rule.name, {})
            for name, value in job.wildcards_dict.items():
                values.setdefault(name, set()).add(value)
            if "dataset" in (job.params.get(SETTINGS) or ()):
                self.settings += self.changes(job)

    def has_run(self, job: Job) -> bool:
        """Whether something is known of every output of a job."""
        return bool(job.output) and self.persistence.has_metadata(job)

    def causes(self, job: Job) -> list[Cause]:
        """All causes in a job itself; none where it only follows others."""
        reason = self.dag.reason(job)
        found = dict.fromkeys([*self._forced(job), *self._missing(job), *self._files(job), *self._params(job)])
        if reason.software_stack_changed:
            found[Cause("the software environment changed")] = None
        if not found and not reason.updated_input_run:
            found[Cause(f"Snakemake says: {', '.join(reason.get_names())}")] = None
        return list(found)

    def _forced(self, job: Job) -> Iterator[Cause]:
        if self.dag.reason(job).forced:
            incomplete = self.dag.workflow.async_run(self.persistence.incomplete(job))
            yield from (Cause("left incomplete by an interrupted run", file) for file in incomplete)
            if not incomplete:
                yield Cause("forced")

    def _missing(self, job: Job) -> Iterator[Cause]:
        """Outputs that were deleted, or never made: then what is new about the job."""
        missing = sorted(self.dag.reason(job).missing_output)
        if missing and self.has_run(job):
            yield from (Cause("output missing", file) for file in missing)
        elif missing and job.rule.name not in self.known:
            yield Cause("not made yet")
        elif missing:
            seen = self.known[job.rule.name]
            new = {k: v for k, v in job.wildcards_dict.items() if v not in seen[k] and k not in SILENT}
            yield from (
                Cause(f"new {LABELS.get(k, k)}", v.removeprefix("variants/").strip("/")) for k, v in new.items()
            )
            if not new:
                yield Cause("not made yet")

    def _files(self, job: Job) -> Iterator[Cause]:
        """Inputs that are newer, or others than before."""
        reason = self.dag.reason(job)
        for file in sorted(reason.updated_input - reason.updated_input_run):
            yield Cause("newer than the files made from it", file)
        if reason.input_changed:
            now, before = set(job.input), {file for output in job.output for file in self.persistence.input(output)}
            yield from (Cause("no longer used", name) for name in _scans(before - now, now))
            new = now - before - reason.updated_input_run
            yield from (Cause("used for the first time", name) for name in _scans(new, before))

    def changes(self, job: Job) -> list[Change]:
        """How the params differ from those that its outputs were made with."""
        old = dict.fromkeys(text for output in job.output for text in self.persistence.params(output) or ())
        return changes(recorded(old), _params(job)) if old else []

    def _params(self, job: Job) -> Iterator[Cause]:
        if self.has_run(job):
            sentences = (in_words(change, job.rule.name, self.settings) for change in self.changes(job))
            yield from (Cause(sentence, shared=True) for sentence in sentences)


def _params(job: Job) -> Mapping[str, object]:
    """The params that Snakemake compares, by name."""
    compared = [repr(value) for value in job.non_derived_params]
    return {name: value for name, value in job.params.items() if repr(value) in compared}


def _scans(files: set[str], others: set[str]) -> list[str]:
    """The scans of some files, without those to which other files belong as well; or, if there are none, the files."""
    scans, rest = ({name for file in some if (name := scan_in(file))} for some in (files, others))
    return sorted(scans - rest or files)
