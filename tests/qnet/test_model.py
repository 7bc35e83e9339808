"""The network of stage 1: architecture, standardisation, gradients."""

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from qnet.networks.model import ImageModel
from qnet.networks.predict import image_scores
from qnet.networks.train import image_loss


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


def test_channel_that_is_not_used_is_exactly_zero():
    model, x = ImageModel((True, False, True)).eval(), torch.rand(2, 3, 64, 64)
    model.standardise_by(x)
    centred = x.clone()
    centred[:, 1] = model.mean[1]  # zero after standardisation
    used = ImageModel().eval()
    used.load_state_dict(model.state_dict() | {"channels": torch.ones(3, 1, 1)})
    torch.testing.assert_close(model(x), used(centred), rtol=0, atol=0)


def test_standardisation_is_that_of_float32_for_float16_images():
    x, model = torch.rand(4, 3, 16, 16).half(), ImageModel()
    model.standardise_by(x)
    torch.testing.assert_close(model.mean.flatten(), x.float().mean((0, 2, 3)))
    torch.testing.assert_close(model.std.flatten(), x.float().std((0, 2, 3)))


def test_embedding_is_the_pooled_feature_map():
    model, x = ImageModel().eval(), torch.rand(2, 3, 96, 96)
    assert model.feature_maps(x).shape == (2, 512, 3, 3)
    torch.testing.assert_close(model.resnet.fc(model.embed(x)), model(x))


def test_every_parameter_gets_gradient():
    model = ImageModel()
    image_loss(model, torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 0, 1]))[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_constant_channel_does_not_break_standardisation():
    model = ImageModel()
    model.standardise_by(torch.zeros(2, 3, 8, 8))
    assert np.isfinite(model.eval()(torch.rand(1, 3, 64, 64)).detach().numpy()).all()


def test_image_model_predicts_like_one_image_at_a_time():
    model, x = ImageModel().eval(), np.random.default_rng(0).random((3, 3, 28, 28), dtype=np.float32)
    singly = np.concatenate([image_scores(model, x[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(image_scores(model, x), singly, rtol=1e-5)
