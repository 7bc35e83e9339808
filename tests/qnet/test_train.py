"""Training: schedule, steps, weight averaging, reproducibility, and that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from qnet import train
from qnet.augment import prepare_images
from qnet.model import ImageModel, ScanModel, prepare_torch
from qnet.predict import embed, image_scores, scan_scores
from qnet.train import (
    ImageTraining,
    ScanTraining,
    batches,
    cosine_rate,
    image_loss,
    scan_loss,
    train_epoch,
    train_image_model,
    train_scan_model,
    write_log,
)
from tests.qnet.settings import PAPER

SIZE = 32
PARAMS = ImageTraining(
    weights="none",
    epochs=4,
    batch_size=8,
    learning_rate=3e-4,
    final_learning_rate=1e-4,
    swa_fraction=0.5,
    augmentation=PAPER,
)
SCAN = ScanTraining(epochs=30, batch_size=8, learning_rate=3e-4, hidden_size=16)
CPU = torch.device("cpu")


def toy(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a disc in the first channel, twice as wide in the positive class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    x = np.linspace(-1, 1, SIZE)
    radius = np.where(labels, 0.6, 0.3)[:, None, None]
    images = rng.normal(size=(count, 3, SIZE, SIZE)).astype(np.float32)
    images[:, 0] += 6 * (np.hypot(x[:, None], x) < radius)
    return images, labels


@pytest.fixture(scope="module", autouse=True)
def device():
    return prepare_torch(1)


@pytest.fixture(scope="module")
def trained():
    """The result of one short run, with the weights after each epoch."""
    snapshots = []
    original = train.train_epoch

    def spy(model, *rest):
        result = original(model, *rest)
        snapshots.append({name: value.detach().clone() for name, value in model.state_dict().items()})
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "train_epoch", spy)
        return *train_image_model(*toy(25, 0), PARAMS, 7, CPU), snapshots


def auc(labels, scores) -> float:
    positive, negative = scores[labels == 1], scores[labels == 0]
    return float((positive[:, None] > negative).mean())


def test_cosine_schedule():
    paper = replace(PARAMS, epochs=100)
    rates = [cosine_rate(epoch, paper) for epoch in (0, 50, 99, 100)]
    np.testing.assert_allclose(rates, [3e-4, 2e-4, 1.000493e-4, 1e-4], rtol=1e-6)


def test_rates_of_the_run_are_those_of_the_schedule(trained):
    records = trained[2]
    assert [r["learning_rate"] for r in records] == [cosine_rate(epoch, PARAMS) for epoch in range(4)]
    assert [r["epoch"] for r in records] == [0, 1, 2, 3]


def test_batches_cover_each_index_once_and_drop_a_single_one():
    assert sorted(torch.cat(batches(26, 8, 0, 0)).tolist()) == list(range(26))
    assert [len(batch) for batch in batches(25, 8, 0, 0)] == [8, 8, 8]
    assert torch.cat(batches(26, 8, 0, 0)).tolist() != torch.cat(batches(26, 8, 0, 1)).tolist()


def test_one_step_steps_once():
    """The first step of Adam moves each parameter by the learning rate, where its gradient is not tiny."""
    torch.manual_seed(0)
    model = ScanModel(3, 4)
    before = model.scan_head.weight.detach().clone()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    train_epoch(model, adam, [(torch.randn(4, 3, 512), torch.tensor([0, 1, 0, 1]))], scan_loss)
    moved = (model.scan_head.weight.detach() - before).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-3, atol=1e-6)


def test_scan_loss_adds_both_cross_entropies():
    torch.manual_seed(0)
    model, x, labels = ScanModel(3, 4), torch.randn(2, 3, 512), torch.tensor([1, 0])
    images, scans = (logits.log_softmax(-1) for logits in model(x))
    by_hand = -(scans[0, 1] + scans[1, 0]) / 2 - (images[0, :, 1].sum() + images[1, :, 0].sum()) / 6
    torch.testing.assert_close(scan_loss(model, x, labels)[0], by_hand)


def test_last_weights_are_those_of_the_last_epoch(trained):
    model, snapshots = trained[0], trained[3]
    assert all(torch.equal(value, snapshots[-1][name]) for name, value in model.state_dict().items())


def test_averaged_weights_are_the_mean_of_the_last_epochs(trained):
    average, snapshots = trained[1], trained[3]
    for name, value in average.named_parameters():
        torch.testing.assert_close(value, (snapshots[2][name] + snapshots[3][name]) / 2, rtol=1e-5, atol=1e-7)


def test_batch_normalisation_of_the_average_is_measured_on_clean_training_images(trained):
    model, average = trained[:2]
    images = torch.from_numpy(prepare_images(toy(25, 0)[0], PARAMS.augmentation))
    with torch.no_grad():
        first = average.resnet.conv1((images - average.mean) / average.std)
    expected = first.mean((0, 2, 3))  # mean over batches of 6 or 7 images: nearly the mean over images
    spread = first.mean((2, 3)).std(0) + 1e-3
    assert ((average.resnet.bn1.running_mean - expected).abs() < 0.1 * spread).all()
    assert not torch.allclose(average.resnet.bn1.running_mean, model.resnet.bn1.running_mean, atol=1e-4)
    assert not average.training


def test_channels_are_standardised_by_the_training_images(trained):
    images = prepare_images(toy(25, 0)[0], PARAMS.augmentation)
    for model in trained[:2]:
        np.testing.assert_allclose(model.mean.flatten(), images.mean((0, 2, 3)), rtol=1e-4)
        np.testing.assert_allclose(model.std.flatten(), images.std((0, 2, 3)), rtol=1e-3)


def test_same_seed_same_weights_bit_for_bit(trained):
    again = train_image_model(*toy(25, 0), PARAMS, 7, CPU)
    for one, other in zip(trained[:2], again[:2], strict=True):
        pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_other_seed_other_weights(trained):
    other = train_image_model(*toy(25, 0), replace(PARAMS, epochs=1), 8, CPU)[0]
    assert not torch.equal(other.resnet.conv1.weight, trained[0].resnet.conv1.weight)


def test_input_is_not_written():
    images, labels = toy(8, 0)
    before = images.copy()
    train_image_model(images, labels, replace(PARAMS, epochs=1), 0, CPU)
    np.testing.assert_array_equal(images, before)


def test_both_stages_learn_what_is_there_to_learn():
    images, labels = toy(80, 1)
    unseen, truth = toy(40, 2)
    model, average, _ = train_image_model(images, labels, replace(PARAMS, epochs=8), 0, CPU)
    prepared = prepare_images(unseen, PARAMS.augmentation)
    assert auc(truth, image_scores(average, prepared)) > 0.9
    assert auc(truth, image_scores(model, prepared)) > 0.8

    def scans(pictures):  # images 0, 2, 4… are negative: (N, T = 5, 512), first all negative scans
        features = embed(average, prepare_images(pictures, PARAMS.augmentation))
        return np.concatenate([features[k::2].reshape(-1, 5, 512) for k in (0, 1)])

    train_scans, test_scans = scans(images), scans(unseen)
    scan_model, records = train_scan_model(train_scans, np.repeat([0, 1], 8), SCAN, 0, CPU)
    scores = np.array([scan_scores(scan_model, scan)[1] for scan in test_scans])
    assert auc(np.repeat([0, 1], 4), scores) > 0.9
    assert records[-1]["loss"] < records[0]["loss"]


def test_scan_training_is_reproducible():
    x, y = np.random.default_rng(0).normal(size=(6, 3, 512)), np.array([0, 1] * 3)
    one, two = (train_scan_model(x, y, replace(SCAN, epochs=2), 5, CPU)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_log_is_one_json_object_a_line(tmp_path, trained):
    write_log(tmp_path / "log.jsonl", trained[2])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == trained[2]
    assert set(lines[0]) == {"epoch", "learning_rate", "loss", "accuracy", "seconds"}


def test_accuracy_counts_hits():
    class Always(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.tensor([0.0, 1.0]))

        def forward(self, x):
            return self.bias.expand(len(x), 2)

    model = Always()
    data = [(torch.zeros(3, 1), torch.tensor([1, 1, 0])), (torch.zeros(1, 1), torch.tensor([1]))]
    score = train_epoch(model, torch.optim.SGD(model.parameters(), lr=0.0), data, image_loss)
    assert score["accuracy"] == 0.75


def test_image_model_predicts_like_one_image_at_a_time():
    torch.manual_seed(0)
    model, x = ImageModel().eval(), np.random.default_rng(0).random((3, 3, 28, 28), dtype=np.float32)
    singly = np.concatenate([image_scores(model, x[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(image_scores(model, x), singly, rtol=1e-5)
