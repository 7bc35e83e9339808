"""Training of the networks from field to susceptibility, and that the reconstruction applies the very same."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.inversion_volumes import VOLUMES_FOR, arrays_of, background
from qnet.networks import checkpoint
from qnet.networks.inversion import mapped
from qnet.networks.train_direct import LOSSES, network, train, train_and_write, with_start
from qnet.networks.train_inversion import Schedule, augmented, errors, read_volume, unexplained
from recon.files.weights import read_weights
from recon.grid import Grid
from recon.inversion import direct
from recon.inversion.problem import Problem
from tests.recon.physics import ball, field_of, nuclei

SMALL, VOXEL_SIZE_MM = (24, 28, 20), (3.0, 3.0, 3.0)
SHORT = Schedule(epochs=2, falling=1, rate=2e-3)
EACH = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture(scope="module")
def problem():
    mask, chi = (make(shape=SMALL, voxel_size_mm=VOXEL_SIZE_MM) for make in (lambda **g: ball(28, **g), nuclei))
    noise = 0.004 * np.random.default_rng(0).standard_normal(SMALL, np.float32)
    field = np.where(mask, field_of(chi, voxel_size_mm=VOXEL_SIZE_MM) + noise, 0).astype(np.float32)
    return Problem.of(field, mask, Grid(VOXEL_SIZE_MM), precision=None, contrasts=None, solver=None)


@pytest.fixture(scope="module")
def arrays(problem):
    """As in the file of a volume; the truth is what the division says, halved."""
    division = problem.divided(problem.field)
    made = arrays_of(problem) | {"division": division, "truth": 0.5 * division * problem.model.inside}
    made = {name: made[name] for name in made if name not in ("start", "contrasts")}
    return {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in made.items()}


def drawn():
    """A network whose corrections are not zero."""
    prior = network(0)
    torch.nn.init.normal_(prior.last.weight, 0, 0.02)
    torch.nn.init.normal_(prior.geometry.weight, 0, 0.1)
    return prior


def test_the_reconstruction_applies_the_same_network(problem, arrays):
    prior = drawn()
    with torch.no_grad():
        expected = mapped(prior, arrays).numpy()
    found = direct.mapped(problem, {name: value.numpy() for name, value in prior.state_dict().items()})
    assert np.abs(expected - problem.divided(problem.field) * problem.model.inside).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_both_measure_the_same_residual(problem, arrays):
    prior = drawn()
    weights = {name: value.numpy() for name, value in prior.state_dict().items()}
    judged = replace(problem, start=direct.consistent(problem, weights))
    assert unexplained(with_start(prior, [arrays])[0]) == pytest.approx(judged.unexplained(), rel=0.02)  # bfloat16


@EACH
def test_the_truth_costs_nothing_and_a_wrong_map_something(arrays, name):
    assert float(LOSSES[name](arrays["truth"], arrays)) < 1e-3
    assert float(LOSSES[name](arrays["division"], arrays)) > 0.1


def test_the_loss_of_the_field_sees_what_the_dipole_sees(arrays):
    """An error along the cone costs less than one that changes the field, where the map's sizes are the same."""
    dipole, shape = arrays["dipole"], tuple(int(n) for n in arrays["periodic"])
    box = tuple(slice(n) for n in arrays["truth"].shape)
    noise = torch.fft.rfftn(torch.randn(arrays["truth"].shape, generator=torch.Generator().manual_seed(0)), shape)
    kinds = [torch.fft.irfftn(noise * where, shape)[box] for where in (dipole.abs() < 0.1, dipole.abs() > 0.3)]
    costs = [LOSSES["qsmnet"](arrays["truth"] + v / v.abs().mean(), arrays) for v in kinds]
    assert costs[0] < 0.9 * costs[1]


@EACH
def test_training_lowers_the_error_follows_its_seed_and_resumes_bit_for_bit(arrays, name, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL_S", 0.0)
    volumes, rng = [arrays] * 7, np.random.default_rng(0)
    one, curve = train(name, volumes, SHORT, seed=1)
    path = tmp_path / "part.checkpoint"
    kept = checkpoint.Checkpoint.keep

    def interrupted(self, optimiser, records):
        kept(self, optimiser, records)
        if len(records) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoint.Checkpoint, "keep", interrupted)
        train(name, volumes, SHORT, seed=1, checkpoint=path)
    other, _ = train(name, volumes, SHORT, seed=1, checkpoint=path)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert curve[-1][f"{name}_percent"] < 0.8 * curve[-1]["division_percent"]
    flipped = augmented(arrays, rng)
    with torch.no_grad():
        assert errors(mapped(one, flipped), flipped)[0] < errors(flipped["division"], flipped)[0]


def test_a_folder_becomes_weights_and_their_card(tmp_path, arrays):
    for number in range(3):
        np.savez(tmp_path / f"{number:04d}.npz", **{name: value.numpy() for name, value in arrays.items()})
    train_and_write("deepqsm", tmp_path, tmp_path / "new.safetensors", Schedule(epochs=1, falling=1), seed=0)
    card = json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))
    assert "deep.3.weight" in read_weights(tmp_path / "new.safetensors", card["sha256"], "")
    assert card["command"] == "make train-deepqsm" and card["range"]["tilt_deg"] == 45
    with pytest.raises(ValueError, match="expected volumes of python -m benchmarks.inversion_volumes --for qsmnet"):
        train_and_write("qsmnet", tmp_path / "none", tmp_path / "new.safetensors", SHORT, seed=0)


@pytest.mark.parametrize(("name", "number"), [("deepqsm", 0), ("qsmnet", 1), ("qsmnet", 2)])
def test_every_kind_of_volume_is_one_that_a_training_reads(tmp_path, name, number):
    first, again = VOLUMES_FOR[name](number, 3), VOLUMES_FOR[name](number, 3)
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
    np.savez(tmp_path / "one.npz", **first)
    arrays = read_volume(tmp_path / "one.npz")
    assert all(torch.isfinite(value).all() for value in arrays.values())
    assert 0.2 < float(errors(arrays["division"], arrays)[0]) < 1.5


def test_a_background_is_harmonic_inside():
    """Its second differences cancel, but for what a grid makes of them."""
    shape = {"shape": (44, 48, 40), "voxel_size_mm": VOXEL_SIZE_MM}
    mask, deep = ball(45, **shape), ball(39, **shape)
    field = background(mask, Grid(VOXEL_SIZE_MM), np.random.default_rng(0))
    second = [np.roll(field, 1, a) + np.roll(field, -1, a) - 2 * field for a in range(3)]
    assert field[mask].std() == pytest.approx(1, rel=1e-3)
    assert np.abs(sum(second)[deep]).mean() < 0.2 * np.abs(second[0][deep]).mean()
