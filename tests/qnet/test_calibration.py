"""Calibration against known distortions of known probabilities."""

import numpy as np
import pytest
from scipy.special import expit, logit

from qnet.evaluation.calibration import calibration_table, recalibration, reliability_table
from tests.qnet.made_predictions import scan_cases


@pytest.fixture(scope="module")
def calibrated() -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities themselves."""
    generator = np.random.default_rng(0)
    P = expit(generator.normal(0, 1.5, 4000))
    return generator.random(4000) < P, P


def test_calibrated_scores_have_slope_one_and_intercept_zero(calibrated):
    found = recalibration(*calibrated, 0.95)
    assert found["slope_low"] < 1 < found["slope_high"] and found["intercept_low"] < 0 < found["intercept_high"]
    assert found["slope"] == pytest.approx(1, abs=0.1)


def test_overconfident_scores_have_a_slope_below_one(calibrated):
    labels, P = calibrated
    assert recalibration(labels, expit(2 * logit(P)), 0.95)["slope"] == pytest.approx(0.5, abs=0.05)


def test_scores_that_are_too_low_have_an_intercept_above_zero(calibrated):
    labels, P = calibrated
    assert recalibration(labels, expit(logit(P) - 1), 0.95)["intercept"] == pytest.approx(1, abs=0.1)


def test_coverage_of_the_slope_interval():
    generator = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        x = generator.normal(0, 1.5, 95)
        found = recalibration(generator.random(95) < expit(x), expit(x), 0.95)
        inside += found["slope_low"] < 1 < found["slope_high"]
    assert 0.90 <= inside / 200 <= 0.99


@pytest.mark.parametrize(
    "scores, note",
    [
        ([0.1, 0.2, 0.8, 0.9], "separates the groups"),
        ([0.9, 0.8, 0.2, 0.1], "separates the groups"),
        ([0.1, 0.5, 0.5, 0.9], "separates the groups"),
        ([0.4, 0.4, 0.4, 0.4], "all scores equal"),
        ([0.0, 1.0, 0.0, 1.0], None),
    ],
)
def test_a_slope_is_given_only_where_it_is_finite(scores, note):
    row = calibration_table([scan_cases([0, 0, 1, 1], Model=scores)], 0.95).iloc[0]
    assert np.isnan(row["slope"]) == (note is not None)
    assert note is None or row["note"].startswith(note)
    assert np.isfinite(row["intercept"])


def test_scores_that_are_no_probabilities_are_named_and_left_out():
    cases = scan_cases([0, 0, 1, 1], Margin=[-3.0, 1.0, 0.5, 4.0])
    row = calibration_table([cases], 0.95).iloc[0]
    assert row["note"] == "scores outside 0 to 1" and np.isnan(row["brier"])
    assert reliability_table([cases], 2, 0.95).empty


def test_votes_are_marked_as_no_probabilities():
    table = calibration_table([scan_cases([0, 1, 0, 1], ResNet=[0.2, 0.4, 0.6, 0.9])], 0.95)
    assert table.loc[0, "note"] == "share of votes, not a probability"


def test_brier_score_beside_that_of_the_share_of_positives():
    row = calibration_table([scan_cases([0, 0, 0, 1], Model=[0.25, 0.5, 0.0, 0.5])], 0.95).iloc[0]
    assert row["brier"] == pytest.approx((0.0625 + 0.25 + 0 + 0.25) / 4)
    assert row["brier_reference"] == pytest.approx(3 / 16)


def test_reliability_counts_every_subject_once_and_keeps_equal_scores_together():
    scores = [0.1, 0.1, 0.1, 0.1, 0.6, 0.7, 0.8]
    table = reliability_table([scan_cases([0, 0, 1, 0, 1, 0, 1], Model=scores)], 3, 0.95)
    assert table["subjects"].sum() == 7
    assert (table["score_high"].to_numpy()[:-1] < table["score_low"].to_numpy()[1:]).all()
    first = table.iloc[0]
    assert (first["subjects"], first["score_mean"], first["observed"]) == (4, pytest.approx(0.1), 0.25)
