"""Tests between models: pairs within an input (table 2), contrasts across inputs, two runs against each other."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm

from qnet.evaluation.cases import Cases
from qnet.evaluation.names import CONTROLS, NETWORKS
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.statistics import corrected_t, delong, holm, mcnemar_exact, placements, stars

TEST_COLUMNS = ["auc_1", "auc_2", "se", "z", "p", "stars"]
DELONG_COLUMNS = ["input", "level", "clustering", "model_1", "model_2", *TEST_COLUMNS]
PAIRED_COLUMNS = ["subjects", "cases", "auc_1", "auc_2", "difference", "difference_low", "difference_high"]
PAIRED_COLUMNS += ["se", "z", "p", "p_holm", "stars"]
DECISION_COLUMNS = ["only_1_right", "only_2_right", "p_mcnemar"]
FOLD_COLUMNS = ["folds", "difference_folds", "t_folds", "p_folds"]
SCAN_COLUMNS = [*PAIRED_COLUMNS, *DECISION_COLUMNS, *FOLD_COLUMNS]
CONTRAST_COLUMNS = ["role", "input_1", "model_1", "input_2", "model_2", *SCAN_COLUMNS]
COMPARISON_COLUMNS = ["level", "input", "model", "name_1", "name_2", *SCAN_COLUMNS]

Row = tuple[Cases, str]  # cases and a model that judged them


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
    """Table 2: one row per pair of networks, the later of the two first; Holm over all pairs of a level.

    Predictions without a network of the paper keep all their pairs.

    Parameters
    ----------
    tests : `delong_table`
    """
    networks = tests["model_1"].isin(NETWORKS) & tests["model_2"].isin(NETWORKS)
    tests = tests[networks] if networks.any() else tests
    turned = tests.rename(columns={"model_1": "model_2", "model_2": "model_1", "auc_1": "auc_2", "auc_2": "auc_1"})
    turned["z"] = -turned["z"] + 0.0  # no -0
    pair = ["input", "level", "model_1", "model_2"]
    naive, clustered = (turned[turned["clustering"] == clustering] for clustering in ("none", "subject"))
    table = naive[[*pair, "auc_1", "auc_2"]].assign(difference=naive["auc_1"] - naive["auc_2"])
    for clustering, rows in (("none", naive), ("subject", clustered)):
        tested = rows[[*pair, "se", "z", "p", "stars"]].set_index(pair).add_suffix(f"_{clustering}")
        table = table.merge(tested, on=pair)
    table["p_holm"] = table.groupby("level")["p_subject"].transform(lambda p: holm(p.to_numpy()))
    table["stars_holm"] = table["p_holm"].map(stars)
    return table


def decisions(labels: np.ndarray, score_1: np.ndarray, score_2: np.ndarray, threshold: float) -> tuple[int, int, float]:
    """Numbers of cases that only the first, only the second score has right, and the exact McNemar p."""
    right_1, right_2 = ((score >= threshold) == labels for score in (score_1, score_2))
    only_1, only_2 = int((right_1 & ~right_2).sum()), int((right_2 & ~right_1).sum())
    return only_1, only_2, mcnemar_exact(only_1, only_2)


def mcnemar_table(groups: list[Cases], threshold: float) -> pd.DataFrame:
    """Exact McNemar test of the scan decisions of all pairs of models."""
    rows = []
    for cases in groups:
        for model_1, model_2 in combinations(cases.runs, 2):
            scores = cases.score(model_1), cases.score(model_2)
            only_1, only_2, p = decisions(cases.labels, *scores, threshold)
            row = {"input": cases.input, "model_1": model_1, "model_2": model_2}
            rows.append(row | {"only_1_right": only_1, "only_2_right": only_2, "p": p, "stars": stars(p)})
    return pd.DataFrame(rows)


def over_folds(labels: np.ndarray, scores: tuple[np.ndarray, np.ndarray], folds: np.ndarray) -> dict[str, float]:
    """Corrected resampled t-test of the AUCs within test folds, from those folds that hold both groups.

    Parameters
    ----------
    labels : (n,) bool
    scores : of both models, (n,), averaged over the seeds, which share the folds
    folds : (n,) names of the test folds
    """
    inside = [folds == fold for fold in np.unique(folds)]
    inside = [members for members in inside if labels[members].any() and not labels[members].all()]
    both = np.stack(scores)
    aucs = [placements(labels[members], both[:, members])[0].mean(axis=1) for members in inside]
    differences = np.array([first - second for first, second in aucs])
    sizes = np.array([members.sum() for members in inside])
    t, p = corrected_t(
        differences, float((sizes / np.maximum(len(labels) - sizes, 1)).mean()) if len(sizes) else np.nan
    )
    mean = float(differences.mean()) if len(sizes) else np.nan
    return dict(zip(FOLD_COLUMNS, (len(sizes), mean, t, p), strict=True))


def paired(first: Row, second: Row, params: Evaluate) -> dict[str, float]:
    """Clustered DeLong test of two rows on the cases (participant, slice) they share; for scans also two others.

    These are McNemar's test of the decisions, and the corrected resampled t-test if both rows have the same test folds.

    Raises
    ------
    ValueError
        They share no case, or disagree on a label.
    """
    (cases_1, model_1), (cases_2, model_2) = first, second
    shared, at_1, at_2 = np.intersect1d(cases_1.names, cases_2.names, return_indices=True)
    if not shared.size:
        raise ValueError(f"{cases_1.level} level: expected cases in common, found none, e.g. not {cases_1.names[0]}")
    labels, subjects = cases_1.labels[at_1], cases_1.subjects[at_1]
    if (odd := labels != cases_2.labels[at_2]).any():
        raise ValueError(f"column 'label': expected the same labels in both, found different ones for {shared[odd][0]}")
    scores = cases_1.score(model_1)[at_1], cases_2.score(model_2)[at_2]
    test = delong(labels, *scores, subjects)
    difference, half = test.auc_1 - test.auc_2, norm.ppf((1 + params.confidence) / 2) * test.se
    row = {"subjects": np.unique(subjects).size, "cases": shared.size} | vars(test)
    row |= {"difference": difference, "difference_low": difference - half, "difference_high": difference + half}
    if cases_1.level == "scan":
        row |= dict(zip(DECISION_COLUMNS, decisions(labels, *scores, params.threshold), strict=True))
        if (cases_1.folds[at_1] == cases_2.folds[at_2]).all():
            row |= over_folds(labels, scores, cases_1.folds[at_1])
    return row


def contrast_table(scans: list[Cases], params: Evaluate) -> pd.DataFrame:
    """The primary contrast, fixed before the data were seen, and the secondary ones, at scan level on equal subjects.

    Secondary are: every other row against the second row of the primary contrast, and the first row of the
    primary contrast against the same model on other inputs. Negative controls are compared with nothing. The
    primary p stands as it is; Holm adjusts the secondary ones together. Empty if a primary row is missing.
    """
    rows = {(cases.input, model): (cases, model) for cases in scans for model in cases.runs}
    chosen, reference = ((entry["input"], entry["model"]) for entry in params.primary)
    if chosen not in rows or reference not in rows:
        return pd.DataFrame(columns=CONTRAST_COLUMNS)
    others = [key for key in rows if key not in (chosen, reference) and key[1] not in CONTROLS]
    pairs = [("primary", chosen, reference)] + [("secondary", key, reference) for key in others]
    pairs += [("secondary", chosen, key) for key in others if key[1] == chosen[1]]
    found = [
        {"role": role, "input_1": one[0], "model_1": one[1], "input_2": two[0], "model_2": two[1]}
        | paired(rows[one], rows[two], params)
        for role, one, two in pairs
    ]
    return adjusted(pd.DataFrame(found, columns=CONTRAST_COLUMNS), alone=lambda table: table["role"] == "primary")


def none(table: pd.DataFrame) -> pd.Series:
    """No row."""
    return pd.Series(False, table.index)


def adjusted(table: pd.DataFrame, alone: Callable[[pd.DataFrame], pd.Series] = none) -> pd.DataFrame:
    """Fill `p_holm` over all rows but those `alone`, and `stars` by the p to be read."""
    p = table["p"].astype(float)
    p_holm = pd.Series(holm(p.mask(alone(table)).to_numpy()), table.index)
    marks = p_holm.where(~alone(table), p).map(stars)
    whole = {column: "Int64" for column in ("only_1_right", "only_2_right", "folds") if column in table}
    return table.assign(p_holm=p_holm, stars=marks).astype(whole)


def comparison_table(first: list[Cases], second: list[Cases], names: tuple[str, str], params: Evaluate) -> pd.DataFrame:
    """Two runs on the same subjects, row by row of level, input and model that both have; Holm over all rows.

    Parameters
    ----------
    first, second : cases of both levels of each run
    names : what the runs are called
    """
    seconds = {(cases.level, cases.input): cases for cases in second}
    found = []
    for cases in first:
        other = seconds.get((cases.level, cases.input))
        for model in cases.runs:
            if other is not None and model in other.runs:
                about = {"level": cases.level, "input": cases.input, "model": model}
                about |= {"name_1": names[0], "name_2": names[1]}
                found.append(about | paired((cases, model), (other, model), params))
    if not found:
        raise ValueError(f"expected a level, input and model that both {names[0]} and {names[1]} have, found none")
    return adjusted(pd.DataFrame(found, columns=COMPARISON_COLUMNS))
