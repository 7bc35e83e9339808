r"""What each map contributes to the AUC: Shapley values over the seven runs that were trained on subsets of the maps.

With v(S) the AUC of the run that was retrained on the maps S, and 1/2, chance, for none,

.. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|!\,(2 - |S|)!}{3!}\,(v(S \cup \{i\}) - v(S))

is the mean gain of map i over the six orders in which maps can be added (Shapley 1953, doi:10.1515/9781400881970-018).
The three values add up to v(all) less 1/2. They are sums of correlated AUCs with known weights, so that their intervals
follow from the covariance of these, without a bootstrap.
"""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from scipy.stats import norm

from qnet.evaluation.ablation import Key, compared_rows
from qnet.evaluation.contrasts import Row
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.statistics import auc_covariance
from qnet.predictions import by_variant

MAPS = {"qsm": "QSM", "r2star": "R2*", "t1w": "T1w"}  # as variants of the shipped configuration name them
SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(MAPS, size)]  # the last is the main run
CHANCE = 0.5
COLUMNS = ["input", "level", "model", "map", "subjects", "cases", "alone", "added_last", "shapley", "shapley_low"]
COLUMNS += ["shapley_high"]


def weights_of(player: str) -> np.ndarray:
    """(7,) weights of the AUCs of SUBSETS in the Shapley value of a map; that of chance is left out."""
    weights = []
    for subset in SUBSETS:
        others = len(subset) - (player in subset)  # of the coalition that the map joins, or has not joined
        share = factorial(others) * factorial(len(MAPS) - 1 - others) / factorial(len(MAPS)) if others < 3 else 0.0
        weights.append(share if player in subset else -share)
    return np.array(weights)


def shapley_rows(key: Key, runs: list[Row], params: Evaluate) -> list[dict[str, object]]:
    """One row a map; `runs` are in the order of SUBSETS.

    Raises
    ------
    ValueError
        The runs share no case.
    """
    level, input_, model = key
    names = [cases.names for cases, _ in runs]
    shared = sorted(set(names[0]).intersection(*names[1:]))
    if not shared:
        raise ValueError(f"{level} level: expected cases in common to all subsets of the maps, found none")
    places = [pd.Index(own).get_indexer(shared) for own in names]
    first = runs[0][0]
    labels, subjects = first.labels[places[0]], first.subjects[places[0]]
    scores = np.stack([cases.score(name)[at] for (cases, name), at in zip(runs, places, strict=True)])
    auc, covariance = auc_covariance(labels, scores, subjects)
    found = []
    for player, map_ in MAPS.items():
        weights = weights_of(player)
        value = float(weights @ auc) - CHANCE / len(MAPS)
        half = float(norm.ppf((1 + params.confidence) / 2) * np.sqrt(max(weights @ covariance @ weights, 0.0)))
        without = SUBSETS.index(tuple(other for other in MAPS if other != player))
        row: dict[str, object] = {"input": input_, "level": level, "model": model, "map": map_}
        row |= {"subjects": np.unique(subjects).size, "cases": len(shared)}
        row |= {"alone": auc[SUBSETS.index((player,))] - CHANCE, "added_last": auc[-1] - auc[without]}
        found.append(row | {"shapley": value, "shapley_low": value - half, "shapley_high": value + half})
    return found


def shapley_table(main: pd.DataFrame, variants: pd.DataFrame | None, params: Evaluate) -> pd.DataFrame:
    """Shapley values of the maps for every row of the ablation that all seven runs have.

    Parameters
    ----------
    main : predictions of the run with all maps
    variants : predictions with a column `variant`, of which those named by subsets of MAPS count

    Returns
    -------
    DataFrame
        COLUMNS, differences of AUCs: `alone` less chance, `added_last` to the two others; no rows where a subset was
        not trained.
    """
    named = {} if variants is None else by_variant(variants)
    trained = ["_".join(subset) for subset in SUBSETS[:-1]]
    if not set(trained) <= set(named):
        return pd.DataFrame(columns=COLUMNS)
    runs = [*(compared_rows(named[name]) for name in trained), compared_rows(main)]
    keys = [key for key in runs[-1] if all(key in run for run in runs)]
    rows = [row for key in keys for row in shapley_rows(key, [run[key] for run in runs], params)]
    return pd.DataFrame(rows, columns=COLUMNS)
