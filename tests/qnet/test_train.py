"""Stage 1 and the loop of both stages: schedule, steps, weight averaging, reproducibility, and that it learns."""

import json
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch

from qnet.images.augment import centre_crop
from qnet.images.data import write_stack
from qnet.images.normalise import normalise
from qnet.networks import loop
from qnet.networks.loop import batches, fit, out_of_memory_says, progress, score_epoch, train_epoch, write_log
from qnet.networks.model import ImageModel, prepare_torch
from qnet.networks.precision import autocast, uses_bfloat16
from qnet.networks.predict import image_scores
from qnet.networks.train import cosine_rate, image_loss, train_image_model, training_images
from tests.qnet.settings import PAPER, STRETCH, WINDOW
from tests.qnet.toy import ALL, PARAMS, names, toy

CPU = torch.device("cpu")


def train(count: int, seed: int, params=PARAMS, channels=ALL, data_seed: int = 0):
    return train_image_model(*toy(count, data_seed), params, channels, seed, CPU, None, names(count))


def prepared(count: int, seed: int) -> np.ndarray:
    return np.ascontiguousarray(centre_crop(toy(count, seed)[0], PAPER), dtype=np.float32)


@pytest.fixture(scope="module", autouse=True)
def device():
    return prepare_torch(1)


@pytest.fixture(scope="module")
def trained():
    """The result of one short run, with the weights after each epoch."""
    snapshots = []

    def spy(model, *rest):
        result = train_epoch(model, *rest)
        snapshots.append({name: value.detach().clone() for name, value in model.state_dict().items()})
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_epoch", spy)
        return *train(25, 7), snapshots


def auc(labels, scores) -> float:
    positive, negative = scores[labels == 1], scores[labels == 0]
    return float((positive[:, None] > negative).mean())


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


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
    model = torch.nn.Linear(5, 2)
    before = model.weight.detach().clone()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    train_epoch(model, adam, [(torch.arange(4), torch.randn(4, 5), torch.tensor([0, 1, 0, 1]))], image_loss)
    moved = (model.weight.detach() - before).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-3, atol=1e-6)


def test_scores_weigh_items_and_not_batches():
    seen, losses, hits = [torch.arange(3), torch.tensor([3])], torch.tensor([1.0, 2.0]), torch.tensor([1, 1])
    assert score_epoch(0, seen, losses, hits, names(4)) == {"loss": 1.25, "accuracy": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_stops_with_epoch_batch_and_images(value):
    def batches_of(epoch):
        x = torch.ones(6, 2)
        x[5] = value if epoch else 1
        for index in torch.arange(6).split(2):
            yield index, x[index], torch.zeros(2, dtype=torch.int64)

    message = r"epoch 2, batch 3 of 3: .*finite.*sub-00 slice 4, sub-01 slice 0$"
    with pytest.raises(ValueError, match=message):
        fit(torch.nn.Linear(2, 2), 3, lambda epoch: 1e-3, batches_of, image_loss, names(6))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        MemoryError("Unable to allocate 2 GiB for an array"),
    ],
)
def test_memory_that_ends_says_what_to_lower(error):
    with pytest.raises(MemoryError, match=r"lower train_image_model\.batch_size"):  # noqa: SIM117
        with out_of_memory_says("train_image_model.batch_size"):
            raise error


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes differ"), out_of_memory_says("batch_size"):
        raise RuntimeError("shapes differ")


def test_progress_tells_the_time_left():
    records = [{"loss": 0.5, "accuracy": 0.75, "seconds": seconds} for seconds in (20.0, 40.0)]
    assert progress(records, 5) == "epoch 2/5 loss 0.5000 accuracy 0.750 40.0 s, 0:01:30 left"


def test_last_weights_are_those_of_the_last_epoch(trained):
    model, snapshots = trained[0], trained[3]
    assert all(torch.equal(value, snapshots[-1][name]) for name, value in model.state_dict().items())


def test_averaged_weights_are_the_mean_of_the_last_epochs(trained):
    average, snapshots = trained[1], trained[3]
    for name, value in average.named_parameters():
        torch.testing.assert_close(value, (snapshots[2][name] + snapshots[3][name]) / 2, rtol=1e-5, atol=1e-7)


def test_batch_normalisation_of_the_average_is_measured_on_clean_training_images(trained):
    model, average = trained[:2]
    images = torch.from_numpy(prepared(25, 0))
    with torch.no_grad():
        first = average.resnet.conv1((images - average.mean) / average.std)
    expected = first.mean((0, 2, 3))  # mean over batches of 6 or 7 images: nearly the mean over images
    spread = first.mean((2, 3)).std(0) + 1e-3
    assert ((average.resnet.bn1.running_mean - expected).abs() < 0.1 * spread).all()
    assert not torch.allclose(average.resnet.bn1.running_mean, model.resnet.bn1.running_mean, atol=1e-4)
    assert not average.training


