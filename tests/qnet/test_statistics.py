"""Statistics against exact values, brute force and simulation."""

import numpy as np
import pytest

from qnet.evaluation.metrics import outcomes, rates, roc_curve
from qnet.evaluation.statistics import (
    auc_covariance,
    auc_interval,
    delong,
    holm,
    mcnemar_exact,
    pair_wins,
    placements,
    resample_subjects,
    stars,
    weighted_auc,
    wilson,
)

# exact example with ties: cases first, then controls
TOY_LABELS = np.array([1] * 4 + [0] * 5)
TOY_1 = np.array([9, 8, 7, 4, 6, 5, 4, 2, 1], float)
TOY_2 = np.array([7, 9, 3, 6, 8, 5, 3, 1, 2], float)


def cohort(seed: int, slices: int, icc: float, positives: int = 49, negatives: int = 46):
    """Two equally good models with correlated slices: labels, scores (2, n), subjects."""
    generator = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(positives + negatives), slices)
    labels = subjects < positives
    between = generator.normal(size=(2, positives + negatives))[:, subjects] * np.sqrt(icc)
    within = generator.normal(size=(2, subjects.size)) * np.sqrt(1 - icc)
    return labels, labels + between + within, subjects


def test_delong_toy_is_exact():
    auc, S = auc_covariance(TOY_LABELS, np.stack([TOY_1, TOY_2]))
    np.testing.assert_allclose(auc, [7 / 8, 31 / 40], rtol=1e-12)
    np.testing.assert_allclose(S, [[3 / 160, 1 / 192], [1 / 192, 3 / 100]], rtol=1e-12)
    test = delong(TOY_LABELS, TOY_1, TOY_2)
    np.testing.assert_allclose(test.se**2, 23 / 600, rtol=1e-12)
    np.testing.assert_allclose([test.z, test.p], [0.5107539184552, 0.6095233803508], rtol=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_placements_equal_brute_force_with_ties(seed):
    generator = np.random.default_rng(seed)
    labels = generator.random(40) < 0.4
    scores = generator.integers(0, 5, (3, 40)).astype(float)
    X, Y = scores[:, labels, None], scores[:, None, ~labels]
    psi = (X > Y) + 0.5 * (X == Y)
    V10, V01 = placements(labels, scores)
    np.testing.assert_allclose(V10, psi.mean(axis=2), atol=1e-12)
    np.testing.assert_allclose(V01, psi.mean(axis=1), atol=1e-12)


def test_identical_ranks_give_no_difference():
    test = delong(TOY_LABELS, TOY_1, np.exp(TOY_1))
    assert (test.z, test.p) == (0.0, 1.0)


def test_auc_interval_is_that_of_the_normal_distribution():
    auc, low, high = auc_interval(TOY_LABELS, TOY_2, 0.95)
    half = 1.959964 * np.sqrt(3 / 100)
    np.testing.assert_allclose([auc, low, high], [31 / 40, 31 / 40 - half, 1], rtol=1e-6)


def test_clusters_widen_the_interval_of_alike_cases():
    labels, scores, subjects = cohort(0, 8, 0.9)
    _, low, high = auc_interval(labels, scores[0], 0.95)
    _, clustered_low, clustered_high = auc_interval(labels, scores[0], 0.95, subjects)
    assert clustered_high - clustered_low > 2 * (high - low)


def test_unknown_variance_gives_no_verdict():
    test = delong(np.array([1, 1, 0, 0]), np.array([3.0, 4, 1, 2]), np.array([1.0, 2, 3, 4]))  # AUC 1 against 0
    assert np.isnan(test.p) and stars(test.p) == "n/a"


def test_swapping_the_models_turns_the_sign():
    forward, backward = delong(TOY_LABELS, TOY_1, TOY_2), delong(TOY_LABELS, TOY_2, TOY_1)
    assert forward.z == -backward.z and forward.p == backward.p


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="both classes"):
        delong(np.ones(4), np.arange(4.0), np.arange(4.0))


def test_singleton_clusters_are_plain_delong():
    labels, scores, _ = cohort(0, 3, 0.5)
    plain = auc_covariance(labels, scores)[1]
    clustered = auc_covariance(labels, scores, np.arange(labels.size)[::-1])[1]
    np.testing.assert_allclose(clustered, plain, rtol=1e-12)


def test_repeating_every_row_changes_only_the_plain_variance():
    labels, scores, subjects = cohort(1, 1, 0.5)
    once = auc_covariance(labels, scores, subjects)[1]
    repeated = (np.repeat(labels, 7), np.repeat(scores, 7, axis=1))
    np.testing.assert_allclose(auc_covariance(*repeated, np.repeat(subjects, 7))[1], once, rtol=1e-10)
    ratio = auc_covariance(*repeated)[1] / once
    np.testing.assert_allclose(ratio, 1 / 7, rtol=0.03)  # up to the n - 1 of the plain estimate


