# What the rules are made from (RUN) and the functions that give them their files. No rule is defined here.
import sys
from functools import partial
from pathlib import Path

from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir).parent))

from workflow.lib.jobs.cluster_limits import check_cluster
from workflow.lib.jobs.watch import Watch
from workflow.lib.planning.sizes import expected_seconds
from workflow.lib.planning.stale import tell_stale
from workflow.lib.record.derivative import BESIDE
from workflow.lib.record.provenance import code
from workflow.lib.report.model_card import NEEDED
from workflow.lib.run import Run
from workflow.lib.setup.effect import given_by_user
from workflow.lib.setup.inputs import Inputs, joined, made_from, made_last
from workflow.lib.setup.learning_inputs import LearningInputs, only_simulated
from workflow.lib.setup.process import prepare_process, refusals, run_stages_here, understood
from workflow.lib.setup.results_folder import check_writable
from workflow.lib.study.names import FOLDER, SCAN
from workflow.lib.study.simulated import planned_images, planned_parts, planned_sidecars
from workflow.lib.study.verdict import failed

prepare_process()
with refusals():
    config = understood(config, workflow)
    GIVEN = (
        given_by_user(config, workflow.config_settings.configfiles, workflow.config_settings.config_args or ())
        if workflow.is_main_process
        else None  # only the first look asks for it
    )
    RUN = Run.of(config, first_look=workflow.is_main_process, cores=workflow.resource_settings.cores, given=GIVEN)
INPUTS, LEARNING = Inputs(RUN), LearningInputs(RUN)
if workflow.is_main_process:
    WATCH = Watch(logger, workflow.output_settings, partial(expected_seconds, RUN))


wildcard_constraints:
    folder=FOLDER,
    scan=SCAN,
    variant="(?:variants/[0-9A-Za-z_]+/)?",
    name="[0-9A-Za-z_]+",
    input="full|crop",
    inner=r"\d+",
    seed=r"\d+",
    fold=r"\d+",
