r"""ComBat: shift and scale that a site adds to features, by parametric empirical Bayes.

Feature v of subject j at site i, with the covariates x that are kept (age, sex):

.. math:: y_{ijv} = \alpha_v + x_{ij} \beta_v + \sigma_v (\gamma_{iv} + \delta_{iv} \epsilon_{ijv})

All estimates come from the subjects given to `fit`; others are harmonised by them one by one
(Johnson 2007, 10.1093/biostatistics/kxj037; Fortin 2018, 10.1016/j.neuroimage.2017.11.024).
"""

import warnings
from dataclasses import dataclass

import numpy as np

TOLERANCE, MOST = (
    1e-10,
    10_000,
)  # change at which the iteration of `shrink` stops [SD], and steps after which it gives up


@dataclass(frozen=True, kw_only=True)
class SiteEffect:
    """What a site does to the part of each feature (p,) that the covariates leave, in the unit of the feature.

    Parameters
    ----------
    shift, scale : (p,)
    centre : (p,) or float
        Value that the scale leaves in place.
    """

    shift: np.ndarray
    scale: np.ndarray
    centre: np.ndarray | float = 0.0

    def remove(self, rest: np.ndarray) -> np.ndarray:
        """Residuals (n, p) of subjects of the site → without its shift and scale."""
        return (rest - self.centre - self.shift) / self.scale + self.centre


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """What `fit` found.

    Parameters
    ----------
    mean : (p,) value of each feature where the covariates are at their centre
    centre : (k,) mean of each covariate, which also stands for unknown ones
    slopes : (k, p) change with each covariate, zero for those that are not kept
    sd : (p,) pooled standard deviation within sites
    kept : (k,) bool, covariates that can be told from the sites
    sites : site → its effect
    """

    mean: np.ndarray
    centre: np.ndarray
    slopes: np.ndarray
    sd: np.ndarray
    kept: np.ndarray
    sites: dict[str, SiteEffect]

    def expected(self, covariates: np.ndarray) -> np.ndarray:
        """What the covariates (n, k) let expect of each feature → (n, p)."""
        return self.mean + filled(covariates, self.centre) @ self.slopes

    def harmonised(self, values: np.ndarray, covariates: np.ndarray, effect: SiteEffect) -> np.ndarray:
        """Values (n, p) of subjects with an effect → without it; what is missing (NaN) stays so."""
        expected = self.expected(covariates)
        return expected + effect.remove(values - expected)


