"""Weights on disk: round trips, where a model may start from, and clear refusals."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

from benchmarks.encoder_heads import draw
from qnet.images.normalise import Normalise
from qnet.networks.heads.measured import Measured
from qnet.networks.model import ImageModel
from qnet.networks.predict import embed
from qnet.networks.weights import (
    ENCODER,
    SHIPPED,
    check_encoder,
    initialise,
    read_image_model,
    read_story,
    read_weights,
    stages_of,
    stages_to_start_from,
    write_weights,
)

ABOUT = {"input": "crop", "normalise": {"method": "window", "qsm_window_ppm": [-0.1, 0.25]}}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """File of an image model of this project, and the model."""
    torch.manual_seed(1)
    model = ImageModel((True, False, True)).eval()
    model.standardise_by(torch.rand(4, 3, 8, 8))
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    write_weights(path, model, ABOUT)
    return str(path), model


@pytest.fixture(scope="module")
def donor():
    return resnet18(num_classes=1000).state_dict()


def same_body(model: ImageModel, state: dict) -> bool:
    own = model.resnet.state_dict()
    return all(torch.equal(own[name], value) for name, value in state.items() if not name.startswith("fc."))


def test_weights_round_trip_with_their_story(encoder):
    path, model = encoder
    again, about = read_image_model(path)
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(again(x), model(x), rtol=0, atol=0)
    assert about == read_story(path) == ABOUT
    assert not again.training


def test_weights_are_the_same_bytes_each_time(tmp_path):
    model = torch.nn.Linear(3, 2)
    for name in "ab":
        write_weights(tmp_path / name, model, {"epochs": 1, "seed": 0})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_start_from_a_state_dict_except_its_last_layer(tmp_path, donor, kind):
    path = tmp_path / f"donor.{kind}"
    (torch.save if kind == "pth" else save_file)(donor, path)
    model = ImageModel()
    head, mean = model.resnet.fc.weight.clone(), model.mean.clone()
    initialise(model, str(path))
    assert same_body(model, donor)
    assert torch.equal(model.resnet.fc.weight, head)
    assert torch.equal(model.mean, mean)


def test_start_from_an_image_model_with_its_standardisation_but_own_channels(encoder):
    path, trained = encoder
    model = ImageModel()
    initialise(model, path)
    assert same_body(model, trained.resnet.state_dict())
    assert torch.equal(model.mean, trained.mean)
    assert torch.equal(model.std, trained.std)
    assert model.channels.flatten().tolist() == [1, 1, 1]


def test_random_start_changes_nothing():
    model = ImageModel()
    before = model.resnet.conv1.weight.clone()
    initialise(model, "none")
    assert torch.equal(model.resnet.conv1.weight, before)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda state: {**state, "conv1.weight": state["conv1.weight"][:, :1]}, "conv1.weight"),
        (lambda state: {**state, "layer5.weight": torch.zeros(1)}, "layer5.weight"),
        (lambda state: {name: value for name, value in state.items() if name != "bn1.bias"}, "bn1.bias"),
    ],
)
def test_other_tensors_are_refused(tmp_path, donor, spoil, named):
    torch.save(spoil(donor), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=rf"other\.pth.*{named}"):
        initialise(ImageModel(), str(tmp_path / "other.pth"))


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_file_that_is_no_state_dict_is_refused(tmp_path, suffix):
    (tmp_path / f"text.{suffix}").write_text("hello, this is no state dict")
    with pytest.raises(ValueError, match=rf"text\.{suffix}: expected a state dict"):
        initialise(ImageModel(), str(tmp_path / f"text.{suffix}"))


def test_pickled_code_is_not_run(tmp_path):
    torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pth")
    with pytest.raises(ValueError, match=r"module\.pth"):
        initialise(ImageModel(), str(tmp_path / "module.pth"))


def test_missing_imagenet_weights_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"checkpoints.resnet18-f37072fd\.pth.*put https://"):
        initialise(ImageModel(), "imagenet")


def test_torn_imagenet_weights_are_refused_wherever_they_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torn = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    torn.write_bytes(b"torn")
    for weights in ("imagenet", str(torn)):
        with pytest.raises(ValueError, match="SHA-256 that starts with f37072fd"):
            initialise(ImageModel(), weights)


def test_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        initialise(ImageModel(), "nowhere.pth")


def test_encoder_of_the_same_preprocessing_is_accepted(encoder):
    check_encoder(encoder[0], {**ABOUT, "normalise": {"method": "window", "qsm_window_ppm": (-0.1, 0.25)}})
    check_encoder("none", ABOUT)
    check_encoder("imagenet", ABOUT)


@pytest.mark.parametrize(
    ("about", "values"),
    [
        ({**ABOUT, "input": "full"}, "input full, found one for crop"),
        ({**ABOUT, "normalise": {"method": "stretch"}}, "'stretch'.*'window'"),
    ],
)
def test_encoder_of_another_preprocessing_is_refused_with_both_values(encoder, about, values):
    with pytest.raises(ValueError, match=rf"encoder\.safetensors.*{values}"):
        check_encoder(encoder[0], about)


def test_state_dict_without_story_is_accepted(tmp_path, donor):
    save_file(donor, tmp_path / "donor.safetensors")
    torch.save(donor, tmp_path / "donor.pth")
    for name in ("donor.safetensors", "donor.pth"):
        check_encoder(str(tmp_path / name), ABOUT)


def test_encoder_that_has_seen_a_study_is_told(tmp_path, capsys):
    write_weights(tmp_path / "fold.safetensors", torch.nn.Linear(1, 1), {**ABOUT, "fold": 2})
    check_encoder(str(tmp_path / "fold.safetensors"), ABOUT)
    assert "training subjects of fold 2" in capsys.readouterr().err


def test_the_shipped_encoder_is_what_its_card_says():
    card = json.loads(ENCODER.with_suffix(".json").read_text())
    assert hashlib.sha256(ENCODER.read_bytes()).hexdigest() == card["sha256"]
    assert ENCODER.stat().st_size < 6_000_000
    state, about = read_weights(ENCODER)
    stages = stages_to_start_from(SHIPPED)
    assert stages == card["training"]["stages"] == stages_of(state)
    model = ImageModel(stages=stages)
    initialise(model, SHIPPED)
    torch.testing.assert_close(model.resnet.layer1[0].conv1.weight, state["resnet.layer1.0.conv1.weight"])
    assert "norms" not in about and about["normalise"]["method"] == "window"


def test_the_shipped_encoder_measures_the_nuclei_of_heads_that_it_has_not_seen():
    """χ and R2* of seven nuclei of three drawn heads, in the SDs of its training: a constant has r = 0."""
    model, about = read_image_model(ENCODER)
    reader, told, true = Measured.of_encoder(*read_weights(ENCODER)), [], []
    for number in range(3):
        head = draw(number, 987, Normalise(**about["normalise"]))
        values = dict(zip(head["names"].tolist(), head["values"], strict=True))
        embedded = embed(model, head["images"].astype(np.float32))
        told.append(reader.measure(torch.from_numpy(embedded)[None])[0].numpy())
        true.append([values[name] for name in about["targets"][:-1]])
    z = (np.array(true) - about["mean"][:-1]) / about["sd"][:-1]
    assert np.shape(told) == (3, 14)
    assert np.corrcoef(np.ravel(told), z.ravel())[0, 1] > 0.6


def test_a_shipped_encoder_that_was_changed_is_refused(tmp_path, monkeypatch):
    copy = tmp_path / ENCODER.name
    copy.write_bytes(ENCODER.read_bytes()[:-1] + b"x")
    copy.with_suffix(".json").write_text(ENCODER.with_suffix(".json").read_text())
    monkeypatch.setattr("qnet.networks.weights.ENCODER", copy)
    with pytest.raises(ValueError, match="expected the SHA-256 of its card"):
        initialise(ImageModel(stages=3), SHIPPED)


@pytest.mark.parametrize("stages", [2, 3, 4])
def test_a_model_with_fewer_stages_is_read_back_also_from_half_precision(stages, tmp_path):
    model, path = ImageModel(stages=stages).eval(), tmp_path / "model.safetensors"
    write_weights(path, model, {}, small=True)
    found, _ = read_image_model(path)
    assert found.stages == stages
    images = torch.rand(1, 3, 56, 56)
    assert found.feature_maps(images).shape == (1, 64 << (stages - 1), *[-(-56 // (4 << (stages - 1)))] * 2)
    torch.testing.assert_close(found(images), model(images), atol=0.02, rtol=0.02)
