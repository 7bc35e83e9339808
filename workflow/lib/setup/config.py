"""The configuration: checked against its schema, and in an order of its own."""

from functools import cache
from pathlib import Path

import yaml

from workflow.lib.home import HOME

SCHEMA = HOME / "workflow" / "schemas" / "config.schema.yaml"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one takes a tenth of the time


@cache
def schema_of(path: Path) -> dict:
    """A JSON schema in a YAML file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


@cache
def validator(schema: Path):
    """The validator of a JSON schema in a YAML file."""
    from jsonschema import Draft202012Validator  # only the process that a user starts checks the configuration

    return Draft202012Validator(schema_of(schema))


def check(*configs: dict) -> None:
    """Raise ValueError with every value that the schema does not allow, one line each: its place and why."""
    wrong = {
        f"{'.'.join(map(str, error.absolute_path)) or 'sections'}: {error.message}": None
        for config in configs
        for error in validator(SCHEMA).iter_errors(config)
    }
    if wrong:
        raise ValueError("\n  ".join(["expected what workflow/schemas/config.schema.yaml allows, found", *wrong]))


def in_order(config: object) -> object:
    """A copy with the keys of every mapping sorted, so that moving lines of a YAML file re-runs nothing."""
    if isinstance(config, dict):
        return {key: in_order(config[key]) for key in sorted(config)}
    return [in_order(item) for item in config] if isinstance(config, list) else config
