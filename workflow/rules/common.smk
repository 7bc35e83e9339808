# What the rules are made from (RUN) and the functions that give them their files. No rule is defined here.
import sys
from functools import partial
from pathlib import Path

from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir).parent))

from workflow.lib.jobs.start import before_first_job
from workflow.lib.jobs.watch import Watch
from workflow.lib.planning.sizes import expected_seconds
from workflow.lib.record.derivative import BESIDE
from workflow.lib.record.provenance import code
from workflow.lib.report.model_card import NEEDED
from workflow.lib.run import Run
from workflow.lib.setup.inputs import Inputs, joined, made_from, made_last
from workflow.lib.setup.learning_inputs import LearningInputs, only_simulated
from workflow.lib.setup.process import given, prepare_process, refusals, run_stages_here, understood
from workflow.lib.study.names import FOLDER, SCAN
from workflow.lib.study.simulated import planned_images, planned_parts, planned_sidecars
from workflow.lib.study.verdict import failed

prepare_process()
with refusals():
    config = understood(config, workflow)
    at_first = {"first_look": workflow.is_main_process, "given": given(config, workflow)}
    RUN = Run.of(config, **at_first, cores=workflow.resource_settings.cores)
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
