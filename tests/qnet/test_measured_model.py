"""The scan model that reads measurements: pooling, age, whitening, files."""

import numpy as np
import pytest
import torch

from qnet.networks.heads.measured import Measured, Nuclei, norms, norms_of_study
from qnet.networks.heads.models import read_scan_model
from qnet.networks.weights import write_weights

NUCLEI = 2  # measurements: chi of both, then R2* of both


def reader(shown: float = 0.0) -> Measured:
    """Values are the first four features, the logits of showing the nuclei features 5 and 6 plus `shown`."""
    torch.manual_seed(0)
    model = Measured(NUCLEI)
    model.weight[torch.arange(4), torch.arange(4)] = 1
    model.weight[torch.tensor([5, 6]), torch.tensor([5, 6])] = 1
    model.bias[5:] = shown
    return model.eval()


def scan(slices: int) -> torch.Tensor:
    return torch.randn(1, slices, 512, generator=torch.Generator().manual_seed(slices))


def test_a_measurement_is_the_mean_over_the_slices_that_show_the_nucleus():
    embeddings = torch.zeros(1, 3, 512)
    embeddings[0, :, 0] = torch.tensor([1.0, 3.0, 100.0])  # chi of the first nucleus
    embeddings[0, :, 5] = torch.tensor([30.0, 30.0, -30.0])  # the third slice does not show it
    assert reader().measure(embeddings)[0, 0].item() == pytest.approx(2)


def test_padding_changes_nothing():
    model, short = reader(), scan(3)
    padded = torch.cat([short, torch.full((1, 2, 512), torch.nan)], 1)
    for one, two in zip(model(padded, torch.tensor([3])), model(short), strict=True):
        torch.testing.assert_close(one[:, :3] if one.ndim == 3 else one, two)


def test_age_is_taken_off():
    """A scan that is as its age lets expect scores as any other such scan, however old."""
    model = reader(shown=30.0)
    model.age[1, 0] = 0.5  # chi of the first nucleus rises by half a unit in 20 years
    young, old = torch.zeros(1, 2, 512), torch.zeros(1, 2, 512)
    young[..., 0], old[..., 0] = -0.5, 0.5
    scores = [model(x, None, torch.tensor([age]))[1] for x, age in ((young, 30.0), (old, 70.0))]
    torch.testing.assert_close(*scores)
    assert not torch.allclose(*(model(x)[1] for x in (young, old)))


def test_an_unknown_age_is_the_usual_one():
    model, x = reader(), scan(4)
    model.age[3] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(model(x, None, torch.tensor([torch.nan]))[1], model(x)[1])


def test_norms_whiten_what_age_leaves():
    chance = np.random.default_rng(0)
    ages = chance.uniform(20, 80, 4000)
    spread = np.array([[3.0, 1.0], [0.0, 2.0]])
    measured = chance.standard_normal((4000, 2)) @ spread + np.outer(ages / 20, [1.0, -1.0])
    found = {name: np.array(values) for name, values in norms(measured, ages).items()}
    a = (ages - 50) / 20
    z = (measured - np.stack([np.ones_like(a), a, a**2], 1) @ found["age"][:3]) @ found["whitening"]
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.06)
    np.testing.assert_allclose(found["age"][1], [1, -1], atol=0.1)


def test_weights_of_slices_sum_to_one():
    weights = reader().slice_weights(scan(5))
    assert weights.shape == (1, 5)
    assert weights.sum().item() == pytest.approx(1)


def test_only_the_heads_learn():
    assert {name for name, _ in reader().named_parameters()} == {
        "image_head.weight", "image_head.bias", "scan_head.weight", "scan_head.bias",
    }  # fmt: skip


def test_a_file_gives_the_same_scores(tmp_path):
    model, x = reader(), scan(3)
    model.age[0] = 1.0
    write_weights(tmp_path / "scan_model.safetensors", model, {"head": "measured", "slices": 0, "hidden_size": 8})
    loaded, _ = read_scan_model(str(tmp_path / "scan_model.safetensors"))
    torch.testing.assert_close(loaded(x)[1], model(x)[1])


def test_an_image_model_is_no_encoder():
    with pytest.raises(ValueError, match="expected weights of an encoder"):
        Measured.of_encoder({}, {"input": "crop"})


