"""Training of the inversion's network, and that the reconstruction applies the very same."""

import hashlib
import json

import numpy as np
import pytest
import torch

from benchmarks.inversion_volumes import GENERATORS, arrays_of, volume
from qnet.networks import checkpoint, train_inversion
from qnet.networks.inversion import Prior, Unrolled, folded, unfolded
from qnet.networks.train_inversion import (
    Schedule,
    augmented,
    errors,
    held_out,
    range_of,
    read_volume,
    step,
    train_and_write,
    train_step,
    unexplained,
    with_data,
    write_trained,
)
from recon.files.weights import read_weights
from recon.grid import Grid
from recon.inversion.problem import Problem
from recon.inversion.total_variation import Solver
from recon.inversion.unrolling import steps
from recon.settings import defaults
from tests.recon.physics import ball, field_of, nuclei

SMALL, VOXEL_SIZE_MM = (24, 28, 20), (3.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def problem():
    mask, chi = (make(shape=SMALL, voxel_size_mm=VOXEL_SIZE_MM) for make in (lambda **g: ball(28, **g), nuclei))
    noise = 0.004 * np.random.default_rng(0).standard_normal(SMALL, np.float32)
    field = np.where(mask, field_of(chi, voxel_size_mm=VOXEL_SIZE_MM) + noise, 0).astype(np.float32)
    solver = Solver.of(defaults("dipole_inversion"))
    return Problem.of(field, mask, Grid(VOXEL_SIZE_MM), precision=None, contrasts=None, solver=solver)


@pytest.fixture(scope="module")
def arrays(problem):
    """As in the file of a volume."""
    truth = np.random.default_rng(0).standard_normal(problem.start.shape, np.float32)
    return {n: torch.from_numpy(np.asarray(v, np.float32)) for n, v in (arrays_of(problem) | {"truth": truth}).items()}


def drawn(seed=0):
    """A network whose corrections are not zero."""
    torch.manual_seed(seed)
    model = Unrolled([Prior(), Prior()])
    for prior in model:
        torch.nn.init.normal_(prior.last.weight, 0, 0.02)
        torch.nn.init.normal_(prior.geometry.weight, 0, 0.1)
    return model


def test_the_reconstruction_applies_the_same_network(problem, arrays):
    model = drawn()
    with torch.no_grad():
        expected = model(arrays).numpy()
    found = steps(problem, {name: value.numpy() for name, value in model.state_dict().items()})
    assert np.abs(expected - problem.start).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_both_measure_the_same_residual(problem, arrays):
    assert unexplained(arrays) == pytest.approx(problem.unexplained(), rel=1e-4)


def test_a_network_that_has_learnt_nothing_leaves_the_map(problem, arrays):
    with torch.no_grad():
        np.testing.assert_array_equal(Unrolled([Prior(), Prior()])(arrays).numpy(), problem.start)


def test_a_flipped_and_exchanged_volume_still_obeys_its_dipole(arrays):
    """The residual of the start is a matter of physics alone."""
    for seed in range(8):
        assert unexplained(augmented(arrays, np.random.default_rng(seed))) == pytest.approx(
            unexplained(arrays), rel=1e-3
        )


def test_errors_ignore_a_constant_and_what_is_outside(arrays):
    wrong = arrays["truth"] + 5 + 100 * (1 - arrays["inside"])
    assert max(map(float, errors(wrong, arrays))) < 1e-4


def test_training_lowers_the_error_and_follows_its_seed(arrays):
    truth = 0.7 * arrays["start"] + arrays["inside"] * torch.randn(arrays["start"].shape)
    volumes = with_data([arrays | {"truth": truth}] * 5)
    schedule = Schedule(epochs=6, falling=2, rate=1e-3)
    one, other = (train_step(volumes, schedule.rate_of, schedule.epochs, seed=1)[0] for _ in range(2))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    with torch.no_grad():
        assert errors(step(one, volumes[0]), volumes[0])[0] < 0.9 * errors(arrays["start"], volumes[0])[0]


def test_an_interrupted_training_goes_on_to_the_same_weights_and_curve(arrays, tmp_path, monkeypatch):
    volumes = with_data([arrays] * 2)
    schedule = Schedule(epochs=2, falling=1)

    def train(path):
        return train_step(volumes, schedule.rate_of, schedule.epochs, checkpoint=path)

    whole, curve = train(tmp_path / "whole")
    monkeypatch.setattr(checkpoint, "INTERVAL_S", 0.0)
    measures = iter([held_out])  # the second pass is not measured
    monkeypatch.setattr(train_inversion, "held_out", lambda *given: next(measures)(*given))
    with pytest.raises(StopIteration):
        train(tmp_path / "part")
    monkeypatch.setattr(train_inversion, "held_out", held_out)
    resumed, again = train(tmp_path / "part")
    assert again == curve
    assert [entry["epoch"] for entry in curve] == [0, 1]
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_folder_becomes_weights_and_their_card(tmp_path, arrays):
    for number in range(2):
        np.savez(tmp_path / f"{number:04d}.npz", **{name: value.numpy() for name, value in arrays.items()})
    schedules = [Schedule(epochs=1, falling=1)] * 2
    train_and_write(tmp_path, tmp_path / "new.safetensors", schedules, seed=0)
    card = json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))
    assert {name.split(".")[0] for name in read_weights(tmp_path / "new.safetensors", card["sha256"], "")} == {"0", "1"}
    assert [entry["epochs"] for entry in card["training"]["steps"]] == [1, 1]
    with pytest.raises(ValueError, match="expected volumes of python -m benchmarks.inversion_volumes, found 0"):
        train_and_write(tmp_path / "none", tmp_path / "new.safetensors", schedules, seed=0)


def test_the_rate_falls_to_nothing():
    rates = [Schedule(epochs=10, falling=4, rate=1.0).rate_of(epoch) for epoch in range(10)]
    assert rates[0] == 0.5
    assert rates[1:6] == [1.0] * 5
    assert rates[6:] == pytest.approx([0.875, 0.625, 0.375, 0.125])


def test_written_weights_are_read_by_the_reconstruction(tmp_path, arrays):
    model, path = drawn(), tmp_path / "unrolled.safetensors"
    write_trained(path, model, {"range": range_of([arrays])})
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    found = read_weights(path, card["sha256"], "")
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-3, atol=1e-6)


def test_folding_keeps_every_voxel():
    volume = torch.randn(1, 3, 4, 6, 2)
    assert folded(volume).shape == (1, 24, 2, 3, 1)
    torch.testing.assert_close(unfolded(folded(volume)), volume)


def test_a_volume_follows_its_number_and_seed(tmp_path):
    first, again = volume(1, 7), volume(1, 7)
    assert {name: value.dtype.name for name, value in first.items()} == {n: v.dtype.name for n, v in again.items()}
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["field"], volume(1, 8)["field"])


@pytest.mark.parametrize("number", range(len(GENERATORS)))
def test_every_generator_makes_a_volume_that_a_training_reads(tmp_path, number):
    np.savez(tmp_path / "one.npz", **volume(number, 3))
    arrays = read_volume(tmp_path / "one.npz")
    start = float(errors(arrays["start"], arrays)[0])
    assert 0.05 < start < 1
    assert all(torch.isfinite(value).all() for value in arrays.values())
