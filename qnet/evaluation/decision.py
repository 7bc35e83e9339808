"""Decision curves: is acting on the score worth more than acting on everybody or on nobody?"""

import numpy as np
import pandas as pd

from qnet.evaluation.calibration import are_probabilities, rows_of
from qnet.evaluation.cases import Cases

THRESHOLDS = np.arange(1, 100) / 100
COLUMNS = ["input", "model", "threshold", "net_benefit", "treat_all"]


def net_benefit(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    r"""True positives per subject, less false positives at the price that the threshold implies.

    .. math:: \frac{TP}{n} - \frac{FP}{n} \frac{p}{1 - p}

    Whoever acts from a probability p on takes p / (1 - p) false alarms for as bad as one missed patient
    (Vickers & Elkin 2006, 10.1177/0272989X06295361). Treating nobody is worth 0.

    Parameters
    ----------
    labels : (n,) bool
    scores : (n,) probabilities; a case is treated from the threshold on
    thresholds : (k,) between 0 and 1

    Returns
    -------
    (k,)
    """
    treated = scores >= thresholds[:, None]
    odds = thresholds / (1 - thresholds)
    return (treated & labels).mean(axis=1) - (treated & ~labels).mean(axis=1) * odds


def decision_table(scans: list[Cases]) -> pd.DataFrame:
    """Net benefit of every scan-level row at the thresholds 0.01 … 0.99, at the share of positives of the cohort."""
    tables = []
    for cases, model, scores in rows_of(scans):
        if are_probabilities(scores):
            benefit = net_benefit(cases.labels, scores, THRESHOLDS)
            everyone = net_benefit(cases.labels, np.ones_like(scores), THRESHOLDS)
            about = {"input": cases.input, "model": model, "threshold": THRESHOLDS}
            tables.append(pd.DataFrame(about | {"net_benefit": benefit, "treat_all": everyone}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
