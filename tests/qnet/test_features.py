"""What stage 2 trains on: alignment of two networks, embeddings out of fold and augmented, no subject held out."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from qnet.networks.features import align, augmented, embed_fold, out_of_fold
from qnet.networks.model import ImageModel, prepare_torch
from qnet.networks.predict import embed, prepare
from tests.qnet.settings import OFF, PAPER, STRETCH

TRAINING = ["sub-01", "sub-02", "sub-03", "sub-04"]
INNER_OF = {"sub-01": 0, "sub-02": 1, "sub-03": 0, "sub-04": 1}
SLICES, SIZE = 3, 32


def network(seed, augmentation=PAPER, **about):
    torch.manual_seed(seed)
    return ImageModel().eval(), {"normalise": asdict(STRETCH), "augmentation": asdict(augmentation), **about}


@pytest.fixture(scope="module")
def outer():
    prepare_torch(1)
    return network(0)


@pytest.fixture(scope="module")
def inner():
    return [network(j + 1, inner=j) for j in range(2)]


@pytest.fixture(scope="module")
def scans():
    """sub-05 is held out."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(SLICES, 3, SIZE, SIZE)).astype(np.float32) for name in [*TRAINING, "sub-05"]}


def of_kind(kind, scans, outer, inner=(), inner_of=None, copies=2, seed=0):
    return embed_fold(scans.items(), TRAINING, outer, list(inner), inner_of or {}, kind, copies, seed)


def rotation(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


def test_alignment_undoes_turn_scale_and_shift():
    rng = np.random.default_rng(0)
    fixed = rng.normal(size=(60, 8)) * np.arange(1, 9)
    moving = 0.3 * fixed @ rotation(rng, 8) + rng.normal(size=8)
    np.testing.assert_allclose(align(moving, fixed)(moving), fixed, atol=1e-5)


def test_alignment_is_the_best_orthogonal_map():
    rng = np.random.default_rng(1)
    fixed, moving = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    found = align(moving, fixed)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-12)
    x, y = moving - moving.mean(0), fixed - fixed.mean(0)
    best = np.linalg.norm(x @ found.rotation - y)
    assert all(np.linalg.norm(x @ rotation(rng, 3) - y) >= best for _ in range(200))


def test_aligned_features_spread_as_those_of_the_fixed_network():
    """Also where the networks share little, when least squares would shrink them."""
    rng = np.random.default_rng(2)
    moving, fixed = rng.normal(size=(80, 5)), 3 * rng.normal(size=(80, 5))
    spread = (align(moving, fixed)(moving) - fixed.mean(0)).std()
    assert spread == pytest.approx((fixed - fixed.mean(0)).std(), rel=1e-6)


def test_out_of_fold_embedding_comes_from_the_network_that_has_not_seen_the_subject():
    """Inner networks that are turned copies of the outer one give back its embeddings, each by its own map."""
    rng = np.random.default_rng(3)
    outer = {name: rng.normal(size=(20, 4)) for name in TRAINING}
    inner = [{name: x @ turn for name, x in outer.items()} for turn in (rotation(rng, 4), rotation(rng, 4))]
    found = out_of_fold(outer, inner, INNER_OF)
    assert [*found] == TRAINING
    for name in TRAINING:
        np.testing.assert_allclose(found[name], outer[name], atol=1e-5)


def test_out_of_fold_ignores_what_saw_the_subject():
    """Neither the outer embedding of a subject nor that of the inner network trained on it plays a part."""
    rng = np.random.default_rng(4)
    outer = {name: rng.normal(size=(20, 4)) for name in TRAINING}
    inner = [{name: rng.normal(size=(20, 4)) for name in TRAINING} for _ in range(2)]
    before = out_of_fold(outer, inner, INNER_OF)["sub-01"]
    spoilt = [inner[0], inner[1] | {"sub-01": inner[1]["sub-01"] * 100}]
    after = out_of_fold(outer | {"sub-01": outer["sub-01"] + 100}, spoilt, INNER_OF)["sub-01"]
    np.testing.assert_array_equal(before, after)


def test_in_sample_are_the_embeddings_of_the_outer_network(scans, outer):
    found = of_kind("in_sample", scans, outer)
    assert sorted(found) == sorted([*scans, *(f"training/{name}" for name in TRAINING)])
    for name in TRAINING:
        assert found[f"training/{name}"].shape == (1, SLICES, 512)
        np.testing.assert_array_equal(found[f"training/{name}"][0], found[name])
    expected = embed(outer[0], prepare(scans["sub-05"], outer[1]))
    np.testing.assert_array_equal(found["sub-05"], expected)


def test_out_of_fold_embeds_by_the_inner_networks(scans, outer, inner):
    found = of_kind("out_of_fold", scans, outer, inner, INNER_OF)
    own = [{name: embed(model, prepare(scans[name], about)) for name in TRAINING} for model, about in inner]
    clean = {name: embed(outer[0], prepare(scans[name], outer[1])) for name in TRAINING}
    expected = out_of_fold(clean, own, INNER_OF)
    for name in TRAINING:
        np.testing.assert_array_equal(found[f"training/{name}"][0], expected[name])
        np.testing.assert_array_equal(found[name], clean[name])


def test_held_out_scans_do_not_touch_training_features(scans, outer, inner):
    other = scans | {"sub-05": scans["sub-05"][::-1] * 7}
    for kind in ("in_sample", "augmented", "out_of_fold"):
        one, two = (of_kind(kind, which, outer, inner, INNER_OF) for which in (scans, other))
        assert all(np.array_equal(one[f"training/{name}"], two[f"training/{name}"]) for name in TRAINING)


def test_augmented_copies_differ_from_each_other_and_follow_from_the_seed(scans, outer):
    found, again, other = (of_kind("augmented", scans, outer, seed=seed) for seed in (0, 0, 1))
    copies = found["training/sub-02"]
    assert copies.shape == (2, SLICES, 512)
    assert not np.allclose(copies[0], copies[1], rtol=1e-3)
    np.testing.assert_array_equal(copies, again["training/sub-02"])
    assert not np.allclose(copies, other["training/sub-02"], rtol=1e-3)


def test_subjects_are_changed_by_different_draws(scans, outer):
    same = dict.fromkeys(TRAINING, scans["sub-01"])
    found = of_kind("augmented", same, outer)
    assert not np.allclose(found["training/sub-01"], found["training/sub-02"], rtol=1e-3)


def test_without_any_change_copies_are_the_clean_embedding(scans):
    still = network(0, OFF)
    found = augmented(still, scans["sub-01"], 2, 0)
    clean = embed(still[0], prepare(scans["sub-01"], still[1]))
    np.testing.assert_allclose(found, np.stack([clean, clean]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 1), slice(None, None, -1)])
def test_each_inner_fold_needs_its_network(scans, outer, inner, kept):
    with pytest.raises(ValueError, match=r"inner folds \[0, 1\]"):
        of_kind("out_of_fold", scans, outer, inner[kept], INNER_OF)


def test_unknown_kind_is_refused(scans, outer):
    with pytest.raises(ValueError, match="in_sample.*found 'nested'"):
        of_kind("nested", scans, outer)
