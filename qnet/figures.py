"""Figures 6 to 8 of the paper: ROC curves and the bootstrap distribution of their areas."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qnet.evaluate import Evaluate, bootstrap_auc
from qnet.metrics import roc_curve
from qnet.predictions import Cases, split_cases
from qnet.statistics import auc_covariance

# Okabe & Ito, safe for the colour blind
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
PANEL_INCHES = 4.2
DPI = 130
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": DPI}


def _panels(groups: list[Cases]) -> tuple[Figure, list[Axes]]:
    """One panel per input, side by side."""
    figure = Figure(figsize=(PANEL_INCHES * max(len(groups), 1), PANEL_INCHES), layout="constrained")
    axes = list(figure.subplots(1, max(len(groups), 1), sharey=True, squeeze=False)[0])
    for ax, cases in zip(axes, groups, strict=False):
        ax.set_title(f"{cases.input} input, {cases.level} level" if cases.input else f"{cases.level} level")
    if not groups:
        axes[0].text(0.5, 0.5, "no predictions at this level", ha="center")
    return figure, axes


def _save(path: str | Path, figure: Figure) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})  # the same figure gives the same bytes


@matplotlib.rc_context(STYLE)
def roc(path: str | Path, predictions: pd.DataFrame, level: str) -> None:
    """Draw the ROC curves of the seed-mean scores of one level, one panel per input."""
    groups = split_cases(predictions, level)
    figure, axes = _panels(groups)
    for ax, cases in zip(axes, groups, strict=False):
        for model, colour in zip(cases.runs, _cycle(cases), strict=True):
            scores = cases.score(model)
            auc = auc_covariance(cases.labels, scores)[0][0]
            ax.plot(*roc_curve(cases.labels, scores), color=colour, label=f"{model}, AUC {auc:.3f}")
        ax.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1, label="no skill")
        ax.set(xlabel="1 − specificity", xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
        ax.legend(loc="lower right", fontsize=8, frameon=False)
    axes[0].set_ylabel("sensitivity")
    _save(path, figure)


@matplotlib.rc_context(STYLE)
def auc_boxplot(path: str | Path, predictions: pd.DataFrame, tests: pd.DataFrame, params: Evaluate) -> None:
    """Draw the AUC of every bootstrap resample of subjects (at scan level if there are no images).

    Parameters
    ----------
    tests : the table `delong` of `qnet.evaluate.evaluate`; brackets carry the stars of its rows
        clustered by subject
    """
    groups = split_cases(predictions, "image") or split_cases(predictions, "scan")
    figure, axes = _panels(groups)
    for ax, cases in zip(axes, groups, strict=False):
        draws = bootstrap_auc(cases, params)
        boxes = ax.boxplot(
            list(draws.values()),
            tick_labels=list(draws),
            widths=0.5,
            patch_artist=True,
            flierprops={"markersize": 2},
        )
        for box, median, colour in zip(boxes["boxes"], boxes["medians"], _cycle(cases), strict=True):
            box.set(facecolor=colour, alpha=0.55)
            median.set(color="black")
    axes[0].set_ylabel("AUC, resampled subjects")
    low, high = axes[0].get_ylim()
    for ax, cases in zip(axes, groups, strict=False):
        _brackets(ax, cases, tests, low, high)
    _save(path, figure)


def _cycle(cases: Cases) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(len(cases.runs))]


def _brackets(ax: Axes, cases: Cases, tests: pd.DataFrame, low: float, high: float) -> None:
    """Mark the significance of every pair above the boxes, which end at `high`."""
    chosen = (tests["level"] == cases.level) & (tests["clustering"] == "subject")
    if "input" in tests:
        chosen &= tests["input"] == cases.input
    step = 0.09 * (high - low)
    position = {model: index for index, model in enumerate(cases.runs, start=1)}
    spans = [
        (*sorted((position[test.model_1], position[test.model_2])), test.stars) for test in tests[chosen].itertuples()
    ]
    for row, (left, right, mark) in enumerate(sorted(spans, key=lambda span: span[1] - span[0])):
        y = high + step * (row + 0.3)
        x = [left + 0.05, left + 0.05, right - 0.05, right - 0.05]
        ax.plot(x, [y - step / 5, y, y, y - step / 5], color="black", linewidth=0.8)
        ax.text((left + right) / 2, y, mark, ha="center", va="bottom", fontsize=8)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= min(high, 1.0 + 1e-9)])
    ax.set_ylim(low, high + step * (len(spans) + 0.6))
