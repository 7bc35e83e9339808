"""Figures of calibration and of use: reliability curves and decision curves of the scans."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qnet.evaluation.cases import split_cases
from qnet.evaluation.roc_figures import REFERENCES, legend_below, legend_lines, looks, panel_rows, panels, title
from qnet.evaluation.settings import Evaluate
from qnet.figures import BLUE, STYLE, nothing, save

COLUMNS = 5
SMALL_INCHES = 2.5
LOWEST_BENEFIT = -0.1  # far below it every curve says the same: worse than doing nothing


def _with_input(table: pd.DataFrame) -> pd.DataFrame:
    return table if "input" in table else table.assign(input="")


@matplotlib.rc_context(STYLE | {"font.size": 8})
def reliability(path: str | Path, table: pd.DataFrame, calibration: pd.DataFrame, synthetic: bool = False) -> None:
    """Share of positives against mean score, one small panel per row of table 3, numbers of subjects at the points.

    Parameters
    ----------
    table, calibration : the tables `reliability` and `calibration` of `qnet.evaluation.evaluate.evaluate`
    """
    calibration = _with_input(calibration).set_index(["input", "model"])
    groups = list(_with_input(table).groupby(["input", "model"], sort=False))
    rows = max(-(-len(groups) // COLUMNS), 1)
    columns = min(max(len(groups), 1), COLUMNS)
    figure = Figure(figsize=(SMALL_INCHES * columns, SMALL_INCHES * 1.12 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax, ((input_, model), bins) in zip(grid.flat, groups, strict=False):
        _reliability_panel(ax, bins, calibration.loc[(input_, model)])
        ax.set_title(f"{model}\n{input_} input" if input_ else model, fontsize=8)
    for ax in grid.flat[len(groups) :]:
        ax.set_axis_off()
    for ax in grid[:, 0]:
        ax.set_ylabel("observed share of positives")
    for ax in grid.flat[max(len(groups) - columns, 0) : len(groups)]:
        ax.set_xlabel("mean score")
        ax.tick_params(labelbottom=True)
    if not groups:
        nothing(grid[0, 0])
    save(path, figure, synthetic)


def _reliability_panel(ax: Axes, bins: pd.DataFrame, line: pd.Series) -> None:
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    error = [bins["observed"] - bins["observed_low"], bins["observed_high"] - bins["observed"]]
    ax.errorbar(bins["score_mean"], bins["observed"], np.clip(error, 0, None), marker="o", markersize=4, color=BLUE,
                linewidth=1.2, elinewidth=0.8, capsize=2)  # fmt: skip
    for point in bins.itertuples():
        ax.annotate(
            point.subjects, (point.score_mean, point.observed), (5, -3), textcoords="offset points", fontsize=6.5
        )
    slope = f"{line['slope']:.2f}" if line["slope"] == line["slope"] else "—"
    ax.text(0.03, 0.97, f"Brier {line['brier']:.3f}\nslope {slope}", transform=ax.transAxes, va="top", fontsize=7)
    ax.set(xlim=(-0.04, 1.1), ylim=(-0.07, 1.07), aspect="equal")


@matplotlib.rc_context(STYLE)
def decision_curve(
    path: str | Path, predictions: pd.DataFrame, table: pd.DataFrame, params: Evaluate, synthetic: bool = False
) -> None:
    """Net benefit against the threshold of action, panels and reference lines as in the ROC curves.

    Parameters
    ----------
    table : the table `decision_curve` of `qnet.evaluation.evaluate.evaluate`
    """
    curves = dict(list(_with_input(table).groupby(["input", "model"], sort=False)))
    wide, references = panel_rows(split_cases(predictions, "scan"), params)
    figure, axes = panels([title(cases) for cases in wide], legend_lines(wide, references) + 1)
    for ax, cases in zip(axes, wide, strict=False):
        lines = [((cases.input, model), look) for model, look in looks(cases.runs).items()]
        others = [((row[0].input, row[1]), look) for row, look in zip(references, REFERENCES, strict=False)]
        _decision_panel(ax, curves, lines + [other for other in others if other[0][0] != cases.input])
    axes[0].set_ylabel("net benefit per subject")
    save(path, figure, synthetic)


def _decision_panel(ax: Axes, curves: dict[tuple[str, str], pd.DataFrame], lines: list[tuple]) -> None:
    for key, (colour, line) in lines:
        if key in curves:
            curve = curves[key]
            ax.plot(curve["threshold"], curve["net_benefit"], color=colour, linestyle=line, label=key[1])
    if curves:
        everyone = next(iter(curves.values()))
        ax.plot(everyone["threshold"], everyone["treat_all"], color="0.8", linewidth=3, zorder=0, label="treat all")
        ax.axhline(0, color="0.6", linewidth=1, zorder=0, label="treat nobody")
        ax.set(xlabel="threshold probability", xlim=(0, 1), ylim=(LOWEST_BENEFIT, everyone["treat_all"].max() * 1.05))
        legend_below(ax)
