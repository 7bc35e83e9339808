"""Inference on areas under ROC curves and on counts, for cases in clusters (the slices of a subject)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom, norm, rankdata, t

DEGENERATE_SE = 1e-12  # a standard error below this is rounding, not variance
POWER, ALPHA = 0.8, 0.05  # of a study that a sample size is for: power, and level of its two-sided test
STARS = ((1e-4, "****"), (1e-3, "***"), (1e-2, "**"), (5e-2, "*"), (1.0, "ns"))  # the paper's Table 2


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two correlated AUCs and the test of their equality."""

    auc_1: float
    auc_2: float
    se: float  # of auc_1 - auc_2
    z: float
    p: float  # two-sided


def placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Placement values of every case among the cases of the other class.

    Parameters
    ----------
    labels : (n,) 0 or 1
    scores : (k, n), one row per model; ties count one half

    Returns
    -------
    V10 : (k, m) share of negatives below each positive
    V01 : (k, n - m) share of positives above each negative

    Notes
    -----
    Mid-rank form of Sun & Xu 2014, 10.1109/LSP.2014.2337313.
    """
    positive = np.asarray(labels, bool)
    X, Y = scores[:, positive], scores[:, ~positive]
    m, n = X.shape[1], Y.shape[1]
    if m == 0 or n == 0:
        raise ValueError(f"labels: expected cases of both classes, found {m} positive and {n} negative")
    TZ = rankdata(np.concatenate([X, Y], axis=1), axis=1)
    V10 = (TZ[:, :m] - rankdata(X, axis=1)) / n
    V01 = 1 - (TZ[:, m:] - rankdata(Y, axis=1)) / m
    return V10, V01


def auc_covariance(
    labels: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """AUC of each model and the covariance of these AUCs, free of any distribution.

    Parameters
    ----------
    labels : (n,) 0 or 1
    scores : (k, n)
    clusters : (n,) identifier of the subject of each case; None takes the cases as independent

    Returns
    -------
    auc : (k,)
    covariance : (k, k), NaN where a class has a single cluster

    Raises
    ------
    ValueError
        A class is empty, or a cluster holds both labels.

    Notes
    -----
    Without clusters: DeLong, DeLong & Clarke-Pearson 1988, 10.2307/2531595. With clusters: Obuchowski 1997,
    10.2307/2533958, whose cross term S11 vanishes because a subject has one label.
    """
    labels, scores = np.asarray(labels, bool), np.atleast_2d(np.asarray(scores, np.float64))
    clusters = np.arange(labels.size) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    if np.intersect1d(clusters[labels], clusters[~labels]).size:
        raise ValueError("clusters: expected one label per cluster, found both in one")
    V10, V01 = placements(labels, scores)
    auc = V10.mean(axis=1)
    covariance = _mean_covariance(V10 - auc[:, None], clusters[labels])
    return auc, covariance + _mean_covariance(V01 - auc[:, None], clusters[~labels])


def _mean_covariance(deviations: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Covariance (k, k) of the row means of deviations (k, n), columns correlated within clusters."""
    index = np.unique(clusters, return_inverse=True)[1]
    count = index.max() + 1
    if count < 2:
        return np.full((len(deviations), len(deviations)), np.nan)
    D = np.stack([np.bincount(index, row) for row in deviations])  # (k, clusters) cluster sums
    return count / (count - 1) * (D @ D.T) / index.size**2


def delong(
    labels: np.ndarray, scores_1: np.ndarray, scores_2: np.ndarray, clusters: np.ndarray | None = None
) -> Comparison:
    """Test the equality of two AUCs measured on the same cases.

    Parameters as in `auc_covariance`. Scores that rank the cases alike give z = 0 and p = 1; where the AUCs
    differ but the estimated variance is zero (or unknown), z and p are NaN: the test says nothing.
    """
    (auc_1, auc_2), S = auc_covariance(labels, np.stack([scores_1, scores_2]), clusters)
    difference = auc_1 - auc_2
    se = float(np.sqrt(max(S[0, 0] + S[1, 1] - 2 * S[0, 1], 0.0))) if np.isfinite(S).all() else np.nan
    if abs(difference) < DEGENERATE_SE and not se > DEGENERATE_SE:
        z = 0.0
    else:
        z = difference / se if se > DEGENERATE_SE else np.nan
    return Comparison(auc_1=float(auc_1), auc_2=float(auc_2), se=se, z=float(z), p=float(2 * norm.sf(abs(z))))


def auc_interval(
    labels: np.ndarray, scores: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float, float]:
    """AUC of scores (n,) with its normal interval, cut at 0 and 1; NaN limits where the variance is unknown or zero."""
    (auc,), ((variance,),) = auc_covariance(labels, scores, clusters)
    half = ndtri((1 + confidence) / 2) * np.sqrt(variance) if variance > 0 else np.nan
    return float(auc), float(np.maximum(auc - half, 0)), float(np.minimum(auc + half, 1))


