"""Each fact of the configuration stands in one place, and the places agree."""

import dataclasses
import importlib
from pathlib import Path

import jsonschema
import pytest
import yaml

from workflow.lib.config_table import table

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
DATACLASSES = {
    "participants": "qnet.folds.Participants",
    "simulate": "recon.phantom.cohort.Simulate",
    "prepare_echoes": "recon.echoes.PrepareEchoes",
    "brain_mask": "recon.mask.BrainMask",
    "unwrap_phase": "recon.unwrap.UnwrapPhase",
    "local_field": "recon.background.LocalField",
    "dipole_inversion": "recon.inversion.DipoleInversion",
    "combine_echoes": "recon.combine.CombineEchoes",
    "field_mapping": "recon.field.FieldMapping",
    "r2star_map": "recon.relaxometry.R2starMap",
    "t1w_map": "recon.t1.T1wMap",
    "locate_nuclei": "recon.localize.LocateNuclei",
    "slice_stack": "qnet.data.SliceStack",
    "folds": "qnet.folds.Folds",
    "train_image_model": "qnet.train.ImageTraining",
    "train_scan_model": "qnet.train.ScanTraining",
    "evaluate": "qnet.evaluate.Evaluate",
}
NOT_A_STAGE = {"dataset", "bids_dir", "dicom_dir", "derivatives", "on_error", "pipeline", "consensus", "runs"}


def merged(base: dict, overlay: dict) -> dict:
    """Snakemake's way of laying one config over another."""
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in overlay.items()
    }


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
