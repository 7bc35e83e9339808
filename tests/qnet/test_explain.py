"""Class activation maps: the exact identity, and the montage."""

import numpy as np
import pytest
import torch

from qnet.explain import PER_OUTCOME, Case, evidence_map, montage, select
from qnet.model import ImageModel


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return ImageModel().eval()


@pytest.mark.parametrize("size", [56, 100])
def test_mean_evidence_is_the_logit_difference(model, size):
    images = np.random.default_rng(0).random((3, 3, size, size), dtype=np.float32)
    maps, difference = evidence_map(model, images)
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).numpy()
    bias = model.resnet.fc.bias.detach().numpy()
    np.testing.assert_allclose(difference, logits[:, 1] - logits[:, 0], atol=1e-5)
    np.testing.assert_allclose(maps.mean((1, 2)) + bias[1] - bias[0], logits[:, 1] - logits[:, 0], atol=1e-5)
    assert maps.shape[1:] == (-(-size // 32),) * 2


def case(number: int, group: str, correct: bool) -> Case:
    rng = np.random.default_rng(number)
    return Case(
        participant=f"sub-{number:02d}",
        group=group,
        correct=correct,
        slice=12,
        score=0.5,
        qsm_ppm=rng.normal(0, 0.05, (64, 64)),
        evidence=rng.normal(size=(2, 2)),
        crop_size=56,
    )


def test_subjects_are_taken_in_order_right_before_wrong():
    cases = [case(n, group, n % 3 > 0) for n in range(12, 0, -1) for group in ("HH", "HC")]
    rows = select(cases, ("HH", "HC"))
    names = [f"sub-{n:02d}" for n in (1, 2)] + [f"sub-{n:02d}" for n in (3, 6)]
    assert [[c.participant for c in row] for row in rows] == [names, names]
    assert [c.correct for c in rows[0]] == [True] * PER_OUTCOME + [False] * PER_OUTCOME


@pytest.mark.parametrize("wrong", [True, False])
def test_montage_is_a_picture_and_the_same_each_time(tmp_path, wrong):
    cases = [case(n, group, not wrong or n < 3) for n in range(1, 5) for group in ("HH", "HC")]
    for name in ("a.png", "b.png"):
        montage(tmp_path / name, cases, "HC", "HH", "Class activation, crop input", synthetic=True)
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert data == (tmp_path / "b.png").read_bytes()


def test_montage_with_a_group_that_has_one_subject(tmp_path):
    montage(tmp_path / "c.png", [case(1, "HH", True), case(2, "HC", False)], "HC", "HH", "t", synthetic=False)
    assert (tmp_path / "c.png").is_file()
