"""A wrong configuration is refused with every place that is wrong."""

import pytest
import yaml

from workflow.lib.setup.config import check


@pytest.fixture(scope="module")
def config(repository) -> dict:
    return yaml.safe_load((repository / "config/config.yaml").read_text())


def test_the_shipped_configuration_is_allowed(config):
    check(config, config | {"dataset": "another"})


def test_every_wrong_value_is_named_once(config):
    wrong = config | {"dataset": "../x", "folds": config["folds"] | {"folds": 1}, "nonsense": 1}
    with pytest.raises(ValueError, match="schema.yaml") as refused:
        check(wrong, wrong)
    told = str(refused.value).splitlines()[1:]
    assert len(told) == 3
    assert {line.split(": ")[0].strip() for line in told} == {"dataset", "folds.folds", "sections"}
