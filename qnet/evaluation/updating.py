"""Updates of a model for a new population, by intercept or by intercept and slope, and which of them is needed.

The score s of every subject becomes :math:`\\sigma(a + b \\operatorname{logit} s)`; while b > 0, order and AUC stay.
"""

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import chi2, norm

from qnet.evaluation.calibration import SMALLEST_PROBABILITY, are_probabilities, fit_logistic, rows_of, separated
from qnet.evaluation.cases import Cases

UPDATES = ("none", "intercept", "intercept and slope")
LIMITS = ["intercept", "intercept_low", "intercept_high", "slope", "slope_low", "slope_high"]
COLUMNS = ["input", "model", "update", *LIMITS, "subjects", "brier", "p", "supported"]


def fit_update(labels: np.ndarray, x: np.ndarray, update: str) -> tuple[np.ndarray, np.ndarray]:
    r"""Intercept a and slope b of :math:`\operatorname{logit} P(y = 1) = a + b x`, and their standard errors.

    Parameters
    ----------
    labels : (n,) bool, both classes
    x : (n,) logit of the scores
    update : one of UPDATES; what it leaves alone is a = 0, b = 1 with a standard error of zero

    Returns
    -------
    (a, b), (se_a, se_b) : (2,) each; NaN where a threshold on x separates the classes, so that no slope is finite
    """
    if update == "none":
        return np.array([0.0, 1.0]), np.zeros(2)
    if update == "intercept":
        (a,), ((variance,),) = fit_logistic(labels, np.ones((len(x), 1)), x)
        return np.array([a, 1.0]), np.array([np.sqrt(variance), 0.0])
    if separated(labels, x):
        return np.full(2, np.nan), np.full(2, np.nan)
    centre, unit = x.mean(), x.std()  # a fit in standard units is well conditioned
    X = np.stack([np.ones_like(x), (x - centre) / unit], axis=1)
    beta, covariance = fit_logistic(labels, X, np.zeros_like(x))
    back = np.array([[1.0, -centre / unit], [0.0, 1.0 / unit]])
    return back @ beta, np.sqrt(np.diag(back @ covariance @ back.T))


def deviance(labels: np.ndarray, x: np.ndarray, a: float, b: float) -> float:
    """Minus twice the log-likelihood of labels (n,) at a + b x."""
    linear = a + b * x
    return float(2 * (np.logaddexp(0, linear).sum() - linear[labels].sum()))


def closed_test(labels: np.ndarray, x: np.ndarray, alpha: float) -> tuple[dict[str, float], str]:
    """The least update that the data do not reject against intercept and slope (Vergouwe 2017, 10.1002/sim.7179).

    The scores as they are stand unless the likelihood ratio test on two degrees of freedom rejects them; then the
    intercept alone, unless that on one does. Both are tested at `alpha`: the order keeps the error of the whole.

    Returns
    -------
    p by update ("none", "intercept"), and the name of the update; NaN and "" where no slope is finite, "" also where it
    would turn the order over (b ≤ 0): no update mends scores that speak for the other group
    """
    fits = {update: fit_update(labels, x, update)[0] for update in UPDATES}
    if not np.isfinite(fits[UPDATES[2]]).all():
        return dict.fromkeys(UPDATES[:2], np.nan), ""
    deviances = {update: deviance(labels, x, *fit) for update, fit in fits.items()}
    gain = {update: max(deviances[update] - deviances[UPDATES[2]], 0.0) for update in UPDATES[:2]}
    p = {"none": float(chi2.sf(gain["none"], 2)), "intercept": float(chi2.sf(gain["intercept"], 1))}
    least = next((update for update in UPDATES[:2] if p[update] > alpha), UPDATES[2])
    return p, "" if least == UPDATES[2] and fits[least][1] <= 0 else least


def held_out_brier(labels: np.ndarray, x: np.ndarray, update: str) -> float:
    """Brier score of updated scores, each by an update fitted without that subject; NaN where none can be."""
    squares = []
    for index in range(len(x)):
        rest = np.arange(len(x)) != index
        if labels[rest].all() or not labels[rest].any():
            return np.nan
        a, b = fit_update(labels[rest], x[rest], update)[0]
        squares.append((expit(a + b * x[index]) - labels[index]) ** 2)
    return float(np.mean(squares))


def update_table(scans: list[Cases], confidence: float) -> pd.DataFrame:
    """Every update of every row of scans: a and b with Wald intervals, Brier score of held-out subjects, and the test.

    `p` tests the row against intercept and slope; `supported` marks the update that the closed test chooses.
    """
    half, rows = norm.ppf((1 + confidence) / 2), []
    for cases, model, scores in rows_of(scans):
        if not are_probabilities(scores):
            continue
        x = logit(np.clip(scores, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
        p, chosen = closed_test(cases.labels, x, 1 - confidence)
        for update in UPDATES:
            values, errors = fit_update(cases.labels, x, update)
            row = {"input": cases.input, "model": model, "update": update, "subjects": len(x)}
            for name, value, error in zip(("intercept", "slope"), values, errors, strict=True):
                limits = (value - half * error, value + half * error) if error > 0 else (np.nan, np.nan)
                row |= {name: value, f"{name}_low": limits[0], f"{name}_high": limits[1]}
            row |= {"brier": held_out_brier(cases.labels, x, update), "p": p.get(update, np.nan)}
            rows.append(row | {"supported": "yes" if update == chosen else ""})
    return pd.DataFrame(rows, columns=COLUMNS)
