"""Regional susceptibility and R2* of a subject as z-scores against controls of the same age.

Closed form: Bayesian linear regression on a quadratic in age, with a spread between controls that may grow with age.
What few controls leave uncertain widens the prediction, so z-scores of new controls have mean 0 and SD 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import special

from qnet.regional_means import UNITS

AGE_UNIT_YEARS = 20.0  # u = (age - mean age of the controls) / 20 years, about one and a half SD of adults
SPREAD_SLOPES = np.linspace(-0.5, 0.8, 27)  # g that are tried; 0.2 is a spread that grows by 22 % in 20 years
FEWEST = 4  # controls of a region; fewer say nothing about a spread
COLUMNS = ["region", "map", "unit", "value", "expected", "sd", "z", "adjusted"]


@dataclass(frozen=True, kw_only=True)
class Normative:
    """Prior SDs, in SDs between controls: what 20 years change, how the change bends, how much the SD's log grows."""

    age_slope_sd: float
    age_curvature_sd: float
    spread_slope_sd: float


def fit_normative(
    ages: Sequence[float] | np.ndarray, subjects: Sequence[Mapping[str, Mapping[str, float]]], params: Normative
) -> dict | None:
    r"""What controls have, as a function of age.

    .. math::
        y = \phi(u)^\top \beta + \sigma e^{g u} \epsilon,\quad \phi(u) = (1, u, u^2),\quad
        \beta \mid \sigma \sim N(0, \sigma^2 \Lambda^{-1}),\quad p(\beta_0, \sigma) \propto 1 / \sigma

    One growth of the spread g serves all regions and maps. It maximises its prior times the evidence, averaged over
    regions: those of one brain go together, so that they count as one.

    Parameters
    ----------
    ages : (n,) [years]
        Of the controls.
    subjects : n results of `regional_means`
        A region that a control lacks is fitted without that control.
    params : Normative

    Returns
    -------
    dict or None
        Plain numbers for JSON; None where no region is known of `FEWEST` controls.

    References
    ----------
    .. [1] Bishop, Pattern Recognition and Machine Learning (2006), chapter 3
    .. [2] Marquand et al., Mol Psychiatry 24:1415 (2019), doi:10.1038/s41380-019-0441-1
    """
    controls = Controls.of(ages, subjects)
    if not controls.groups:
        return None
    u, prior = controls.u, precision(params)
    evidence = [log_evidence(u[group.known], group.y, SPREAD_SLOPES, prior) for group in controls.groups]
    log_posterior = np.mean(np.hstack(evidence), axis=1) + log_prior(SPREAD_SLOPES, params)
    g = float(SPREAD_SLOPES[np.argmax(log_posterior)])
    regions = {
        key: described(key, y, regress(u[group.known], y, g, prior))
        for group in controls.groups
        for key, y in zip(group.keys, group.y.T, strict=True)
    }
    in_order = [regions[key] for key in controls.keys if key in regions]
    return {"controls": len(u), "age_years": controls.age_years, "spread_slope": g, "regions": in_order}


class Group(NamedTuple):
    """Regions that the same controls have: (map, region) of each, which (n,) controls, their values (m, r)."""

    keys: list[tuple[str, str]]
    known: np.ndarray
    y: np.ndarray


class Controls(NamedTuple):
    """What norms are made from: u (n,), mean and range of the ages, and what is known of `FEWEST` controls or more."""

    u: np.ndarray
    age_years: dict[str, float]
    keys: list[tuple[str, str]]  # also of regions that fewer controls have
    groups: list[Group]

    @classmethod
    def of(cls, ages: Sequence[float] | np.ndarray, subjects: Sequence[Mapping[str, Mapping[str, float]]]) -> Self:
        """Arguments and errors as of `fit_normative`."""
        ages = np.asarray(ages, float)
        if len(ages) != len(subjects) or not np.isfinite(ages).all():
            raise ValueError(f"controls: expected an age for each of {len(subjects)}, found {ages.tolist()}")
        if not len(ages):
            return cls(ages, {}, [], [])
        keys = dict.fromkeys((name, region) for subject in subjects for name in UNITS for region in subject[name])
        values = {key: np.array([subject[key[0]].get(key[1], np.nan) for subject in subjects]) for key in keys}
        together: dict[bytes, list[tuple[str, str]]] = {}  # regions of the same controls differ in y alone
        for key, y in values.items():
            together.setdefault(np.isfinite(y).tobytes(), []).append(key)
        groups = []
        for pattern, same in together.items():
            known = np.frombuffer(pattern, bool)
            if known.sum() >= FEWEST:
                groups.append(Group(same, known, np.stack([values[key][known] for key in same], axis=-1)))
        about = {"centre": float(ages.mean()), "low": float(ages.min()), "high": float(ages.max())}
        return cls((ages - ages.mean()) / AGE_UNIT_YEARS, about, list(keys), groups)


def precision(params: Normative) -> np.ndarray:
    """Λ (3, 3): no prior on the level, independent ones on slope and curvature."""
    return np.diag([0.0, params.age_slope_sd**-2, params.age_curvature_sd**-2])


def log_prior(growths: np.ndarray, params: Normative) -> np.ndarray:
    """log p(g) up to a constant, (k,)."""
    return -((growths / params.spread_slope_sd) ** 2) / 2


def basis(u: np.ndarray) -> np.ndarray:
    """u (n,) → φ (n, 3)."""
    return np.stack([np.ones_like(u), u, u**2], axis=-1)


