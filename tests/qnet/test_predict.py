"""Scores: the vote as one number, probabilities, the tidy table."""

from itertools import product

import numpy as np
import pytest
import torch

from qnet.predict import COLUMNS, positive_probability, tidy, vote_score


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_score_reaches_one_half_exactly_when_the_vote_or_the_tie_rule_says_positive(count):
    for scores in product([0.01, 0.49, 0.51, 0.99], repeat=count):
        votes = sum(p > 0.5 for p in scores)
        positive = votes > count / 2 or (votes == count / 2 and np.mean(scores) >= 0.5)
        if votes == count / 2 and abs(np.mean(scores) - 0.5) < 1e-9:
            continue  # a tie within rounding
        assert (vote_score(scores) >= 0.5) == positive, scores


def test_score_ranks_by_votes_first():
    assert vote_score([0.51, 0.51, 0.01]) > vote_score([0.99, 0.49, 0.49])
    assert vote_score([0.99, 0.49, 0.49]) > vote_score([0.51, 0.49, 0.49])


def test_certain_scores_stay_in_the_unit_range():
    assert vote_score(np.ones(9)) == 1
    assert vote_score(np.zeros(9)) == 0


def test_probability_is_the_softmax():
    logits = torch.randn(4, 7, 2, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(positive_probability(logits), logits.softmax(-1)[..., 1], rtol=1e-5)


def test_confident_scores_stay_distinct():
    scores = positive_probability(torch.tensor([[0.0, 20.0], [0.0, 22.0]]))
    assert scores[0] < scores[1] < 1


def test_table_has_one_row_per_slice_and_one_per_scan(tmp_path):
    constant = {"participant_id": "sub-01", "label": 1, "input": "crop", "seed": 0, "fold": 2}
    table = tidy("ResNet", np.array([4, 6, 8]), np.array([0.2, 0.6, 0.7]), 0.55, **constant)
    assert list(table.columns) == COLUMNS
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    lines = (tmp_path / "p.tsv").read_text().splitlines()
    assert lines[1] == "sub-01\t4\t1\tResNet\timage\t0.2\tcrop\t0\t2"
    assert lines[4] == "sub-01\t\t1\tResNet\tscan\t0.55\tcrop\t0\t2"
