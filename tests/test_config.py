"""Each fact of the configuration stands in one place, and the places agree."""

import dataclasses
import importlib
import inspect
from pathlib import Path

import jsonschema
import pytest
import yaml

from qnet.folds import SCHEMES
from recon.combine import combine_echoes
from recon.mask import extract_brain, reliable_mask
from recon.pipeline import STAGES
from recon.registry import keywords, taken
from recon.relaxation import t1_weighted
from recon.relaxation.stage import decay_maps
from recon.settings import arm
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
    "swi_map": "recon.swi.SwiMap",
    "locate_nuclei": "recon.regions.localize.LocateNuclei",
    "group_maps": "qnet.group_maps.clusters.GroupMaps",
    "slice_stack": "qnet.images.data.SliceStack",
    "region_features": "qnet.baselines.regions.RegionFeatures",
    "normalise": "qnet.images.normalise.Normalise",
    "folds": "qnet.folds.Folds",
    "train_image_model": "qnet.networks.train.ImageTraining",
    "train_scan_model": "qnet.networks.train_scan.ScanTraining",
    "baselines": "qnet.baselines.models.Baselines",
    "combat": "qnet.harmonise.Combat",
    "evaluate": "qnet.evaluation.evaluate.Evaluate",
    "model_card": "qnet.application.run_facts.ModelCard",
}
KEYWORDS = {  # section: functions whose keyword-only parameters are its settings, beside those of STAGES
    "brain_mask": [extract_brain],
    "unwrap_phase": [reliable_mask],
    "combine_echoes": [combine_echoes],
    "r2star_map": [decay_maps],
    "t1w_map": [t1_weighted],
}
SECTIONS = set(DATACLASSES) | set(KEYWORDS) | set(STAGES)
CHOICES = {
    "dataset", "bids_dir", "dicom_dir", "derivatives", "output_dir", "on_error", "ratings", "pipeline", "preprocessing",
    "harmonisation", "model",
}  # fmt: skip
NOT_A_STAGE = CHOICES | {"consensus", "runs", "quantitative", "pretrain", "variants"}


def test_every_section_has_a_dataclass_or_functions():
    assert set(SCHEMA["properties"]) == SECTIONS | NOT_A_STAGE


@pytest.mark.parametrize("section", DATACLASSES)
def test_dataclass_and_config_have_the_same_keys(section):
    module, _, name = DATACLASSES[section].rpartition(".")
    fields = dataclasses.fields(getattr(importlib.import_module(module), name))
    assert {f.name for f in fields} == set(CONFIG[section])
    assert all(f.default is dataclasses.MISSING for f in fields)


@pytest.mark.parametrize("section", sorted(set(KEYWORDS) | set(STAGES)))
def test_config_has_the_settings_of_the_stage_s_functions_and_no_others(section):
    functions, keys = list(KEYWORDS.get(section, [])), set()
    if section in STAGES:
        stage = STAGES[section]
        keys = {stage.key} | {p for name in stage.methods for p in stage.parameters(name)}
    keys |= {key for function in functions for key in keywords(function)} - {"r2star_hz", "te1_s"}
    assert keys == set(CONFIG[section])


@pytest.mark.parametrize("section", sorted(set(KEYWORDS) | set(STAGES)))
def test_signatures_take_their_defaults_from_the_config(section):
    functions = list(KEYWORDS.get(section, []))
    if section in STAGES:
        functions += [method.run for method in STAGES[section].methods.values()]
    for function in functions:
        parameters = inspect.signature(function).parameters
        for key in taken(function, CONFIG[section]):
            assert parameters[key].default == CONFIG[section][key], f"{function.__name__}: {key}"


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_schema_and_config_have_the_same_keys(section):
    properties = SCHEMA["properties"][section]
    assert set(properties["properties"]) == set(CONFIG[section])
    assert set(properties["required"]) == set(properties["properties"])
    assert properties["additionalProperties"] is False
    assert all("description" in p or "properties" in p for p in properties["properties"].values())


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_configs_are_valid(path):
    jsonschema.validate(merged(CONFIG, yaml.safe_load(path.read_text())), SCHEMA)


@pytest.mark.parametrize(
    "select",
    [
        {"acq": "hr", "rec": None},
        {"reconstruction": "norm", "run": 2, "flip": [1, 2], "mt": False},
        {"filters": {"acq": "hr", "ceagent": None, "mt": "off"}},
    ],
)
def test_entities_are_selected_beside_and_in_filters(select):
    jsonschema.validate(merged(CONFIG, {"select": select}), SCHEMA)


@pytest.mark.parametrize("select", [{"foo": "hr"}, {"filters": {"foo": 1}}, {"acq": {"hr": 1}}, {"sub": "01"}])
def test_other_selections_are_refused(select):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(merged(CONFIG, {"select": select}), SCHEMA)


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


def test_the_schemes_of_folds_are_those_of_the_schema():
    assert list(SCHEMES) == SCHEMA["properties"]["folds"]["properties"]["scheme"]["enum"]


@pytest.mark.parametrize(("chosen", "located"), [("template", "shapes"), ("none", "none")])
def test_the_consensus_arm_locates_nuclei_unless_none_shall_be(chosen, located):
    config = CONFIG | {"pipeline": "consensus", "locate_nuclei": CONFIG["locate_nuclei"] | {"method": chosen}}
    assert arm(config)["locate_nuclei"]["method"] == located
