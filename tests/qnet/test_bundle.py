"""A bundle is plain JSON beside weights that are what they were."""

import json

import numpy as np
import pytest

from qnet.application.bundle import list_weights, read_bundle, uncertain_band, verified, write_bundle


def weights(folder, input_name="crop", seed=0, fold=1):
    """A pair of weights files as a run writes them."""
    place = folder / input_name / f"seed-{seed}" / f"fold-{fold}"
    place.mkdir(parents=True)
    paths = [place / "image_model_swa.safetensors", place / "scan_model.safetensors"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


def test_a_bundle_comes_back_as_it_was_without_what_json_lacks(tmp_path):
    about = {"a": np.float32(0.5), "b": [np.nan, 1], "c": {1: (1, 2)}, "d": np.arange(2), "e": np.bool_(True)}
    write_bundle(tmp_path / "model.json", about)
    found = read_bundle(tmp_path / "model.json")
    assert found.pop("format")
    assert found == {"a": 0.5, "b": [None, 1], "c": {"1": [1, 2]}, "d": [0, 1], "e": True}


@pytest.mark.parametrize("text", ["{}", "[1]", "no json", json.dumps({"format": "Q-Net model bundle 99"})])
def test_another_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="other.json: expected a Q-Net model bundle"):
        read_bundle(path)


def test_entries_say_what_each_file_is_and_folders_can_be_moved(tmp_path):
    image, scan = weights(tmp_path / "old", seed=3, fold=7)
    (entry,) = list_weights([image], [scan], tmp_path / "old")
    assert (entry["input"], entry["seed"], entry["fold"]) == ("crop", 3, 7)
    (tmp_path / "old").rename(tmp_path / "new")
    assert verified(tmp_path / "new", entry, "image").read_bytes() == b"image_model_swa.safetensors"


def test_files_of_different_folds_make_no_pair(tmp_path):
    image, _ = weights(tmp_path, fold=0)
    _, scan = weights(tmp_path, fold=1)
    with pytest.raises(ValueError, match="fold-0"):
        list_weights([image], [scan], tmp_path)


def test_changed_weights_are_refused(tmp_path):
    image, scan = weights(tmp_path)
    (entry,) = list_weights([image], [scan], tmp_path)
    with open(scan, "ab") as file:
        file.write(b"!")
    verified(tmp_path, entry, "image")
    with pytest.raises(ValueError, match=r"scan_model\.safetensors: expected SHA-256"):
        verified(tmp_path, entry, "scan")


def test_absent_weights_are_named(tmp_path):
    entry = {"image": "crop/gone.safetensors", "image_sha256": ""}
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors"):
        verified(tmp_path, entry, "image")


def test_weights_outside_the_bundle_s_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="the folder of the bundle"):
        verified(tmp_path / "qnet", {"image": "../elsewhere.safetensors", "image_sha256": ""}, "image")


def test_calibrated_scores_are_uncertain_between_the_odds():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.99, 20000)
    assert uncertain_band(rng.uniform(size=20000) < scores, scores, 2.0) == pytest.approx([1 / 3, 2 / 3], abs=0.02)


def test_overconfident_scores_have_a_wider_band():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20000)
    labels = rng.uniform(size=20000) < 1 / (1 + np.exp(-truth))
    low, high = uncertain_band(labels, 1 / (1 + np.exp(-4 * truth)), 2.0)
    assert low < 0.1
    assert high > 0.9


@pytest.mark.parametrize("scores", [np.full(40, 0.5), np.linspace(0.9, 0.1, 40)])
def test_scores_that_say_nothing_or_the_reverse_are_uncertain_everywhere(scores):
    assert uncertain_band(np.arange(40) >= 20, scores, 2.0) == [0, 1]


def test_between_separated_groups_lies_the_gap():
    assert uncertain_band(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.7, 0.9]), 2.0) == [0.2, 0.7]
