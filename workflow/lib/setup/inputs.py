"""Inputs, params and resources of rules that depend on wildcards, as functions that Snakemake calls."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, TypeVar

from snakemake.exceptions import WorkflowError
from snakemake.io import expand
from snakemake.iocontainers import Wildcards

from recon.intake.scan import Scan
from recon.needs import needs_of
from recon.problems import IntakeError, to_type
from workflow.lib.jobs.resources import job_mb
from workflow.lib.record.run_record import state
from workflow.lib.run import Run
from workflow.lib.setup.config import in_order
from workflow.lib.setup.paths import bids_uri
from workflow.lib.setup.variants import MAIN
from workflow.lib.study.applied import seen, site_bound, swapped, weight_files
from workflow.lib.study.scans import files_of
from workflow.lib.study.simulated import least_cohort, voxel_size_mm

T = TypeVar("T")
Patterns = str | list[str]
Function = Callable[[Wildcards], Any]  # of wildcards, as Snakemake takes it for an input or a param


NO_NUCLEI = (
    "expected nuclei for the diagnosis (they choose the slices), found locate_nuclei.method: none; target `maps` "
    f"works, or {to_type('locate_nuclei.method', 'template')}"
)


class Inputs:
    """The files of scans and of the study.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def files_of(self, patterns: Patterns, names: Iterable[str]) -> list[str]:
        """The files of some scans, by name; other wildcards stay."""
        names = list(names)
        folders = [self.run.scans[name].folder for name in names]
        return expand(patterns, zip, folder=folders, scan=names, allow_missing=True)

    def of_scans(self, patterns: Patterns, names: Iterable[str]) -> Function:
        """Input function: the same files.

        A list with a name would do, but Snakemake hashes all of it for each of its files, and every job of a running
        workflow would make it anew.
        """
        files = cache(partial(self.files_of, patterns, names))
        return lambda wildcards: files()

    def raw_files(self, wildcards: Wildcards) -> list[str]:
        """Input function: the images and sidecars of every scan that is simulated."""
        scans = self.run.scans.values() if self.run.simulated else []
        return [file for scan in scans for file in files_of(scan)]

    def scan_of(self, wildcards: Wildcards) -> Scan:
        """The scan that `{folder}` and `{scan}`, or `{scan}` alone, stand for."""
        scan = self.run.scans.get(wildcards.scan)
        if scan is None or wildcards.get("folder", scan.folder) != scan.folder:
            expected = "expected folder and name of a scan of this dataset, found none"
            raise WorkflowError(f"{' '.join(wildcards)}: {expected}")
        return scan

    def same_scan(self, **patterns: Patterns) -> Callable[[Wildcards], dict[str, Patterns]]:
        """Input function for `unpack` where `{scan}` is the only wildcard: the files of that scan; [] stays."""

        def files(wildcards):
            folder = self.scan_of(wildcards).folder
            return {name: p and p.format(scan=wildcards.scan, folder=folder) for name, p in patterns.items()}

        return files

    def of_series(self, name: str, part: str) -> Function:
        """Input function: the `files` or `sidecars` of a scan's `series` or `low_flip`."""

        def files(wildcards):
            series = getattr(self.scan_of(wildcards), name)
            if series is None:
                raise WorkflowError(f"{wildcards.scan}: expected a second series at a lower flip angle, found none")
            return getattr(series, part)

        return files

    def user_file(self, kind: str) -> Function:
        """Input function: the user's own `mask`, `nuclei`, `t1w` or `b1` of a scan, or nothing."""
        return lambda wildcards: getattr(self.scan_of(wildcards), kind) or []

    def user_link(self, kind: str) -> Function:
        """Param function: BIDS URI of that file, or None."""

        def link(wildcards):
            file = getattr(self.scan_of(wildcards), kind)
            return bids_uri(file, self.run.datasets) if file else None

        return link

    def own_regions(self, wildcards: Wildcards) -> list[str]:
        """Input function: the user's own label images and masks of lesions, and the tables that name the labels."""
        regions = self.scan_of(wildcards).regions
        return [file for region in regions for file in (region.image, region.names) if file]

    def own_region_files(self, wildcards: Wildcards) -> list[dict[str, str | None]]:
        """Param function: key, image and table of names of each of them."""
        return [region._asdict() for region in self.scan_of(wildcards).regions]

    def of_two_flips(self, patterns: Patterns) -> Function:
        """Input function: files of a scan with a second flip angle; none of any other."""
        return lambda wildcards: (
            self.files_of(patterns, [wildcards.scan]) if wildcards.scan in self.run.two_flips else []
        )

    def participants(self, wildcards: Wildcards) -> str:
        """Input function: the participants table; what makes a diagnosis impossible is reported before any job."""
        run = self.run
        if not run.has_r2star:
            raise WorkflowError(
                "expected at least two echoes for the diagnosis (R2* is one of its three channels), found one; "
                "target `maps` needs only one"
            )
        if not run.has_nuclei:
            raise WorkflowError(NO_NUCLEI)
        if run.model:
            raise WorkflowError(
                f"expected no trained run for a study of its own, found model {run.cfg['model']}: targets `predict` "
                "and `validate` apply it; --config model=null trains another"
            )
        return self._checked_participants()

    def labelled(self, wildcards: Wildcards) -> str:
        """Input function: the participants table of labelled subjects that the trained run has not seen."""
        self.trained("bundle")(wildcards)
        participants = self._checked_participants()
        path, bundle = self.run.model
        scans = [self.run.scans[name] for name in self.run.diagnosed.values()]
        if found := [*swapped(bundle, self.run.cfg), *seen(path, self.run.cfg, scans)]:
            raise WorkflowError(str(IntakeError(found)))
        return participants

    def _checked_participants(self) -> str:
        """The participants table, unless it has problems that stop the run."""
        run = self.run
        stops = run.cfg["on_error"] == "stop"
        problems = [problem for name, found in run.study.unfit.items() if stops or not name for problem in found]
        if problems and not run.simulated:
            raise WorkflowError(str(IntakeError(problems)))
        return run.participants

    def trained(self, part: str) -> Function:
        """Input function: the `bundle` of the run that `model` names, or its `weights`."""

        def files(wildcards):
            if self.run.model is None:
                raise WorkflowError("predict, validate: expected a trained run, --config model=RUN, found none")
            if not self.run.has_r2star:
                raise WorkflowError(
                    "predict, validate: expected at least two echoes (R2* is one of three channels), found one"
                )
            if not self.run.has_nuclei:
                raise WorkflowError(f"predict, validate: {NO_NUCLEI}")
            path, bundle = self.run.model
            sites = before_any_job(lambda: self.run.applied_sites)
            if found := site_bound(bundle, sites, self.run.cfg["participants"]["site_column"]):
                raise WorkflowError(str(IntakeError(found)))
            return str(path) if part == "bundle" else weight_files(bundle, path)

        return files

    def repeated(self, patterns: Patterns) -> Function:
        """Input function: the files of all scans of subjects with several."""

        def files(wildcards):
            if not self.run.repeated:
                raise WorkflowError("repeatability: expected a subject with several sessions or runs, found none")
            if not self.run.has_r2star:
                raise WorkflowError("repeatability: expected at least two echoes (R2* is compared too), found one")
            if not self.run.has_nuclei:
                raise WorkflowError(
                    f"repeatability: {NO_NUCLEI.replace('the diagnosis (they choose the slices)', 'it')}"
                )
            before_any_job(lambda: self.run.sites)
            return self.files_of(patterns, self.run.repeated)

        return files

    def age(self, wildcards: Wildcards) -> float | None:
        """Param function: age of the subject [years], where it is known."""
        return self.run.ages.get(self.scan_of(wildcards).subject)

    def site(self, wildcards: Wildcards) -> str | None:
        """Param function: where a scan was made that a trained run is applied to, if that is known."""
        return self.run.applied_sites[wildcards.scan] or None

    def smallest_cohort(self, wildcards: Wildcards) -> dict:
        """Param function: what a simulated subject depends on."""
        return least_cohort(self.run.cfg["simulate"], self.scan_of(wildcards).subject.removeprefix("sub-"))

    def needed(self, section: str, name: str, file: Any) -> Any:
        """A file, where the configured method of a stage reads that optional input; else nothing."""
        return file if name in needs_of(section, self.run.cfg[section]) else []

    def memory_mb(self, wildcards: Wildcards, attempt: int, rulename: str) -> int:
        """Resource function: memory of a job, more with every attempt."""
        run, cfg = self.run, self.run.cfg
        scan = run.scans.get(wildcards.get("scan"))
        name = (scan or run.first_scan).name
        simulated_mm = voxel_size_mm(cfg["simulate"], name) if run.simulated else None
        training = run.runs.get(wildcards.get("variant", MAIN), cfg)["train_image_model"]
        return attempt * job_mb(
            rulename, (scan or run.first_scan).series, simulated_mm, len(run.diagnosed), cfg["slice_stack"],
            training, of_scan=scan is not None, method=cfg.get(rulename, {}).get("method", ""),
        )  # fmt: skip


