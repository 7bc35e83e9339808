"""Net benefit by hand."""

import numpy as np
import pytest

from qnet.evaluation.decision import THRESHOLDS, decision_table, net_benefit
from tests.qnet.made_predictions import scan_cases

LABELS = np.array([1, 1, 0, 0, 0], bool)
SCORES = np.array([0.9, 0.3, 0.6, 0.2, 0.1])


@pytest.mark.parametrize(
    "threshold, benefit",
    [(0.5, 1 / 5 - 1 / 5), (0.25, 2 / 5 - 1 / 5 / 3), (0.95, 0.0), (0.3, 2 / 5 - 1 / 5 * 3 / 7)],
)
def test_net_benefit_by_hand(threshold, benefit):
    assert net_benefit(LABELS, SCORES, np.array([threshold]))[0] == pytest.approx(benefit)


def test_treating_all_breaks_even_at_the_share_of_positives():
    assert net_benefit(LABELS, np.ones(5), np.array([0.4]))[0] == pytest.approx(0)


def test_a_perfect_score_is_worth_the_share_of_positives_at_every_threshold():
    np.testing.assert_allclose(net_benefit(LABELS, LABELS.astype(float), THRESHOLDS), 0.4)


def test_the_table_holds_each_model_and_skips_scores_that_are_no_probabilities():
    table = decision_table([scan_cases(LABELS, Good=SCORES, Margin=SCORES * 5)])
    assert set(table["model"]) == {"Good"} and len(table) == len(THRESHOLDS)
    np.testing.assert_allclose(table["treat_all"], net_benefit(LABELS, np.ones(5), THRESHOLDS))
