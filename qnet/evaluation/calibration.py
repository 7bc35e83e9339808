"""Calibration: do scores mean what they say? Brier score, recalibration line and reliability curve of scans."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtri

from qnet.evaluation.cases import Cases
from qnet.evaluation.names import VOTED
from qnet.evaluation.statistics import wilson

SMALLEST_PROBABILITY = 1e-6  # scores are held within [1e-6, 1 - 1e-6], where the logit is finite
LINE = ["slope", "slope_low", "slope_high", "intercept", "intercept_low", "intercept_high"]
CALIBRATION_COLUMNS = ["input", "model", "subjects", "brier", "brier_low", "brier_high", "brier_reference"]
CALIBRATION_COLUMNS += [*LINE, "note"]
RELIABILITY_COLUMNS = ["input", "model", "bin", "subjects", "score_low", "score_high", "score_mean"]
RELIABILITY_COLUMNS += ["observed", "observed_low", "observed_high"]


def fit_logistic(labels: np.ndarray, X: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Maximum-likelihood coefficients of :math:`P(y = 1) = \sigma(o + X\beta)` and their covariance.

    Parameters
    ----------
    labels : (n,) bool; a linear function of X must not separate them, or no finite maximum exists
    X : (n, k) of full rank
    offset : (n,)

    Returns
    -------
    beta : (k,)
    covariance : (k, k), inverse of the information
    """

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        linear = offset + X @ beta
        return float(np.logaddexp(0, linear).sum() - linear[labels].sum()), X.T @ (expit(linear) - labels)

    def information(beta: np.ndarray) -> np.ndarray:
        P = expit(offset + X @ beta)
        return (X * (P * (1 - P))[:, None]).T @ X

    beta = minimize(loss, np.zeros(X.shape[1]), jac=True, hess=information, method="trust-exact").x
    return beta, np.linalg.inv(information(beta))


def separated(labels: np.ndarray, x: np.ndarray) -> bool:
    """Whether a threshold on x splits the classes (ties at the threshold allowed), or x is constant."""
    return bool(x[labels].min() >= x[~labels].max() or x[labels].max() <= x[~labels].min())


def recalibration(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, float]:
    r"""Slope and intercept of the logit, with Wald intervals: 1 and 0 if the scores are calibrated.

    .. math:: \operatorname{logit} P(y = 1) = a + b \operatorname{logit} s

    A slope b below 1: the scores are too extreme. The intercept a is that with b held at 1
    (calibration in the large): above 0, positives are more frequent than the scores say. Definitions of
    Van Calster 2019, 10.1186/s12916-019-1466-7. The slope is NaN where a threshold on the score separates
    the classes: the likelihood then has no maximum.
    """
    x = logit(np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    half = ndtri((1 + confidence) / 2)
    found = dict.fromkeys(LINE, np.nan)
    (a,), ((variance,),) = fit_logistic(labels, np.ones((len(x), 1)), x)
    found |= _with_interval("intercept", a, half * np.sqrt(variance))
    if not separated(labels, x):
        unit = x.std()  # a fit in standard units is well conditioned
        beta, covariance = fit_logistic(labels, np.stack([np.ones_like(x), x / unit], axis=1), np.zeros_like(x))
        found |= _with_interval("slope", beta[1] / unit, half * np.sqrt(covariance[1, 1]) / unit)
    return found


def _with_interval(name: str, value: float, half: float) -> dict[str, float]:
    return {name: float(value), f"{name}_low": float(value - half), f"{name}_high": float(value + half)}


def rows_of(scans: list[Cases]) -> Iterator[tuple[Cases, str, np.ndarray]]:
    """Cases, model and seed-mean score (n,) of every row of table 3."""
    for cases in scans:
        for model in cases.runs:
            yield cases, model, cases.score(model)


def are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.min() >= 0 and scores.max() <= 1)


def calibration_table(scans: list[Cases], confidence: float) -> pd.DataFrame:
    """Brier score and recalibration of every scan-level row; NaN for scores outside [0, 1]."""
    rows = []
    for cases, model, scores in rows_of(scans):
        row = {"input": cases.input, "model": model, "subjects": len(scores), "note": note(cases.labels, model, scores)}
        if are_probabilities(scores):
            row |= brier(cases.labels, scores, confidence) | recalibration(cases.labels, scores, confidence)
        rows.append(row)
    return pd.DataFrame(rows, columns=CALIBRATION_COLUMNS)


def brier(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, float]:
    """Mean squared error with its normal interval, and that of always saying the share of positives (Brier 1950)."""
    errors, share = (scores - labels) ** 2, labels.mean()
    half = ndtri((1 + confidence) / 2) * errors.std(ddof=1) / np.sqrt(len(errors))
    return _with_interval("brier", errors.mean(), half) | {"brier_reference": float(share * (1 - share))}


def note(labels: np.ndarray, model: str, scores: np.ndarray) -> str | None:
    """What a reader must know about a row."""
    if not are_probabilities(scores):
        return "scores outside 0 to 1"
    if separated(labels, scores):
        return "all scores equal" if np.ptp(scores) == 0 else "separates the groups: no finite slope"
    return "share of votes, not a probability" if model in VOTED else None


def reliability_table(scans: list[Cases], bins: int, confidence: float) -> pd.DataFrame:
    """Share of positives among scans of similar score, with Wilson intervals.

    Bins hold about equal numbers of scans; equal scores share a bin, so there may be fewer than `bins`. Rows
    with scores outside [0, 1] are left out.
    """
    rows = []
    for cases, model, scores in rows_of(scans):
        if not are_probabilities(scores):
            continue
        edges = np.quantile(scores, np.arange(1, bins) / bins)
        members = np.unique(np.searchsorted(edges, scores, "left"), return_inverse=True)[1]
        for index in range(members.max() + 1):
            inside, labels = scores[members == index], cases.labels[members == index]
            row = {"input": cases.input, "model": model, "bin": index, "subjects": len(inside)}
            row |= {"score_low": inside.min(), "score_high": inside.max(), "score_mean": inside.mean()}
            low, high = wilson(int(labels.sum()), len(labels), confidence)
            rows.append(row | {"observed": labels.mean(), "observed_low": low, "observed_high": high})
    return pd.DataFrame(rows, columns=RELIABILITY_COLUMNS)
