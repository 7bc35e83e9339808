"""Networks: architecture, gradients, the LSTM equations, weights on disk."""

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from qnet.model import (
    ImageModel,
    ScanModel,
    initialise,
    read_image_model,
    read_scan_model,
    write_weights,
)
from qnet.train import image_loss, scan_loss


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_image_model_is_torchvision_resnet18_on_standardised_channels():
    model, x = ImageModel().eval(), torch.rand(3, 3, 64, 64)
    model.standardise_by(x)
    reference = resnet18(num_classes=2).eval()
    reference.load_state_dict(model.resnet.state_dict())
    expected = reference((x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True))
    torch.testing.assert_close(model(x), expected)
    assert sum(p.numel() for p in model.parameters()) == 11_177_538


def test_embedding_is_the_pooled_feature_map():
    model, x = ImageModel().eval(), torch.rand(2, 3, 96, 96)
    assert model.feature_maps(x).shape == (2, 512, 3, 3)
    torch.testing.assert_close(model.resnet.fc(model.embed(x)), model(x))


def test_every_parameter_gets_gradient_in_stage_1():
    model = ImageModel()
    image_loss(model, torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 0, 1]))[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_every_parameter_gets_gradient_in_stage_2():
    model = ScanModel(5, 8)
    scan_loss(model, torch.randn(4, 5, 512), torch.tensor([0, 1, 0, 1]))[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def lstm(x, weights, suffix):
    """Equations of the LSTM cell, one direction: (T, d) → (T, H)."""
    w, u, b, b2 = (weights[f"{name}_l0{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = c = torch.zeros(u.shape[1], dtype=x.dtype)
    outputs = []
    for step in x:
        i, f, g, o = (w @ step + u @ h + b + b2).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


def test_scan_model_follows_the_lstm_equations():
    model, x = ScanModel(7, 6).double(), torch.randn(2, 7, 512, dtype=torch.float64)
    weights = dict(model.lstm.named_parameters())
    both = [torch.cat([lstm(s, weights, ""), lstm(s.flip(0), weights, "_reverse").flip(0)], 1) for s in x]
    outputs = torch.stack(both)  # (N, T, 2 H)
    images, scans = model(x)
    torch.testing.assert_close(images, outputs @ model.image_head.weight.T + model.image_head.bias)
    flat = torch.stack([torch.cat(list(o)) for o in outputs])
    torch.testing.assert_close(scans, flat @ model.scan_head.weight.T + model.scan_head.bias)


def test_size_of_the_scan_model():
    model = ScanModel(20, 128)
    assert sum(p.numel() for p in model.lstm.parameters()) == 657_408
    assert sum(p.numel() for p in model.scan_head.parameters()) == 10_242


def test_weights_round_trip_with_their_story(tmp_path):
    model = ImageModel().eval()
    model.standardise_by(torch.rand(4, 3, 8, 8))
    write_weights(tmp_path / "w.safetensors", model, {"fold": 2, "augmentation": {"crop_fraction": 0.875}})
    again, about = read_image_model(tmp_path / "w.safetensors")
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(again(x), model(x), rtol=0, atol=0)
    assert about == {"fold": 2, "augmentation": {"crop_fraction": 0.875}}
    assert not again.training


def test_weights_are_the_same_bytes_each_time(tmp_path):
    model = ScanModel(3, 4)
    for name in "ab":
        write_weights(tmp_path / name, model, {"slices": 3, "hidden_size": 4, "epochs": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_scan_model(tmp_path / "a")[0].slices == 3


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_start_from_a_state_dict_except_its_last_layer(tmp_path, kind):
    donor = resnet18(num_classes=1000)
    path = tmp_path / f"donor.{kind}"
    if kind == "pth":
        torch.save(donor.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(donor.state_dict(), path)
    model = ImageModel()
    head = model.resnet.fc.weight.clone()
    initialise(model, str(path))
    for name, value in donor.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(model.resnet.state_dict()[name], value), name
    assert torch.equal(model.resnet.fc.weight, head)


def test_wrong_state_dict_is_refused(tmp_path):
    state = resnet18().state_dict()
    state["conv1.weight"] = state["conv1.weight"][:, :1]
    torch.save(state, tmp_path / "grey.pth")
    with pytest.raises(ValueError, match=r"grey.pth.*conv1.weight"):
        initialise(ImageModel(), str(tmp_path / "grey.pth"))


def test_missing_imagenet_weights_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"resnet18-f37072fd\.pth"):
        initialise(ImageModel(), "imagenet")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"torn")
    with pytest.raises(ValueError, match="SHA-256"):
        initialise(ImageModel(), "imagenet")


def test_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        initialise(ImageModel(), "nowhere.pth")


def test_constant_channel_does_not_break_standardisation():
    model = ImageModel()
    model.standardise_by(torch.zeros(2, 3, 8, 8))
    assert np.isfinite(model.eval()(torch.rand(1, 3, 64, 64)).detach().numpy()).all()
