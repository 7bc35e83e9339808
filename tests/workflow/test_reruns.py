"""After an edit, exactly the jobs that it touches run again. Every row is a dry run of the real workflow."""

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import TINY
from tests.workflow.data_flow import FEEDS, OF_THE_FIRST_SCAN, after, jobs
from tests.workflow.warm import command, planned_jobs

SCANS = 4
SHOWN = ("report", "methods", "checklist", "run_record")  # show every setting
CARD = (*SHOWN, "model_card")  # keeps those that a prediction must repeat
NOT_IN_A_RUN = {  # rule: why no edit below can touch it
    "all": "a target",
    "maps": "a target",
    "simulate": "a target",
    "predict": "a target",
    "validate": "a target",
    "repeatability": "a target",
    "pretrain": "a target",
    "check": "a target, which tells what was found in a dataset",
    "t1_map": "needs a second flip angle",
    "reference_region": "needs another reference than the whole brain",
    "swi_map": "needs swi_map.make",
    "template_maps": "needs group_maps.make",
    "group_maps": "needs group_maps.make",
    "train_inner_model": "needs train_scan_model.features: out_of_fold",
    "pretrain_encoder": "needs target pretrain",
    "predict_scan": "needs a trained run",
    "prediction_page": "needs a trained run",
    "predictions_table": "needs a trained run",
    "external_validation": "needs a trained run",
    "validation_checklist": "needs a trained run",
    "repeatability_report": "needs subjects with several scans",
}


@contextmanager
def edited(path, edit):
    """A file changed for a while; its time stamp comes back with its text."""
    backup = path.with_name(path.name + ".backup")
    shutil.copy2(path, backup)
    try:
        path.write_text(edit(path.read_text()))
        yield
    finally:
        os.replace(backup, path)


@contextmanager
def deleted(path):
    """A file that is gone for a while."""
    backup = path.with_name(path.name + ".backup")
    os.replace(path, backup)
    try:
        yield
    finally:
        os.replace(backup, path)


def plan(project):
    return planned_jobs(project, "--configfile", "tiny.yaml")


def replaced(old, new):
    def edit(text):
        assert old in text
        return text.replace(old, new, 1)

    return edit


def overlay(**sections):
    """The tiny config with other values in some sections."""
    return lambda _: yaml.safe_dump(
        TINY
        | {
            name: TINY.get(name, {}) | values if isinstance(values, dict) else values
            for name, values in sections.items()
        }
    )


def reordered(text):
    config = yaml.safe_load(text)
    backwards = {k: dict(reversed(v.items())) if isinstance(v, dict) else v for k, v in reversed(config.items())}
    return yaml.safe_dump(backwards, sort_keys=False)


def untouched(text):
    return text


def nudged(section):
    """The first number of a section, a little larger."""
    name, value = next((key, value) for key, value in section.items() if type(value) in (int, float))
    return {name: value + 1 if isinstance(value, int) else 1.01 * value}


def more_code(text):
    return text + "\nEDITED = 1\n"


def more_text(text):
    return text + "# edited\n"


