"""Each fact of the configuration stands in one place, and the places agree."""

import dataclasses
import importlib
from pathlib import Path

import jsonschema
import pytest
import yaml

from workflow.lib.setup.config_table import table
from workflow.lib.setup.variants import merged, runs

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
DATACLASSES = {
    "select": "recon.intake.select.Select",
    "participants": "workflow.lib.study.participants.Participants",
    "simulate": "recon.phantom.cohort.Simulate",
    "prepare_echoes": "recon.intake.echoes.PrepareEchoes",
    "brain_mask": "recon.mask.stage.BrainMask",
    "unwrap_phase": "recon.unwrap.stage.UnwrapPhase",
    "local_field": "recon.background.stage.LocalField",
    "dipole_inversion": "recon.inversion.stage.DipoleInversion",
    "combine_echoes": "recon.combine.CombineEchoes",
    "field_mapping": "recon.field.stage.FieldMapping",
    "r2star_map": "recon.relaxation.stage.R2starMap",
    "t1w_map": "recon.relaxation.t1.T1wMap",
    "locate_nuclei": "recon.regions.localize.LocateNuclei",
    "slice_stack": "qnet.images.data.SliceStack",
    "region_features": "qnet.baselines.regions.RegionFeatures",
    "normalise": "qnet.images.normalise.Normalise",
    "folds": "qnet.folds.Folds",
    "train_image_model": "qnet.networks.train.ImageTraining",
    "train_scan_model": "qnet.networks.train_scan.ScanTraining",
    "baselines": "qnet.baselines.models.Baselines",
    "evaluate": "qnet.evaluation.evaluate.Evaluate",
    "model_card": "qnet.application.run_facts.ModelCard",
}
CHOICES = {
    "dataset", "bids_dir", "dicom_dir", "derivatives", "output_dir", "on_error", "pipeline", "preprocessing", "model",
}  # fmt: skip
NOT_A_STAGE = CHOICES | {"consensus", "runs", "quantitative", "pretrain", "variants"}


def test_every_section_has_a_dataclass():
    assert set(SCHEMA["properties"]) == set(DATACLASSES) | NOT_A_STAGE


@pytest.mark.parametrize("section", DATACLASSES)
def test_dataclass_schema_and_config_have_the_same_keys(section):
    module, _, name = DATACLASSES[section].rpartition(".")
    fields = dataclasses.fields(getattr(importlib.import_module(module), name))
    properties = SCHEMA["properties"][section]
    assert {f.name for f in fields} == set(properties["properties"]) == set(CONFIG[section])
    assert all(f.default is dataclasses.MISSING for f in fields)
    assert set(properties["required"]) == set(properties["properties"])
    assert properties["additionalProperties"] is False
    assert all("description" in p or "properties" in p for p in properties["properties"].values())


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configs_are_valid(path):
    jsonschema.validate(merged(CONFIG, yaml.safe_load(path.read_text())), SCHEMA)


@pytest.mark.parametrize("preprocessing", ["paper", "quantitative"])
def test_every_variant_is_valid(preprocessing):
    every = merged(CONFIG, {"preprocessing": preprocessing, "runs": {"variants": list(CONFIG["variants"])}})
    for settings in runs(every).values():
        jsonschema.validate(settings, SCHEMA)


def test_pretraining_is_a_schedule_and_what_it_shares_with_stage_1():
    fields = {field.name for field in dataclasses.fields(importlib.import_module("qnet.networks.pretrain").Pretraining)}
    own = set(SCHEMA["properties"]["pretrain"]["properties"])
    assert own == set(CONFIG["pretrain"])
    assert fields - own <= set(CONFIG["train_image_model"])


@pytest.mark.parametrize("value", ["1e-3", None, -1])
def test_a_rate_that_is_no_number_is_caught(value):
    wrong = merged(CONFIG, {"train_scan_model": {"learning_rate": value}})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_unknown_keys_are_caught():
    with pytest.raises(jsonschema.ValidationError, match="treshold"):
        jsonschema.validate(merged(CONFIG, {"local_field": {"treshold": 0.1}}), SCHEMA)


def test_the_page_of_the_configuration_is_up_to_date():
    assert (ROOT / "config/README.md").read_text() == table(), "run make config-readme"
