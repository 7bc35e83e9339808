"""Scores: the vote as one number, probabilities, weights of slices, the tidy tables."""

from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
import torch

from qnet.images.augment import centre_crop
from qnet.images.normalise import normalise
from qnet.networks.heads.models import new_model
from qnet.networks.predict import (
    image_model_rows,
    positive_probability,
    prepare,
    scan_scores,
    slice_table,
    tidy,
    vote_score,
    weigh_slices,
)
from qnet.predictions import COLUMNS
from tests.qnet.settings import OFF, PAPER, WINDOW

CONSTANT = {"participant_id": "sub-01", "label": 1, "input": "crop", "seed": 0, "fold": 2}


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
    table = tidy("ResNet", np.array([4, 6, 8]), np.array([0.2, 0.6, 0.7]), 0.55, **CONSTANT)
    assert list(table.columns) == COLUMNS
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    lines = (tmp_path / "p.tsv").read_text().splitlines()
    assert lines[1] == "sub-01\t4\t1\tResNet\timage\t0.2\tcrop\t0\t2"
    assert lines[4] == "sub-01\t\t1\tResNet\tscan\t0.55\tcrop\t0\t2"


def test_image_model_has_its_vote_and_beside_it_its_mean_probability(tmp_path):
    scores = np.array([0.2, 0.6, 0.9, 0.1])  # a tie, which the mean probability of 0.45 decides
    table = image_model_rows("ResNet", np.array([1, 3, 5, 7]), scores, **CONSTANT)
    assert list(table.columns) == COLUMNS
    assert table["model"].tolist() == ["ResNet"] * 5 + ["ResNet mean P"]
    assert table["level"].tolist() == ["image"] * 4 + ["scan"] * 2
    vote, mean = table.loc[table["level"] == "scan", "score"]
    assert vote == vote_score(scores) < 0.5
    assert mean == pytest.approx(0.45)
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    assert (tmp_path / "p.tsv").read_text().splitlines()[-1].startswith("sub-01\t\t1\tResNet mean P\tscan\t0.45")


def test_images_are_prepared_as_their_model_says():
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    about = {"normalise": asdict(WINDOW), "augmentation": asdict(PAPER), "epochs": 3}
    expected = centre_crop(normalise(images, WINDOW), PAPER)
    assert expected.shape == (2, 3, 28, 28)
    np.testing.assert_array_equal(prepare(images, about), expected)


def test_weights_of_slices_stand_beside_them():
    torch.manual_seed(0)
    model, scan = new_model("attention", 4, 3).eval(), np.random.default_rng(0).random((5, 512), dtype=np.float32)
    images, score = scan_scores(model, scan, 50.0)
    assert images.shape == (5,)
    assert 0 < score < 1
    table = slice_table("sub-01", np.arange(3, 8), weigh_slices(model, scan))
    assert table.columns.tolist() == ["participant_id", "slice", "weight"]
    assert table["slice"].tolist() == [3, 4, 5, 6, 7]
    assert table["weight"].sum() == pytest.approx(1, rel=1e-6)


def test_harmonised_windows_are_those_of_the_participant_and_nobody_else_has_one():
    images = np.random.default_rng(2).uniform(0.01, 0.2, (2, 3, 16, 16)).astype(np.float32)
    about = {"normalise": asdict(WINDOW), "augmentation": asdict(OFF)}
    sited = about | {"windows": {"sub-01": [0.01, 0.5, 0.0, 1.0]}}
    brighter = images.copy()
    brighter[:, 0] = (images[:, 0] - 0.01) / 0.5
    np.testing.assert_allclose(prepare(images, sited, "sub-01"), prepare(brighter, about), atol=1e-6)
    for stranger in ("sub-02", None):
        with pytest.raises(ValueError, match="harmonised windows: expected one of sub-01, found"):
            prepare(images, sited, stranger)
    by_site = sited | {"site_windows": {"north": [0.01, 0.5, 0.0, 1.0]}}
    np.testing.assert_array_equal(prepare(images, by_site, site="north"), prepare(images, sited, "sub-01"))
    with pytest.raises(ValueError, match="expected one of north, found south"):
        prepare(images, by_site, site="south")
