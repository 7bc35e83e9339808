"""Small classifiers on tables of features: whatever is fitted is fitted on the training subjects.

Steps, in order: missing values become the median, features get mean 0 and variance 1, optionally the principal
components or the features with the highest F-score are kept, then logistic regression or a support vector machine.
How many features are kept and how strongly the machine is regularised is chosen by an inner cross-validation, which
repeats every step.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

Splits = list[tuple[np.ndarray, np.ndarray]]
AS_IT_IS = (1.0, 0.0)  # slope and offset: decision values of logistic regression are log odds


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A classifier and what its inner cross-validation chooses from.

    Attributes
    ----------
    machine : {'logistic', 'svm'}
        Logistic regression with an L2 penalty, or a support vector machine with the kernel exp(-|x - y|² / p) of p
        standardised features.
    inverse_regularisation : sequence of float
        C.
    counts : sequence of int
        Numbers of features to keep in each group; empty keeps all.
    components : int or None
        Principal components in place of the features.
    inner_folds : int
    seed : int
        Of the deal of subjects to inner folds.
    """

    machine: str
    inverse_regularisation: tuple[float, ...]
    counts: tuple[int, ...]
    components: int | None
    inner_folds: int
    seed: int


def f_score(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    r"""How far apart two classes lie in each feature, as Lee 2020 ranks them (doi:10.3390/app10238732).

    .. math:: F = \frac{(m_+ - m)^2 + (m_- - m)^2}{s_+^2 + s_-^2}

    with the means of the classes and of all subjects and the variances of the classes (n - 1 in the denominator).

    Parameters
    ----------
    features : (n, p) float array
    labels : (n,) 0 or 1

    Returns
    -------
    (p,) float array, zero for a constant feature and where a class has one subject
    """
    if np.bincount(labels, minlength=2).min() < 2:
        return np.zeros(features.shape[1])
    classes = [features[labels == label] for label in (0, 1)]
    between = sum((of.mean(0) - features.mean(0)) ** 2 for of in classes)
    within = sum(of.var(0, ddof=1) for of in classes)
    return np.divide(between, within, out=np.zeros_like(between), where=within > 0)


def strongest(features: np.ndarray, labels: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Columns (k,) of the `count` highest F-scores in each group of columns, `groups` (p,)."""
    score = f_score(features, labels)
    ranked = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    return np.concatenate([own[np.argsort(-score[own], kind="stable")[:count]] for own in ranked])


def standard(components: int | None, subjects: int) -> Pipeline:
    """Steps before selection, for that many training subjects."""
    steps = [SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()]
    if components is not None:
        steps += [PCA(min(components, subjects - 1), svd_solver="full"), StandardScaler()]
    return make_pipeline(*steps)


def machine(name: str, inverse_regularisation: float) -> LogisticRegression | SVC:
    """Unfitted machine; `decision_function` of both is positive on the side of the positive class."""
    if name == "logistic":
        return LogisticRegression(C=inverse_regularisation, max_iter=1000)
    return SVC(C=inverse_regularisation, kernel="rbf", gamma="scale")


def platt(decisions: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the log odds, slope d + offset, from decision values d on held-out subjects.

    Targets are Platt's (1999), a little inside 0 and 1, so that separable values keep the slope finite. A slope below
    zero, found where the decisions tell nothing, becomes zero: no score is turned round.
    """
    positives, negatives = labels.sum(), len(labels) - labels.sum()
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    scale = decisions.std() or 1.0
    twice = np.r_[decisions, decisions][:, None] / scale
    weights = np.r_[target, 1 - target]
    fit = LogisticRegression(C=np.inf).fit(twice, np.repeat([1, 0], len(labels)), sample_weight=weights)
    slope = float(fit.coef_[0, 0]) / scale
    return (slope, float(fit.intercept_[0])) if slope > 0 else (0.0, base_log_odds(labels))


def base_log_odds(labels: np.ndarray) -> float:
    """Log odds of the positive class before anything is measured."""
    return float(np.log(labels.sum() / (len(labels) - labels.sum())))


def inner_splits(labels: np.ndarray, families: np.ndarray | None, recipe: Recipe) -> Splits:
    """Training and held-out subjects of each inner fold, families whole; none where folds would lack a class.

    Parameters
    ----------
    labels : (n,) 0 or 1
    families : (n,) numbers; None where everybody is alone
    recipe : Recipe
    """
    units = np.arange(len(labels)) if families is None else families
    folds = min(recipe.inner_folds, *(len(np.unique(units[labels == label])) for label in (0, 1)))
    if folds < 2:
        return []
    kind = StratifiedKFold if families is None else StratifiedGroupKFold
    splits = list(kind(folds, shuffle=True, random_state=recipe.seed).split(labels, labels, families))
    return splits if all(len(test) and 0 < labels[train].mean() < 1 for train, test in splits) else []


def inner_decisions(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, recipe: Recipe, splits: Splits
) -> dict[tuple[int | None, float], np.ndarray]:
    """Setting (count, C) → decision values (n,) of the training subjects, each from the inner folds without it."""
    settings = list(product(recipe.counts or (None,), recipe.inverse_regularisation))
    decisions = {setting: np.zeros(len(labels)) for setting in settings}
    for train, test in splits:
        steps = standard(recipe.components, len(train))
        seen, unseen = steps.fit_transform(features[train]), steps.transform(features[test])
        for count in recipe.counts or (None,):
            keep = slice(None) if count is None else strongest(seen, labels[train], groups, count)
            for C in recipe.inverse_regularisation:
                fit = machine(recipe.machine, C).fit(seen[:, keep], labels[train])
                decisions[count, C][test] = fit.decision_function(unseen[:, keep])
    return decisions


def choose(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    recipe: Recipe,
    families: np.ndarray | None = None,
) -> tuple[tuple[int | None, float], tuple[float, float]]:
    """Setting (count, C) of the lowest cross-validated log loss, and slope and offset from decisions to log odds.

    Without two subjects (two families) of each class there is nothing to choose by: the middle of the lists is taken.
    """
    splits = inner_splits(labels, families, recipe)
    if not splits:
        counts, strengths = recipe.counts or (None,), recipe.inverse_regularisation
        return (counts[len(counts) // 2], strengths[len(strengths) // 2]), AS_IT_IS
    tried = []
    for setting, decisions in inner_decisions(features, labels, groups, recipe, splits).items():
        slope, offset = platt(decisions, labels) if recipe.machine == "svm" else AS_IT_IS
        tried.append((log_loss(labels, expit(slope * decisions + offset)), setting, (slope, offset)))
    _, setting, mapping = min(tried, key=lambda found: found[0])
    return setting, mapping


def predict(
    train: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    groups: np.ndarray,
    recipe: Recipe,
    families: np.ndarray | None = None,
) -> np.ndarray:
    """Choose and fit on the training subjects, then P(positive) of the others, were both groups of equal size.

    The log odds of the training subjects are taken off. A fold that holds more positives leaves fewer to train on, so
    scores pooled over folds would rank the wrong way where features tell little (Airola 2010).

    Parameters
    ----------
    train, test : (n, p), (m, p) float arrays
        Features, NaN where missing.
    labels : (n,) 0 or 1
    groups : (p,) array
        Group of each feature; `Recipe.counts` are kept of each.
    recipe : Recipe
    families : (n,) numbers, optional
        Of the training subjects; a family shares an inner fold.

    Returns
    -------
    (m,) float array
    """
    (count, C), (slope, offset) = choose(train, labels, groups, recipe, families)
    steps = standard(recipe.components, len(train))
    seen, unseen = steps.fit_transform(train), steps.transform(test)
    keep = slice(None) if count is None else strongest(seen, labels, groups, count)
    fit = machine(recipe.machine, C).fit(seen[:, keep], labels)
    return expit(slope * fit.decision_function(unseen[:, keep]) + offset - base_log_odds(labels))
