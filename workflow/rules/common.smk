# Configuration, the subjects of the run and where their files lie. No rule stands here.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, str(Path(workflow.basedir).parent))

from recon.combine import CombineEchoes, echo_range
from recon.pipeline import arm
from workflow.lib.config import in_order
from workflow.lib.inputs import InputError, check_participants, index
from workflow.lib.paths import Paths
from workflow.lib.provenance import code
from workflow.lib.simulated import least_cohort, planned_images, planned_scans, planned_sidecars

for variable in ("NO_ET", "NIPYPE_NO_ET", "NO_ALBUMENTATIONS_UPDATE"):
    os.environ.setdefault(variable, "1")  # these packages ask the network for news unless told not to
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # jobs run side by side; those with more threads say so in code

for settings in (config, arm(config)):  # as written, and with the values of the other arm in place
    validate(settings, "../schemas/config.schema.yaml", set_default=False)

CFG = in_order(arm(config))
P = Paths(CFG["dataset"])
SIMULATED = CFG["bids_dir"] is None
try:
    if SIMULATED:
        SCANS = planned_scans(CFG["simulate"], P)
    else:
        SCANS = index(Path(CFG["bids_dir"]), phase_in_rad=CFG["prepare_echoes"]["phase_range"] is None)
    N_ECHOES = len(next(iter(SCANS.values())).phase)
    SEPARATE = CFG["field_mapping"]["echoes"] == "separate"
    ECHOES = range(1, N_ECHOES + 1)[echo_range(CombineEchoes(**CFG["combine_echoes"]), N_ECHOES)] if SEPARATE else []
except ValueError as error:
    raise WorkflowError(str(error))

SUBJECTS = list(SCANS)
TWO_FLIPS = [subject for subject in SUBJECTS if SCANS[subject].low_flip]
INPUTS = CFG["runs"]["inputs"]
SEEDS = CFG["runs"]["seeds"]
FOLDS = range(CFG["folds"]["folds"])
BOXES = [CFG["locate_nuclei"]["boxes"]] if CFG["locate_nuclei"]["boxes"] else []
WEIGHTS = [w for w in [CFG["train_image_model"]["weights"]] if w not in ("none", "imagenet")]
PARTICIPANTS = P.raw("participants.tsv") if SIMULATED else f"{CFG['bids_dir']}/participants.tsv"
RAW_LINK = "../../rawdata" if SIMULATED else Path(CFG["bids_dir"]).resolve().as_uri()


wildcard_constraints:
    subject="[0-9A-Za-z]+",
    input="|".join(["full", "crop"]),
    seed=r"\d+",
    fold=r"\d+",


def scan(part):
    """Input function: the files of one field of a subject's Scan."""
    return lambda wildcards: getattr(SCANS[wildcards.subject], part)


def participants(wildcards):
    """The participants table, checked before any job where it exists already."""
    if not SIMULATED:
        try:
            check_participants(Path(PARTICIPANTS), SUBJECTS, CFG["participants"], len(FOLDS))
        except InputError as error:
            raise WorkflowError(str(error))
    return PARTICIPANTS


def smallest_cohort(wildcards):
    """Param function: what a simulated subject depends on."""
    return least_cohort(CFG["simulate"], wildcards.subject)
