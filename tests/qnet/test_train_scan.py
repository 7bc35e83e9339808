"""Training of stage 2: the loss, padding, versions of a scan, reproducibility, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qnet.networks import train_scan
from qnet.networks.choose import candidates, held_out_loss
from qnet.networks.heads.models import new_model
from qnet.networks.model import prepare_torch
from qnet.networks.predict import scan_scores
from qnet.networks.train_scan import ScanTraining, pad, scan_loss, train_scan_model

SCAN = ScanTraining(
    head="attention",
    features="in_sample",
    copies=1,
    inner_folds=2,
    epochs=2,
    batch_size=4,
    learning_rate=3e-4,
    weight_decay=0.0,
    hidden_size=4,
    choices=(),
)
CPU = torch.device("cpu")
NAMES = [f"sub-{i:02d}" for i in range(40)]


@pytest.fixture(scope="module", autouse=True)
def device():
    return prepare_torch(1)


UNKNOWN = np.full(40, np.nan)  # ages
NO_AGE = torch.full((3,), torch.nan)


def cohort(count, versions=1, slices=(5,), seed=0):
    """Noise, in the positive class with a shift of some features in the first two slices; lengths by turns."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 2
    scans = [rng.normal(size=(versions, slices[i % len(slices)], 512)).astype(np.float32) for i in range(count)]
    for scan, label in zip(scans, labels, strict=True):
        scan[:, :2, :50] += 2 * label
    return scans, labels


def auc(labels, scores):
    return float((scores[labels == 1][:, None] > scores[labels == 0]).mean())


def test_loss_adds_the_cross_entropies_of_images_and_scans():
    torch.manual_seed(0)
    model, x = new_model("attention", 4, 3), torch.randn(2, 3, 512)
    lengths, labels = torch.tensor([3, 2]), torch.tensor([1, 0])
    images, scans = (logits.log_softmax(-1) for logits in model(x, lengths))
    by_hand = -(scans[0, 1] + scans[1, 0]) / 2 - (images[0, :, 1].sum() + images[1, :2, 0].sum()) / 5
    torch.testing.assert_close(scan_loss(model, x, lengths, NO_AGE[:2], labels)[0], by_hand)


def test_weight_decay_is_that_of_adam():
    """λ/2 ‖W‖² has the gradient that Adam adds for a weight decay of λ; biases are free."""
    batch = torch.randn(2, 3, 512), torch.tensor([3, 3]), NO_AGE[:2], torch.tensor([1, 0])
    results = []
    for penalty, decay in ((0.1, 0.0), (0.0, 0.1)):
        torch.manual_seed(0)
        model = new_model("mean", 4, 3)
        weights, biases = ([p for p in model.parameters() if (p.ndim > 1) is several] for several in (True, False))
        adam = torch.optim.Adam([{"params": weights, "weight_decay": decay}, {"params": biases}], lr=1e-2)
        scan_loss(model, *batch, weight_decay=penalty)[0].backward()
        adam.step()
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*results)


def test_hits_are_scans():
    model = new_model("mean", 4, 3)
    with torch.no_grad():
        model.scan_head.weight.zero_()
        model.scan_head.bias.copy_(torch.tensor([0.0, 1.0]))  # always positive
    _, right = scan_loss(model, torch.randn(3, 2, 512), torch.tensor([2, 2, 1]), NO_AGE, torch.tensor([1, 0, 1]))
    assert right.tolist() == [True, False, True]


def test_padding_is_zero_and_lengths_are_kept():
    scans = cohort(3, versions=2, slices=(4, 2))[0]
    padded, lengths = pad(scans)
    assert padded.shape == (3, 2, 4, 512)
    assert lengths.tolist() == [4, 2, 4]
    np.testing.assert_array_equal(padded[1, :, :2], scans[1])
    assert (padded[1, :, 2:] == 0).all()


