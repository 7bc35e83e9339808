# Configuration, the scans of the run and where their files lie. No rule stands here.
import gc
import os
import sys
from functools import cache, partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir).parent))

from recon.combine import CombineEchoes, echo_range
from recon.problems import IntakeError
from recon.settings import arm
from workflow.lib.study.applied import bundle_path, differences, read_model, same_dataset, weight_files
from workflow.lib.study.clock import check_clock, inputs_of
from workflow.lib.setup.config import check, in_order
from workflow.lib.setup.labels import with_names
from workflow.lib.record.derivative import BESIDE
from workflow.lib.jobs.left_over import check_queue
from workflow.lib.report.model_card import NEEDED
from workflow.lib.setup.paths import Paths, bids_uri, user_datasets
from workflow.lib.record.provenance import code
from workflow.lib.jobs.resources import job_mb
from workflow.lib.record.run_record import state
from workflow.lib.study.scans import check_r2star, diagnosed, number_of_echoes
from workflow.lib.study.simulated import least_cohort, planned_images, planned_sidecars
from workflow.lib.planning.stale import tell_stale
from workflow.lib.study.study import from_dicom, own_study, simulated_study
from workflow.lib.setup.variants import MAIN, image_run, runs
from workflow.lib.study.verdict import failed
from workflow.lib.jobs.watch import Watch

gc.set_threshold(50_000, 20, 50)  # a plan makes millions of objects that stay; looking for waste took a seventh of it
for variable in ("NO_ET", "NIPYPE_NO_ET", "NO_ALBUMENTATIONS_UPDATE"):
    os.environ.setdefault(variable, "1")  # these packages ask the network for news unless told not to
os.environ.setdefault("PYTHONNOUSERSITE", "1")  # packages in the user's home would come before an environment's own
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # jobs run side by side; those with more threads say so in code

try:
    if workflow.is_main_process:  # its jobs need not look again
        check(config)
    RUNS = {place: in_order(with_names(settings)) for place, settings in runs(arm(config)).items()}  # by folder
    if workflow.is_main_process:
        check(*RUNS.values())  # with the values of the other arm, preprocessing and variant in place
except ValueError as error:
    raise WorkflowError(f"config: {error}")

CFG = RUNS[MAIN]
P = Paths(CFG["dataset"], CFG["output_dir"])
SIMULATED = CFG["bids_dir"] is None and CFG["dicom_dir"] is None
BIDS_DIR = CFG["bids_dir"] or (P.converted() if CFG["dicom_dir"] else P.raw("").rstrip("/"))
USER_DATASETS = user_datasets(CFG["derivatives"], BIDS_DIR)  # masks, labels and T1w of the user
PARTICIPANTS = f"{BIDS_DIR}/participants.tsv"
FOLDS = range(CFG["folds"]["folds"])
SEPARATE = CFG["field_mapping"]["echoes"] == "separate"
AVAILABLE_CORES = workflow.resource_settings.cores or len(os.sched_getaffinity(0))


def refuse(problems):
    """WorkflowError with every problem, of a mapping by scan or subject."""
    if problems:
        raise WorkflowError(str(IntakeError([problem for found in problems.values() for problem in found])))


def chi_echoes(n_echoes):
    """The echoes that susceptibility is computed from."""
    every = range(1, n_echoes + 1)
    return every[echo_range(CombineEchoes(**CFG["combine_echoes"]), n_echoes)] if SEPARATE else every


def own():
    """The user's data, converted first where they are DICOM."""
    if CFG["bids_dir"] and CFG["dicom_dir"]:
        raise WorkflowError("config: expected bids_dir or dicom_dir, found both")
    converts = CFG["dicom_dir"] and workflow.is_main_process  # in a dry run too: there is nothing else to plan from
    refused = from_dicom(Path(CFG["dicom_dir"]), Path(BIDS_DIR)) if converts else {}
    return own_study(CFG, P, Path(BIDS_DIR), chi_echoes, AVAILABLE_CORES, workflow.is_main_process, refused)


try:
    STUDY = simulated_study(CFG, P) if SIMULATED else own()
    SCANS = STUDY.scans
    N_ECHOES = number_of_echoes(SCANS.values(), BIDS_DIR)
    check_r2star(N_ECHOES, CFG["r2star_map"]["method"], BIDS_DIR)
    if workflow.is_main_process:
        check_clock([PARTICIPANTS, *inputs_of(SCANS.values())])
    ECHOES = chi_echoes(N_ECHOES) if SEPARATE else []
except ValueError as error:
    raise WorkflowError(str(error))


def trained_model():
    """Bundle path and bundle of the run that `model` names; refused unless these maps are made as its own were."""
    if CFG["model"] is None:
        return None
    path = bundle_path(CFG["model"])
    bundle = read_model(path)
    found = same_dataset(bundle, path, CFG["dataset"], P.root) + differences(bundle, CFG)
    refuse({"model": found} if found else {})
    return path, bundle


try:
    MODEL = trained_model()
except ValueError as error:
    raise WorkflowError(str(error))

HAS_R2STAR = N_ECHOES > 1
TWO_FLIPS = [name for name, scan in SCANS.items() if scan.low_flip]
DIAGNOSED = {
    subject: name
    for subject, name in diagnosed(SCANS.values(), CFG["participants"]["scan"]).items()
    if subject not in STUDY.unfit and subject not in STUDY.maps_only
}  # subject → scan
APPLIED = list(
    diagnosed(SCANS.values(), CFG["participants"]["scan"]).values()
)  # scans that a trained run is applied to
INPUTS = CFG["runs"]["inputs"]
SEEDS = CFG["runs"]["seeds"]
BOXES = [CFG["locate_nuclei"]["boxes"]] if CFG["locate_nuclei"]["boxes"] else []
LINKS = {"raw": Path(BIDS_DIR).resolve().as_uri() if CFG["bids_dir"] else f"../../{Path(BIDS_DIR).name}"}
if any(scan.mask or scan.nuclei or scan.t1w for scan in SCANS.values()):
    LINKS |= {name: Path(folder).resolve().as_uri() for name, folder in USER_DATASETS.items()}


