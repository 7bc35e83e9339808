r"""Repeatability of regional values: how much a person differs from scan to scan, within a site and between sites.

A value of person i at visit j is :math:`y_{ij} = \mu + p_i + v_j + e_{ij}`: persons are drawn at random, visits are
drawn at random too (ICC(2,1), agreement) or are the ones of interest (ICC(3,1), consistency).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from scipy.stats import chi2, f, norm, t

from qnet.evaluation.statistics import ALPHA, POWER

VALUES = ["subject", "scan", "site", "region", "map", "value"]
UNITS = {"chi_ppm": ("ppb", 1000.0), "r2star_hz": ("1/s", 1.0)}  # map → unit in which it is told, and factor to it
EFFECTS = {"chi_ppm": 5.0, "r2star_hz": 1.0}  # mean change that a trial is to find, in the unit of UNITS
REPEATABILITY = ["region", "map", "unit", "subjects", "scans", "mean", "sd_between_subjects"]
REPEATABILITY += ["within_sd", "within_sd_low", "within_sd_high", "smallest_change", "visits", "visit_subjects"]
REPEATABILITY += [f"{icc}{end}" for icc in ("icc_2_1", "icc_3_1") for end in ("", "_low", "_high")]
REPEATABILITY += ["site_sd", "site_sd_low", "site_sd_high", "site_subjects", "effect", "per_arm", "per_arm_high"]
BLAND_ALTMAN = ["region", "map", "unit", "sites", "pairs", "bias", "bias_low", "bias_high", "sd", "lower"]
BLAND_ALTMAN += ["lower_low", "lower_high", "upper", "upper_low", "upper_high"]
PAIRS = ["region", "map", "unit", "subject", "scan_1", "scan_2", "site_1", "site_2", "mean", "difference"]
WITHIN = "within a site"


@dataclass(frozen=True, kw_only=True)
class Icc:
    """An intraclass correlation with its interval."""

    value: float
    low: float
    high: float


UNKNOWN = Icc(value=np.nan, low=np.nan, high=np.nan)


def mean_squares(y: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of persons, visits and the rest of a table y (n, k) without gaps: two-way analysis of variance."""
    n, k = y.shape
    persons, visits, grand = y.mean(axis=1), y.mean(axis=0), y.mean()
    rest = y - persons[:, None] - visits + grand
    return (
        float(k * ((persons - grand) ** 2).sum() / (n - 1)),
        float(n * ((visits - grand) ** 2).sum() / (k - 1)),
        float((rest**2).sum() / ((n - 1) * (k - 1))),
    )


def icc_2_1(y: np.ndarray, confidence: float) -> Icc:
    r"""Absolute agreement of single measurements, visits drawn at random.

    .. math:: \frac{MS_P - MS_E}{MS_P + (k - 1) MS_E + k (MS_V - MS_E) / n}

    Parameters
    ----------
    y : (n, k) values of n persons at k visits; fewer than two of either give NaN

    Notes
    -----
    ICC(2,1) of Shrout & Fleiss 1979, 10.1037/0033-2909.86.2.420; interval with Satterthwaite's degrees of freedom,
    McGraw & Wong 1996, 10.1037/1082-989X.1.1.30, case 2 (A,1).
    """
    n, k = y.shape
    if n < 2 or k < 2:
        return UNKNOWN
    persons, visits, rest = mean_squares(y)
    below = persons + (k - 1) * rest + k * (visits - rest) / n
    if below <= 0:
        return UNKNOWN
    icc = (persons - rest) / below
    if icc >= 1:  # no visit differs from another
        return Icc(value=1.0, low=1.0, high=1.0)
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    denominator = (a * visits) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1))
    if denominator <= 0:
        return Icc(value=float(icc), low=np.nan, high=np.nan)
    v = (a * visits + b * rest) ** 2 / denominator
    level = (1 + confidence) / 2
    lower, upper = f.ppf(level, n - 1, v), f.ppf(level, v, n - 1)
    both = k * visits + (k * n - k - n) * rest
    low = n * (persons - lower * rest) / (lower * both + n * persons)
    high = n * (upper * persons - rest) / (both + n * upper * persons)
    if not low <= icc <= high:  # the approximation does not hold for strongly negative estimates of very few
        low = high = np.nan
    return Icc(value=float(icc), low=float(low), high=float(high))