@pytest.mark.parametrize("head", ["concat", "mean", "attention"])
def test_it_learns_what_is_there_to_learn(head):
    params = replace(SCAN, head=head, epochs=30, hidden_size=16)
    slices = (5,) if head == "concat" else (5, 3)
    scans, labels = cohort(40, slices=slices)
    model, records = train_scan_model(scans, labels, UNKNOWN[: len(labels)], params, 0, CPU, NAMES)
    unseen, truth = cohort(40, slices=slices, seed=1)
    assert auc(truth, np.array([scan_scores(model, scan[0], np.nan)[1] for scan in unseen])) > 0.9
    assert records[-1]["loss"] < records[0]["loss"]
    assert {record["learning_rate"] for record in records} == {3e-4}


@pytest.mark.parametrize("slices", [(3,), (4, 2)])
def test_same_seed_same_weights(slices):
    scans, labels = cohort(7, versions=3, slices=slices)
    one, two, other = (
        train_scan_model(scans, labels, UNKNOWN[:7], SCAN, seed, CPU, NAMES)[0].state_dict() for seed in (5, 5, 6)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["scan_head.weight"], other["scan_head.weight"])


def test_each_epoch_draws_one_version_of_each_scan(monkeypatch):
    scans, labels = cohort(6, versions=3)
    for number, scan in enumerate(scans):
        scan[:] = number + np.arange(3).reshape(3, 1, 1) / 10  # tells the scan and the version
    seen = []

    def spy(model, embeddings, *rest, **options):
        seen.append(embeddings[:, 0, 0].tolist())
        return scan_loss(model, embeddings, *rest, **options)

    monkeypatch.setattr(train_scan, "scan_loss", spy)
    train_scan_model(scans, labels, UNKNOWN[:6], replace(SCAN, epochs=12, batch_size=6), 0, CPU, NAMES)
    assert all(sorted(map(int, epoch)) == list(range(6)) for epoch in seen)
    assert {round(value % 1, 1) for epoch in seen for value in epoch} == {0.0, 0.1, 0.2}


def test_input_is_not_written():
    scans, labels = cohort(6)
    before = [scan.copy() for scan in scans]
    train_scan_model(scans, labels, UNKNOWN[:6], SCAN, 0, CPU, NAMES)
    assert all(np.array_equal(a, b) for a, b in zip(scans, before, strict=True))


def test_nan_embedding_is_named():
    scans, labels = cohort(6)
    scans[4][0, 1, 2] = np.nan
    with pytest.raises(ValueError, match="sub-04"):
        train_scan_model(scans, labels, UNKNOWN[:6], SCAN, 0, CPU, NAMES)


def test_concat_refuses_scans_of_different_length():
    scans, labels = cohort(6, slices=(5, 4))
    with pytest.raises(ValueError, match="concat"):
        train_scan_model(scans, labels, UNKNOWN[:6], replace(SCAN, head="concat"), 0, CPU, NAMES)


def test_inner_folds_prefer_settings_that_learn():
    scans, labels = cohort(24)
    inner = np.arange(24) // 2 % 3
    eager = {"epochs": 20, "learning_rate": 1e-2}
    settings = candidates(replace(SCAN, epochs=1, learning_rate=1e-6, choices=[eager]))
    data = scans, labels, np.full(24, np.nan)
    losses = [held_out_loss(*data, params, inner, 0, CPU, NAMES[:24]) for params in settings]
    assert losses[0] == pytest.approx(np.log(2), abs=0.1)
    assert losses[1] < 0.8 * losses[0]


def test_no_scan_is_judged_by_a_model_that_saw_it(monkeypatch):
    scans, labels = cohort(12)
    inner, judged = np.arange(12) // 2 % 2, []

    def train(kept, *_):
        return {id(scan) for scan in kept}, []

    def judge(seen, embeddings, age):
        judged.append(id(embeddings.base) in seen)
        return np.zeros(0), 0.5

    monkeypatch.setattr("qnet.networks.choose.train_scan_model", train)
    monkeypatch.setattr("qnet.networks.choose.scan_scores", judge)
    loss = held_out_loss(scans, labels, np.full(12, np.nan), SCAN, inner, 0, CPU, NAMES[:12])
    assert judged == [False] * 12
    assert loss == pytest.approx(np.log(2))
