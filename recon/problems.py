"""What is wrong with the input: which file, what was expected, what was found. The one error type of the project."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass


def printable(text: str) -> str:
    """Text of a file name or a header without what would break a line, a table or a terminal: written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


# text in every reader of YAML: neither a number nor a word that one of its versions takes for null or a truth value
PLAIN = re.compile(r"(?!(null|true|false|yes|no|on|off|y|n)$)([^\W\d]|/)([\w./+ -]*[\w./+-])?", re.IGNORECASE)


def as_yaml(text: str) -> str:
    """Text as YAML writes it inside brackets: in quotes unless it is plain."""
    return text if PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"


def config_line(word: str) -> str:
    """`--config "KEY=VALUE"` as it is typed; in single quotes where a shell would read what stands in double ones."""
    return "--config " + (shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"')


def to_type(setting: str, value: object) -> str:
    """What to type to change a setting: `--config "SECTION={KEY: VALUE}"` of SECTION.KEY.

    Parameters
    ----------
    setting : section and key, as config/config.yaml has them
    value : as YAML writes it (text: see `as_yaml`); a word in capitals stands for what only the user knows
    """
    section, key = setting.split(".")
    return config_line(f"{section}={{{key}: {value}}}")


@dataclass(frozen=True)
class Problem:
    """One reason why an input cannot be used; `file` names the file, the folder or the setting."""

    file: str
    expected: str
    found: str

    def __str__(self) -> str:
        return printable(f"{self.file}: expected {self.expected}, found {self.found}")

    def as_dict(self) -> dict[str, str]:
        """Plain JSON: `file`, `expected` and `found`."""
        return asdict(self)


class ProblemError(ValueError):
    """Input that cannot be used; the message says why, one line per problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self._message())

    def _message(self) -> str:
        return "\n".join(map(str, self.problems))

    def as_dict(self) -> dict[str, list[dict[str, str]]]:
        """Plain JSON: `problems`, each with `file`, `expected` and `found`."""
        return {"problems": [problem.as_dict() for problem in self.problems]}

    def __reduce__(self) -> tuple:
        return type(self), (self.problems,)  # errors cross processes; the default would pass the message


class IntakeError(ProblemError):
    """Problems of a dataset: a headline, then one line each."""

    def _message(self) -> str:
        return "\n".join(["the input cannot be used:", *(f"  - {problem}" for problem in self.problems)])
