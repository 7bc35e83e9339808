"""A scan head has one name: in the registry, among the networks, in the schema and in the methods text."""

from pathlib import Path

import pytest
import yaml

from qnet.networks.heads.models import MODELS, new_model
from qnet.networks.heads.registry import HEADS, encoder_heads, head_of, reads_located
from workflow.lib.report.methods import references

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.yaml").read_text())
STAGE = {"head": "mean", "choices": []}


def test_every_head_has_a_network_and_a_description():
    assert list(HEADS) == list(MODELS)
    assert {name: head.reads_located for name, head in HEADS.items()} == {
        name: model.reads_located for name, model in MODELS.items()
    }


def test_the_schema_allows_the_heads_that_there_are():
    stage = SCHEMA["properties"]["train_scan_model"]["properties"]
    assert stage["head"]["enum"] == list(HEADS)
    assert stage["choices"]["items"]["properties"]["head"]["enum"] == list(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_a_sentence_of_its_own_with_known_references(name):
    sentence = HEADS[name].sentence.format(hidden_size=128)
    assert sentence and sum(head.sentence.format(hidden_size=128) == sentence for head in HEADS.values()) == 1
    assert set(HEADS[name].references) <= set(references().index)


@pytest.mark.parametrize("ask", [head_of, lambda name: new_model(name, 4, 3)])
def test_an_unknown_head_is_refused(ask):
    with pytest.raises(ValueError, match="head: expected one of concat, .*measured, nuclei, found 'max'"):
        ask("max")


def test_heads_that_read_an_encoder_are_found_among_the_choices():
    assert encoder_heads(STAGE) == []
    assert encoder_heads(STAGE | {"choices": [{"head": "concat"}, {"head": "measured"}]}) == ["measured"]


def test_a_run_needs_the_located_nuclei_where_a_choice_reads_them():
    assert not reads_located(STAGE | {"choices": [{"head": "measured"}]})
    assert reads_located(STAGE | {"choices": [{"head": "nuclei"}]})


def test_a_head_that_reads_an_encoder_is_refused_without():
    (head,) = encoder_heads(STAGE | {"head": "measured"})
    with pytest.raises(ValueError, match="expected train_image_model.weights to name an encoder .*, found none"):
        new_model(head, 8, 3)
