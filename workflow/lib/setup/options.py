"""What a command line gives behind `--config` and `--configfile`, looked at before Snakemake reads it."""

import re
import shlex
from collections.abc import Sequence

SHORT = re.compile(r"^(-C)(?=[^=])")  # -CKEY=VALUE
SETTINGS = {"-C": "--config", "--config": "--config", "--configfile": "--configfile", "--configfiles": "--configfile"}
DOTTED = re.compile(r"([A-Za-z_]\w*)\.([\w.]+)=(.*)", re.DOTALL)  # SECTION.KEY=VALUE


def options_given(argv: Sequence[str]) -> dict[str, list[list[str]]]:
    """`--config` and `--configfile` → the values of each time that they are given."""
    given: dict[str, list[list[str]]] = {}
    values: list[str] = []  # of the option before, which are not asked for unless it is one of SETTINGS
    for word in argv:
        option, joined, first = SHORT.sub(r"\1=", word).partition("=") if word.startswith("-") else ("", "", word)
        if option in SETTINGS:
            values = []
            given.setdefault(SETTINGS[option], []).append(values)
        elif option:
            values = []
        if not option or joined:
            values.append(first)
    return given


def check_repeated(argv: Sequence[str]) -> None:
    """Refuse `--config` or `--configfile` given twice: Snakemake would forget the first.

    Raises
    ------
    ValueError
        With the words as they must be written.
    """
    for option, lists in options_given(argv).items():
        if len(lists) > 1:
            line = f"{option} {shlex.join(word for words in lists for word in words)}"
            raise ValueError(f"command line: expected {option} once, found it {len(lists)} times: write {line}")


def check_dotted(argv: Sequence[str]) -> None:
    """Refuse `--config SECTION.KEY=VALUE`, of which Snakemake says no more than that it is no identifier.

    Raises
    ------
    ValueError
        With the words as they must be written.
    """
    words = [word for lists in options_given(argv).get("--config", []) for word in lists]
    found = [word for word in words if DOTTED.match(word)]
    if found:
        line = " ".join(_in_braces(word) for word in words)
        expected = "a section's settings in braces"
        raise ValueError(f"command line: expected {expected}, found {', '.join(found)}: write --config {line}")


def _in_braces(word: str) -> str:
    """SECTION.KEY=VALUE as SECTION={KEY: VALUE}, quoted for the shell; any other word as it is."""
    if not (parts := DOTTED.match(word)):
        return shlex.quote(word)
    section, keys, value = parts.groups()
    for key in reversed(keys.split(".")):
        value = f"{{{key}: {value}}}"
    return shlex.quote(f"{section}={value}")
