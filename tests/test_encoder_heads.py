"""Heads that the shipped encoder learns from: true values that the maps hold, drawn relations, files that are kept."""

import numpy as np
import pytest

from benchmarks import encoder_heads
from benchmarks.encoder_heads import build, coordinates, main, relation
from recon.regions.nuclei import nucleus_labels, nucleus_names

EDGE_MM = 3.0


@pytest.fixture(scope="module")
def built():
    """A coarse head and its true values."""
    rng = np.random.default_rng(4)
    return build(coordinates(np.full(3, EDGE_MM), rng), EDGE_MM, rng)


def test_nuclei_have_the_values_that_the_truth_tells(built):
    """By the median over labels, which partial volumes and texture blur: in order and near."""
    head, truth = built
    names = {name: [label for label, (own, _) in nucleus_labels().items() if own == name] for name in nucleus_names()}
    for volume, unit, factor in ((head.chi, "chi_ppb", 1000), (head.r2star, "r2star_hz", 1)):
        true = np.array([truth[f"{name}_{unit}"] for name in names])
        found = [factor * np.median(volume[np.isin(head.labels, labels)]) for labels in names.values()]
        assert np.corrcoef(found, true)[0, 1] > 0.95
        assert np.abs(found - true).mean() < 0.35 * true.std()


def test_susceptibility_is_that_over_the_mean_of_the_brain(built):
    head, _ = built
    assert head.chi[head.brain].mean() == pytest.approx(0, abs=1e-6)
    assert not head.chi[~head.brain].any() and head.brain[head.labels > 0].mean() > 0.95


def test_r2star_follows_iron_in_three_quarters_of_the_heads():
    rng = np.random.default_rng(5)
    rises = np.array([relation(rng)[1] for _ in range(2000)])
    assert (rises == 0).mean() == pytest.approx(0.25, abs=0.03) and rises.max() < 250


def test_heads_that_are_there_are_kept_and_each_has_its_own_chance(tmp_path, monkeypatch):
    drawn = []

    def draw(number, seed, window):
        drawn.append((number, seed, window.method))
        return {"values": np.random.default_rng((seed, number)).normal(size=3)}

    monkeypatch.setattr(encoder_heads, "draw", draw)
    main([str(tmp_path), "--heads", "2", "--seed", "7"])
    main([str(tmp_path), "--heads", "3", "--seed", "7"])
    assert drawn == [(number, 7, "window") for number in range(3)]
    values = [np.load(tmp_path / f"{number:04d}.npz")["values"] for number in range(3)]
    assert not np.allclose(values[0], values[1]) and not [*tmp_path.glob("*.part*")]
