"""For whom a score works: the same measures by site, age and sex, and how many subjects would tell subgroups apart."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy.special import ndtri

from qnet.evaluation.calibration import are_probabilities, recalibration, rows_of
from qnet.evaluation.cases import Cases
from qnet.evaluation.confounds import auc_if_known, people_of, strata
from qnet.evaluation.manifest import DIFFERENCE
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.statistics import ALPHA, POWER, difference_of_independent
from qnet.evaluation.tables import decision_row

ALL, SIMILARITY = "all", ("like training", "unlike training")
COLUMNS = ["input", "model", "stratum", "subjects", "positives", "auc", "auc_low", "auc_high"]
COLUMNS += [f"{rate}{end}" for rate in ("sensitivity", "specificity") for end in ("", "_count", "_low", "_high")]
COLUMNS += ["difference", "difference_low", "difference_high", "needed", "mean_score", "observed"]
COLUMNS += ["intercept", "intercept_low", "intercept_high", "slope", "slope_low", "slope_high", "note"]


def subgroup_table(
    scans: list[Cases], people: pd.DataFrame | None, params: Evaluate, unlike: Collection[str] | None = None
) -> pd.DataFrame:
    """Every scan-level row among everybody, by site, age tercile and sex, and among scans unlike those of a training.

    Who is of unknown site, sex or age is in no such stratum. A stratum is compared with the others of its kind. One
    with one group has no AUC, one whose groups a threshold separates has no slope; `note` says so.

    Parameters
    ----------
    scans : cases of the scan level
    people : age [years], sex, and site where there is such a column, missing where unknown; index participant_id. None
        gives no rows
    params : Evaluate
    unlike : participants whose scan is unlike those of a training; None where that is not asked

    Returns
    -------
    DataFrame
        COLUMNS; `needed` is `subjects_needed`; calibration only of scores that may be probabilities.
    """
    rows = []
    for cases, model, scores in rows_of(scans) if people is not None else ():
        parts = members_of(cases, people, unlike)
        everybody = np.ones(len(cases.labels), bool)
        for name, members, others in [(ALL, everybody, ~everybody), *parts]:
            row: dict[str, object] = {"input": cases.input, "model": model, "stratum": name}
            own = auc_if_known(cases.labels[members], scores[members], params.confidence)
            row |= stratum_row(cases.labels[members], scores[members], own, params)
            rows.append(row | comparison_row(cases.labels, scores, own, members, others, params.confidence))
    return pd.DataFrame(rows, columns=COLUMNS)


def members_of(
    cases: Cases, people: pd.DataFrame, unlike: Collection[str] | None
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, members (n,) and the others of the same kind (n,) of every stratum with somebody in it."""
    kinds: dict[str, list[tuple[str, np.ndarray]]] = {}
    for kind, name, members in strata(*people_of(cases, people)):
        kinds.setdefault(kind, []).append((name, members))
    if unlike is not None:
        odd = np.isin(cases.participants[cases.subjects], list(unlike))
        kinds["similarity"] = [(name, part) for name, part in zip(SIMILARITY, (~odd, odd), strict=True) if part.any()]
    return [
        (name, members, np.any([part for _, part in parts], axis=0) & ~members)
        for parts in kinds.values()
        for name, members in parts
    ]


def stratum_row(
    labels: np.ndarray, scores: np.ndarray, found: tuple[float, float, float], params: Evaluate
) -> dict[str, object]:
    """Numbers, AUC with its interval (`found`), rates and calibration of some subjects."""
    row: dict[str, object] = {"subjects": len(labels), "positives": int(labels.sum())}
    row |= decision_row(labels, scores, params.threshold, params.confidence)
    row |= dict(zip(("auc", "auc_low", "auc_high"), found, strict=True))
    row |= {"mean_score": float(scores.mean()), "observed": float(labels.mean())}
    if labels.all() or not labels.any():
        return row | {"note": "one group only: neither AUC nor calibration"}
    if not are_probabilities(scores):
        return row | {"note": "scores outside 0 to 1: no calibration"}
    line = recalibration(labels, scores, params.confidence)
    return row | line | {"note": "no finite slope" if np.isnan(line["slope"]) else None}


def comparison_row(
    labels: np.ndarray,
    scores: np.ndarray,
    first: tuple[float, float, float],
    members: np.ndarray,
    others: np.ndarray,
    confidence: float,
) -> dict[str, float]:
    """AUC of members (`first`) less that of the others, its interval, and how many subjects a difference would need."""
    second = auc_if_known(labels[others], scores[others], confidence)
    row = dict(
        zip(("difference", "difference_low", "difference_high"), difference_of_independent(first, second), strict=True)
    )
    both = members | others
    auc, _, _ = auc_if_known(labels[both], scores[both], confidence)
    counts = np.array([[labels[part].sum(), (~labels[part]).sum()] for part in (members, others)])
    return row | {"needed": subjects_needed(auc, counts)}


def subjects_needed(auc: float, counts: np.ndarray, difference: float = DIFFERENCE) -> float:
    r"""Subjects of two groups together that would show a difference between their AUCs in `POWER` of such studies.

    .. math:: N = \frac{(z_{1-\alpha/2} + z_{power})^2}{\Delta^2}
        \sum_{g} \left(\frac{Q_1 - A^2}{q^-_g} + \frac{Q_2 - A^2}{q^+_g}\right),\quad
        Q_1 = \frac{A}{2 - A},\ Q_2 = \frac{2 A^2}{1 + A}

    the variance of an AUC A in large samples (Hanley & McNeil 1982, 10.1148/radiology.143.1.7063747), two-sided test
    at `ALPHA`. It is planned for a given difference: the one observed would only repeat the p-value.

    Parameters
    ----------
    auc : A of both groups together
    counts : (2, 2) positives and negatives of each group, whose shares q of all subjects stay as they are
    difference : that is to be found

    Returns
    -------
    float
        Whole number; NaN where a group lacks positives or negatives, or the AUC is unknown or 1.
    """
    if not counts.all() or not auc < 1:
        return np.nan
    shares = counts / counts.sum()
    q_1, q_2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = ((q_1 - auc**2) / shares[:, 1] + (q_2 - auc**2) / shares[:, 0]).sum()  # times N
    return float(np.ceil((ndtri(1 - ALPHA / 2) + ndtri(POWER)) ** 2 * variance / difference**2))
