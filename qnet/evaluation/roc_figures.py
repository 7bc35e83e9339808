"""Figures 5 to 8 of the paper: ROC curves and the bootstrap distribution of their areas."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from qnet.evaluation.cases import Cases, split_cases
from qnet.evaluation.contrasts import Row
from qnet.evaluation.metrics import roc_curve
from qnet.evaluation.names import NETWORKS
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.statistics import auc_covariance
from qnet.evaluation.tables import bootstrap_auc
from qnet.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, STYLE, VERMILION, nothing, save

OTHERS = (PURPLE, SKY, ORANGE, "black", BLUE, VERMILION, GREEN)  # of models without a look of their own
LOOKS = {  # model → colour and line; pooling the mean P of a network is the dashed line of its colour
    "ResNet": (BLUE, "-"),
    "ResNetSWA": (VERMILION, "-"),
    "Q-Net": (GREEN, "-"),
    "ResNet mean P": (BLUE, "--"),
    "ResNetSWA mean P": (VERMILION, "--"),
}
REFERENCES = (("black", ":"), ("0.45", "-."), ("0.45", (0, (5, 1))), ("0.45", (0, (1, 1))))
MOST_BRACKETS = 6  # more marks of significance than these hide the boxes
PANEL_INCHES = 4.2
LINE_INCHES = 0.18  # of a legend
LEGEND_INCHES = 0.5  # under the axis, below its label


def looks(models: Iterable[str]) -> dict[str, tuple]:
    """Colour and line of every model: that of `LOOKS`, or the next one that nobody else in the panel has."""
    models = list(models)
    taken = {LOOKS[model][0] for model in models if model in LOOKS}
    free = [colour for colour in OTHERS if colour not in taken]
    rest = [model for model in models if model not in LOOKS]
    return {model: LOOKS[model] for model in models if model in LOOKS} | {
        model: (free[index % len(free)], "-") for index, model in enumerate(rest)
    }


def title(cases: Cases) -> str:
    return f"{cases.input} input, {cases.level} level" if cases.input else f"{cases.level} level"


def panels(titles: list[str], lines: int = 0) -> tuple[Figure, list[Axes]]:
    """One panel per title, side by side, with room for legends of so many lines; one that says so if there is none."""
    count = max(len(titles), 1)
    size = (PANEL_INCHES * count, PANEL_INCHES + LINE_INCHES * lines)
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(1, count, sharey=True, squeeze=False)[0])
    for ax, text in zip(axes, titles, strict=False):
        ax.set_title(text, fontsize=10)
    if not titles:
        nothing(axes[0])
    return figure, axes


def legend_below(ax: Axes) -> None:
    """One line per curve, under the panel and its label, where it covers nothing."""
    below = ax.transAxes + ScaledTranslation(0, -LEGEND_INCHES, ax.figure.dpi_scale_trans)
    style = {"fontsize": 8, "frameon": False, "handlelength": 2.6, "borderaxespad": 0}
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, **style)


def panel_rows(groups: list[Cases], params: Evaluate) -> tuple[list[Cases], list[Row]]:
    """Inputs with several models get a panel each; single models and the primary reference are drawn in all."""
    wide = [cases for cases in groups if len(cases.runs) > 1] or groups
    reference = (params.primary[1]["input"], params.primary[1]["model"])
    rows = {(cases.input, model): (cases, model) for cases in groups for model in cases.runs}
    singles = [key for key in rows if len(rows[key][0].runs) == 1 and key != reference]
    return wide, [rows[key] for key in (reference, *singles) if key in rows]


def legend_lines(wide: list[Cases], references: list[Row]) -> int:
    """Lines of the longest legend: models, references, and the line of no skill."""
    return max((len(cases.runs) for cases in wide), default=0) + len(references) + 1


def draw_roc(ax: Axes, row: Row, name: str, look: tuple) -> None:
    """One ROC curve of the seed-mean score."""
    cases, model = row
    scores = cases.score(model)
    auc = auc_covariance(cases.labels, scores)[0][0]
    colour, line = look
    ax.plot(*roc_curve(cases.labels, scores), color=colour, linestyle=line, label=f"{name}, AUC {auc:.3f}")


def finish_roc(ax: Axes) -> None:
    ax.plot([0, 1], [0, 1], color="0.8", linewidth=1, label="no skill", zorder=0)
    ax.set(xlabel="1 − specificity", xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal")
    legend_below(ax)


@matplotlib.rc_context(STYLE)
def roc(path: str | Path, predictions: pd.DataFrame, level: str, params: Evaluate, synthetic: bool = False) -> None:
    """Figure 6: ROC curves of the seed-mean scores of one level, one panel per input with several models.

    Rows that stand alone on their input, and the reference of the primary contrast, are drawn in every panel.
    """
    wide, references = panel_rows(split_cases(predictions, level), params)
    figure, axes = panels([title(cases) for cases in wide], legend_lines(wide, references))
    for ax, cases in zip(axes, wide, strict=False):
        for model, look in looks(cases.runs).items():
            draw_roc(ax, (cases, model), model, look)
        for row, look in zip(references, REFERENCES, strict=False):
            if row[0] is not cases:
                draw_roc(ax, row, row[1], look)
        finish_roc(ax)
    axes[0].set_ylabel("sensitivity")
    save(path, figure, synthetic)


@matplotlib.rc_context(STYLE)
def roc_inputs(
    path: str | Path, predictions: pd.DataFrame, level: str, params: Evaluate, synthetic: bool = False
) -> None:
    """Figures 5 and 8: ROC curves of the model of the primary contrast, one per input, in one panel."""
    model = params.primary[0]["model"]
    groups = [cases for cases in split_cases(predictions, level) if model in cases.runs]
    figure, (ax,) = panels([f"{model}, {level} level"] if groups else [], len(groups) + 1)
    for cases, look in zip(groups, ((BLUE, "-"), (VERMILION, "-"), (GREEN, "-")), strict=False):
        draw_roc(ax, (cases, model), f"{cases.input} input" if cases.input else model, look)
    if groups:
        finish_roc(ax)
        ax.set_ylabel("sensitivity")
    save(path, figure, synthetic)


@matplotlib.rc_context(STYLE)
def auc_boxplot(
    path: str | Path, predictions: pd.DataFrame, tests: pd.DataFrame, params: Evaluate, synthetic: bool = False
) -> None:
    """Figure 7: the AUC of every bootstrap resample of subjects (at scan level if there are no images).

    Parameters
    ----------
    tests : the table `delong` of `qnet.evaluation.evaluate.evaluate`; brackets carry the stars of its rows
        clustered by subject
    """
    groups = split_cases(predictions, "image") or split_cases(predictions, "scan")
    figure, axes = panels([title(cases) for cases in groups])
    for ax, cases in zip(axes, groups, strict=False):
        draws = bootstrap_auc(cases, params)
        boxes = ax.boxplot(
            list(draws.values()),
            tick_labels=list(draws),
            widths=0.5,
            patch_artist=True,
            flierprops={"markersize": 2},
        )
        ax.tick_params("x", rotation=0 if len(draws) <= len(NETWORKS) else 30)
        for box, median, (colour, _) in zip(boxes["boxes"], boxes["medians"], looks(draws).values(), strict=True):
            box.set(facecolor=colour, alpha=0.55)
            median.set(color="black")
    axes[0].set_ylabel("AUC, resampled subjects")
    low, high = axes[0].get_ylim()
    for ax, cases in zip(axes, groups, strict=False):
        _brackets(ax, cases, tests, low, high)
    save(path, figure, synthetic)


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
    spans = spans if len(spans) <= MOST_BRACKETS else []
    for row, (left, right, mark) in enumerate(sorted(spans, key=lambda span: span[1] - span[0])):
        y = high + step * (row + 0.3)
        x = [left + 0.05, left + 0.05, right - 0.05, right - 0.05]
        ax.plot(x, [y - step / 5, y, y, y - step / 5], color="black", linewidth=0.8)
        ax.text((left + right) / 2, y, mark, ha="center", va="bottom", fontsize=8)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= min(high, 1.0 + 1e-9)])
    ax.set_ylim(low, high + step * (len(spans) + 0.6))
