"""Could the models read age, sex, the site or the scanner instead of the disease?"""

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, norm, rankdata

from qnet.evaluation.calibration import rows_of
from qnet.evaluation.cases import Cases
from qnet.evaluation.names import AGE_SEX, BACKGROUND
from qnet.evaluation.statistics import auc_interval
from qnet.folds import in_turn, terciles

COLUMNS = ["check", "input", "model", "stratum", "subjects", "statistic", "value", "low", "high", "flag"]
LARGE = 0.5  # Cramér's V of a 2 x k table from which an association is large (Cohen 1988, w)
PERMUTATIONS = 1999  # of the labels over sites; a p of 0.05 is sure within 0.01
SITE_FOLDS = 5  # of the check whether the site predicts the group; the run's own may be the sites


def partial_correlation(
    x: np.ndarray, y: np.ndarray, given: np.ndarray, confidence: float
) -> tuple[float, float, float]:
    """Correlation of x and y (n,) once a straight line in `given` (n,) is taken from both, with Fisher's interval.

    Fisher's z of a correlation with one variable held constant has variance 1 / (n - 4). NaN where nothing is
    left to correlate.
    """
    line = np.stack([np.ones(len(given)), given], axis=1)
    x, y = (v - line @ np.linalg.lstsq(line, v, rcond=None)[0] for v in (x.astype(float), y.astype(float)))
    scale = np.sqrt((x @ x) * (y @ y))
    if len(x) < 5 or not scale > 1e-9:
        return np.nan, np.nan, np.nan
    r = np.clip(x @ y / scale, -1 + 1e-12, 1 - 1e-12)
    half = norm.ppf((1 + confidence) / 2) / np.sqrt(len(x) - 4)
    return float(r), float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def people_of(cases: Cases, people: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Age [years, NaN where unknown], sex and site (n,) [empty where unknown] of the cases.

    Parameters
    ----------
    people : of `qnet.evaluation.settings.read_people`
    """
    if missing := sorted(set(cases.participants) - set(people.index)):
        raise ValueError(
            f"participants: expected a row for every subject with predictions, found none for {missing[0]}"
        )
    rows = people.loc[cases.participants[cases.subjects]]
    site = rows["site"].fillna("").to_numpy(str) if "site" in rows else np.full(len(rows), "")
    return rows["age"].to_numpy(float), rows["sex"].fillna("").to_numpy(str), site


def auc_if_known(labels: np.ndarray, scores: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """AUC with its interval; NaN where a class is missing."""
    if labels.all() or not labels.any():
        return np.nan, np.nan, np.nan
    return auc_interval(labels, scores, confidence)


def auc_row(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, object]:
    """The same as cells of the table."""
    found = dict(zip(("value", "low", "high"), auc_if_known(labels, scores, confidence), strict=True))
    return {"subjects": len(labels), "statistic": "AUC"} | found


def separates(row: dict, above_only: bool = False) -> bool:
    """Whether the interval of an AUC excludes 0.5; an AUC without interval (every pair ordered alike) does, off 0.5.

    Parameters
    ----------
    above_only : for a model that was trained to separate, below 0.5 is chance
    """
    above, below = row["value"] > 0.5 and not row["low"] <= 0.5, row["value"] < 0.5 and not row["high"] >= 0.5
    return bool(above or (below and not above_only))


def told(row: dict) -> str:
    """AUC and its interval in words."""
    limits = f", {row['low']:.2f} to {row['high']:.2f}" if row["low"] == row["low"] else ""
    return f"AUC {row['value']:.2f}{limits}"


def cohort_rows(cases: Cases, age: np.ndarray, sex: np.ndarray, confidence: float) -> list[dict]:
    """How well age alone and sex alone, where they are known, predict the group, without any model."""
    labels, known = cases.labels, ~np.isnan(age)
    by_age = {"check": "age alone"} | auc_row(labels[known], age[known], confidence)
    if separates(by_age):
        positive, negative = (age[known & side].mean() for side in (labels, ~labels))
        means = f"mean {positive:.1f} years in the positive, {negative:.1f} in the negative group"
        by_age["flag"] = f"Age alone separates the groups ({told(by_age)}; {means}): a model may read age, not disease."
    known = sex != ""
    if not known.any():
        return [by_age]
    labels, sex = labels[known], sex[known]
    commonest = max(np.unique(sex), key=lambda value: (sex == value).sum())
    by_sex = {"check": "sex alone", "stratum": f"sex {commonest}"} | auc_row(labels, sex == commonest, confidence)
    if separates(by_sex):
        by_sex["flag"] = f"Sex alone separates the groups ({told(by_sex)}): a model may read sex, not disease."
    return [by_age, by_sex]


def share_by_site(labels: np.ndarray, site: np.ndarray) -> np.ndarray:
    """Score (n,) of each subject that knows nothing but its site: the share of positives there, in the other folds.

    The share counts one more subject with the share of all other folds, so that a site that occurs in no other fold
    gets that. Folds are stratified by group: else a fold with more positives would leave fewer to the others, and the
    share would rank the wrong way (Airola 2010). They are not stratified by site: a mix that a site has by chance would
    then be that of its training and of its test subjects alike, and pass for a prediction.
    """
    chance = np.random.default_rng(0).permutation(len(labels))
    fold = in_turn([labels], min(SITE_FOLDS, len(labels)), chance)
    score = np.empty(len(labels))
    for index in np.unique(fold):
        other = fold != index
        prior = labels[other].mean()
        for name in np.unique(site[~other]):
            there = labels[other & (site == name)]
            score[~other & (site == name)] = (there.sum() + prior) / (len(there) + 1)
    return score


def site_rows(labels: np.ndarray, site: np.ndarray, folds: np.ndarray, confidence: float) -> list[dict]:
    """Does the site, where it is known, tell the groups apart; is it spread over the folds; what can it not tell?

    Parameters
    ----------
    labels : (n,) bool
    site : (n,) text
    folds : (n,) names of the test folds
    """
    labels, site, folds = (values[site != ""] for values in (labels, site, folds))
    names, number = np.unique(site, return_inverse=True)
    if len(names) < 2:
        return []
    positive, size = np.bincount(number, labels).astype(int), np.bincount(number)
    alone = {"check": "site alone, cross-validated"} | auc_row(labels, share_by_site(labels, site), confidence)
    V, p = site_and_group(positive, size)
    mixed = {"check": "site and group", "subjects": len(labels), "statistic": "Cramér's V", "value": V}
    mix = ", ".join(f"{name} {m} of {n}" for name, m, n in zip(names, positive, size, strict=True))
    if separates(alone, above_only=True):
        alone["flag"] = (
            f"The site alone predicts the group of unseen subjects ({told(alone)}; in the positive group: {mix}): "
            "a model may read the scanner, not disease."
        )
    elif p < 1 - confidence or V >= LARGE:
        chance = (
            "" if p < 1 - confidence else "; chance may have made it so, and it confounds these subjects all the same"
        )
        mixed["flag"] = (
            f"The sites differ in their share of the positive group ({mix}; Cramér's V {V:.2f}, permutation p = "
            f"{p:.2g}{chance}): a model may read the scanner, not disease. These subjects are too few to say how well "
            "the site predicts the group."
        )
    return [alone, mixed, _over_folds(number, folds, confidence)]


def site_and_group(positive: np.ndarray, size: np.ndarray) -> tuple[float, float]:
    r"""Cramér's V between site and group, and how often chance makes it as large where sites do not matter.

    .. math:: V = \sqrt{\chi^2 / n}, \quad \chi^2 = \sum_i (m_i - n_i \pi)^2 / (n_i \pi (1 - \pi)), \quad \pi = m / n

    over sites with m_i positives among n_i subjects. Labels are permuted over subjects `PERMUTATIONS` times: given the
    sizes of the sites, the m_i are then hypergeometric. So few subjects as a site may have leave no other test exact.

    Parameters
    ----------
    positive, size : (sites,) m_i and n_i; V is 0 and p 1 where there is one group
    """
    n, m = int(size.sum()), int(positive.sum())
    if not 0 < m < n:
        return 0.0, 1.0
    drawn = np.random.default_rng(0).multivariate_hypergeometric(size, m, PERMUTATIONS, method="marginals")
    share = m / n
    squares = ((np.vstack([positive, drawn]) - size * share) ** 2 / (size * share * (1 - share))).sum(axis=1)
    as_large = (squares[1:] >= squares[0] * (1 - 1e-9)).sum()
    return float(np.sqrt(squares[0] / n)), float((1 + as_large) / (1 + PERMUTATIONS))


def _over_folds(number: np.ndarray, folds: np.ndarray, confidence: float) -> dict:
    """Cramér's V between site and test fold: 0 is balanced, 1 where each fold is a site, which is meant then."""
    counts = pd.crosstab(number, folds).to_numpy()
    row = {"check": "site over folds", "subjects": len(number), "statistic": "Cramér's V"}
    if min(counts.shape) < 2:
        return row
    test = chi2_contingency(counts, correction=False)
    row["value"] = float(np.sqrt(test.statistic / (len(number) * (min(counts.shape) - 1))))
    if counts.shape[0] == counts.shape[1] and ((counts > 0).sum(axis=0) == 1).all():
        row["stratum"] = "one site left out"
    elif test.pvalue < 1 - confidence:
        row["flag"] = (
            f"Sites are not spread evenly over the test folds (Cramér's V {row['value']:.2f}): folds differ by the "
            "scanner, and AUCs pooled over folds mix the two."
        )
    return row


def control_rows(scans: list[Cases], confidence: float) -> list[dict]:
    """Baselines that should be at chance: age and sex, and the background of the images."""
    checks = {
        AGE_SEX: ("age and sex, cross-validated", "Age and sex alone predict the group of unseen subjects"),
        BACKGROUND: ("background only", "The image background, without any brain, tells the groups apart"),
    }
    advice = {AGE_SEX: "a model may read them, not disease.", BACKGROUND: "scanner, coil or motion may differ."}
    rows = []
    for cases, model, scores in rows_of(scans):
        key = (cases.input, model)
        if key in checks:
            check, warning = checks[key]
            row = {"check": check, "input": cases.input, "model": model} | auc_row(cases.labels, scores, confidence)
            if separates(row, above_only=True):
                row["flag"] = f"{warning} ({told(row)}): {advice[key]}"
            rows.append(row)
    return rows


def strata(age: np.ndarray, sex: np.ndarray, site: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Check, name and members (n,) of every site, age tercile and sex, where they are known."""
    tercile = terciles(age)
    ages = [(f"age {age[members].min():g} to {age[members].max():g}", members)
            for members in (tercile == index for index in range(3)) if members.any()]  # fmt: skip
    found = [("within site", f"site {value}", site == value) for value in np.unique(site[site != ""])]
    found += [("within age tercile", name, members) for name, members in ages]
    return found + [("within sex", f"sex {value}", sex == value) for value in np.unique(sex[sex != ""])]


def model_rows(
    labels: np.ndarray, scores: np.ndarray, age: np.ndarray, sex: np.ndarray, site: np.ndarray, confidence: float
) -> list[dict]:
    """One model: AUC among subjects of similar age, equal sex or one site; how its score correlates with group and age.

    Correlations take the rank of the score, so that saturated probabilities do not decide them. What needs the age is
    computed from the subjects of known age; `subjects` counts them.
    """
    rows = [
        {"check": check, "stratum": name} | auc_row(labels[members], scores[members], confidence)
        for check, name, members in strata(age, sex, site)
    ]
    known = ~np.isnan(age)
    ranks, labels, age = rankdata(scores[known]), labels[known], age[known]
    correlations = {"score and group, given age": (labels, age), "score and age, within groups": (age, labels)}
    for check, (other, given) in correlations.items():
        found = partial_correlation(ranks, other, given, confidence)
        row = {"check": check, "subjects": len(labels), "statistic": "correlation"}
        rows.append(row | dict(zip(("value", "low", "high"), found, strict=True)))
    return rows


def confound_table(scans: list[Cases], people: pd.DataFrame | None, confidence: float) -> pd.DataFrame:
    """All checks, those of the cohort first; `flag` is a plain sentence where a confound shows, else empty.

    Parameters
    ----------
    people : of `qnet.evaluation.settings.read_people`; None gives no rows
    """
    if people is None or not scans:
        return pd.DataFrame(columns=COLUMNS)
    first, (age, sex, site) = scans[0], people_of(scans[0], people)
    rows = site_rows(first.labels, site, first.folds, confidence) + cohort_rows(first, age, sex, confidence)
    rows += control_rows(scans, confidence)
    for cases, model, scores in rows_of(scans):
        about = {"input": cases.input, "model": model}
        found = model_rows(cases.labels, scores, *people_of(cases, people), confidence)
        rows += [about | row for row in found]
    return pd.DataFrame(rows, columns=COLUMNS)
