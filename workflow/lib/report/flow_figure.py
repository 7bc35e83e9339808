"""Who was found, left out and diagnosed, and in which fold each was tested: the flow diagram of a report."""

import textwrap
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from qnet.figures import STYLE, save
from workflow.lib.words import counts

WIDTH = 7.0  # inches, as all lengths here: one unit of the axes is an inch
LINE, PAD, GAP = 0.19, 0.16, 0.35
MAIN_X, SIDE_X = 1.75, 5.2  # middle of the boxes of those who stay and of those who leave
MAIN_WIDTH, SIDE_WIDTH = 3.2, 3.2
FOLDS_A_ROW = 5
MOST_REASONS = 4


def counted(name: str, of_groups: dict[str, int]) -> str:
    """`Diagnosed: n = 95` and the numbers of each group below."""
    return f"{name}: n = {sum(of_groups.values())}\n{counts(of_groups)}"


def why(reasons: dict[str, list[str]]) -> str:
    """Who left and why, one line each, shortened; the report's table has all of it."""
    lines = [f"{name}: {'; '.join(texts)}" for name, texts in reasons.items()]
    more = [f"and {len(lines) - MOST_REASONS} more"] if len(lines) > MOST_REASONS else []
    return "\n".join([textwrap.shorten(line, 50, placeholder=" …") for line in lines[:MOST_REASONS]] + more)


def height_of(text: str) -> float:
    """Height of the box around a text [inch]."""
    return LINE * (text.count("\n") + 1) + PAD


@matplotlib.rc_context(STYLE)
def participants_flow(path: str | Path, flow: dict, people: pd.DataFrame, synthetic: bool) -> None:
    """Draw the flow of participants, from top to bottom.

    Parameters
    ----------
    flow : see `workflow.lib.report.cohort.flow`: the first and the last step stay, those between leave
    people : one row per diagnosed subject with columns group and fold
    """
    figure = Figure(figsize=(WIDTH, 1), layout="constrained")
    ax = figure.subplots()
    first, *leaving, last = flow["steps"]
    y = _box(ax, MAIN_X, 0.0, counted(first["name"], first["counts"]), MAIN_WIDTH)
    trunk = y
    for step in leaving:
        if not sum(step["counts"].values()):
            continue
        text = f"{counted(step['name'], step['counts'])}\n{why(step['reasons'])}".strip()
        middle = y - GAP / 2 - height_of(text) / 2
        y = _box(ax, SIDE_X, y - GAP / 2, text, SIDE_WIDTH, "#fdecea")
        _arrow(ax, (MAIN_X, middle), (SIDE_X - SIDE_WIDTH / 2, middle))
    _arrow(ax, (MAIN_X, trunk), (MAIN_X, y - GAP))
    y = _box(ax, MAIN_X, y - GAP, counted(last["name"], last["counts"]), MAIN_WIDTH, "#edf7ee")
    y = _folds(ax, y, people)
    figure.set_size_inches(WIDTH, -y + 0.45 + LINE * synthetic)
    ax.set(xlim=(0, WIDTH), ylim=(y, 0.1))
    ax.set_axis_off()
    save(path, figure, synthetic)


def _folds(ax: Axes, top: float, people: pd.DataFrame) -> float:
    """One box per test fold, several in a row; returns the lower end."""
    _arrow(ax, (MAIN_X, top), (MAIN_X, top - GAP))
    y = top - GAP - PAD
    ax.text(0.15, y, "Each tested once, by networks trained on the other folds:", va="center", fontsize=9)
    y -= PAD
    cell = (WIDTH - 0.2) / FOLDS_A_ROW
    texts = [
        counted(f"Fold {fold}", members["group"].value_counts().sort_index().to_dict())
        for fold, members in people.groupby("fold")
    ]
    for start in range(0, len(texts), FOLDS_A_ROW):
        row = texts[start : start + FOLDS_A_ROW]
        y = min(_box(ax, 0.1 + cell * (i + 0.5), y, text, cell - 0.1, "#edf4fa") for i, text in enumerate(row)) - 0.1
    return y


def _box(ax: Axes, x: float, top: float, text: str, width: float, colour: str = "#f5f7f9") -> float:
    """Draw a box around text, centred at `x`; returns its lower end."""
    height = height_of(text)
    place = (x - width / 2, top - height)
    ax.add_patch(Rectangle(place, width, height, facecolor=colour, edgecolor="0.3"))
    ax.text(x, top - height / 2, text, ha="center", va="center", fontsize=8.5, linespacing=1.3, parse_math=False)
    return top - height


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.3", "shrinkA": 0, "shrinkB": 0})
