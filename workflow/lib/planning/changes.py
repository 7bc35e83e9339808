"""What differs between the settings and the code that a file was made with and those of now, key by key."""

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

CODE = "code"  # the param that `provenance.code` fills
SETTINGS = "cfg"
LONG = 40  # characters of a value


class _Missing:
    """Stands for a value that is not there."""


MISSING = _Missing()


@dataclass(frozen=True)
class Change:
    """One value that is another now.

    Parameters
    ----------
    path : names from the param of the rule down to the value
    values : both as text, `0.05 → 0.06`, or of lists what came and went, `with sub-05`
    """

    path: tuple[str, ...]
    values: str


def recorded(params: Iterable[str]) -> list[Any]:
    """The params that Snakemake has recorded as Python text, without their names; text that is no value stays text."""
    return [_value(text) for text in params]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def changes(old: Iterable[Any], new: Mapping[str, Any]) -> list[Change]:
    """Every value by which the params of a job differ from the recorded ones.

    Parameters
    ----------
    old : what was recorded, in any order; Snakemake keeps no names
    new : params by name

    Returns
    -------
    changes
        Of a mapping only the keys that differ. A param without an old counterpart is new.
    """
    current = list(new.values())
    gone = [value for value in old if value not in current]
    found = []
    for name, value in new.items():
        if value not in old:
            before = _counterpart(value, gone)
            gone = [other for other in gone if other is not before]
            found += _differences((name,), before, value)
    return found


def _counterpart(value: Any, candidates: list[Any]) -> Any:
    """The recorded value that this one most likely was: of its type, and of mappings the one with most of its keys."""
    alike = [other for other in candidates if isinstance(other, Mapping) == isinstance(value, Mapping)]
    if isinstance(value, Mapping):
        return max(alike, key=lambda other: len(other.keys() & value.keys()), default=MISSING)
    same_type = [other for other in alike if type(other) is type(value)]
    return next(iter(same_type or alike), MISSING)


def _differences(path: tuple[str, ...], old: Any, new: Any) -> list[Change]:
    """The leaves by which two values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*new, *(key for key in old if key not in new)]
        return [
            change
            for key in keys
            for change in _differences((*path, str(key)), old.get(key, MISSING), new.get(key, MISSING))
        ]
    return [] if old == new else [Change(path, _values(old, new))]


def _values(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        came, went = ([item for item in one if item not in other] for one, other in ((new, old), (old, new)))
        if len(came) < len(new):  # not all of it
            return ", ".join(f"{word} {_text(items)}" for word, items in (("with", came), ("without", went)) if items)
    return f"{_text(old)} → {_text(new)}"


def _text(value: Any) -> str:
    """A value as the configuration would have it, in short."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, list):
        text = ", ".join(map(_text, value))
    else:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def in_words(change: Change, rule: str, settings: Iterable[Change]) -> str:
    """A sentence for a user of the workflow.

    Parameters
    ----------
    change : of a param of a rule
    rule : its name
    settings : changes of the whole configuration as far as they are known, to name a setting by section and key
    """
    param, *keys = change.path
    if param == CODE:
        return of_file(keys[0])
    keys = keys if param == SETTINGS else [param, *keys]
    same = [known.path[1:] for known in settings if (known.path[-1], known.values) == (keys[-1], change.values)]
    if not same:
        return f"{'.'.join(keys)} of {rule} changed ({change.values})"
    best = max(same, key=lambda path: (rule in path, path[-len(keys) :] == tuple(keys)))
    return f"setting {'.'.join(best)} changed ({change.values})"


def of_file(file: str) -> str:
    """A sentence that a file of the project changed, by its kind."""
    if file.startswith("resources/"):
        return f"resource {PurePath(file).name} changed"
    if file.endswith(".j2"):
        return f"template {PurePath(file).name} changed"
    return f"the code of {file} changed"
