"""The configuration: checked against its schema, and in an order of its own."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recon.problems import as_yaml, to_type
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
    """Raise ValueError with every value that the schema does not allow, one line each: place, reason and remedy."""
    wrong = {
        f"{'.'.join(map(str, error.absolute_path)) or 'sections'}: {error.message}{_remedy(error)}": None
        for config in configs
        for error in validator(SCHEMA).iter_errors(config)
    }
    if wrong:
        raise ValueError("\n  ".join(["expected what workflow/schemas/config.schema.yaml allows, found", *wrong]))


def _remedy(error: Any) -> str:
    """What to write in place of a value or a name that jsonschema's error refuses; empty where nothing is plain."""
    place = [str(part) for part in error.absolute_path]
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = [*error.schema.get("properties", {}), *_alternatives(error.schema.get("patternProperties", {}))]
        meant = [_instead(name, place, known) for name in error.instance if name not in known]
        return f"; did you mean {' and '.join(filter(None, meant))}?" if any(meant) else ""
    if error.validator == "enum":
        return _as_one_of(error.instance, error.validator_value)
    if error.validator == "pattern" and place == ["dataset"]:
        allowed = re.sub("[^A-Za-z0-9_-]+", "-", error.instance).strip("-_")
        return f"; a name of letters, digits, - and _{f', as {allowed}' if allowed else ''}"
    if error.validator == "type":
        return _as_type(place, error.instance, error.validator_value)
    return ""


def _instead(name: str, place: list[str], known: list[str]) -> str:
    """What an unknown name may stand for: a setting of a section, or a name that is spelt alike."""
    sections = [key for key, of in schema_of(SCHEMA)["properties"].items() if name in of.get("properties", {})]
    if not place and sections:
        return " or ".join(to_type(f"{section}.{name}", "VALUE") for section in sections)
    close = get_close_matches(str(name).lower(), known, n=1)
    return ".".join([*place, close[0]]) if close else ""


def _alternatives(patterns: Iterable[str]) -> list[str]:
    """Names that a schema lists as patterns, `^(task|acq)$`."""
    return [name for pattern in patterns for group in re.findall(r"\(([\w|]+)\)", pattern) for name in group.split("|")]


def _as_one_of(value: object, choices: list) -> str:
    """Which of several values one may stand for that is spelt alike, in capitals or in quotes; `none` for null."""
    text = "none" if value is None else str(value).lower()
    close = get_close_matches(text, [str(choice) for choice in choices], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _as_type(place: list[str], value: object, wanted: str | list[str]) -> str:
    """How YAML writes a value of the type that is wanted."""
    types = [wanted] if isinstance(wanted, str) else wanted
    key = place[-1] if place else ""
    if "object" in types and len(place) == 1 and not isinstance(value, Mapping):
        keys = schema_of(SCHEMA)["properties"][key].get("properties", {})
        known = key in keys and value is not None
        own = to_type(f"{key}.{key}", _typed(value)) if known else to_type(f"{key}.KEY", "VALUE")
        return f"; {key} is a section, whose settings are given as {own}" if keys else ""
    if "string" in types and isinstance(value, bool):
        return '; in quotes it is text: "yes", "no", "true"'
    if "string" in types and isinstance(value, int | float):
        return f'; in quotes it is text: {key}: "{value}"'
    if "boolean" in types:
        return "; write true or false"
    if "array" in types and not isinstance(value, Mapping):
        return f"; a list is written in brackets: {key}: {yaml.safe_dump([value], default_flow_style=True).strip()}"
    if "number" in types and isinstance(value, str) and _number(value) is not None:
        return f"; YAML reads it as text, write {_number(value)}"
    return ""


def _typed(value: object) -> str:
    """A value as it is typed inside brackets."""
    return as_yaml(value) if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).split("\n")[0]


def _number(text: str) -> str | None:
    """A number as YAML 1.1 writes it, with a point before an exponent; None where the text is none."""
    try:
        return yaml.safe_dump(float(text)).splitlines()[0]
    except ValueError:
        return None


def in_order(config: object) -> object:
    """A copy with the keys of every mapping sorted, so that moving lines of a YAML file re-runs nothing."""
    if isinstance(config, dict):
        return {key: in_order(config[key]) for key in sorted(config)}
    return [in_order(item) for item in config] if isinstance(config, list) else config
