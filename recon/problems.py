"""What is wrong with the input: where, what was expected, what was found."""

from collections.abc import Sequence
from dataclasses import dataclass


def printable(text: str) -> str:
    """Text of a file name or a header without what would break a line, a table or a terminal: written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


@dataclass(frozen=True)
class Problem:
    """One reason why an input cannot be used; `where` names the file or the folder."""

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return printable(f"{self.where}: expected {self.expected}, found {self.found}")


class IntakeError(ValueError):
    """Problems of a dataset, a line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(["the input cannot be used:", *(f"  - {p}" for p in self.problems)]))
