"""Tables 1 to 3 of the paper, with their uncertainty, from predictions alone."""

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from qnet.metrics import RATES, outcomes, rates
from qnet.predictions import LEVELS, Cases, split_cases
from qnet.statistics import (
    auc_covariance,
    delong,
    holm,
    mcnemar_exact,
    pair_wins,
    resample_subjects,
    stars,
    weighted_auc,
    wilson,
)

TEST_COLUMNS = ["auc_1", "auc_2", "se", "z", "p", "stars"]
DELONG_COLUMNS = ["input", "level", "clustering", "model_1", "model_2", *TEST_COLUMNS]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Settings of the evaluation: section `evaluate` of the configuration."""

    threshold: float  # score from which a case counts as positive
    bootstrap: int  # resamples of subjects
    confidence: float  # level of every interval
    seed: int

    def __post_init__(self) -> None:
        if not (isinstance(self.bootstrap, int) and self.bootstrap > 0):
            raise ValueError(f"evaluate.bootstrap: expected a positive whole number, found {self.bootstrap!r}")
        if not (isinstance(self.confidence, float) and 0 < self.confidence < 1):
            raise ValueError(f"evaluate.confidence: expected a number between 0 and 1, found {self.confidence!r}")
        if not isinstance(self.threshold, int | float):
            raise ValueError(f"evaluate.threshold: expected a number, found {self.threshold!r}")
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise ValueError(f"evaluate.seed: expected a whole number >= 0, found {self.seed!r}")


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What a perfect reader of a simulated cohort would reach: in theory, and on the very subjects drawn.

    Parameters
    ----------
    oracle : participant_id → log-likelihood ratio, positive in favour of the positive class
    """

    accuracy: float
    auc: float
    oracle: pd.Series


