"""The network that labels nuclei: its training on synthetic volumes, and the same arithmetic in NumPy."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.segmentation_volumes import NAMES, volume
from qnet.networks.segmentation import Segmenter
from qnet.networks.train_inversion import Schedule
from qnet.networks.train_segmentation import HELD_OUT, Volumes, temperature_of, train_and_write
from recon.files.weights import read_weights
from recon.regions import segmentation

SMALL = (12, 12, 12)
SCHEDULES = [Schedule(epochs=2, falling=2, rate=3e-3), Schedule(epochs=1, falling=2, rate=3e-3)]


def make(folder: Path, count: int) -> None:
    """Volumes in which class 1 is a bright cube whose place differs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        labels = np.zeros(SMALL, np.uint8)
        x, y, z = rng.integers(0, 7, 3)
        labels[x : x + 5, y : y + 5, z : z + 5] = 1
        maps = labels + 0.2 * rng.standard_normal((3, *SMALL))
        known = np.ones(SMALL, np.uint8)
        np.savez(
            folder / f"{number:04d}.npz", names=["caudate"], maps=maps.astype(np.float16), known=known, labels=labels
        )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Weights and card of a short training, and how it was made."""
    folder = tmp_path_factory.mktemp("volumes")
    make(folder, HELD_OUT + 4)
    out = folder / "trained.safetensors"
    train_and_write(folder, out, SCHEDULES, seed=0)
    return folder, out, json.loads(out.with_suffix(".json").read_text())


def test_it_learns_from_volumes_and_says_how_well(written):
    _, out, card = written
    assert card["classes"] == ["background", "caudate"] and card["held_out"]["dice"]["caudate"] > 0.6
    assert [[entry["epoch"] for entry in cycle["curve"]] for cycle in card["training"]["cycles"]] == [[0, 1], [0]]
    assert not out.with_suffix(".checkpoint").exists()


def test_the_same_seed_gives_the_same_bytes(written):
    folder, out, card = written
    again = out.with_name("again.safetensors")
    train_and_write(folder, again, SCHEDULES, seed=0)
    assert json.loads(again.with_suffix(".json").read_text())["sha256"] == card["sha256"]


def test_numpy_gives_the_same_logits(written):
    _, out, card = written
    weights = read_weights(out, card["sha256"], "")
    maps, known = torch.randn(1, 3, *SMALL), torch.rand(1, 1, *SMALL)
    given = torch.tensor([[1.0, 0.0, 1.0]])
    model = Segmenter(torch.zeros(2, 6, 6, 6))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    with torch.inference_mode():
        expected = model(maps, known, given)[0].movedim(0, -1).numpy()
    found = segmentation.logits(weights, maps[0].movedim(0, -1).numpy(), known[0, 0].numpy(), given[0].numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_folder_with_too_few_volumes_is_refused(tmp_path):
    make(tmp_path, 2)
    with pytest.raises(ValueError, match=f"expected more than {HELD_OUT} volumes .*found 2"):
        Volumes(tmp_path)


def test_the_temperature_undoes_too_much_certainty():
    rng = np.random.default_rng(0)
    fair = torch.from_numpy(rng.standard_normal((1, 2, 20, 20, 20)).astype(np.float32))
    chance = fair.softmax(1)[:, 1].numpy()
    labels = torch.from_numpy((rng.random(chance.shape) < chance).astype(np.int64))
    assert temperature_of([2 * fair], [labels]) == pytest.approx(2, rel=0.1)


def test_a_volume_is_what_its_seed_says_and_shows_its_labels():
    one, other = volume(3, 7), volume(3, 7)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert one["maps"].shape == (3, *segmentation.SHAPE) and set(np.unique(one["labels"])) <= set(range(len(NAMES) + 1))
    assert (one["maps"][:, one["known"] == 0] == 0).all() and np.abs(one["maps"]).max() <= segmentation.LIMIT
