"""A trained run on labelled subjects that it has not seen: what its scores are worth there, and for whom."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from qnet.evaluation.calibration import (
    LINE,
    are_probabilities,
    calibration_table,
    recalibration,
    reliability_table,
    rows_of,
)
from qnet.evaluation.cases import Cases, split_cases
from qnet.evaluation.confounds import auc_row, people_of, strata
from qnet.evaluation.decision import decision_table
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.tables import scan_table
from qnet.evaluation.updating import update_table

OF_CALIBRATION = ["brier", "brier_low", "brier_high", "brier_reference", *LINE, "note"]
STRATA = ["input", "model", "stratum", "subjects", "positives", "mean_score", "observed"]
STRATA += ["auc", "auc_low", "auc_high", "intercept", "intercept_low", "intercept_high", "slope", "slope_low"]
STRATA += ["slope_high", "note"]
ALL = "all"


def validation_tables(
    predictions: pd.DataFrame, params: Evaluate, people: pd.DataFrame, unlike: Iterable[str], trained: list[Mapping]
) -> dict[str, pd.DataFrame]:
    """All tables of an external validation.

    Parameters
    ----------
    predictions : result of `qnet.predictions.read_predictions`, scans alone
    params : with the threshold of the trained run
    people : age [years], sex, and site where there is such a column, missing where unknown; index participant_id
    unlike : participants whose scan is unlike those of the training
    trained : rows of table 3 of the trained run
    """
    scans = split_cases(predictions, "scan")
    return {
        "validation": performance_table(scans, params, trained),
        "validation_strata": strata_table(scans, people, set(unlike), params.confidence),
        "validation_updates": update_table(scans, params.confidence),
        "validation_reliability": reliability_table(scans, params.bins, params.confidence),
        "validation_decision_curve": decision_table(scans),
    }


def performance_table(scans: list[Cases], params: Evaluate, trained: list[Mapping]) -> pd.DataFrame:
    """Rates, AUC and calibration of every row, and by how much the AUC differs from that of the cross-validation."""
    keys = ["input", "model"]
    table = scan_table(scans, [], params).drop(columns=["seeds", "auc_sd", "auc_within_folds", "ties", "votes"],
                                               errors="ignore")  # fmt: skip
    table = table.merge(calibration_table(scans, params.confidence)[[*keys, *OF_CALIBRATION]], on=keys)
    before = {(row.get("input"), row.get("model")): row for row in trained}
    compared = [fall(row, before.get((row["input"], row["model"]), {})) for row in table.to_dict("records")]
    return table.assign(**pd.DataFrame(compared))


def fall(here: Mapping, before: Mapping) -> dict[str, float]:
    r"""AUC of the cross-validation, and the difference of an AUC to it with an interval; NaN where one is not known.

    The subjects are others, so that the limits follow from those of both AUCs (MOVER, Zou & Donner 2008,
    10.1002/sim.3095):

    .. math:: d - \sqrt{(A_1 - l_1)^2 + (u_2 - A_2)^2},\quad d + \sqrt{(u_1 - A_1)^2 + (A_2 - l_2)^2}
    """
    first, second = ([_number(row.get(name)) for name in ("auc", "auc_low", "auc_high")] for row in (here, before))
    (a, low, high), (b, low_before, high_before) = first, second
    return {
        "auc_trained": b,
        "difference": a - b,
        "difference_low": float(a - b - np.hypot(a - low, high_before - b)),
        "difference_high": float(a - b + np.hypot(high - a, b - low_before)),
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def strata_table(scans: list[Cases], people: pd.DataFrame, unlike: set[str], confidence: float) -> pd.DataFrame:
    """AUC and calibration among everybody, by site, sex and age tercile, and among scans like those of training or not.

    Who is of unknown site, sex or age is in no such stratum. A stratum with one group has neither AUC nor calibration;
    one whose groups a threshold separates has no slope. `note` says so.
    """
    rows = []
    for cases, model, scores in rows_of(scans):
        if not are_probabilities(scores):
            continue
        for name, members in members_of(cases, people, unlike):
            about = {"input": cases.input, "model": model, "stratum": name}
            rows.append(about | stratum_row(cases.labels[members], scores[members], confidence))
    return pd.DataFrame(rows, columns=STRATA)


def members_of(cases: Cases, people: pd.DataFrame, unlike: set[str]) -> list[tuple[str, np.ndarray]]:
    """Name and members (n,) of every stratum with somebody in it."""
    names = cases.participants[cases.subjects]
    found = [(ALL, np.ones(len(names), bool))]
    found += [(name, members) for _, name, members in strata(*people_of(cases, people))]
    odd = np.isin(names, list(unlike))
    return found + [(name, part) for name, part in (("like training", ~odd), ("unlike training", odd)) if part.any()]


def stratum_row(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, object]:
    """Numbers, AUC and calibration of some subjects."""
    found = auc_row(labels, scores, confidence)
    row: dict[str, object] = {"subjects": len(labels), "positives": int(labels.sum())}
    row |= {"mean_score": float(scores.mean()), "observed": float(labels.mean())}
    row |= {"auc": found["value"], "auc_low": found["low"], "auc_high": found["high"]}
    if labels.all() or not labels.any():
        return row | {"note": "one group only: neither AUC nor calibration"}
    line = recalibration(labels, scores, confidence)
    note = "no finite slope" if np.isnan(line["slope"]) else None
    return row | line | {"note": note}