def bootstrap_rates(cases: Cases, scores: np.ndarray, threshold: float, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Rates and AUC of every resample of subjects.

    Parameters
    ----------
    scores : (n,)
    weights : (draws, S) multiplicity of each subject; a row of ones is the sample itself

    Returns
    -------
    dict of (draws,) fractions: accuracy, sensitivity, specificity, f1, auc
    """
    count = len(cases.participants)
    per_subject = [np.bincount(cases.subjects, kind, count) for kind in outcomes(cases.labels, scores >= threshold)]
    K = pair_wins(cases.labels, scores, cases.subjects, count)
    sizes = [np.bincount(cases.subjects, kind, count) for kind in (cases.labels, ~cases.labels)]
    return rates(*(weights @ kind for kind in per_subject)) | {"auc": weighted_auc(K, weights, *sizes)}


def bootstrap_auc(cases: Cases, params: Evaluate) -> dict[str, np.ndarray]:
    """(draws,) AUC of the seed-mean score of every model, resampling subjects."""
    weights = resample_subjects(cases.subject_labels, params.bootstrap, params.seed)
    return {model: bootstrap_rates(cases, cases.score(model), params.threshold, weights)["auc"] for model in cases.runs}


def image_table(groups: list[Cases], params: Evaluate) -> pd.DataFrame:
    """Table 1: each metric per image as mean over the runs, SD over the runs, subject-bootstrap interval."""
    rows = []
    tails = [(1 - params.confidence) / 2, (1 + params.confidence) / 2]
    for cases in groups:
        draws = resample_subjects(cases.subject_labels, params.bootstrap, params.seed)
        weights = np.concatenate([np.ones((1, draws.shape[1])), draws])  # the sample itself comes first
        for model, runs in cases.runs.items():
            values = [bootstrap_rates(cases, scores, params.threshold, weights) for scores in runs]
            row = {"input": cases.input, "model": model, "images": len(cases.labels)}
            row |= {"subjects": len(cases.participants), "seeds": len(runs)}
            for metric in (*RATES, "auc"):
                runs_by_draws = np.stack([value[metric] for value in values])  # (seeds, 1 + draws)
                mean = runs_by_draws.mean(axis=0)
                low, high = np.quantile(mean[1:], tails)
                sd = runs_by_draws[:, 0].std(ddof=1) if len(runs) > 1 else np.nan
                row |= {metric: mean[0], f"{metric}_sd": sd, f"{metric}_low": low, f"{metric}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def scan_table(groups: list[Cases], params: Evaluate, ceiling: Ceiling | None) -> pd.DataFrame:
    """Table 3: each subject once, by its seed-mean score; counts with Wilson, AUC with DeLong intervals."""
    rows = []
    for cases in groups:
        for model, runs in cases.runs.items():
            about = {"input": cases.input, "model": model, "seeds": len(runs)}
            rows.append(about | scan_row(cases, cases.score(model), params.threshold, params))
    if ceiling is not None and groups:
        rows.append({"input": None, "model": "Bayes limit (theory)", "accuracy": ceiling.accuracy, "auc": ceiling.auc})
        cases = groups[0]
        if missing := sorted(set(cases.participants) - set(ceiling.oracle.index)):
            raise ValueError(f"cohort.tsv, column 'participant_id': expected every participant, found no {missing[0]}")
        scores = ceiling.oracle.loc[cases.participants[cases.subjects]].to_numpy(np.float64)
        about = {"input": None, "model": "oracle on this cohort"}
        rows.append(about | scan_row(cases, scores, np.nextafter(0, 1), params) | {"auc_within_folds": np.nan})
    table = pd.DataFrame(rows)
    whole = [column for column in ("seeds", "subjects", "tp", "fn", "tn", "fp") if column in table]
    return table.astype(dict.fromkeys(whole, "Int64"))


def scan_row(cases: Cases, scores: np.ndarray, threshold: float, params: Evaluate) -> dict[str, float]:
    """Counts, rates and intervals of one score (n,) of the scans."""
    tp, fn, tn, fp = outcomes(cases.labels, scores >= threshold).sum(axis=1)
    row = {"subjects": len(cases.labels), "tp": tp, "fn": fn, "tn": tn, "fp": fp}
    fractions = {
        "accuracy": (tp + tn, cases.labels.size),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
    }
    for metric, (k, n) in fractions.items():
        low, high = wilson(k, n, params.confidence)
        row |= {metric: k / n, f"{metric}_count": f"{k}/{n}", f"{metric}_low": low, f"{metric}_high": high}
    (auc,), ((variance,),) = auc_covariance(cases.labels, scores)
    half = norm.ppf((1 + params.confidence) / 2) * np.sqrt(variance) if variance > 0 else np.nan
    row |= {"f1": float(rates(tp, fn, tn, fp)["f1"]), "auc": auc}
    row |= {"auc_low": np.maximum(auc - half, 0), "auc_high": np.minimum(auc + half, 1)}
    return row | {"auc_within_folds": auc_within_folds(cases, scores)}


def auc_within_folds(cases: Cases, scores: np.ndarray) -> float:
    """AUC from pairs of the same test fold only: pooling folds, each with its own model, biases the AUC."""
    same = cases.folds[cases.labels][:, None] == cases.folds[~cases.labels]
    difference = scores[cases.labels][:, None] - scores[~cases.labels]
    return float((np.sign(difference) + 1)[same].mean() / 2) if same.any() else np.nan


def delong_table(groups: list[Cases]) -> pd.DataFrame:
    """All pairs of models, cases taken as independent (clustering none) and grouped by subject."""
    rows = []
    for cases in groups:
        for model_1, model_2 in combinations(cases.runs, 2):
            for clustering, clusters in (("none", None), ("subject", cases.subjects)):
                test = delong(cases.labels, cases.score(model_1), cases.score(model_2), clusters)
                row = {"input": cases.input, "level": cases.level, "clustering": clustering}
                rows.append(row | {"model_1": model_1, "model_2": model_2} | vars(test) | {"stars": stars(test.p)})
    return pd.DataFrame(rows, columns=DELONG_COLUMNS)


def pair_table(tests: pd.DataFrame) -> pd.DataFrame:
    """Table 2: one row per pair; Holm adjusts the subject-clustered p over all pairs of a level."""
    pair = ["input", "level", "model_1", "model_2"]
    naive, clustered = (tests[tests["clustering"] == clustering] for clustering in ("none", "subject"))
    table = naive[[*pair, "auc_1", "auc_2"]].assign(difference=naive["auc_1"] - naive["auc_2"])
    for clustering, rows in (("none", naive), ("subject", clustered)):
        tested = rows[[*pair, "se", "z", "p", "stars"]].set_index(pair).add_suffix(f"_{clustering}")
        table = table.merge(tested, on=pair)
    table["p_holm"] = table.groupby("level")["p_subject"].transform(lambda p: holm(p.to_numpy()))
    table["stars_holm"] = table["p_holm"].map(stars)
    return table


def mcnemar_table(groups: list[Cases], threshold: float) -> pd.DataFrame:
    """Exact McNemar test of the scan decisions of all pairs of models."""
    rows = []
    for cases in groups:
        right = {model: (cases.score(model) >= threshold) == cases.labels for model in cases.runs}
        for model_1, model_2 in combinations(cases.runs, 2):
            only_1 = int((right[model_1] & ~right[model_2]).sum())
            only_2 = int((right[model_2] & ~right[model_1]).sum())
            p = mcnemar_exact(only_1, only_2)
            row = {"input": cases.input, "model_1": model_1, "model_2": model_2}
            rows.append(row | {"only_1_right": only_1, "only_2_right": only_2, "p": p, "stars": stars(p)})
    return pd.DataFrame(rows)


def read_ceiling(folder: str | Path) -> Ceiling:
    """Read ceiling.json and cohort.tsv of a simulated cohort."""
    path = Path(folder) / "ceiling.json"
    limits = json.loads(path.read_text())
    if absent := {"accuracy", "auc"} - limits.keys():
        raise ValueError(f"{path}: expected the keys accuracy and auc, found no {', '.join(sorted(absent))}")
    cohort = pd.read_csv(path := Path(folder) / "cohort.tsv", sep="\t", dtype={"participant_id": str})
    for column in ("participant_id", "oracle_score"):
        if column not in cohort:
            raise ValueError(f"{path}, column '{column}': expected in the header, found {list(cohort.columns)}")
    oracle = cohort.set_index("participant_id")["oracle_score"]
    return Ceiling(accuracy=limits["accuracy"], auc=limits["auc"], oracle=oracle)


def evaluate(predictions: pd.DataFrame, params: Evaluate, ceiling: Ceiling | None = None) -> dict[str, pd.DataFrame]:
    """All tables of checked predictions (`read_predictions`).

    Returns
    -------
    dict
        table1, table2, table3, delong, mcnemar; fractions in [0, 1]; a leading column `input` only if the
        predictions have one.
    """
    images, scans = (split_cases(predictions, level) for level in LEVELS)
    tests = delong_table(images + scans)
    tables = {
        "table1": image_table(images, params),
        "table2": pair_table(tests),
        "table3": scan_table(scans, params, ceiling),
        "delong": tests,
        "mcnemar": mcnemar_table(scans, params.threshold),
    }
    if "input" in predictions:
        return tables
    return {name: table.drop(columns="input", errors="ignore") for name, table in tables.items()}


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as tab-separated text; undefined cells read n/a."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.10g")
