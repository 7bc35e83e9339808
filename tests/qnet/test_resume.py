"""Interrupted training: it goes on where it stopped, and only from a state that is its own."""

import os
from dataclasses import replace

import pytest
import torch

from qnet.networks import checkpoint, loop
from qnet.networks.loop import train_epoch
from qnet.networks.model import ImageModel, prepare_torch
from qnet.networks.train import course, train_image_model
from tests.qnet.toy import ALL, PARAMS, names, toy

SHORT = replace(PARAMS, batch_size=4)


@pytest.fixture(scope="module", autouse=True)
def device():
    return prepare_torch(1)


def train(path, params=SHORT, seed=0):
    return train_image_model(*toy(8, 0), params, ALL, seed, torch.device("cpu"), path, names(8))


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory, device):
    """State of a training that was cut off in its last epoch, the average of weights under way."""
    path, calls = tmp_path_factory.mktemp("cut_off") / "model.checkpoint", []

    def cut(*arguments):
        calls.append(1)
        if len(calls) == SHORT.epochs:
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "INTERVAL_S", 0)
        patch.setattr(loop, "train_epoch", cut)
        train(path)
    return path


@pytest.fixture
def interrupted(cut_off, tmp_path):
    os.link(cut_off, tmp_path / cut_off.name)
    return tmp_path / cut_off.name


def test_resumed_is_uninterrupted_bit_for_bit(interrupted, capsys):
    model, average, records = train(interrupted)
    assert "resuming after epoch 3" in capsys.readouterr().err
    whole_model, whole_average, whole_records = train(None)
    for one, other in ((model, whole_model), (average, whole_average)):
        for name, value in other.state_dict().items():
            assert torch.equal(value, one.state_dict()[name]), name
    for one, other in zip(records, whole_records, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_state_of_another_training_is_ignored(interrupted, capsys):
    records = train(interrupted, replace(SHORT, learning_rate=1e-3))[2]
    assert "model.checkpoint: ignored: it comes from other settings" in capsys.readouterr().err
    assert records[0]["learning_rate"] == 1e-3
    assert len(records) == SHORT.epochs


def test_settings_images_labels_seed_and_first_weights_decide_whose_state_it_is():
    images, labels = toy(4, 0)
    torch.manual_seed(0)
    model, other = ImageModel(), ImageModel()
    own = course(images, labels, SHORT, 0, model)
    assert own == course(images.copy(), labels.copy(), replace(SHORT), 0, model)
    others = [
        course(images / 2, labels, SHORT, 0, model),
        course(images, 1 - labels, SHORT, 0, model),
        course(images, labels, replace(SHORT, precision="bfloat16"), 0, model),
        course(images, labels, replace(SHORT, augmentation=replace(SHORT.augmentation, gamma=0.0)), 0, model),
        course(images, labels, SHORT, 1, model),
        course(images, labels, SHORT, 0, other),
    ]
    assert len({own, *others}) == 1 + len(others)


def test_broken_state_is_ignored(tmp_path, capsys):
    path = tmp_path / "model.checkpoint"
    path.write_bytes(b"torn")
    train(path, replace(SHORT, epochs=1))
    assert "model.checkpoint: ignored: it cannot be read" in capsys.readouterr().err


def test_short_training_writes_no_state(tmp_path):
    train(tmp_path / "model.checkpoint", replace(SHORT, epochs=1))
    assert not list(tmp_path.iterdir())