def difference_of_independent(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float, float]:
    r"""Difference of two estimates (value, low, high) of different subjects, with limits that follow from theirs.

    .. math:: d - \sqrt{(A_1 - l_1)^2 + (u_2 - A_2)^2},\quad d + \sqrt{(u_1 - A_1)^2 + (A_2 - l_2)^2}

    (method of variance estimates recovery, Zou & Donner 2008, 10.1002/sim.3095).
    """
    (a, low, high), (b, low_b, high_b) = first, second
    return a - b, float(a - b - np.hypot(a - low, high_b - b)), float(a - b + np.hypot(high - a, b - low_b))


def stars(p: float) -> str:
    """Significance level as the paper marks it; n/a for an undefined p."""
    return next((mark for limit, mark in STARS if p <= limit), "n/a")


def holm(p: np.ndarray) -> np.ndarray:
    """Step-down adjusted p-values (Holm 1979), same order; NaN stays NaN and does not count."""
    p = np.asarray(p, np.float64)
    adjusted = np.full_like(p, np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    steps = p[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def wilson(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, 10.2307/2276774); NaN for n = 0."""
    if n == 0:
        return np.nan, np.nan
    z = ndtri((1 + confidence) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def mcnemar_exact(only_1: int, only_2: int) -> float:
    """Two-sided exact p for two classifiers of the same cases.

    Parameters
    ----------
    only_1, only_2 : numbers of cases that only the first, only the second classifier has right
    """
    n = only_1 + only_2
    return float(min(1.0, 2 * binom.cdf(min(only_1, only_2), n, 0.5))) if n else 1.0


def corrected_t(differences: np.ndarray, test_to_train: float) -> tuple[float, float]:
    r"""Corrected resampled t-test: would one procedure beat the other if trained and tested on other samples?

    .. math:: t = \frac{\bar d}{\sqrt{(1/J + n_\text{test} / n_\text{train})\, s^2}}

    with J - 1 degrees of freedom. Training sets of a cross-validation share most of their subjects, so that its J
    differences depend on each other; the second term stands for that (Nadeau & Bengio 2003, 10.1023/A:1024068626366).

    Parameters
    ----------
    differences : (J,) of a measure of two procedures, one for each split into training and test subjects; repetitions
        on the same split are averaged first, since they would shrink p without a new subject
        (10.1038/s41598-025-12026-2)
    test_to_train : number of test subjects over that of training subjects

    Returns
    -------
    t, p : two-sided; 0 and 1 where all differences are zero, NaN for fewer than two or where they do not vary
    """
    J, mean = len(differences), differences.mean() if len(differences) else np.nan
    if J > 1 and not differences.any():
        return 0.0, 1.0
    sd = differences.std(ddof=1) if J > 1 else np.nan
    value = mean / (sd * np.sqrt(1 / J + test_to_train)) if sd > DEGENERATE_SE else np.nan
    return float(value), float(2 * t.sf(abs(value), J - 1))


def resample_subjects(labels: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Bootstrap multiplicities (draws, subjects): subjects drawn with replacement within each class.

    Parameters
    ----------
    labels : (subjects,) 0 or 1
    """
    generator = np.random.default_rng(seed)
    weights = np.zeros((draws, len(labels)))
    for label in (0, 1):
        members = np.flatnonzero(np.asarray(labels) == label)
        weights[:, members] = generator.multinomial(members.size, np.full(members.size, 1 / members.size), draws)
    return weights


def pair_wins(labels: np.ndarray, scores: np.ndarray, subjects: np.ndarray, count: int) -> np.ndarray:
    """Matrix K (count, count): pairs of cases that positive subject i wins against negative subject j.

    Parameters
    ----------
    labels : (n,) 0 or 1
    scores : (n,); a tie counts one half
    subjects : (n,) integers below `count`
    """
    positive = np.asarray(labels, bool)
    K = np.zeros((count, count))
    for j in np.unique(subjects[~positive]):
        against = np.sort(scores[~positive & (subjects == j)])
        below = np.searchsorted(against, scores[positive], "left")
        not_above = np.searchsorted(against, scores[positive], "right")
        K[:, j] = np.bincount(subjects[positive], (below + not_above) / 2, count)
    return K


def weighted_auc(K: np.ndarray, weights: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """AUC of every resample of whole subjects, exact with ties: the bilinear form w' K w / ((w'm) (w'n)).

    Parameters
    ----------
    K : (subjects, subjects) of `pair_wins`
    weights : (draws, subjects)
    positives, negatives : (subjects,) numbers m and n of cases of each class per subject
    """
    return ((weights @ K) * weights).sum(axis=1) / ((weights @ positives) * (weights @ negatives))
