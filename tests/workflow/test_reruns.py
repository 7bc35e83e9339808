"""After an edit, exactly the stages that it touches run again."""

import os
import shutil
from contextlib import contextmanager

import pytest
import yaml

from tests.workflow.conftest import TINY, planned_jobs

REPORT = {"report", "methods", "checklist"}  # all show every setting
STATISTICS = {"evaluate", "model_card"} | REPORT
STAGE_2 = {"train_scan_model", "predict_fold", "slice_importance"} | STATISTICS
LEARNING = {"train_image_model", "embed_slices", "baselines", "class_activation"} | STAGE_2
IMAGES = {"slice_stack", "region_features", "augmentation_samples"} | LEARNING
AFTER_CHI = {"locate_nuclei", "subject_page", "map_accuracy"} | IMAGES
AFTER_FIELD = {"dipole_inversion", "combine_echoes"} | AFTER_CHI


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


def replaced(old, new):
    def edit(text):
        assert old in text
        return text.replace(old, new, 1)

    return edit


def overlay(**sections):
    """The tiny config with other values in some sections."""
    return lambda _: yaml.safe_dump(TINY | {name: TINY.get(name, {}) | values for name, values in sections.items()})


def reordered(text):
    config = yaml.safe_load(text)
    backwards = {k: dict(reversed(v.items())) if isinstance(v, dict) else v for k, v in reversed(config.items())}
    return yaml.safe_dump(backwards, sort_keys=False)


TINY_YAML, BACKGROUND = "tiny.yaml", "recon/background.py"
EDITS = {  # name: file, edit, rules that run again
    "nothing": (TINY_YAML, lambda text: text, set()),
    "touched script": ("workflow/scripts/local_field.py", lambda text: text, set()),
    "comment": (BACKGROUND, lambda text: "# a remark\n" + text, set()),
    "docstring": (BACKGROUND, replaced("Remove the field of sources", "Take away the field of sources"), set()),
    "reordered overlay": (TINY_YAML, reordered, set()),
    "reordered config": ("config/config.yaml", reordered, set()),
    "library function": (
        BACKGROUND,
        replaced("4 * radii_mm[0]", "5 * radii_mm[0]"),
        {"local_field"} | AFTER_FIELD,
    ),
    "convention of a vendor": (
        "recon/intake/sign.py",
        replaced('"Simulated": 1}', '"Simulated": 1, "Another": 1}'),
        {"prepare_echoes", "brain_mask", "unwrap_phase", "field_mapping", "local_field", "r2star_map", "t1w_map"}
        | AFTER_FIELD,
    ),
    "conversion of DICOM": ("recon/intake/dicom_clean.py", lambda text: text + "\nANOTHER = 1\n", set()),
    "config value": (TINY_YAML, overlay(local_field={"threshold": 0.06}), {"local_field"} | AFTER_FIELD),
    "smoothing of the offset": (
        TINY_YAML,
        overlay(field_mapping={"offset_smoothing_mm": 7.0}),
        {"field_mapping", "local_field"} | AFTER_FIELD,
    ),
    "two config values": (
        TINY_YAML,
        overlay(combine_echoes={"reference": "none", "power": 1}),
        {"combine_echoes"} | AFTER_CHI,
    ),
    "training rate": (TINY_YAML, overlay(train_image_model={"learning_rate": 5e-4}), LEARNING),
    "scan model": (
        TINY_YAML,
        overlay(train_scan_model={"epochs": 3}),
        STAGE_2,
    ),
    "normalisation": (
        TINY_YAML,
        overlay(normalise={"stretch_percentiles": [1.0, 99.0]}),
        {"augmentation_samples"} | LEARNING,
    ),
    "variant of stage 2": (  # trains no image model
        TINY_YAML,
        overlay(runs={"variants": ["attention"]}),
        {"embed_slices", "train_scan_model", "predict_fold", "variant_predictions"} | STATISTICS,
    ),
    "baselines": (TINY_YAML, overlay(baselines={"permutations": 6}), {"baselines"} | STATISTICS),
    "bootstrap": (
        TINY_YAML,
        overlay(evaluate={"bootstrap": 60}),
        {"class_activation", "slice_importance"} | STATISTICS,
    ),
    "statistics": (TINY_YAML, overlay(evaluate={"bins": 4}), STATISTICS),
    "script": (
        "workflow/scripts/r2star_map.py",
        replaced('"Units": "1/s"', '"Units": "Hz"'),
        {"r2star_map", "t1w_map", "dipole_inversion", "combine_echoes"} | AFTER_CHI,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_edit_reruns_exactly_its_stages(tiny, name):
    file, edit, expected = EDITS[name]
    with edited(tiny / file, edit):
        assert set(planned_jobs(tiny, "--configfile", "tiny.yaml")) == expected


def test_new_subjects_are_added_beside_the_old_ones(tiny):
    with edited(tiny / "tiny.yaml", overlay(simulate={"subjects": 6})):
        jobs = planned_jobs(tiny, "--configfile", "tiny.yaml")
    assert jobs["simulate_subject"] == jobs["brain_mask"] == jobs["slice_stack"] == 2
    assert jobs["train_image_model"] == 4


def test_another_seed_leaves_the_trained_folds_alone(tiny):
    with edited(tiny / "tiny.yaml", overlay(runs={"seeds": [0, 1]})):
        jobs = planned_jobs(tiny, "--configfile", "tiny.yaml")
    assert jobs["train_image_model"] == 4
    assert "slice_stack" not in jobs