def icc_3_1(y: np.ndarray, confidence: float) -> Icc:
    r"""Consistency of single measurements: what all persons have in common at a visit does not count.

    .. math:: \frac{MS_P - MS_E}{MS_P + (k - 1) MS_E}

    Parameters and sources as in `icc_2_1`; the interval is exact, case 3 (C,1).
    """
    n, k = y.shape
    if n < 2 or k < 2:
        return UNKNOWN
    persons, _, rest = mean_squares(y)
    if persons <= 0 and rest <= 0:
        return UNKNOWN
    if rest <= 0:
        return Icc(value=1.0, low=1.0, high=1.0)
    level, degrees = (1 + confidence) / 2, (n - 1) * (k - 1)
    ratio = persons / rest
    lower, upper = ratio / f.ppf(level, n - 1, degrees), ratio * f.ppf(level, degrees, n - 1)
    low, value, high = (float((F - 1) / (F + k - 1)) for F in (lower, ratio, upper))
    return Icc(value=value, low=low, high=high)


def pooled_sd(groups: Iterable[np.ndarray], confidence: float) -> tuple[float, float, float]:
    r"""SD within groups, pooled, and its interval from χ²; NaN where no group has two values.

    .. math:: s^2 = \sum_i \sum_j (y_{ij} - \bar y_i)^2 / \sum_i (n_i - 1)
    """
    several = [np.asarray(values, float) for values in groups if len(values) > 1]
    if not several:
        return np.nan, np.nan, np.nan
    squares = float(sum(((values - values.mean()) ** 2).sum() for values in several))
    degrees = sum(len(values) - 1 for values in several)
    tails = chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], degrees)
    low, high = np.sqrt(squares / tails)
    return float(np.sqrt(squares / degrees)), float(low), float(high)


def limits_of_agreement(differences: np.ndarray, confidence: float) -> dict[str, float]:
    """Bias of pairs, and limits between which 95 % of differences lie, each with its interval.

    Parameters
    ----------
    differences : (n,) second less first measurement, one for each person; fewer than two give NaN limits

    Notes
    -----
    Bland & Altman 1999, 10.1177/096228029900800204: bias ± 1.96 s, whose variance is about
    s² (1 / n + 1.96² / (2 (n - 1))).
    """
    n, bias = len(differences), float(np.mean(differences))
    s = float(np.std(differences, ddof=1)) if n > 1 else np.nan
    spread = norm.ppf(0.975)
    quantile = t.ppf((1 + confidence) / 2, n - 1) if n > 1 else np.nan
    of_bias = quantile * s / np.sqrt(n)
    of_limit = quantile * s * np.sqrt(1 / n + spread**2 / (2 * (n - 1))) if n > 1 else np.nan
    found = {"pairs": n, "bias": bias, "bias_low": bias - of_bias, "bias_high": bias + of_bias, "sd": s}
    for name, value in (("lower", bias - spread * s), ("upper", bias + spread * s)):
        found |= {name: value, f"{name}_low": value - of_limit, f"{name}_high": value + of_limit}
    return found


def subjects_per_arm(within_sd: float, effect: float, power: float = POWER, alpha: float = ALPHA) -> float:
    r"""Subjects in each of two arms, scanned before and after, to find a difference of their mean changes.

    .. math:: n = 2 (z_{1-\alpha/2} + z_{power})^2 \sigma_d^2 / \Delta^2,\quad \sigma_d^2 = 2 s_w^2

    A change varies by the measurement alone here, so that this is the least number: people also change differently.
    Never below 2, without whom no trial tells how changes vary.

    Parameters
    ----------
    within_sd, effect : in one unit
    """
    z = norm.ppf(1 - alpha / 2) + norm.ppf(power)
    return float(max(np.ceil(4 * (z * within_sd / effect) ** 2), 2)) if np.isfinite(within_sd) else np.nan


def visits_of(rows: pd.DataFrame) -> np.ndarray:
    """(n, k) values of the persons with several scans: the first k of each in the order of their names.

    k is the number of scans that the person with the fewest of these has, so that nobody is left out.
    """
    values = [group.sort_values("scan")["value"].to_numpy(float) for _, group in rows.groupby("subject", sort=True)]
    several = [of_person for of_person in values if len(of_person) > 1]
    k = min(map(len, several), default=0)
    return np.array([of_person[:k] for of_person in several]).reshape(len(several), k)


