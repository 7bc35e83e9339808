r"""How much a model's worth differs from site to site, and what to expect at another one.

Each site i tells a value :math:`y_i` (logit of its AUC, calibration in the large, slope) with a variance
:math:`v_i` of its own. Random effects of the sites:

.. math:: y_i \sim N(\mu, v_i + \tau^2), \quad w_i = 1 / (v_i + \tau^2), \quad \hat\mu = \sum w_i y_i / \sum w_i

Meta-analysis of the performance of a model over clusters: Debray 2017, 10.1136/bmj.i6460; on which scale: Snell 2018,
10.1177/0962280217705678; that reports of several sites should hold it: TRIPOD-Cluster, 10.1136/bmj-2022-071018.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, ndtri
from scipy.stats import t as student

from qnet.evaluation.calibration import are_probabilities, recalibration, rows_of
from qnet.evaluation.cases import Cases
from qnet.evaluation.confounds import people_of
from qnet.evaluation.names import OF_SITES
from qnet.evaluation.statistics import auc_covariance

AUC, IN_THE_LARGE, SLOPE = OF_SITES
COLUMNS = ["input", "model", "measure", "sites", "value", "low", "high", "tau", "expected_low", "expected_high", "note"]
FEWEST = 2  # sites that have a mean with an interval; one more for what to expect at another


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Mean over sites with its interval, SD between sites, and the interval of another site, NaN for two sites."""

    value: float
    low: float
    high: float
    tau: float
    expected_low: float
    expected_high: float


def pool(y: np.ndarray, v: np.ndarray, confidence: float) -> Pooled:
    r"""Random-effects mean of the values y (k,) of k >= 2 sites with variances v (k,).

    :math:`\tau^2` by restricted maximum likelihood. With :math:`q = \sum w_i (y_i - \hat\mu)^2 / (k - 1)` the variance
    of the mean is :math:`\max(1, q) / \sum w_i` and its interval that of Student's t with k - 1 degrees of freedom
    (Hartung & Knapp 2001; never narrower than that of known variances, Röver 2015, 10.1186/s12874-015-0091-1). Another
    site: :math:`\hat\mu \pm t_{k-2} \sqrt{\tau^2 + \mathrm{var}(\hat\mu)}` (Higgins 2009,
    10.1111/j.1467-985X.2008.00552.x).
    """
    k, level = len(y), (1 + confidence) / 2

    def loss(tau2: float) -> float:
        w = 1 / (v + tau2)
        return float((w * (y - w @ y / w.sum()) ** 2).sum() - np.log(w).sum() + np.log(w.sum()))

    largest = float(np.ptp(y) ** 2 + v.max())
    inside = float(minimize_scalar(loss, bounds=(0, largest), method="bounded").x)
    tau2 = inside if loss(inside) < loss(0.0) else 0.0
    w = 1 / (v + tau2)
    mean = float(w @ y / w.sum())
    variance = max(1.0, float((w * (y - mean) ** 2).sum()) / (k - 1)) / w.sum()
    half = student.ppf(level, k - 1) * np.sqrt(variance)
    other = student.ppf(level, k - 2) * np.sqrt(tau2 + variance) if k > FEWEST else np.nan
    return Pooled(
        value=mean, low=mean - half, high=mean + half,
        tau=float(np.sqrt(tau2)), expected_low=mean - other, expected_high=mean + other,
    )  # fmt: skip


def of_site(
    labels: np.ndarray, scores: np.ndarray, confidence: float, *, probabilities: bool
) -> dict[str, tuple[float, float]]:
    """Value and variance of every measure that the subjects of one site can tell; an AUC is told as its logit.

    Scores that are no `probabilities` have no calibration.
    """
    found: dict[str, tuple[float, float]] = {}
    if labels.all() or not labels.any():
        return found
    (auc,), ((variance,),) = auc_covariance(labels, scores)
    if variance > 0 and 0 < auc < 1:
        found[AUC] = float(logit(auc)), float(variance / (auc * (1 - auc)) ** 2)
    if probabilities:
        line, width = recalibration(labels, scores, confidence), 2 * ndtri((1 + confidence) / 2)
        for measure, name in ((IN_THE_LARGE, "intercept"), (SLOPE, "slope")):
            se = (line[f"{name}_high"] - line[f"{name}_low"]) / width
            if se > 0:
                found[measure] = line[name], se**2
    return found


def between_sites(scans: list[Cases], people: pd.DataFrame | None, confidence: float) -> pd.DataFrame:
    """AUC, calibration in the large and slope over sites, of every scan-level row; no rows where fewer than two sites.

    Parameters
    ----------
    scans : cases of the scan level
    people : with the column site, as for `qnet.evaluation.subgroups.subgroup_table`

    Returns
    -------
    DataFrame
        COLUMNS; `sites` is the number that tell the measure, `note` names the others. `tau` of an AUC is that of its
        logit.
    """
    rows = []
    for cases, model, scores in rows_of(scans) if people is not None else ():
        site = people_of(cases, people)[2]
        names = np.unique(site[site != ""])
        probable = are_probabilities(scores)
        told = {
            name: of_site(cases.labels[site == name], scores[site == name], confidence, probabilities=probable)
            for name in names
        }
        for measure in (OF_SITES if probable else (AUC,)) if len(names) >= FEWEST else ():
            about = {"input": cases.input, "model": model, "measure": measure}
            rows.append(about | _row([*names], [told[name].get(measure) for name in names], measure, confidence))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    names: Sequence[str], told: Sequence[tuple[float, float] | None], measure: str, confidence: float
) -> dict[str, object]:
    """Cells of one measure, from what each site tells of it."""
    silent = [name for name, values in zip(names, told, strict=True) if values is None]
    row: dict[str, object] = {"sites": len(names) - len(silent)}
    if silent:
        row["note"] = f"not estimable at {', '.join(silent)}: too few subjects, one group, or groups apart"
    if len(names) - len(silent) < FEWEST:
        return row
    y, v = np.array([values for values in told if values is not None]).T
    pooled = vars(pool(y, v, confidence))
    scale = expit if measure == AUC else float
    return row | {name: value if name == "tau" else float(scale(value)) for name, value in pooled.items()}
