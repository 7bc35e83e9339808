"""`--config KEY=VALUE …` read as a configuration file would be: each value becomes what the schema allows in its place.

Snakemake alone takes everything inside brackets for text, and `dataset=007` for the number 7.
"""

import re
from collections.abc import Iterable, Mapping

import yaml

from workflow.lib.setup.config import SCHEMA, schema_of

# numbers and words of YAML 1.2, which knows no octal 010, no clock 12:30 and no `no`
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
WORDS = {"null": None, "~": None, "": None, "true": True, "True": True, "false": False, "False": False}
TYPES = {"null": type(None), "boolean": bool, "integer": int, "number": (int, float), "string": str}


def with_words(config: Mapping, words: Iterable[str]) -> Mapping:
    """A copy of the configuration in which the values of the command line are those that it means.

    Parameters
    ----------
    config : as Snakemake merged it, the command line last
    words : `KEY=VALUE` of `--config`

    Raises
    ------
    ValueError
        A value is neither text nor YAML.
    """
    for key, _, text in (word.partition("=") for word in words):
        config = {**config, key: _merged(config.get(key), value_of(key, text))}
    return config


def value_of(key: str, text: str) -> object:
    """What the text of a setting means: brackets are YAML where the schema allows brackets, all else is one value."""
    schema = schema_of(SCHEMA)["properties"].get(key, {})
    text = text.strip()
    brackets = text[:1] in ("{", "[") and (not schema or {"object", "array"} & _types(schema))
    if not brackets and text[:1] not in ("'", '"'):
        return _scalar(text, schema)
    try:
        return _value(yaml.compose(text, yaml.SafeLoader), schema)
    except yaml.YAMLError as error:
        found = " ".join(str(error).split())
        raise ValueError(f"config: expected YAML as --config {key}, found {text} ({found})") from None


def _value(node: yaml.Node, schema: Mapping) -> object:
    """The value of a node of YAML."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(value, _below(schema, key.value)) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, _below(schema)) for item in node.value]
    return node.value if node.style else _scalar(node.value, schema)  # a style: quotes, so text


def _scalar(text: str, schema: Mapping) -> object:
    """The number, truth value or null that a text is in YAML 1.2, if that may stand here; else the text."""
    if text in WORDS:
        value = WORDS[text]
    elif INTEGER.fullmatch(text):
        value = int(text)
    elif NUMBER.fullmatch(text):
        value = float(text)
    else:
        return text
    return value if _fits(value, schema) or not _fits(text, schema) else text


def _fits(value: object, schema: Mapping) -> bool:
    """Whether a schema allows a value of this type, or says nothing of types."""
    if any(value in part["enum"] for part in _parts(schema) if "enum" in part):
        return True
    types = _types(schema)
    if isinstance(value, bool):
        return not schema or "boolean" in types
    return not schema or any(isinstance(value, TYPES.get(name, ())) for name in types)


def _parts(schema: Mapping) -> list[Mapping]:
    """A schema and its alternatives."""
    return [schema, *schema.get("oneOf", ())]


def _types(schema: Mapping) -> set[str]:
    """Names of the types that a schema allows."""
    found = [part.get("type", []) for part in _parts(schema)]
    return {name for types in found for name in ([types] if isinstance(types, str) else types)}


def _below(schema: Mapping, key: str | None = None) -> Mapping:
    """The schema of a key of a mapping, or of the items of a list; empty where nothing is said of them."""
    parts = _parts(schema)
    if key is None:
        return next((part["items"] for part in parts if "items" in part), {})
    found = next((part["properties"][key] for part in parts if key in part.get("properties", ())), None)
    patterns = (item for part in parts for item in part.get("patternProperties", {}).items())
    alike = next((below for pattern, below in patterns if re.search(pattern, key)), None)
    others = next((part["additionalProperties"] for part in parts if part.get("additionalProperties")), {})
    return next((below for below in (found, alike) if below is not None), others)


def _merged(config: object, changes: object) -> object:
    """Changes over a configuration, mapping by mapping; a list replaces a list."""
    if not (isinstance(config, Mapping) and isinstance(changes, Mapping)):
        return changes
    return {**config, **{key: _merged(config.get(key), value) for key, value in changes.items()}}
