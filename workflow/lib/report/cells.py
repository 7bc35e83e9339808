"""Cells of a table in words, for pages and the model card alike; `qnet.evaluation.manifest` says how each looks."""

from collections.abc import Mapping
from dataclasses import dataclass

from qnet.evaluation.manifest import TABLES, Column
from workflow.lib.words import MAP_NAMES, NONE, known, number, p_value, percent

NO_INTERVAL = "no interval"


@dataclass(frozen=True)
class Cell:
    """A cell in words: the value, and beside it marks, count and interval where there are any."""

    text: str
    count: str = ""
    interval: str = ""


def columns(table: str, rows: list[Mapping], without: tuple[str, ...] = ()) -> list[Column]:
    """The columns of a table to be shown; that of the inputs only if the rows have one."""
    absent = () if rows and "input" in rows[0] else ("input",)
    return [column for column in TABLES[table].columns if column.name not in (*absent, *without)]


def groups(shown: list[Column]) -> list[tuple[str, int]]:
    """Titles above the columns and how many columns each spans."""
    found: list[tuple[str, int]] = []
    for column in shown:
        if found and found[-1][0] == column.group:
            found[-1] = (column.group, found[-1][1] + 1)
        else:
            found.append((column.group, 1))
    return found


def cell(column: Column, row: Mapping) -> Cell:
    """One cell of a row."""
    if column.name == "pair":
        return Cell(" against ".join(_model(row, which) for which in "12"))
    value = row.get(column.name)
    if not known(value):
        return Cell(NONE)
    spread = f" ± {_written(row[f'{column.name}_sd'], column, column.digits + 1)}" if column.spread else ""
    stars = row[column.stars] if column.stars and known(row[column.stars]) else ""
    count = row[f"{column.name}_count"] if column.count and known(row.get(f"{column.name}_count")) else ""
    return Cell(f"{_written(value, column, column.digits)}{spread} {stars}".strip(), count, _interval(column, row))


def _model(row: Mapping, which: str) -> str:
    """Model 1 or 2 of a row that compares two, with its input if it differs by model."""
    name, of_input = row[f"model_{which}"], row.get(f"input_{which}")
    return f"{name} ({of_input})" if known(of_input) else name


def _interval(column: Column, row: Mapping) -> str:
    """`73.2 to 88.5`, or that there is none; nothing for a value that is no estimate, as it has no subjects."""
    if not column.interval or not known(row.get("subjects", 1)):
        return ""
    limits = [row.get(name) for name in column.limits]
    if not all(map(known, limits)):
        return NO_INTERVAL
    return " to ".join(_written(limit, column, column.digits) for limit in limits)


def _written(value, column: Column, digits: int) -> str:
    """A value as its column shows it."""
    if not known(value):
        return NONE
    if column.name == "map":
        return MAP_NAMES.get(value, str(value))
    if column.name in ("region", "nucleus"):
        return str(value).replace("_", " ")
    if column.form == "percent":
        return percent(value, digits)
    if column.form in ("decimals", "signed"):
        return f"{value:{'+' if column.form == 'signed' else ''}.{digits}f}".replace("-", "−")
    return p_value(value) if column.form == "p" else number(value)