def before_any_job(read: Callable[[], T]) -> T:
    """What is read, while the rules' inputs are gathered; a table that cannot be used ends the run in its words."""
    try:
        return read()
    except IntakeError as error:
        raise WorkflowError(str(error)) from None


def joined(*parts: Function) -> Function:
    """Input function: the files of several input functions."""
    return lambda wildcards: [file for part in parts for file in part(wildcards)]


def targets(workflow: Any) -> list[str]:
    """The targets that Snakemake was given; known only after the rules have been read."""
    return sorted(workflow.dag_settings.targets) or ["all"]


def made_last(inputs: Inputs, workflow: Any, rules: Any) -> Function:
    """Input function: the last files of the targets; when they exist, all raw inputs have been read."""

    def files(wildcards):
        ends = {
            "maps": [],
            "predict": rules.predictions_table.output,
            "repeatability": [rules.repeatability_report.output.page],
            "validate": [rules.external_validation.output.page],
        }
        last = [path for target in targets(workflow) for path in ends.get(target, rules.report.output)]
        pages = inputs.files_of(rules.subject_page.output.page, inputs.run.scans)
        return list(dict.fromkeys([*pages, *rules.methods.output, *rules.study_table.output, *last]))

    return files


def made_from(run: Run, workflow: Any) -> Callable[[Wildcards], Mapping[str, Any]]:
    """Param function: a change in any of this rewrites the record."""

    def parts(wildcards):
        return {
            "state": state(in_order(run.config), workflow.overwrite_configfiles, targets(workflow), len(run.scans)),
            "datasets": run.datasets,
            "folders": sorted({scan.folder for scan in run.scans.values()}),
        }

    return parts
