"""Forest plots: differences of AUC with their intervals, of variants to the main run or of one run to another."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qnet.evaluation.ablation import MAIN
from qnet.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, STYLE, VERMILION, nothing, save

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE)
ROW_INCHES = 0.27
PANEL_INCHES = 2.7
LABEL_INCHES = 1.8


@matplotlib.rc_context(STYLE | {"font.size": 9})
def forest(path: str | Path, rows: pd.DataFrame, xlabel: str, synthetic: bool = False) -> None:
    """One panel per `panel`, one line per `label`, coloured by `colour`, which the legend explains.

    Parameters
    ----------
    rows : columns panel, label, colour (text), difference, difference_low, difference_high, stars
    """
    labels, names, colours = (list(rows[column].unique()) for column in ("label", "panel", "colour"))
    size = (LABEL_INCHES + PANEL_INCHES * max(len(names), 1), 1.5 + ROW_INCHES * max(len(labels), 2))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, max(len(names), 1), sharex=True, sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, names, strict=False):
        _panel(ax, rows[rows["panel"] == name], labels, dict(zip(colours, COLOURS, strict=False)))
        ax.set_title(name, fontsize=9)
    if names:
        axes[0].set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
        axes[len(axes) // 2].set_xlabel(xlabel)
    else:
        nothing(axes[0])
    save(path, figure, synthetic)


def _panel(ax: Axes, rows: pd.DataFrame, labels: list[str], colours: dict[str, str]) -> None:
    ax.axvline(0, color="0.6", linewidth=1, zorder=0)
    for row in rows.itertuples():
        y, colour = labels.index(row.label), colours.get(row.colour, "black")
        ax.plot([row.difference_low, row.difference_high], [y, y], color=colour, linewidth=1.5)
        ax.plot(row.difference, y, "s", color=colour, markersize=5)
        mark = "" if row.stars in ("ns", "n/a") else row.stars
        ax.annotate(mark, (row.difference, y), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    ax.tick_params("y", length=0)


def ablation(path: str | Path, table: pd.DataFrame, synthetic: bool = False) -> None:
    """Difference of every variant to the main run, one panel per level and model.

    Parameters
    ----------
    table : the table `ablation` of `qnet.evaluation.evaluate.evaluate`
    """
    table = table.assign(input=table.get("input", ""))
    panel = table["model"] + ", " + table["level"] + " level"
    main = table[table["variant"] == MAIN]
    aucs = {
        name: "main: " + ", ".join(f"{row.input} {row.auc:.3f}".strip() for row in rows.itertuples())
        for name, rows in main.groupby(panel, sort=False)
    }
    panel = panel.map(lambda name: f"{name}\n{aucs.get(name, 'not in the main run')}")
    label = (table["variant"] + ", " + table["input"]).str.removesuffix(", ")
    rows = table.assign(panel=panel, label=label, colour=table["input"])
    forest(path, rows[rows["difference"].notna()], "difference in AUC from the main run", synthetic)


def comparison(path: str | Path, table: pd.DataFrame, synthetic: bool = False) -> None:
    """Difference of AUC between two runs, one panel per level.

    Parameters
    ----------
    table : `qnet.evaluation.contrasts.comparison_table`
    """
    table = table.assign(input=table.get("input", ""))
    label = (table["model"] + ", " + table["input"]).str.removesuffix(", ")
    rows = table.assign(panel=table["level"] + " level", label=label, colour=table["input"])
    names = table.iloc[0]
    forest(path, rows, f"difference in AUC, {names['name_1']} − {names['name_2']}", synthetic)
