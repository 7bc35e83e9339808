"""Scans unlike those of the training are told, those like them are left in peace."""

import json

import numpy as np
import pytest

from qnet.application.similarity import (
    embedding_distance,
    image_statistics,
    protocol_differences,
    training_embeddings,
    training_protocol,
    training_statistics,
    unusual_embedding,
    unusual_statistics,
)


def acquisition(**changes):
    about = {"te_s": [0.005, 0.010, 0.015], "b0_tesla": 3.0, "voxel_size_mm": [0.6, 0.6, 2.0], "tr_s": 0.036}
    return about | {"flip_angle_deg": 24.0, "decisions": {"Manufacturer": "SIEMENS"}} | changes


TRAINING = training_protocol([acquisition(), acquisition(voxel_size_mm=[0.8, 0.8, 2.0])])


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"voxel_size_mm": [0.7, 0.7, 2.0]},
        {"voxel_size_mm": [2.0, 0.7, 0.7]},  # slices along another axis
        {"b0_tesla": 2.893},  # what some scanners write for 3 T
    ],
)
def test_a_protocol_within_the_training_range_is_not_remarked(same):
    assert protocol_differences(TRAINING, acquisition(**same)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b0_tesla": 7.0}, ["field strength [T]", "7", "3"]),
        ({"te_s": [0.008, 0.010, 0.015]}, ["echo times [ms]", "8, 10, 15"]),
        ({"voxel_size_mm": [1.5, 1.5, 3.0]}, ["voxel edges", "1.5, 1.5, 3", "0.6 to 0.8"]),
        ({"decisions": {"Manufacturer": "GE"}}, ["manufacturer", "GE", "SIEMENS"]),
        ({"tr_s": None}, ["repetition time", "unknown for this scan"]),
        ({"flip_angle_deg": 6.0}, ["flip angle", "6", "24"]),
    ],
)
def test_each_difference_of_protocol_is_one_sentence_with_both_values(change, words):
    (sentence,) = protocol_differences(TRAINING, acquisition(**change))
    assert all(word in sentence for word in words)


def test_another_number_of_echoes_is_told():
    sentences = protocol_differences(TRAINING, acquisition(te_s=[0.005, 0.010]))
    assert any("number of echoes: 2 in this scan, 3 in training" in sentence for sentence in sentences)


def scan(rng, chi_scale=1.0, noise_hz=1.0):
    """Images (4, 3, 12, 12) of one scan and its brain."""
    chi = rng.normal(rng.normal(0, 0.005), 0.03 * chi_scale, (4, 12, 12))
    r2star = rng.normal(20 + rng.normal(0, 1), noise_hz, (4, 12, 12))
    t1w = rng.uniform(1, 5) * rng.normal(100, 10, (4, 12, 12))
    return np.stack([chi, r2star, t1w], axis=1).astype(np.float32), np.ones((4, 12, 12), bool)


def statistics(rng, count, **changes):
    return [image_statistics(*scan(rng, **changes)) for _ in range(count)]


def test_scans_of_the_same_kind_are_rarely_flagged():
    rng = np.random.default_rng(0)
    training = training_statistics(statistics(rng, 60), typical=0.99)
    flagged = [bool(unusual_statistics(training, new, "crop")) for new in statistics(rng, 300)]
    assert np.mean(flagged) < 0.05


@pytest.mark.parametrize(("change", "channel"), [({"chi_scale": 3.0}, "QSM"), ({"noise_hz": 6.0}, "R2star")])
def test_a_changed_channel_is_named_once_with_its_range(change, channel):
    rng = np.random.default_rng(1)
    training = training_statistics(statistics(rng, 60), typical=0.99)
    (sentence,) = unusual_statistics(training, image_statistics(*scan(rng, **change)), "crop")
    assert sentence.startswith(f"crop input, {channel}")
    assert "in training" in sentence


def test_the_scale_of_the_t1_weighted_image_does_not_matter():
    images, brain = scan(np.random.default_rng(2))
    scaled = images * np.array([1, 1, 7], np.float32)[:, None, None]
    assert image_statistics(scaled, brain) == pytest.approx(image_statistics(images, brain), rel=1e-5)


def test_only_the_brain_counts():
    images, brain = scan(np.random.default_rng(3))
    brain[:, :4] = False
    changed = images.copy()
    changed[:, :, :4] = 1e6
    assert image_statistics(changed, brain) == image_statistics(images, brain)


def test_an_empty_brain_is_an_error():
    images, brain = scan(np.random.default_rng(4))
    with pytest.raises(ValueError, match="brain"):
        image_statistics(images, ~brain)


def test_too_few_training_scans_are_told_and_not_passed_over():
    rng = np.random.default_rng(5)
    assert training_statistics(statistics(rng, 3), typical=0.99) is None
    assert "too few" in unusual_statistics(None, statistics(rng, 1)[0], "full")[0]


def test_limits_are_plain_json():
    training = training_statistics(statistics(np.random.default_rng(6), 10), typical=0.99)
    assert json.loads(json.dumps(training, allow_nan=False)) == training


def embeddings(rng, names, shift=0.0):
    return {name: (rng.normal(size=(3, 64)) + shift).astype(np.float32) for name in names}


def test_embeddings_far_from_the_training_scans_are_told_and_near_ones_not():
    rng = np.random.default_rng(7)
    names = [f"sub-{i}" for i in range(60)]
    place = training_embeddings(embeddings(rng, names), names[:20])
    near, far = (embedding_distance(place, rng.normal(size=(3, 64)) + shift) for shift in (0.0, 2.0))
    assert unusual_embedding([near], [place["held_out"]], 0.99, "full") == []
    assert "full input" in unusual_embedding([far], [place["held_out"]], 0.99, "full")[0]


def test_held_out_scans_do_not_move_the_centre_that_they_are_compared_with():
    rng = np.random.default_rng(8)
    names = [f"sub-{i}" for i in range(10)]
    scans = embeddings(rng, names)
    odd = scans | {"sub-0": scans["sub-0"] + 100}
    assert training_embeddings(odd, ["sub-0"])["mean"] == training_embeddings(scans, ["sub-0"])["mean"]
