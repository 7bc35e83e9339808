"""Tables 1 and 3 of the paper, with their uncertainty: one row per input and model."""

from typing import Any

import numpy as np
import pandas as pd

from qnet.evaluation.cases import Cases
from qnet.evaluation.metrics import RATES, outcomes, rates
from qnet.evaluation.names import VOTED
from qnet.evaluation.settings import Ceiling, Evaluate
from qnet.evaluation.statistics import auc_covariance, auc_interval, pair_wins, resample_subjects, weighted_auc, wilson

WHOLE = ("seeds", "subjects", "tp", "fn", "tn", "fp", "ties", "votes")  # columns of counts, some of them empty


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


def run_table(groups: list[Cases], params: Evaluate) -> pd.DataFrame:
    """Table 1: each metric as mean over the runs, SD over the runs, subject-bootstrap interval; at either level."""
    rows = []
    tails = [(1 - params.confidence) / 2, (1 + params.confidence) / 2]
    for cases in groups:
        draws = resample_subjects(cases.subject_labels, params.bootstrap, params.seed)
        weights = np.concatenate([np.ones((1, draws.shape[1])), draws])  # the sample itself comes first
        for model, runs in cases.runs.items():
            values = [bootstrap_rates(cases, scores, params.threshold, weights) for scores in runs]
            row = {"input": cases.input, "model": model, "cases": len(cases.labels)}
            row |= {"subjects": len(cases.participants), "seeds": len(runs)}
            for metric in (*RATES, "auc"):
                runs_by_draws = np.stack([value[metric] for value in values])  # (seeds, 1 + draws)
                mean = runs_by_draws.mean(axis=0)
                low, high = np.quantile(mean[1:], tails)
                sd = spread(runs_by_draws[:, 0])
                row |= {metric: mean[0], f"{metric}_sd": sd, f"{metric}_low": low, f"{metric}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def spread(values: np.ndarray) -> float:
    """Standard deviation over runs; NaN for a single run."""
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def scan_table(
    groups: list[Cases], images: list[Cases], params: Evaluate, ceiling: Ceiling | None = None
) -> pd.DataFrame:
    """Table 3: each subject once, by its seed-mean score; counts with Wilson, AUC with DeLong intervals.

    Parameters
    ----------
    groups, images : scans and images of every input; the votes of `VOTED` are counted in the images
    """
    rows = []
    images_of = {cases.input: cases for cases in images}
    for cases in groups:
        for model, runs in cases.runs.items():
            row = {"input": cases.input, "model": model, "seeds": len(runs)}
            row |= scan_row(cases, cases.score(model), params.threshold, params)
            row |= {"auc_sd": spread(auc_covariance(cases.labels, runs)[0])}
            row |= tied_votes(images_of.get(cases.input), model)
            rows.append(row)
    if ceiling is not None and groups:
        rows += truth_rows(groups[0], params, ceiling)
    table = pd.DataFrame(rows)
    return table.astype({column: "Int64" for column in WHOLE if column in table})


def truth_rows(cases: Cases, params: Evaluate, ceiling: Ceiling) -> list[dict]:
    """The best that any reader could reach: expected over all cohorts, and on the very subjects of `cases`."""
    if missing := sorted(set(cases.participants) - set(ceiling.oracle.index)):
        raise ValueError(f"cohort.tsv, column 'participant_id': expected every participant, found no {missing[0]}")
    scores = ceiling.oracle.loc[cases.participants[cases.subjects]].to_numpy(np.float64)
    oracle = scan_row(cases, scores, np.nextafter(0, 1), params) | {"auc_within_folds": np.nan}
    return [
        {"input": None, "model": "Bayes limit (theory)", "accuracy": ceiling.accuracy, "auc": ceiling.auc},
        {"input": None, "model": "oracle on this cohort"} | oracle,
    ]


def scan_row(cases: Cases, scores: np.ndarray, threshold: float, params: Evaluate) -> dict[str, Any]:
    """Counts, rates and intervals of one score (n,) of the scans."""
    row = {"subjects": len(cases.labels)} | decision_row(cases.labels, scores, threshold, params.confidence)
    auc, low, high = auc_interval(cases.labels, scores, params.confidence)
    row |= {
        "f1": float(rates(row["tp"], row["fn"], row["tn"], row["fp"])["f1"]),
        "auc": auc,
        "auc_low": low,
        "auc_high": high,
    }
    return row | {"auc_within_folds": auc_within_folds(cases, scores)}


def decision_row(labels: np.ndarray, scores: np.ndarray, threshold: float, confidence: float) -> dict[str, Any]:
    """Counts of the decisions and rates with Wilson intervals; a rate of nobody is NaN."""
    tp, fn, tn, fp = outcomes(labels, scores >= threshold).sum(axis=1)
    row = {"tp": tp, "fn": fn, "tn": tn, "fp": fp}
    fractions = {"accuracy": (tp + tn, labels.size), "sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp)}
    for metric, (k, n) in fractions.items():
        low, high = wilson(k, n, confidence)
        row |= {metric: k / n if n else np.nan, f"{metric}_count": f"{k}/{n}"}
        row |= {f"{metric}_low": low, f"{metric}_high": high}
    return row


def auc_within_folds(cases: Cases, scores: np.ndarray) -> float:
    """AUC from pairs of the same test fold only: pooling folds, each with its own model, biases the AUC."""
    same = cases.folds[cases.labels][:, None] == cases.folds[~cases.labels]
    difference = scores[cases.labels][:, None] - scores[~cases.labels]
    return float((np.sign(difference) + 1)[same].mean() / 2) if same.any() else np.nan


def tied_votes(images: Cases | None, model: str) -> dict[str, int]:
    """How many of the scans' votes, over all runs, had as many images for one class as for the other.

    An image votes for the positive class from a score of one half; even numbers of images can tie.
    """
    if model not in VOTED or images is None or model not in images.runs:
        return {}
    count = len(images.participants)
    sizes = np.bincount(images.subjects, minlength=count)
    votes = [np.bincount(images.subjects, scores >= 0.5, count) for scores in images.runs[model]]
    return {"ties": int((2 * np.stack(votes) == sizes).sum()), "votes": count * len(votes)}