def filled(covariates: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Covariates (n, k) less their centre (k,), 0 where unknown (NaN)."""
    return np.nan_to_num(covariates - centre)


def fit(
    values: np.ndarray, site: np.ndarray, covariates: np.ndarray, families: np.ndarray, reference: str | None = None
) -> Estimates:
    r"""Estimate the effect of every site.

    By ordinary least squares on sites and covariates: :math:`\hat\alpha`, the mean of the sites' coefficients weighted
    by their subjects, or the coefficient of the reference; :math:`\hat\beta`; and :math:`\hat\sigma^2`, the mean square
    of the residuals, or of those of the reference. The standardised rest of each site goes to `shrink`.

    Parameters
    ----------
    values : (n, p) features, NaN where missing
    site : (n,) text
    covariates : (n, k), NaN where unknown; one that cannot be told from the sites and those before it is not kept
    families : (p,) features of one family share a prior
    reference : the site that keeps its values, with at least two subjects; None brings all to their common mean. A
        single site is its own reference.

    Returns
    -------
    Estimates
    """
    names = np.unique(site)
    if len(names) == 1:
        reference = str(names[0])
    at = site[:, None] == names  # (n, sites)
    centre = centres(covariates)
    known = filled(covariates, centre)
    kept = told_apart(at, known)
    coefficients = least_squares(np.hstack([at, known[:, kept]]), values)  # (sites + kept, p)
    slopes = np.zeros((covariates.shape[1], values.shape[1]))
    slopes[kept] = coefficients[len(names) :]
    measured = np.isfinite(values)
    counted = at.T.astype(float) @ measured if reference is None else (names == reference)[:, None] * 1.0  # (sites, p)
    mean = (counted * coefficients[: len(names)]).sum(0) / np.maximum(counted.sum(0), 1)
    rest = values - at @ coefficients[: len(names)] - known @ slopes  # around the mean of each site
    pooled = np.ones(len(site), bool) if reference is None else site == reference
    sd = np.sqrt(np.nansum(rest[pooled] ** 2, 0) / np.maximum(measured[pooled].sum(0), 1))
    sd[~(sd > 0)] = np.nan  # a constant feature has nothing to harmonise
    z = (values - mean - known @ slopes) / sd
    sites = {str(name): effect(z[site == name], families, sd) for name in names if name != reference}
    if reference is not None:
        sites[reference] = SiteEffect(shift=np.zeros(len(sd)), scale=np.ones(len(sd)))
    return Estimates(mean=mean, centre=centre, slopes=slopes, sd=sd, kept=kept, sites=sites)


def coefficients_of(site: np.ndarray, covariates: np.ndarray) -> int:
    """How many numbers `fit` estimates of each feature before any residual: one a site and one a kept covariate."""
    at = site[:, None] == np.unique(site)
    return at.shape[1] + int(told_apart(at, filled(covariates, centres(covariates))).sum())


def centres(covariates: np.ndarray) -> np.ndarray:
    """Mean of the known values of each covariate (n, k), 0 where there is none."""
    known = np.isfinite(covariates)
    return np.where(known, covariates, 0).sum(0) / np.maximum(known.sum(0), 1)


def effect_of_controls(site: np.ndarray, training: np.ndarray, families: np.ndarray) -> SiteEffect:
    """Effect of a site that `fit` has not seen: that which brings its controls to the controls of the training.

    Parameters
    ----------
    site : (n, p) residuals of controls of that site, values less what `Estimates.expected`
    training : (m, p) harmonised residuals of the controls among the training subjects
    families : (p,) as in `fit`
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a feature that no control has
        centre, sd = np.nanmean(training, 0), np.nanstd(training, 0, ddof=1)
    sd[~(sd > 0)] = np.nan
    found = effect((site - centre) / sd, families, sd)
    return SiteEffect(shift=found.shift, scale=found.scale, centre=np.nan_to_num(centre))


def effect(z: np.ndarray, families: np.ndarray, sd: np.ndarray) -> SiteEffect:
    """Standardised features (n, p) of a site and their SDs (p,) → its effect; none on what has no SD."""
    gamma, delta_2 = shrink(z, families)
    return SiteEffect(shift=np.nan_to_num(gamma * sd), scale=np.where(np.isnan(sd), 1.0, np.sqrt(delta_2)))


def shrink(z: np.ndarray, families: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Posterior shift and variance of each feature at a site, drawn towards those of its family.

    Priors: :math:`\gamma \sim N(\bar\gamma, \tau^2)` and :math:`\delta^2` inverse gamma, both with mean and variance of
    the estimates :math:`\hat\gamma, \hat\delta^2` over the family. The posterior means solve (Johnson 2007)

    .. math:: \gamma = \frac{n \tau^2 \hat\gamma + \delta^2 \bar\gamma}{n \tau^2 + \delta^2},\quad
        \delta^2 = \frac{\frac12 \sum_j (z_j - \gamma)^2 + (a - 1) m}{\frac n2 + a - 1},\quad
        a - 1 = 1 + \frac{m^2}{s^2}

    with m and s² mean and variance of :math:`\hat\delta^2`. A family of one feature has no prior: its estimates stand.
    A site of one subject has no variance: its scale is 1, its shift alone is estimated.

    Parameters
    ----------
    z : (n, p) features in units of SD, NaN where missing
    families : (p,)

    Returns
    -------
    gamma, delta_2 : (p,)
    """
    n = np.isfinite(z).sum(0)
    gamma_hat = np.nansum(z, 0) / np.maximum(n, 1)
    squares = np.nansum((z - gamma_hat) ** 2, 0)
    delta_hat = np.where(n > 1, squares / np.maximum(n - 1, 1), np.nan)
    gamma_bar, tau_2 = moments(np.where(n > 0, gamma_hat, np.nan), families)
    m, s_2 = moments(delta_hat, families)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.minimum(1 + m**2 / s_2, 1e12)  # a - 1
    gamma, delta_2 = gamma_hat, np.where(delta_hat > 0, delta_hat, 1.0)
    for _ in range(MOST):
        share = n * tau_2 / (n * tau_2 + delta_2)
        new = np.where(np.isnan(tau_2), gamma_hat, share * gamma_hat + (1 - share) * gamma_bar)
        posterior = (np.nansum((z - new) ** 2, 0) / 2 + weight * m) / (n / 2 + weight)
        new_2 = np.where(posterior > 0, posterior, delta_2)  # not so without a prior, or where nothing varies
        change = max(np.abs(new - gamma).max(initial=0), np.abs(new_2 - delta_2).max(initial=0))
        gamma, delta_2 = new, new_2
        if change < TOLERANCE:
            break
    return gamma, delta_2


def moments(estimates: np.ndarray, families: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (n - 1) of the known estimates (p,) of each feature's family, (p,); NaN for fewer than two."""
    mean, variance = np.full((2, len(estimates)), np.nan)
    for family in np.unique(families):
        own = families == family
        known = estimates[own & np.isfinite(estimates)]
        if len(known) > 1:
            mean[own], variance[own] = known.mean(), known.var(ddof=1)
    return mean, variance


def told_apart(at: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Which covariates (n, k) vary apart from the sites (n, sites) and the covariates before them → (k,) bool."""
    design, kept = at.astype(float), np.zeros(covariates.shape[1], bool)
    for index, column in enumerate(covariates.T):
        wider = np.column_stack([design, column / (column.std() or 1.0)])
        if np.linalg.matrix_rank(wider) > np.linalg.matrix_rank(design):
            design, kept[index] = wider, True
    return kept


def least_squares(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients (k, p) of a design (n, k), for each feature from the subjects in which it was measured."""
    found = np.zeros((design.shape[1], values.shape[1]))
    measured = np.isfinite(values)
    for pattern in np.unique(measured, axis=1).T:
        alike = (measured == pattern[:, None]).all(0)
        if pattern.any():
            found[:, alike] = np.linalg.lstsq(design[pattern], values[np.ix_(pattern, alike)], rcond=None)[0]
    return found