def repeatability_table(values: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """One row for each region and map: SDs within and between persons and sites, both ICCs, size of a trial.

    Parameters
    ----------
    values : columns VALUES; `site` empty where it is unknown; `value` in the unit of the map, NaN where there is none

    Returns
    -------
    DataFrame
        Columns REPEATABILITY, in the units of UNITS. `within_sd` is within a person at one site, over all scans;
        `site_sd` that of a person's means at several sites.
    """
    rows = []
    for region, name, unit, group in _groups(values):
        sites = [part["value"].to_numpy() for _, part in group.groupby(["subject", "site"])]
        within, low, high = pooled_sd(sites, confidence)
        y = visits_of(group)
        means = group.groupby("subject")["value"].mean()
        row = {"region": region, "map": name, "unit": unit, "subjects": len(means), "scans": len(group)}
        row |= {"mean": means.mean(), "sd_between_subjects": means.std(ddof=1)}
        row |= {"within_sd": within, "within_sd_low": low, "within_sd_high": high}
        row |= {"smallest_change": norm.ppf(0.975) * np.sqrt(2) * within}
        row |= {"visits": y.shape[1], "visit_subjects": len(y)}
        for key, icc in (("icc_2_1", icc_2_1(y, confidence)), ("icc_3_1", icc_3_1(y, confidence))):
            row |= {key: icc.value, f"{key}_low": icc.low, f"{key}_high": icc.high}
        row |= _between_sites(group, confidence)
        sizes = [subjects_per_arm(sd, EFFECTS[name]) for sd in (within, high)]
        rows.append(row | {"effect": EFFECTS[name]} | dict(zip(("per_arm", "per_arm_high"), sizes, strict=True)))
    return pd.DataFrame(rows, columns=REPEATABILITY)


def _between_sites(group: pd.DataFrame, confidence: float) -> dict[str, float]:
    """SD of a person's means at several known sites."""
    known = group[group["site"] != ""].groupby(["subject", "site"])["value"].mean()
    people = [of_person.to_numpy() for _, of_person in known.groupby("subject") if len(of_person) > 1]
    names = ("site_sd", "site_sd_low", "site_sd_high")
    return dict(zip(names, pooled_sd(people, confidence), strict=True)) | {"site_subjects": len(people)}


def _groups(values: pd.DataFrame) -> Iterable[tuple[str, str, str, pd.DataFrame]]:
    """Region, map, unit and the known values in that unit."""
    for (name, region), group in values.dropna(subset=["value"]).groupby(["map", "region"], sort=False):
        unit, factor = UNITS[name]
        yield region, name, unit, group.assign(value=group["value"] * factor)


def pair_table(values: pd.DataFrame) -> pd.DataFrame:
    """Mean and difference of pairs of scans of a person, those within a site first.

    Within a site: each two scans that follow each other, later less earlier; scans of unknown site count as made at
    one. Between sites: the first scans at each two known sites, that of the later name less that of the earlier.
    """
    rows = []
    for region, name, unit, group in _groups(values):
        for subject, scans in group.sort_values("scan").groupby("subject", sort=True):
            of_sites = {site: [*part.itertuples()] for site, part in scans.groupby("site", sort=True)}
            firsts = [part[0] for site, part in of_sites.items() if site]
            pairs = [pair for part in of_sites.values() for pair in pairwise(part)] + [*combinations(firsts, 2)]
            about = {"region": region, "map": name, "unit": unit, "subject": subject}
            for one, two in pairs:
                scanned = {"scan_1": one.scan, "scan_2": two.scan, "site_1": one.site, "site_2": two.site}
                found = {"mean": (one.value + two.value) / 2, "difference": two.value - one.value}
                rows.append(about | scanned | found)
    table = pd.DataFrame(rows, columns=PAIRS)
    return table.iloc[np.argsort(table["site_1"] != table["site_2"], kind="stable")].reset_index(drop=True)


def agreement_table(pairs: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Bland & Altman's limits of every region and map, within a site and between each two sites.

    From one pair of each person: pairs are then independent.

    Parameters
    ----------
    pairs : of `pair_table`

    Returns
    -------
    DataFrame
        Columns BLAND_ALTMAN; `sites` is WITHIN or `B less A`.
    """
    where = np.where(pairs["site_1"] == pairs["site_2"], WITHIN, pairs["site_2"] + " less " + pairs["site_1"])
    rows = []
    for (sites, name, region, unit), group in pairs.groupby([where, "map", "region", "unit"], sort=False):
        first = group.drop_duplicates("subject")["difference"].to_numpy(float)
        about = {"region": region, "map": name, "unit": unit, "sites": sites}
        rows.append(about | limits_of_agreement(first, confidence))
    return pd.DataFrame(rows, columns=BLAND_ALTMAN)


def overall(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Map → root mean square over regions of the SDs of `repeatability_table`, with unit; NaN where none is known."""
    found: dict[str, dict] = {}
    for name, rows in table.groupby("map", sort=False):
        squares = {key: rows[key].dropna() ** 2 for key in ("within_sd", "site_sd")}
        means = {key: float(np.sqrt(of.mean())) if len(of) else np.nan for key, of in squares.items()}
        found[str(name)] = means | {"unit": UNITS[str(name)][0]}
    return found