def test_a_subject_with_both_labels_is_refused():
    with pytest.raises(ValueError, match="one label per cluster"):
        auc_covariance(TOY_LABELS, TOY_1, np.zeros(9))


def test_clustering_keeps_the_type_one_error():
    """Both models are equally good: a 5 % test may find a difference in about 5 % of cohorts."""
    found = {"none": 0, "subject": 0}
    for seed in range(300):
        labels, scores, subjects = cohort(seed, 8, 0.6)
        found["none"] += delong(labels, *scores).p < 0.05
        found["subject"] += delong(labels, *scores, subjects).p < 0.05
    assert 0.02 < found["subject"] / 300 < 0.09
    assert found["none"] / 300 > 0.25


def test_wilson_interval():
    np.testing.assert_allclose(wilson(79, 95, 0.95), (0.744, 0.894), atol=5e-4)
    assert wilson(0, 10, 0.95)[0] == 0.0
    assert wilson(10, 10, 0.95)[1] == pytest.approx(1.0)


@pytest.mark.parametrize("only_1, only_2, p", [(6, 0, 0.03125), (7, 1, 0.0703125), (2, 0, 0.5), (0, 0, 1), (3, 3, 1)])
def test_mcnemar_exact(only_1, only_2, p):
    assert mcnemar_exact(only_1, only_2) == pytest.approx(p)


def test_holm_steps_down_and_skips_undefined():
    adjusted = holm(np.array([0.01, 0.04, np.nan, 0.03]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06])


@pytest.mark.parametrize(
    "p, mark",
    [(1, "ns"), (0.0501, "ns"), (0.05, "*"), (0.01, "**"), (0.001, "***"), (1e-4, "****"), (0, "****")],
)
def test_stars_are_those_of_the_paper(p, mark):
    assert stars(p) == mark


@pytest.mark.parametrize(
    "counts, row",
    [
        ((42, 7, 37, 9), (83.16, 85.71, 80.43, 83.14)),  # Q-Net, cropped
        ((40, 9, 36, 10), (80.00, 81.63, 78.26, 79.99)),  # Q-Net, full
        ((38, 11, 34, 12), (75.79, 77.55, 73.91, 75.78)),  # ResNet, full
    ],
)
def test_rates_reproduce_rows_of_the_paper(counts, row):
    np.testing.assert_allclose([100 * rate for rate in rates(*counts).values()], row, atol=0.005)


def test_every_case_has_one_outcome():
    kinds = outcomes(np.array([1, 1, 0, 0]), np.array([True, False, False, True]))
    np.testing.assert_array_equal(kinds, np.eye(4))


def test_area_under_roc_curve_is_the_auc():
    fpr, tpr = roc_curve(TOY_LABELS, TOY_1)
    assert np.trapezoid(tpr, fpr) == pytest.approx(7 / 8)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_bootstrap_auc_equals_recomputation_from_repeated_rows():
    generator = np.random.default_rng(3)
    subjects = np.repeat(np.arange(12), generator.integers(1, 6, 12))
    subject_labels = np.arange(12) < 5
    labels = subject_labels[subjects]
    scores = generator.integers(0, 6, subjects.size).astype(float)  # many ties
    weights = resample_subjects(subject_labels, 20, 0)
    K = pair_wins(labels, scores, subjects, 12)
    fast = weighted_auc(K, weights, np.bincount(subjects, labels), np.bincount(subjects, ~labels))
    for weight, auc in zip(weights, fast, strict=True):
        rows = np.repeat(np.arange(subjects.size), weight[subjects].astype(int))
        assert auc == pytest.approx(auc_covariance(labels[rows], scores[rows])[0][0], abs=1e-12)


def test_bootstrap_keeps_class_sizes_and_seed():
    labels = np.arange(9) < 4
    weights = resample_subjects(labels, 50, 1)
    assert (weights[:, :4].sum(axis=1) == 4).all() and (weights[:, 4:].sum(axis=1) == 5).all()
    np.testing.assert_array_equal(weights, resample_subjects(labels, 50, 1))


def test_bootstrap_and_clustered_delong_agree_on_the_standard_error():
    labels, scores, subjects = cohort(5, 6, 0.6)
    subject_labels = np.arange(95) < 49
    K = pair_wins(labels, scores[0], subjects, 95)
    sizes = np.bincount(subjects, labels), np.bincount(subjects, ~labels)
    draws = weighted_auc(K, resample_subjects(subject_labels, 2000, 0), *sizes)
    expected = np.sqrt(auc_covariance(labels, scores[0], subjects)[1][0, 0])
    assert draws.std() == pytest.approx(expected, rel=0.1)
