"""Could labels without meaning give regional means and age the AUC that the true labels give them?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from qnet.baselines.classifiers import base_log_odds, machine, standard
from qnet.baselines.models import Baselines, regional_means, unharmonised
from qnet.folds import demographics


def permutation_test(
    folds: pd.DataFrame, values: pd.DataFrame, about: pd.DataFrame, params: Baselines,
    by_fold: Mapping[int, pd.DataFrame] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """How often shuffled labels give ROI + age (LR) an AUC as high as the true ones do.

    Labels are shuffled within folds and sites, so that every fold and site keeps its share of each group: where sites
    differ in it, labels are exchangeable only within them, and what the site tells is no evidence of disease. C stays
    at the middle of its list, for true and shuffled labels alike: the choice by inner cross-validation would have to be
    repeated as well.

    Parameters
    ----------
    folds, values, about, params, by_fold
        As in `baselines`. Harmonisation by the controls of a site keeps to the true labels.

    Returns
    -------
    DataFrame
        One row: `model`, `auc`, mean and 95th percentile of the shuffled ones `null_mean`, `null_p95`, `permutations`,
        `p` = (1 + number of shuffled AUCs that reach the true one) / (1 + permutations).
    """
    by_fold, people = by_fold or unharmonised(folds, values), demographics(folds)
    labels, fold = folds["label"].to_numpy(int), folds["fold"].to_numpy(int)
    C = params.inverse_regularisation[len(params.inverse_regularisation) // 2]
    exchangeable = folds.groupby(["fold", "site"] if "site" in folds else ["fold"], dropna=False).indices.values()
    parts = []
    for number, own in by_fold.items():
        features = regional_means(own, about).join(people).loc[folds["participant_id"]].to_numpy(float)
        held_out, steps = fold == number, standard(None, 0)
        parts.append((held_out, steps.fit_transform(features[~held_out]), steps.transform(features[held_out])))

    def auc(labels: np.ndarray) -> float:
        scores = np.zeros(len(labels))
        for held_out, seen, unseen in parts:
            fit = machine("logistic", C).fit(seen, labels[~held_out])
            scores[held_out] = fit.decision_function(unseen) - base_log_odds(labels[~held_out])
        return float(roc_auc_score(labels, scores))

    rng, null = np.random.default_rng(params.seed), []
    for _ in range(params.permutations):
        shuffled = labels.copy()
        for members in exchangeable:
            shuffled[members] = rng.permutation(labels[members])
        null.append(auc(shuffled))
    found = auc(labels)
    row = {"model": f"ROI + age (LR), C = {C:g}", "auc": found, "null_mean": np.mean(null)}
    row |= {"null_p95": np.percentile(null, 95), "permutations": len(null)}
    return pd.DataFrame([row | {"p": (1 + np.sum(np.array(null) >= found)) / (1 + len(null))}])
