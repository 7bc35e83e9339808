"""All figures of the evaluation by their names, from predictions and tables."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from qnet.evaluation import calibration_figures, forest_figure, roc_figures
from qnet.evaluation.settings import Evaluate


def draw(
    paths: Mapping[str, str | Path],
    predictions: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    params: Evaluate,
    synthetic: bool,
) -> None:
    """Draw the figures of the manifest that have a path.

    Parameters
    ----------
    tables : of `qnet.evaluation.evaluate.evaluate`
    synthetic : whether the figures say that the data are simulated
    """
    draw_one = {
        "roc_image_inputs": partial(roc_figures.roc_inputs, predictions=predictions, level="image", params=params),
        "roc_image": partial(roc_figures.roc, predictions=predictions, level="image", params=params),
        "auc_boxplot": partial(roc_figures.auc_boxplot, predictions=predictions, tests=tables["delong"], params=params),
        "roc_scan_inputs": partial(roc_figures.roc_inputs, predictions=predictions, level="scan", params=params),
        "roc_scan": partial(roc_figures.roc, predictions=predictions, level="scan", params=params),
        "reliability_curves": partial(
            calibration_figures.reliability, table=tables["reliability"], calibration=tables["calibration"]
        ),
        "decision_curves": partial(
            calibration_figures.decision_curve, predictions=predictions, table=tables["decision_curve"], params=params
        ),
        "ablation_forest": partial(forest_figure.ablation, table=tables["ablation"]),
    }
    for name in paths:
        draw_one[name](paths[name], synthetic=synthetic)


def draw_validation(
    paths: Mapping[str, str | Path],
    predictions: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    params: Evaluate,
    synthetic: bool,
) -> None:
    """Draw the figures of an external validation; parameters as in `draw`, tables of `external.validation_tables`."""
    draw_one = {
        "validation_roc": partial(roc_figures.roc, predictions=predictions, level="scan", params=params),
        "validation_calibration": partial(
            calibration_figures.reliability, table=tables["validation_reliability"], calibration=tables["validation"]
        ),
        "validation_decision": partial(
            calibration_figures.decision_curve,
            predictions=predictions,
            table=tables["validation_decision_curve"],
            params=params,
        ),
    }
    for name in paths:
        draw_one[name](paths[name], synthetic=synthetic)
