"""A wrong configuration is refused with every place that is wrong."""

import ast
import re
import shlex

import pytest
import yaml

from recon.problems import to_type
from workflow.lib.setup.command_line import value_of
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


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"dataset": 2024}, 'in quotes it is text: dataset: "2024"'),
        ({"participants": {"negative_label": False}}, 'in quotes it is text: "yes", "no", "true"'),
        ({"train_image_model": {"learning_rate": "1e-4"}}, "YAML reads it as text, write 0.0001"),
        ({"train_image_model": {"learning_rate": "3e-7"}}, "YAML reads it as text, write 3.0e-07"),
        ({"runs": {"seeds": 0}}, "a list is written in brackets: seeds: [0]"),
        ({"select": {"participants": "01"}}, "a list is written in brackets: participants: ['01']"),
        ({"swi_map": {"make": "on"}}, "write true or false"),
        ({"phase_sign": -1}, 'did you mean --config "prepare_echoes={phase_sign: VALUE}"?'),
        ({"pipline": "paper"}, "did you mean pipeline?"),
        ({1: 2}, "(1 was unexpected)"),
        ({"pipeline": "Consensus"}, "did you mean consensus?"),
        ({"locate_nuclei": {"method": None}}, "did you mean none?"),
        ({"prepare_echoes": {"phase_sign": "-1"}}, "did you mean -1?"),
        ({"dataset": "my study/1"}, "a name of letters, digits, - and _, as my-study-1"),
        ({"select": {"Acq": "hr"}}, "did you mean select.acq?"),
        ({"prepare_echoes": {"phase_sgn": -1}}, "did you mean prepare_echoes.phase_sign?"),
        ({"folds": 3}, 'folds is a section, whose settings are given as --config "folds={folds: 3}"'),
        ({"prepare_echoes": None}, 'is a section, whose settings are given as --config "prepare_echoes={KEY: VALUE}"'),
    ],
)
def test_a_refusal_says_what_to_write(config, changes, remedy):
    key, value = next(iter(changes.items()))
    changed = config[key] | value if isinstance(value, dict) else value
    with pytest.raises(ValueError, match="schema.yaml") as refused:
        check(config | {key: changed})
    (told,) = str(refused.value).splitlines()[1:]
    assert told.endswith(remedy)


def settings_to_type(repository) -> list[tuple[str, object]]:
    """Setting and value of every `to_type` in the code whose arguments are written out."""
    found = []
    for file in [*(repository / "recon").rglob("*.py"), *(repository / "workflow").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "to_type":
                setting, value = node.args
                if isinstance(setting, ast.Constant):
                    found.append((setting.value, value.value if isinstance(value, ast.Constant) else None))
    return found


def test_every_setting_that_a_message_names_exists_and_may_have_the_value(repository, config):
    told = settings_to_type(repository)
    assert len(told) > 15
    for setting, value in told:
        section, key = setting.split(".")
        assert key in config[section], setting
        if value is not None and not str(value).lstrip("[").isupper():  # capitals stand for what the user knows
            (word,) = shlex.split(to_type(setting, value).removeprefix("--config "))
            name, _, text = word.partition("=")
            check(config | {section: config[section] | value_of(name, text)})


TOLD_ELSEWHERE = {"simulate.sites"}  # a table, which is written in a file as config/sites.yaml and not typed


def test_every_message_that_names_a_setting_has_the_line_to_type(repository, config):
    sections = {section: keys for section, keys in config.items() if isinstance(keys, dict) and keys}
    named = re.compile(
        "|".join(rf"\b{section}\.(?:{'|'.join(map(str, keys))})\b" for section, keys in sections.items())
    )
    line = re.compile(r"\b(to_type|config_line)\(|NUMBER\b|--config|--set")  # also as a constant of the module
    without = set()
    for file in (path for package in ("recon", "qnet", "workflow") for path in (repository / package).rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                said = {name for text in messages(function) for name in named.findall(text)} - TOLD_ELSEWHERE
                if said and not line.search(ast.unparse(function)):  # the text of few functions is needed
                    without |= {(file.name, function.name, name) for name in said}
    assert without == set()


def messages(function: ast.FunctionDef) -> list[str]:
    """Texts of every error that a function raises and every problem that it tells."""
    return [
        text.value
        for node in ast.walk(function)
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem")
        for text in ast.walk(node)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    ]
