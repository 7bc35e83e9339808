"""Could the models read age, sex or the scanner instead of the disease?"""

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from qnet.evaluation.calibration import rows_of
from qnet.evaluation.cases import Cases
from qnet.evaluation.names import AGE_SEX, BACKGROUND
from qnet.evaluation.statistics import auc_interval
from qnet.folds import terciles

COLUMNS = ["check", "input", "model", "stratum", "subjects", "statistic", "value", "low", "high", "flag"]


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


def people_of(cases: Cases, people: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Age [years, NaN where unknown] and sex (n,) [empty where unknown] of the cases.

    Parameters
    ----------
    people : of `qnet.evaluation.settings.read_people`
    """
    if missing := sorted(set(cases.participants) - set(people.index)):
        raise ValueError(
            f"participants: expected a row for every subject with predictions, found none for {missing[0]}"
        )
    rows = people.loc[cases.participants[cases.subjects]]
    return rows["age"].to_numpy(float), rows["sex"].fillna("").to_numpy(str)


def auc_row(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, object]:
    """AUC with its interval; NaN where a class is missing."""
    row = {"subjects": len(labels), "statistic": "AUC"}
    if labels.all() or not labels.any():
        return row | dict.fromkeys(("value", "low", "high"), np.nan)
    return row | dict(zip(("value", "low", "high"), auc_interval(labels, scores, confidence), strict=True))


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


def strata(age: np.ndarray, sex: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Check, name and members (n,) of every age tercile and sex, where they are known."""
    tercile = terciles(age)
    ages = [(f"age {age[members].min():g} to {age[members].max():g}", members)
            for members in (tercile == index for index in range(3)) if members.any()]  # fmt: skip
    found = [("within age tercile", name, members) for name, members in ages]
    return found + [("within sex", f"sex {value}", sex == value) for value in np.unique(sex[sex != ""])]


def model_rows(
    labels: np.ndarray, scores: np.ndarray, age: np.ndarray, sex: np.ndarray, confidence: float
) -> list[dict]:
    """One model: AUC among subjects of similar age or equal sex, and how its score correlates with group and with age.

    Correlations take the rank of the score, so that saturated probabilities do not decide them. What needs the age is
    computed from the subjects of known age; `subjects` counts them.
    """
    rows = [
        {"check": check, "stratum": name} | auc_row(labels[members], scores[members], confidence)
        for check, name, members in strata(age, sex)
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
    rows = cohort_rows(scans[0], *people_of(scans[0], people), confidence) + control_rows(scans, confidence)
    for cases, model, scores in rows_of(scans):
        about = {"input": cases.input, "model": model}
        found = model_rows(cases.labels, scores, *people_of(cases, people), confidence)
        rows += [about | row for row in found]
    return pd.DataFrame(rows, columns=COLUMNS)