def test_without_norms_the_study_tells_what_is_usual_at_an_age():
    """A slope with age in both groups and a shift of one: the first is expected, the second stays."""
    chance = np.random.default_rng(1)
    ages, labels = chance.uniform(25, 80, 400), np.arange(400) % 2
    measured = 0.5 * chance.normal(size=(400, 2)) + np.stack([0.8 * (ages - 50) / 20 + 2 * labels, 0 * ages], 1)
    found = norms_of_study(measured, ages, labels)
    coefficients = np.array(found["age"])
    assert coefficients[:3, 0] == pytest.approx([0, 0.8, 0], abs=0.1)
    rest = (measured - np.stack([np.ones(400), (ages - 50) / 20, ((ages - 50) / 20) ** 2], 1) @ coefficients[:3]) @ (
        np.array(found["whitening"])
    )
    well = rest[labels == 0]
    assert np.cov(well.T) == pytest.approx(np.eye(2), abs=0.2) and np.abs(well.mean(0)).max() < 0.2


@pytest.mark.parametrize("ages", [np.full(6, np.nan), np.full(6, 50.0)])
def test_a_small_study_without_ages_still_has_norms(ages):
    found = norms_of_study(np.random.default_rng(0).normal(size=(6, 14)), ages, np.array([0, 1, 0, 1, 1, 1]))
    assert all(np.isfinite(values).all() for values in found.values())


def test_norms_of_the_encoder_are_kept():
    model, before = reader(), reader().age.clone()
    model.told = 2 * NUCLEI
    model.learn_usual(scan(3).expand(4, -1, -1), torch.full((4,), 3), torch.full((4,), 50.0), torch.arange(4) % 2)
    torch.testing.assert_close(model.age, before)
    model.told = 0
    model.learn_usual(scan(3).expand(4, -1, -1), torch.full((4,), 3), torch.full((4,), 50.0), torch.arange(4) % 2)
    assert not torch.equal(model.age, before)


def located_reader() -> Nuclei:
    """The same, with three means behind the embeddings."""
    torch.manual_seed(0)
    model = Nuclei(NUCLEI, 512, 3)
    model.weight.copy_(reader().weight)
    return model.eval()


def with_means(slices: int, *means: float) -> torch.Tensor:
    return torch.cat([scan(slices), torch.tensor(means).expand(1, slices, -1)], 2)


def test_means_over_located_nuclei_are_measurements_of_their_own():
    x = with_means(3, 0.1, 20.0, 0.3)
    found = located_reader().measure(x)[0]
    torch.testing.assert_close(found[4:], torch.tensor([0.1, 20.0, 0.3]))
    torch.testing.assert_close(found[:4], reader().measure(x[..., :512])[0])


def test_a_nucleus_that_was_not_located_counts_as_usual():
    model = located_reader()
    model.age[0] = model.age[3] = 2.0
    assert model.measure(with_means(3, 0.1, torch.nan, 0.3))[0, 5].isnan()
    given, missing = (model(with_means(3, 0.1, value, 0.3)) for value in (2.0, torch.nan))
    for one, two in zip(given, missing, strict=True):
        torch.testing.assert_close(one, two)
    weights = model.slice_weights(with_means(3, 0.1, torch.nan, 0.3))
    assert weights.sum().item() == pytest.approx(1)


def test_padding_changes_nothing_of_what_was_located():
    model, short = located_reader(), with_means(3, 0.1, torch.nan, 0.3)
    padded = torch.cat([short, torch.zeros(1, 2, 515)], 1)
    torch.testing.assert_close(model(padded, torch.tensor([3]))[1], model(short)[1])


def test_the_study_tells_what_is_usual_of_located_nuclei_alone():
    """The norms that the encoder brings stay, and what no training scan has cannot count in a new one."""
    model = located_reader()
    model.told = 2 * NUCLEI
    scans = torch.cat([with_means(2, 0.1 * i, 10.0 + i**2, torch.nan) for i in range(6)])
    model.learn_usual(scans, torch.full((6,), 2), torch.arange(30.0, 90.0, 10.0), torch.arange(6) % 2)
    assert not model.age[:, :4].any()
    torch.testing.assert_close(model.whitening[:4, :4], torch.eye(4))
    assert model.whitening[4, 4] > 0 and model.whitening[5, 5] > 0 and model.whitening[6, 6] == 0
    one, two = (model(with_means(2, 0.1, 12.0, value))[1] for value in (0.5, torch.nan))
    torch.testing.assert_close(one, two)


def test_a_file_of_both_gives_the_same_scores(tmp_path):
    model, x = located_reader(), with_means(3, 0.1, 20.0, torch.nan)
    write_weights(tmp_path / "scan_model.safetensors", model, {"head": "nuclei", "slices": 0, "hidden_size": 8})
    loaded, _ = read_scan_model(str(tmp_path / "scan_model.safetensors"))
    torch.testing.assert_close(loaded(x)[1], model(x)[1])
