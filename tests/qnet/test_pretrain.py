"""Pre-training: what slices are asked for, and that the network learns to tell it."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from qnet.networks.model import ImageModel
from qnet.networks.pretrain import Pretraining, measuring_loss, pretrain, targets_of
from qnet.networks.weights import initialise, write_weights
from tests.qnet.settings import OFF

LABELS = {"caudate": [1, 2], "putamen": [3, 4]}
TRUTH = pd.DataFrame(
    {"caudate_chi_ppb": [40.0, 60.0], "putamen_chi_ppb": [70.0, 90.0], "caudate_r2star_hz": [20.0, 26.0],
     "putamen_r2star_hz": [25.0, 35.0], "age": [30.0, 70.0]}
)  # fmt: skip


def slices_with(*labels: int) -> np.ndarray:
    """One slice for each label, which fills a corner of it."""
    stack = np.zeros((len(labels), 8, 8), np.uint8)
    for image, label in zip(stack, labels, strict=True):
        image[:4, :4] = label
    return stack


def test_a_slice_is_asked_for_the_nuclei_that_it_shows():
    targets = targets_of(TRUTH, [slices_with(1, 0), slices_with(4, 3)], LABELS, smallest=8)
    assert targets.names == [*TRUTH.columns[:4], "age"]
    np.testing.assert_array_equal(targets.shown, [[1, 0], [0, 0], [0, 1], [0, 1]])
    np.testing.assert_array_equal(targets.weights[0], [1, 0, 1, 0, 1])
    np.testing.assert_array_equal(targets.weights[1], [0, 0, 0, 0, 1])
    np.testing.assert_allclose(targets.values[:, 0], [-1, -1, 1, 1])


def test_what_a_slice_does_not_show_costs_nothing():
    values, weights, shown = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 1.0]]), torch.ones(1, 1)
    told = [torch.tensor([[0.0, wrong, 0.0, 30.0]]) for wrong in (0.0, 9.0)]
    losses = [measuring_loss(lambda images, out=out: out, None, values, weights, shown)[0] for out in told]
    torch.testing.assert_close(*losses)


@pytest.fixture(scope="module")
def encoder():
    """Trained on slices whose brightness is the susceptibility of the one nucleus that they show."""
    chance = np.random.default_rng(0)
    chi = chance.normal(size=48)
    truth = pd.DataFrame(
        {"caudate_chi_ppb": chi, "caudate_r2star_hz": chance.normal(size=48), "age": np.full(48, 50.0)}
    )
    truth["age"] += chance.normal(size=48)
    images = np.broadcast_to(0.5 + 0.1 * chi[:, None, None, None], (48, 3, 32, 32)).astype(np.float16)
    images = images + chance.normal(scale=0.01, size=images.shape).astype(np.float16)
    targets = targets_of(truth, [slices_with(1)] * 48, {"caudate": [1, 2]}, smallest=8)
    params = Pretraining(
        stages=4, epochs=12, batch_size=16, learning_rate=1e-3, final_learning_rate=1e-4, smallest_pixels=8,
        precision="float32", augment_on="cpu", augmentation=OFF,
    )  # fmt: skip
    names = [f"sub-{number:02d} slice 0" for number in range(48)]
    return pretrain(images, targets, params, (True,) * 3, 0, torch.device("cpu"), None, names), images, chi, params


def test_it_learns_to_measure(encoder):
    (model, records), images, chi, _ = encoder
    with torch.inference_mode():
        told = model(torch.from_numpy(images).float())[:, 0].numpy()
    assert np.corrcoef(told, chi)[0, 1] > 0.9
    assert records[-1]["loss"] < records[0]["loss"]


def test_stage_1_starts_from_its_file(encoder, tmp_path):
    (model, _), _, _, params = encoder
    path = tmp_path / "encoder.safetensors"
    write_weights(path, model, {"input": "crop", **asdict(params)})
    start = ImageModel()
    initialise(start, str(path))
    torch.testing.assert_close(start.resnet.layer4[1].conv2.weight, model.resnet.layer4[1].conv2.weight)
    torch.testing.assert_close(start.mean, model.mean)
