"""Class activation maps: the exact identity, where a cell looks, the control, and a fold's held-out subjects."""

import numpy as np
import pytest
import torch

from qnet.explanation.evidence import evidence_map, explain_fold, random_control
from qnet.explanation.template import CELL_PIXELS
from qnet.images.augment import Augmentation
from qnet.images.data import write_stack
from qnet.networks.model import ImageModel


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = ImageModel((True, False, True)).eval()
    model.standardise_by(torch.rand(2, 3, 8, 8))
    return model


@pytest.mark.parametrize("size", [56, 100])
def test_mean_evidence_is_the_logit_difference(model, size):
    images = np.random.default_rng(0).random((3, 3, size, size), dtype=np.float32)
    maps, difference = evidence_map(model, images)
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(maps.mean((1, 2)), logits[:, 1] - logits[:, 0], atol=1e-5)
    np.testing.assert_allclose(difference, logits[:, 1] - logits[:, 0], atol=1e-5)
    assert maps.shape[1:] == (-(-size // CELL_PIXELS),) * 2


def test_a_cell_looks_about_its_own_pixel(model):
    """The pixels that move the fifth cell are centred on pixel 4 · 32, not on the middle of a tile of 32 pixels."""
    side = 8 * CELL_PIXELS + 1  # as much to the left of that pixel as to the right
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0), requires_grad=True)
    model.feature_maps(images)[0, :, 4, 4].sum().backward()
    weight, pixel = images.grad.abs().sum((0, 1)), torch.arange(float(side))
    centre = [float((weight.sum(axis) * pixel).sum() / weight.sum()) for axis in (1, 0)]
    np.testing.assert_allclose(centre, (4 * CELL_PIXELS, 4 * CELL_PIXELS), atol=5)


def test_control_is_untrained_repeatable_and_sees_the_same_channels(model):
    state = torch.random.get_rng_state()
    one, two, other = (random_control(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.resnet.fc.weight, two.resnet.fc.weight)
    assert not torch.equal(one.resnet.fc.weight, other.resnet.fc.weight)
    assert not torch.equal(one.resnet.fc.weight, model.resnet.fc.weight)
    for name in ("mean", "std", "channels"):
        assert torch.equal(getattr(one, name), getattr(model, name))
    assert not one.training


def test_held_out_subjects_of_a_fold(model, tmp_path):
    rng = np.random.default_rng(0)
    stacks = {}
    for participant in ("sub-01", "sub-02", "sub-03"):
        stacks[participant] = str(tmp_path / f"{participant}_stack.npz")
        write_stack(stacks[participant], {"crop": rng.random((2, 3, 64, 64), np.float32), "slice": np.array([4, 6])})
    values = {name: 0.0 for name in Augmentation.__dataclass_fields__} | {"crop_fraction": 0.875}
    normalise = {"method": "stretch", "channels": ["QSM", "T1w"], "stretch_percentiles": [0.5, 99.5]}
    normalise |= {"qsm_window_ppm": [-0.1, 0.2], "r2star_window_hz": [0, 60], "t1w_percentiles": [1, 99]}
    about = {"input": "crop", "seed": 0, "fold": 1, "normalise": normalise, "augmentation": values}
    cases = explain_fold(model, about, stacks, {"sub-02": 1, "sub-03": 0}, ("HC", "HH"))
    assert [(case.participant, case.group) for case in cases] == [("sub-02", "HH"), ("sub-03", "HC")]
    for case in cases:
        logits = case.maps.mean((1, 2))
        np.testing.assert_allclose(case.scores, 1 / (1 + np.exp(-logits)), atol=1e-5)
        assert case.crop_size == 56
        assert case.control.shape == case.maps.shape == (2, 2, 2)
        assert not np.allclose(case.control, case.maps)
    again = explain_fold(model, about, stacks, {"sub-02": 1}, ("HC", "HH"))[0]
    np.testing.assert_array_equal(again.control, cases[0].control)
