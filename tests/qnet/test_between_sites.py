"""Performance over sites: the mean of a published meta-analysis, and what a score that fails at a site is told as."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from qnet.evaluation.between_sites import AUC, COLUMNS, SLOPE, between_sites, pool
from tests.qnet.made_predictions import scan_cases

# Tuberculosis among vaccinated and others in the 13 trials of Colditz 1994: cases and the rest
TRIALS = np.array([
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
]).T  # fmt: skip


def test_the_mean_is_that_of_a_published_meta_analysis():
    """Log risk ratio by REML with Hartung-Knapp intervals, as the handbook of metafor (Viechtbauer 2010) prints it."""
    a, b, c, d = TRIALS.astype(float)
    found = pool(np.log(a / (a + b) / (c / (c + d))), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d), 0.95)
    assert found.value == pytest.approx(-0.7145, abs=1e-4) and found.tau**2 == pytest.approx(0.3132, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((-1.108, -0.321), abs=1e-3)


def test_sites_that_agree_have_no_spread_and_two_tell_nothing_of_a_third():
    found = pool(np.array([1.0, 1.1]), np.array([0.1, 0.1]), 0.95)
    assert found.value == pytest.approx(1.05) and found.tau == 0
    assert np.isnan([found.expected_low, found.expected_high]).all()


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Four sites of 60 subjects, at one of which the score tells nothing, and one of patients alone."""
    generator, site = np.random.default_rng(0), np.repeat(["A", "B", "C", "D", "E"], [60, 60, 60, 60, 4])
    label = np.r_[np.arange(240) % 2, np.ones(4, int)]
    x = generator.normal(size=244) + np.where(site == "D", 0, 2) * (label - 0.5)
    cases = scan_cases(label, Fails=expit(2 * x), Holds=expit(2 * generator.normal(2 * (label - 0.5))))
    people = pd.DataFrame({"age": 50.0, "sex": "F", "site": site}, cases.participants)
    return between_sites([cases], people, 0.95)


def test_a_model_that_fails_at_a_site_may_fail_at_another(table):
    assert list(table.columns) == COLUMNS
    auc = table[table["measure"] == AUC].set_index("model")
    assert auc.loc["Fails", "tau"] > auc.loc["Holds", "tau"]
    assert auc.loc["Fails", "expected_low"] < 0.5 < auc.loc["Holds", "expected_low"] < auc.loc["Holds", "value"] < 1
    slope = table[table["measure"] == SLOPE].set_index("model")
    assert slope.loc["Fails", "tau"] > slope.loc["Holds", "tau"]


def test_a_site_that_cannot_tell_is_named(table):
    assert set(table["sites"]) == {4} and table["note"].str.startswith("not estimable at E:").all()
