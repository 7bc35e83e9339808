"""Rates of a two-class decision from its four counts."""

import numpy as np

RATES = ("accuracy", "sensitivity", "specificity", "f1")


def outcomes(labels: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """One-hot outcome (4, n) of every case, in the order TP, FN, TN, FP.

    Parameters
    ----------
    labels : (n,) 0 or 1
    positive : (n,) bool, the decision
    """
    truth, positive = np.asarray(labels, bool), np.asarray(positive, bool)
    return np.stack([truth & positive, truth & ~positive, ~truth & ~positive, ~truth & positive])


def rates(tp: np.ndarray, fn: np.ndarray, tn: np.ndarray, fp: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, sensitivity, specificity and F1 as fractions; counts may be arrays (of resamples).

    Notes
    -----
    F1 is the mean of both classes' F1 weighted by their sizes, which is what reproduces the F1-score column
    of the paper (TP 42, FN 7, TN 37, FP 9: 83.14 %; the F1 of the positive class would be 84.00 %).
    """
    tp, fn, tn, fp = (np.asarray(count, np.float64) for count in (tp, fn, tn, fp))
    positives, negatives = tp + fn, tn + fp
    total = positives + negatives
    with np.errstate(invalid="ignore"):
        f1_positive = 2 * tp / (2 * tp + fp + fn)
        f1_negative = 2 * tn / (2 * tn + fp + fn)
        return {
            "accuracy": (tp + tn) / total,
            "sensitivity": tp / positives,
            "specificity": tn / negatives,
            "f1": (positives * f1_positive + negatives * f1_negative) / total,
        }


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every distinct score, from (0, 0) to (1, 1).

    Parameters
    ----------
    labels : (n,) 0 or 1
    scores : (n,)
    """
    labels = np.asarray(labels, bool)
    thresholds = np.unique(scores)[::-1]
    above = [np.searchsorted(np.sort(scores[of]), thresholds, "left") for of in (~labels, labels)]
    fpr, tpr = (1 - count / of.sum() for count, of in zip(above, (~labels, labels), strict=True))
    return np.r_[0.0, fpr], np.r_[0.0, tpr]
