"""The methods of a stage: what each is called in the config, what it reads, and what it says of itself."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from recon.problems import to_type
from recon.settings import defaults

T = TypeVar("T")
Settings = Mapping[str, Any]  # values of a section of the config, by key


def look_up(table: Mapping[str, T], name: str, setting: str) -> T:
    """The entry of that name; ValueError that names the `setting` and all entries where there is none."""
    if name not in table:
        line = to_type(setting, next(iter(table)))
        raise ValueError(f"config {setting}: expected one of {', '.join(table)}, found {name} (for example {line})")
    return table[name]


def taken(function: Callable[..., Any], values: Settings) -> dict[str, Any]:
    """Those of the values that a function takes, by the names of its keyword-only parameters."""
    return {name: values[name] for name in keywords(function) if name in values}


def keywords(function: Callable[..., Any]) -> list[str]:
    """Names of the keyword-only parameters of a function."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]


def always(*inputs: str) -> Callable[[Settings], frozenset[str]]:
    """Needs that do not depend on the settings."""
    return lambda settings: frozenset(inputs)


NOTHING = always()


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of a stage.

    Parameters
    ----------
    run : the kernel; its keyword-only parameters are optional inputs, settings of the section, and `workers`
    sentence : what a methods section says of it, a Jinja fragment of its settings, `single` (one echo only),
        the filter `n` for numbers, and `cite("key")` with keys of resources/references.tsv
    needs : settings → names of the optional inputs that the method reads
    """

    run: Callable[..., Any]
    sentence: str
    needs: Callable[[Settings], frozenset[str]] = NOTHING

    @property
    def references(self) -> tuple[str, ...]:
        """Keys of all references that the sentence may cite."""
        cited = re.findall(r"cite\(([^)]*)\)", self.sentence)
        return tuple(dict.fromkeys(key for keys in cited for key in re.findall(r'"(\w+)"', keys)))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of the reconstruction whose method is a setting.

    Parameters
    ----------
    section : of the config
    methods : by the name that the config calls them
    key : of the section, which holds that name
    """

    section: str
    methods: Mapping[str, Method]
    key: str = "method"

    def method(self, name: str) -> Method:
        """The method of that name; ValueError where there is none."""
        return look_up(self.methods, name, f"{self.section}.{self.key}")

    def parameters(self, name: str) -> list[str]:
        """Settings of the section that a method reads: the keyword-only parameters of its kernel that are such."""
        return list(taken(self.method(name).run, defaults(self.section)))

    def chosen(self, section: Settings) -> dict[str, Any]:
        """The method's name and its own parameters, from a section that holds those of all methods."""
        name = section[self.key]
        return {self.key: name} | taken(self.method(name).run, {p: section[p] for p in self.parameters(name)})

    def needs(self, section: Settings) -> frozenset[str]:
        """Optional inputs that the method of a section reads."""
        return self.method(section[self.key]).needs(section)

    def run(self, name: str, *arrays: Any, settings: Settings, **inputs: Any) -> Any:
        """Call a method with its own settings and those of the inputs, `workers` among them, that it reads.

        Raises
        ------
        ValueError
            Where there is no such method, or a setting is none of its own.
        """
        method, own = self.method(name), self.parameters(name)
        foreign = sorted(settings.keys() - set(own))
        if foreign:
            expected = f"settings of {name} ({', '.join(own)})" if own else f"no settings of {name}"
            raise ValueError(f"config {self.section}: expected {expected}, found {', '.join(foreign)}")
        read = {"workers"} | method.needs(defaults(self.section) | dict(settings))
        given = {key: value for key, value in inputs.items() if key in read}
        return method.run(*arrays, **taken(method.run, given), **settings)