BACKGROUND, PROFILE = "recon/background/spherical.py", "workflow/profiles/default/profile.yaml"
NOTHING = {  # name: file, edit
    "nothing": ("tiny.yaml", untouched),
    "touched script": ("workflow/scripts/local_field.py", untouched),
    "touched resource": ("resources/nuclei.tsv", untouched),
    "comment": (BACKGROUND, lambda text: "# a remark\n" + text),
    "docstring": (BACKGROUND, replaced("SHARP with the largest sphere", "SHARP with the biggest sphere")),
    "comment in the config": ("config/config.yaml", lambda text: "# a remark\n" + text),
    "reordered overlay": ("tiny.yaml", reordered),
    "reordered config": ("config/config.yaml", reordered),
    "conversion of DICOM": ("recon/intake/dicom/clean.py", more_code),
    "profile": (PROFILE, lambda text: text + "latency-wait: 7\n"),
    "memory in the profile": (PROFILE, lambda text: text + "default-resources: {mem_mb: 4321}\n"),
    "memory of a rule": ("workflow/rules/recon.smk", replaced("mem_mb=INPUTS.memory_mb", "mem_mb=4321")),
    "memory of every rule": ("workflow/lib/jobs/resources.py", replaced("IMAGES = {", "EDITED = 1\nIMAGES = {")),
}
SETTINGS = {  # section: values, rules that read them
    "simulate": ({"snr": 41.0}, ["simulate_cohort", "simulate_subject", *SHOWN]),
    "prepare_echoes": ({"slice_chop": "never"}, ["prepare_echoes", *SHOWN]),
    "brain_mask": ({"erode_mm": 2.5}, ["brain_mask", *CARD]),
    "unwrap_phase": ({"trim_coherence": 0.4}, ["unwrap_phase", *CARD]),
    "field_mapping": ({"offset_smoothing_mm": 7.0}, ["field_mapping", *CARD]),
    "local_field": ({"threshold": 0.06}, ["local_field", *CARD]),
    "dipole_inversion": ({"threshold": 0.2}, ["dipole_inversion", *CARD]),
    "combine_echoes": ({"reference": "none", "power": 1}, ["combine_echoes", *CARD]),
    "r2star_map": ({"maximum_hz": 150.0}, ["r2star_map", *CARD]),
    "t1w_map": ({"remove_r2star_decay": False}, ["t1w_map", *CARD]),
    "locate_nuclei": ({"margin_mm": 9.0}, ["locate_nuclei", *CARD]),
    "slice_stack": ({"crop_fov_mm": 90.0}, ["slice_stack", *CARD]),
    "region_features": ({"levels": 8}, ["region_features", *SHOWN]),
    "normalise": ({"stretch_percentiles": [1.0, 99.0]}, ["augmentation_samples", "train_image_model", *CARD]),
    "folds": ({"seed": 1}, ["folds", *CARD]),
    "train_image_model": ({"learning_rate": 5e-4}, ["train_image_model", *CARD]),
    "train_scan_model": ({"epochs": 3}, ["train_scan_model", *CARD]),
    "embeddings": ({"features": "augmented"}, ["embed_slices", "train_scan_model", *CARD]),
    "baselines": ({"permutations": 6}, ["baselines", *SHOWN]),
    "bootstrap": ({"bootstrap": 60}, ["evaluate", "class_activation", "slice_importance", *CARD]),
    "evaluate": ({"bins": 4}, ["evaluate", *CARD]),
    "model_card": ({"typical": 0.95}, CARD),
    "pretrain": ({"epochs": 31}, SHOWN),
    "consensus": ({"dipole_inversion": {"method": "tkd"}}, SHOWN),  # the other arm
    "on_error": ("skip", SHOWN),
}
SECTIONS = {"embeddings": "train_scan_model", "bootstrap": "evaluate"}  # where the name of a row is none
CODE = {  # file: rules that run it
    "recon/phantom/cohort.py": ["simulate_cohort", "simulate_subject"],
    "recon/phantom/tissue.py": ["simulate_cohort", "simulate_subject"],
    "recon/intake/interpolation.py": ["prepare_echoes"],
    "recon/mask/surface.py": ["brain_mask"],
    "recon/mask/trim.py": ["unwrap_phase", "methods"],
    "recon/unwrap/stage.py": ["unwrap_phase", "methods"],
    "recon/field/stage.py": ["field_mapping", "methods"],
    "recon/background/sources.py": ["local_field", "methods"],
    "recon/relaxation/decay.py": ["r2star_map", "unwrap_phase", "methods"],
    "recon/inversion/division.py": ["dipole_inversion", "methods"],
    "recon/combine.py": ["combine_echoes", "methods"],
    "recon/relaxation/t1.py": ["t1w_map"],
    "recon/regions/registration.py": ["locate_nuclei", "subject_page"],
    "recon/check/metrics.py": ["map_accuracy"],
    "workflow/scripts/slice_stack.py": ["slice_stack"],
    "qnet/baselines/glcm.py": ["region_features", "baselines"],
    "qnet/folds.py": ["folds", "methods"],  # which names the scheme
    "qnet/explanation/samples.py": ["augmentation_samples"],
    "qnet/images/augment_batch.py": ["train_image_model"],
    "qnet/networks/features.py": ["embed_slices"],
    "qnet/networks/train_scan.py": ["train_scan_model"],
    "workflow/scripts/predict_fold.py": ["predict_fold"],
    "qnet/explanation/evidence.py": ["class_activation"],
    "qnet/explanation/slice_importance.py": ["slice_importance"],
    "qnet/evaluation/tables.py": ["evaluate"],
    "workflow/lib/report/checklist.py": ["checklist"],
    "workflow/lib/report/model_card.py": ["model_card"],
    "workflow/lib/report/report_data.py": ["report", "checklist", "cohort_figures", "model_card"],
    "workflow/scripts/derivative_description.py": ["derivative_description"],
    "workflow/lib/record/run_record.py": ["run_record"],
}
TEXT = {  # file: rules that read it
    "resources/nuclei.tsv": ["simulate_cohort", "simulate_subject"],
    "resources/references.tsv": ["methods"],
    "resources/paper_results.tsv": ["evaluate"],
    "workflow/report/base.html.j2": ["subject_page", "group_page", "checklist", "report"],
    "workflow/report/group.js": ["group_page"],
    "workflow/report/results.html.j2": ["report"],
}
# a rule that no row names: its script, and a number of the section of its name
SCRIPTED = FEEDS.keys() - {"variant_predictions"} - {rule for rules in CODE.values() for rule in rules}
CODE |= {f"workflow/scripts/{rule}.py": [rule] for rule in sorted(SCRIPTED)}
CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text())
CONFIGURED = FEEDS.keys() & CONFIG.keys() - {rule for _, rules in SETTINGS.values() for rule in rules}
SETTINGS |= {rule: (nudged(CONFIG[rule]), [rule, *SHOWN]) for rule in sorted(CONFIGURED)}
RESULTS = "results/tiny"
LOST = {  # file that is deleted: jobs
    "logs/sub-01/sub-01_local_field.log": {},
    "benchmarks/evaluate.tsv": {},
    "work/sub-01/sub-01_stack.npz": {},  # whoever needs it has read it
    "qnet/full/seed-0/fold-0/image_model.safetensors": {},
    "sub-02.html": {"subject_page": 1, "group_page": 1, "report": 1, "run_record": 1},
    "group.html": {"group_page": 1},
    "tables/table3.tsv": jobs(after("evaluate"), SCANS),
    "derivatives/qnet/sub-03/anat/sub-03_R2starmap.nii.gz": jobs(after("r2star_map") - OF_THE_FIRST_SCAN, 1),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_runs_again_after(tiny, name):
    file, edit = NOTHING[name]
    with edited(tiny / file, edit):
        assert plan(tiny) == {}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_reruns_the_stages_that_read_it(tiny, name):
    values, rules = SETTINGS[name]
    with edited(tiny / "tiny.yaml", overlay(**{SECTIONS.get(name, name): values})):
        assert plan(tiny) == jobs(after(*rules), SCANS)


@pytest.mark.parametrize("file", CODE)
def test_code_reruns_the_stages_that_reach_it(tiny, file):
    with edited(tiny / file, more_code):
        assert plan(tiny) == jobs(after(*CODE[file]), SCANS)


def test_a_line_inside_a_function_counts(tiny):
    with edited(tiny / BACKGROUND, replaced("4 * radii_mm[0]", "5 * radii_mm[0]")):
        assert plan(tiny) == jobs(after("local_field", "methods"), SCANS)


@pytest.mark.parametrize("file", TEXT)
def test_a_resource_or_template_reruns_the_stages_that_read_it(tiny, file):
    with edited(tiny / file, more_text):
        assert plan(tiny) == jobs(after(*TEXT[file]), SCANS)


@pytest.mark.parametrize("file", LOST)
def test_a_lost_file_is_made_again_where_it_is_needed(tiny, file):
    with deleted(tiny / RESULTS / file):
        assert plan(tiny) == LOST[file]


def test_a_lost_intermediate_is_made_again_for_what_runs_again(tiny):
    with (
        deleted(tiny / RESULTS / "work/sub-01/sub-01_desc-local_fieldmap.nii"),
        edited(tiny / "recon/inversion/division.py", more_code),
    ):
        assert plan(tiny) == jobs(after("dipole_inversion", "methods"), SCANS) | {"local_field": 1}


def test_new_subjects_are_added_beside_the_old_ones(tiny):
    with edited(tiny / "tiny.yaml", overlay(simulate={"subjects": 6})):
        touched = after("simulate_cohort", "simulate_subject", *SHOWN) - OF_THE_FIRST_SCAN
        assert plan(tiny) == jobs(touched, 2)


def test_another_seed_leaves_the_trained_folds_alone(tiny):
    with edited(tiny / "tiny.yaml", overlay(runs={"seeds": [0, 1]})):
        assert plan(tiny) == jobs(after("train_image_model", *CARD) - {"class_activation", "slice_importance"}, SCANS)


def test_a_variant_of_stage_2_trains_no_image_model(tiny):
    with edited(tiny / "tiny.yaml", overlay(runs={"variants": ["attention"]})):
        expected = jobs(after("evaluate", *CARD), SCANS) | {"variant_predictions": 1}
        assert plan(tiny) == expected | dict.fromkeys(["embed_slices", "train_scan_model", "predict_fold"], 4)


def test_another_name_starts_anew(tiny):
    with edited(tiny / "tiny.yaml", overlay(dataset="renamed")):
        assert plan(tiny) == jobs(set(FEEDS) - {"variant_predictions"}, SCANS)


def test_every_rule_has_its_rows(tiny):
    status, text = command(tiny, "snakemake", "--list-rules", "--configfile", "tiny.yaml")
    rules = set(re.findall(r"^(\w+)$", text, re.M))
    assert status == 0
    assert rules == FEEDS.keys() | NOT_IN_A_RUN.keys()