def test_channels_are_standardised_by_the_training_images(trained):
    images = prepared(25, 0)
    for model in trained[:2]:
        np.testing.assert_allclose(model.mean.flatten(), images.mean((0, 2, 3)), rtol=1e-4)
        np.testing.assert_allclose(model.std.flatten(), images.std((0, 2, 3)), rtol=1e-3)


def test_same_seed_same_weights_bit_for_bit(trained):
    again = train(25, 7)
    assert equal(trained[0], again[0])
    assert equal(trained[1], again[1])


def test_other_seed_other_weights(trained):
    other = train(25, 8, replace(PARAMS, epochs=1))[0]
    assert not torch.equal(other.resnet.conv1.weight, trained[0].resnet.conv1.weight)


def test_input_is_not_written():
    images, labels = toy(8, 0)
    before = images.copy()
    train_image_model(images, labels, replace(PARAMS, epochs=1), ALL, 0, CPU, None, names(8))
    np.testing.assert_array_equal(images, before)


def test_it_learns_what_is_there_to_learn():
    model, average, records = train(64, 0, replace(PARAMS, epochs=5), data_seed=1)
    unseen, truth = prepared(40, 2), toy(40, 2)[1]
    assert auc(truth, image_scores(average, unseen)) > 0.9
    assert auc(truth, image_scores(model, unseen)) > 0.8
    assert records[-1]["loss"] < records[0]["loss"]


def test_training_in_bfloat16_keeps_weights_in_float32_and_goes_nearly_the_same_way(trained):
    model, _, records = train(25, 7, replace(PARAMS, precision="bfloat16"))
    assert all(value.dtype == torch.float32 for value in model.parameters())
    assert records[0]["loss"] == pytest.approx(trained[2][0]["loss"], rel=0.1)
    assert records[0]["loss"] != trained[2][0]["loss"]


def test_augmentation_on_the_device_is_another_one_and_repeats(trained):
    params = replace(PARAMS, augment_on="device", epochs=1)
    one, other = (train(25, 7, params)[2][0]["loss"] for _ in range(2))
    assert one == other != trained[2][0]["loss"]


def test_absent_channel_leaves_no_trace():
    """The disc lies in the first channel: without it, the images that differ in nothing else score the same."""
    model = train(16, 0, replace(PARAMS, epochs=1), channels=(False, True, True))[0]
    one, other = prepared(4, 2), prepared(4, 2)
    other[:, 0] = 0.7
    np.testing.assert_array_equal(image_scores(model, one), image_scores(model, other))


def test_frozen_body_trains_the_last_layer_only():
    params = replace(PARAMS, trainable="head", epochs=30, learning_rate=1e-2)
    torch.manual_seed(3)
    start = ImageModel()
    model, average, records = train(40, 3, params)
    for name, value in start.resnet.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(value, model.resnet.state_dict()[name]), name
            assert torch.equal(value, average.resnet.state_dict()[name]), name
    assert not torch.equal(start.resnet.fc.weight, model.resnet.fc.weight)
    assert not torch.equal(average.resnet.fc.weight, model.resnet.fc.weight)
    assert records[-1]["accuracy"] > 0.9


def test_precision_follows_what_the_processor_can_do(monkeypatch):
    for flags, wanted in (({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: MappingProxyType(flags))
        assert uses_bfloat16("auto", CPU) is wanted
    assert not uses_bfloat16("float32", CPU)
    with pytest.raises(ValueError, match=r"precision: expected.*'float16'"):
        uses_bfloat16("float16", CPU)


def test_bfloat16_computes_layers_in_bfloat16():
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast("bfloat16", CPU)():
        assert layer(x).dtype == torch.bfloat16
    with autocast("float32", CPU)():
        assert layer(x).dtype == torch.float32


def test_log_is_one_json_object_a_line(tmp_path, trained):
    write_log(tmp_path / "log.jsonl", trained[2])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == trained[2]
    assert set(lines[0]) == {"epoch", "learning_rate", "loss", "accuracy", "seconds"}


@pytest.mark.parametrize("params", [STRETCH, WINDOW])
def test_training_images_are_those_of_the_scans_each_normalised(tmp_path, params):
    rng = np.random.default_rng(0)
    scans, paths = {}, {}
    for participant, scale in (("sub-01", 1), ("sub-02", 7)):
        scans[participant] = scale * rng.random((2, 3, 4, 4), dtype=np.float32)
        paths[participant] = tmp_path / f"{participant}_stack.npz"
        write_stack(paths[participant], {"crop": scans[participant], "slice": np.array([5, 9])})
    images, labels, told = training_images({"sub-02": 1, "sub-01": 0}, paths, "crop", params)
    expected = np.concatenate([normalise(scans[name], params) for name in ("sub-02", "sub-01")])
    np.testing.assert_allclose(images, expected, atol=5e-4)
    assert labels.tolist() == [1, 1, 0, 0]
    assert told == ["sub-02 slice 5", "sub-02 slice 9", "sub-01 slice 5", "sub-01 slice 9"]
