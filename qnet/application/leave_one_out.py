r"""Norms of controls without each of them in turn, all from one fit.

Leaving control i out changes the sums of :func:`qnet.application.normative.regress` by a matrix of rank one. With
:math:`w = e^{-2 g u_i}`, the residual :math:`e = y_i - \phi^\top \mu` and the leverage
:math:`h = w \phi^\top \Lambda_n^{-1} \phi` the formula of Sherman and Morrison gives [1]_

.. math::
    \Lambda_{-i}^{-1} = \Lambda_n^{-1} + \frac{w}{1 - h} \Lambda_n^{-1} \phi \phi^\top \Lambda_n^{-1},\quad
    \mu_{-i} = \mu - \frac{w e}{1 - h} \Lambda_n^{-1} \phi,\quad
    \nu \sigma_{-i}^2 = \nu \sigma^2 - \frac{w e^2}{1 - h},\quad |\Lambda_{-i}| = (1 - h) |\Lambda_n|

with ν one less on the left. The growth of the spread g is chosen anew for each. What a control has does not count at
all; its age still does in the mean age, about which u is measured.

References
----------
.. [1] Cook, Weisberg, Residuals and Influence in Regression (1982), chapter 2 and appendix A.2
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qnet.application.normative import (
    FEWEST,
    SPREAD_SLOPES,
    Controls,
    Group,
    Normative,
    basis,
    described,
    log_evidence,
    log_prior,
    precision,
    regress,
)


class _Left(NamedTuple):
    """What a fit at one g leaves of m controls: weights, leverages (m,), residuals, νσ² without each (m, r)."""

    weights: np.ndarray
    leverage: np.ndarray
    residual: np.ndarray
    square: np.ndarray
    mean: np.ndarray  # (3, r)
    inverse: np.ndarray  # (3, 3)
    log_determinant: float


def fit_without_each(
    ages: Sequence[float] | np.ndarray, subjects: Sequence[Mapping[str, Mapping[str, float]]], params: Normative
) -> list[dict | None]:
    """Results of `fit_normative` in which one of the n controls after the other has no values.

    Arguments and errors as of `fit_normative`; None where no region is known of `FEWEST` others.
    """
    controls = Controls.of(ages, subjects)
    prior = precision(params)
    chosen = _growth_without_each(controls, prior, log_prior(SPREAD_SLOPES, params))
    regions: list[list[dict]] = [[] for _ in subjects]
    for group in controls.groups:
        for growth in np.unique(chosen[chosen >= 0]):
            who = chosen == growth
            for control, entries in _entries(controls.u, group, who, float(SPREAD_SLOPES[growth]), prior):
                regions[control] += entries
    about = {"controls": len(subjects) - 1, "age_years": controls.age_years}
    return [
        about | {"spread_slope": float(SPREAD_SLOPES[growth]), "regions": found} if found else None
        for growth, found in zip(chosen, regions, strict=True)
    ]


def _growth_without_each(controls: Controls, prior: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """Index of g in SPREAD_SLOPES for each control, (n,); −1 where no region is left."""
    total, regions = np.zeros((len(SPREAD_SLOPES), len(controls.u))), np.zeros(len(controls.u))
    for known, y in ((group.known, group.y) for group in controls.groups):
        u = controls.u[known]
        total[:, ~known] += log_evidence(u, y, SPREAD_SLOPES, prior).sum(1)[:, None]
        regions[~known] += y.shape[1]
        if len(y) > FEWEST:
            total[:, known] += np.stack([_evidence(_left(u, y, g, prior)) for g in SPREAD_SLOPES])
            regions[known] += y.shape[1]
    best = np.argmax(total / np.maximum(regions, 1) + log_prior[:, None], axis=0)
    return np.where(regions > 0, best, -1)


def _left(u: np.ndarray, y: np.ndarray, g: float, prior: np.ndarray) -> _Left:
    """u (m,), y (m, r) → terms of the formulas above."""
    phi, weights = basis(u), np.exp(-2 * g * u)
    total = phi.T @ (weights[:, None] * phi) + prior
    inverse = np.linalg.inv(total)
    mean = inverse @ (phi.T @ (weights[:, None] * y))
    residual = y - phi @ mean
    leverage = weights * np.einsum("mi,ij,mj->m", phi, inverse, phi)
    whole = weights @ residual**2 + np.sum(mean * (prior @ mean), axis=0)
    floor = np.finfo(float).eps * np.maximum(weights @ y**2, np.finfo(float).tiny)
    square = np.maximum(whole - (weights / (1 - leverage))[:, None] * residual**2, floor)
    return _Left(weights, leverage, residual, square, mean, inverse, float(np.linalg.slogdet(total)[1]))


def _evidence(left: _Left) -> np.ndarray:
    """log p(y | g) without each of m controls, summed over regions, (m,), as of `log_evidence`."""
    logs, dof = np.log(left.weights), len(left.weights) - 2
    scale = logs.sum() - logs - left.log_determinant - np.log1p(-left.leverage)
    return (left.square.shape[1] * scale - dof * np.log(left.square).sum(1)) / 2


def _entries(u: np.ndarray, group: Group, who: np.ndarray, g: float, prior: np.ndarray):
    """Controls of `who`, each with its regions of a group, as `described`."""
    here, columns = u[group.known], list(zip(group.keys, group.y.T, strict=True))
    lacking = np.flatnonzero(who & ~group.known)
    if len(lacking):
        entries = [described(key, y, regress(here, y, g, prior)) for key, y in columns]
        yield from ((control, entries) for control in lacking.tolist())
    if len(here) <= FEWEST:
        return
    left, phi = _left(here, group.y, g, prior), basis(here)
    numbers = np.flatnonzero(group.known)  # of the controls that have the group
    for at in np.flatnonzero(who[group.known]).tolist():
        share = left.weights[at] / (1 - left.leverage[at])
        change = left.inverse @ phi[at]
        fit = {"covariance": left.inverse + share * np.outer(change, change)}
        means = left.mean - share * np.outer(change, left.residual[at])
        variances = left.square[at] / (len(here) - 2)
        yield (
            int(numbers[at]),
            [
                described(key, np.delete(y, at), fit | {"mean": mean, "variance": variance})
                for (key, y), mean, variance in zip(columns, means.T, variances, strict=True)
            ],
        )