def regress(u: np.ndarray, y: np.ndarray, g: float, prior: np.ndarray) -> dict:
    r"""Posterior of β and σ given g: mean, covariance over σ², σ², degrees of freedom.

    .. math::
        \Lambda_n = \Phi^\top W \Phi + \Lambda,\quad \mu = \Lambda_n^{-1} \Phi^\top W y,\quad W = e^{-2 g u},\quad
        \nu \sigma^2 = y^\top W y - \mu^\top \Lambda_n \mu,\quad \nu = n - 1
    """
    phi, weights, dof = basis(u), np.exp(-2 * g * u), len(y) - 1
    total = phi.T @ (weights[:, None] * phi) + prior
    mean = np.linalg.solve(total, phi.T @ (weights * y))
    residual = y - phi @ mean  # yᵀWy - μᵀΛₙμ = rᵀWr + μᵀΛμ, which cannot turn negative
    square = float(weights @ residual**2 + mean @ prior @ mean)
    floor = np.finfo(float).eps * max(float(weights @ y**2), np.finfo(float).tiny)
    return {"mean": mean, "covariance": np.linalg.inv(total), "variance": max(square, floor) / dof, "dof": dof}


def log_evidence(u: np.ndarray, y: np.ndarray, growths: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """log p(y | g) up to a constant, (k, r), for each of (k,) g and r columns of (n, r) y; terms as in `regress`."""
    phi, weights, dof = basis(u), np.exp(-2 * np.multiply.outer(growths, u)), len(y) - 1  # weights (k, n)
    weighted = phi.T * weights[:, None]  # (k, 3, n)
    total = weighted @ phi + prior
    mean = np.linalg.solve(total, weighted @ y)  # (k, 3, r)
    residual = y - phi @ mean
    square = np.einsum("kn,knr->kr", weights, residual**2) + np.sum(mean * (prior @ mean), axis=1)
    floor = np.finfo(float).eps * np.maximum(weights @ y**2, np.finfo(float).tiny)
    scale = np.log(weights).sum(1) - np.linalg.slogdet(total)[1]
    return (scale[:, None] - dof * np.log(np.maximum(square, floor))) / 2


def described(key: tuple[str, str], y: np.ndarray, fit: Mapping) -> dict:
    """One region of one map, with (`regress`) and without age."""
    return {
        "map": key[0],
        "region": key[1],
        "controls": len(y),
        "coefficients": fit["mean"].tolist(),
        "covariance": fit["covariance"].tolist(),
        "sd": float(np.sqrt(fit["variance"])),
        "unadjusted": {"mean": float(y.mean()), "sd": float(y.std(ddof=1))},
    }


def z_scores(model: Mapping, values: Mapping[str, Mapping[str, float]], age: float | None) -> pd.DataFrame:
    r"""How far each region of a subject lies from controls of that age, in SDs.

    Given the controls, :math:`t = (y - \phi^\top \mu) / \sqrt{\sigma^2 (e^{2 g u} + \phi^\top \Lambda_n^{-1} \phi)}`
    follows Student's distribution with ν degrees of freedom. z is the normal quantile of the same probability. Without
    an age, t comes from mean and SD of all controls (variance times 1 + 1/n), and `adjusted` is False.

    Parameters
    ----------
    model : result of `fit_normative`
    values : result of `regional_means`
    age : float or None [years]

    Returns
    -------
    DataFrame
        A row for each map and region that model and subject share: region, map, unit, value, expected, sd (of the
        prediction), z, adjusted.
    """
    return pd.DataFrame(z_rows(model, values, age), columns=COLUMNS)


def z_rows(model: Mapping, values: Mapping[str, Mapping[str, float]], age: float | None) -> list[dict]:
    """The rows of `z_scores`."""
    rows, t, freedom = [], [], []
    for entry in model["regions"]:
        value = values[entry["map"]].get(entry["region"])
        if value is None:
            continue
        expected, scale = _predict(model, entry, age)
        dof = entry["controls"] - 1
        sd = scale * np.sqrt(dof / (dof - 2))
        row = {"region": entry["region"], "map": entry["map"], "unit": UNITS[entry["map"]], "value": value}
        rows.append(row | {"expected": expected, "sd": sd, "adjusted": age is not None})
        t.append((value - expected) / scale)
        freedom.append(dof)
    tail = special.stdtr(np.array(freedom, float), -np.abs(t))  # of scipy.stats.t, which takes half a second to import
    z = np.sign(t) * np.abs(special.ndtri(tail))
    return [row | {"z": float(of)} for row, of in zip(rows, z, strict=True)]


def _predict(model: Mapping, entry: Mapping, age: float | None) -> tuple[float, float]:
    """Location and scale of Student's distribution for one more control."""
    if age is None:
        alone = entry["unadjusted"]
        return alone["mean"], alone["sd"] * float(np.sqrt(1 + 1 / entry["controls"]))
    u = (age - model["age_years"]["centre"]) / AGE_UNIT_YEARS
    phi = basis(np.array(u))
    spread = np.exp(2 * model["spread_slope"] * u) + phi @ np.asarray(entry["covariance"]) @ phi
    return float(phi @ np.asarray(entry["coefficients"])), entry["sd"] * float(np.sqrt(spread))


def age_warning(model: Mapping, age: float | None) -> str | None:
    """A sentence where the age is unknown or outside that of the controls."""
    low, high = model["age_years"]["low"], model["age_years"]["high"]
    if age is None:
        return "Age unknown: regional z-scores are not adjusted for age, and iron rises with age."
    if low <= age <= high:
        return None
    return f"Age {age:g} is outside the range of the training controls, {low:g} to {high:g}: z-scores are extrapolated."
