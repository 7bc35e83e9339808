from copy import deepcopy
from pathlib import Path

import jsonschema
import pytest
import yaml

from recon.pipeline import SECTIONS, STAGES
from recon.settings import arm

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
SHIPPED = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def config(pipeline="consensus", **consensus):
    """The shipped configuration with another arm or other values under `consensus`."""
    changed = deepcopy(SHIPPED)
    changed["pipeline"] = pipeline
    for section, values in consensus.items():
        changed["consensus"].setdefault(section, {}).update(values)
    return changed


def test_the_paper_is_what_the_sections_hold():
    assert arm(config("paper")) == config("paper")


def test_consensus_replaces_what_it_names_and_nothing_else():
    before = config()
    after = arm(before)
    for section, values in after.items():
        if isinstance(values, dict) and section != "consensus":
            assert values == {**before[section], **before["consensus"].get(section, {})}
        else:
            assert values == before[section]


def test_the_arms_differ_where_consensus_says_so():
    before = config()
    after = arm(before)
    assert before["consensus"]
    for section, values in before["consensus"].items():
        assert {key: after[section][key] for key in values} == values
        assert after[section] != before[section]


@pytest.mark.parametrize("pipeline", ["paper", "consensus"])
def test_the_configuration_is_left_as_it_is(pipeline):
    given = config(pipeline)
    copy = deepcopy(given)
    arm(given)
    assert given == copy


@pytest.mark.parametrize("pipeline", ["paper", "consensus"])
def test_both_arms_fit_the_schema_and_choose_a_method_of_every_stage(pipeline):
    given = config(pipeline)
    jsonschema.validate(given, SCHEMA)
    jsonschema.validate(arm(given), SCHEMA)
    assert set(SECTIONS) <= set(given)
    for section, stage in STAGES.items():
        assert stage.chosen(arm(given)[section])[stage.key] in stage.methods


def test_an_unknown_arm_is_refused():
    with pytest.raises(jsonschema.ValidationError, match="'paper', 'consensus'"):
        jsonschema.validate(config("best"), SCHEMA)


def test_an_unknown_section_is_refused():
    with pytest.raises(jsonschema.ValidationError, match="local_feld"):
        jsonschema.validate(config(local_feld={"method": "lbv"}), SCHEMA)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("local_field", {"treshold": 0.1}, "treshold"),
        ("local_field", {"method": "magic"}, "magic"),
        ("dipole_inversion", {"tv_weight": -1}, "-1"),
        ("unwrap_phase", {"trim_echo": "last"}, "last"),
    ],
)
def test_unknown_keys_and_values_are_refused_once_in_place(section, values, message):
    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate(arm(config(**{section: values})), SCHEMA)