wildcard_constraints:
    folder="sub-[0-9A-Za-z]+(?:/ses-[0-9A-Za-z]+)?",
    scan="sub-[0-9A-Za-z]+(?:_ses-[0-9A-Za-z]+)?(?:_run-[0-9A-Za-z]+)?",
    variant="(?:variants/[0-9A-Za-z_]+/)?",
    name="[0-9A-Za-z_]+",
    input="|".join(["full", "crop"]),
    inner=r"\d+",
    seed=r"\d+",
    fold=r"\d+",


def files_of(patterns, names):
    """The files of some scans, by name; other wildcards stay."""
    folders = [SCANS[name].folder for name in names]
    return expand(patterns, zip, folder=folders, scan=list(names), allow_missing=True)


def of_scans(patterns, names):
    """Input function: the same files.

    A list with a name would do, but Snakemake hashes all of it for each of its files, and every job of a running
    workflow would make it anew.
    """
    files = cache(partial(files_of, patterns, names))
    return lambda wildcards: files()


def joined(*parts):
    """Input function: the files of several input functions."""
    return lambda wildcards: [file for part in parts for file in part(wildcards)]


def scan_of(wildcards):
    """The scan that `{folder}` and `{scan}`, or `{scan}` alone, stand for."""
    scan = SCANS.get(wildcards.scan)
    if scan is None or wildcards.get("folder", scan.folder) != scan.folder:
        raise WorkflowError(f"{' '.join(wildcards)}: expected folder and name of a scan of this dataset, found none")
    return scan


def same_scan(**patterns):
    """Input function for `unpack` where `{scan}` is the only wildcard: the files of that scan; [] stays."""

    def files(wildcards):
        folder = scan_of(wildcards).folder
        return {name: p and p.format(scan=wildcards.scan, folder=folder) for name, p in patterns.items()}

    return files


def of_series(name, part):
    """Input function: the `files` or `sidecars` of a scan's `series` or `low_flip`."""

    def files(wildcards):
        series = getattr(scan_of(wildcards), name)
        if series is None:
            raise WorkflowError(f"{wildcards.scan}: expected a second series at a lower flip angle, found none")
        return getattr(series, part)

    return files


def user_file(kind):
    """Input function: the user's own `mask`, `nuclei` or `t1w` of a scan, or nothing."""
    return lambda wildcards: getattr(scan_of(wildcards), kind) or []


def user_link(kind):
    """Param function: BIDS URI of that file, or None."""

    def link(wildcards):
        file = getattr(scan_of(wildcards), kind)
        return bids_uri(file, USER_DATASETS | {"raw": BIDS_DIR}) if file else None

    return link


def participants(wildcards):
    """The participants table; what makes a diagnosis impossible is told before any job."""
    if not HAS_R2STAR:
        raise WorkflowError(
            "expected at least two echoes for the diagnosis (R2* is one of its three channels), found one; "
            "target `maps` works"
        )
    if not SIMULATED:
        refuse({name: found for name, found in STUDY.unfit.items() if CFG["on_error"] == "stop" or not name})
    return PARTICIPANTS


def trained(part):
    """Input function: the `bundle` of the run that `model` names, or its `weights`."""

    def files(wildcards):
        if MODEL is None:
            raise WorkflowError("predict: expected a trained run, --config model=RUN, found none")
        if not HAS_R2STAR:
            raise WorkflowError("predict: expected at least two echoes (R2* is one of three channels), found one")
        path, bundle = MODEL
        return str(path) if part == "bundle" else weight_files(bundle, path)

    return files


def smallest_cohort(wildcards):
    """Param function: what a simulated subject depends on."""
    return least_cohort(CFG["simulate"], scan_of(wildcards).subject.removeprefix("sub-"))


def memory_mb(wildcards, attempt, rulename):
    """Resource function: memory of a job, more with every attempt."""
    scan = SCANS[wildcards.get("scan", next(iter(SCANS)))]
    voxel_size_mm = CFG["simulate"]["voxel_size_mm"] if SIMULATED else None
    return attempt * job_mb(
        rulename, scan.series, voxel_size_mm, len(DIAGNOSED), CFG["slice_stack"], CFG["train_image_model"]
    )


def targets():
    """What Snakemake was asked for."""
    return sorted(workflow.dag_settings.targets) or ["all"]


def made_last(wildcards):
    """Input function: what the targets end in; when it is there, all raw inputs have been read."""
    ends = {"maps": [], "predict": rules.predictions_table.output}
    last = [path for target in targets() for path in ends.get(target, rules.report.output)]
    return list(dict.fromkeys([*files_of(rules.subject_page.output.page, SCANS), *rules.methods.output, *last]))


def made_from(wildcards):
    """Param function: a change in any of this makes the record anew."""
    return {
        "state": state(in_order(config), workflow.overwrite_configfiles, targets(), len(SCANS)),
        "datasets": USER_DATASETS | {"raw": BIDS_DIR},
        "folders": sorted({scan.folder for scan in SCANS.values()}),
    }


def expected():
    """Seconds of a job by rule, for the line of progress."""
    from workflow.lib.planning.missing import expected_seconds  # and with it pandas, which only a run that starts needs

    return expected_seconds(globals())


if workflow.is_main_process:
    WATCH = Watch(logger, workflow.output_settings, expected)
