"""The trained inversions: what must hold whatever their weights, and what those that are shipped reach."""

import shutil
import warnings

import numpy as np
import pytest

from recon.files.weights import trained
from recon.grid import Grid
from recon.inversion import dipole_inversion, learnt, network
from recon.inversion.dipole_model import Model
from recon.inversion.learnt import RESOURCES
from recon.inversion.problem import Turn
from recon.maths.convolution import convolve3, folded, unfolded
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, field_of, nuclei

BRAIN = ball(40)
METHODS = ("unrolled", "deepqsm", "qsmnet")
EACH = pytest.mark.parametrize("method", METHODS)
OBLIQUE = np.array([0.36, 0.48, 0.8])
SD_PPM = 0.0005


def noisy(b0_dir=(0, 0, 1), seed=0):
    """The field of the nuclei with noise [ppm]."""
    noise = SD_PPM * np.random.default_rng(seed).standard_normal(SHAPE, np.float32)
    return np.where(BRAIN, field_of(nuclei(), b0_dir) + noise, 0).astype(np.float32)


def invert(field, mask=BRAIN, b0_dir=(0, 0, 1), voxel_size_mm=VOXEL_SIZE_MM, method="unrolled", **more):
    return dipole_inversion(field, mask, Grid(voxel_size_mm, b0_dir), method=method, **more)


def error(estimate, truth=None):
    """Relative error in the brain, both with zero mean [%]."""
    e, t = (x[BRAIN] - x[BRAIN].mean() for x in (estimate, nuclei() if truth is None else truth))
    return 100 * np.linalg.norm(e - t) / np.linalg.norm(t)


@pytest.fixture(scope="module")
def straight():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # this object lies in the range
        return {method: invert(noisy(), method=method) for method in METHODS}


@pytest.fixture
def fresh():
    """Weights are read anew, before and after."""
    trained.cache_clear()
    yield
    trained.cache_clear()


def test_the_field_of_the_model_is_its_own_adjoint():
    inside = ball(8, shape=(20, 24, 16))
    model = Model.of(inside, Grid([1.0, 1.2, 2.0], OBLIQUE))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, *inside.shape), np.float32)

    def field(volume):
        return model.transform.inverse(model.transform.forward(volume) * model.D)

    assert (field(x) * y).sum() == pytest.approx((x * field(y)).sum(), rel=1e-4)


def test_a_map_that_explains_its_field_stays():
    field = np.where(BRAIN, field_of(nuclei()), 0).astype(np.float32)
    assert error(invert(field), invert(field, method="tv")) < 5


@EACH
def test_the_same_scan_gives_the_same_map(straight, method):
    np.testing.assert_array_equal(invert(noisy(), method=method), straight[method])


@EACH
def test_what_lies_outside_the_mask_plays_no_part(straight, method):
    field = np.where(BRAIN, noisy(), np.random.default_rng(1).normal(0, 5, SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(invert(field, method=method), straight[method])


# tv alone, whose start depends on ppm: 2.8; a network alone reads nothing in ppm
@pytest.mark.parametrize(("method", "most"), [("unrolled", 4), ("deepqsm", 0.01), ("qsmnet", 0.01)])
def test_a_field_a_third_as_strong_gives_a_third_of_the_map(straight, method, most):
    assert error(3 * invert(noisy() / np.float32(3), method=method), straight[method]) < most


@pytest.mark.parametrize(
    ("axes", "b0_dir", "method"),  # about B0 itself, where two axes are alike, the order remains that of the file
    [
        ((2, 1, 0), OBLIQUE, "unrolled"),
        ((0, 2, 1), OBLIQUE, "unrolled"),
        ((1, 2, 0), OBLIQUE, "unrolled"),
        ((0, 2, 1), (0, 0, 1), "unrolled"),
        ((1, 2, 0), OBLIQUE, "deepqsm"),
        ((0, 2, 1), (0, 0, 1), "qsmnet"),
    ],
)
def test_an_object_turned_together_with_b0_gives_the_turned_map(axes, b0_dir, method):
    b0_dir, field = np.asarray(b0_dir, float), noisy(b0_dir)
    order = list(axes)
    turned = invert(field.transpose(axes), BRAIN.transpose(axes), b0_dir[order], VOXEL_SIZE_MM[order], method)
    np.testing.assert_allclose(turned, invert(field, b0_dir=b0_dir, method=method).transpose(axes), atol=1e-4)


@EACH
def test_an_object_mirrored_together_with_b0_gives_the_mirrored_map(method):
    field = noisy(OBLIQUE)
    mirrored = invert(np.flip(field, (1, 2)), np.flip(BRAIN, (1, 2)), OBLIQUE * [1, -1, -1], method=method)
    np.testing.assert_allclose(np.flip(mirrored, (1, 2)), invert(field, b0_dir=OBLIQUE, method=method), atol=1e-5)


@pytest.mark.parametrize("method", ["deepqsm", "qsmnet"])
def test_a_network_adds_to_the_division_from_which_it_starts(straight, method, monkeypatch):
    def silent(weights, card):
        known, told = trained(weights, card)
        return {name: 0 * values for name, values in known.items()}, told

    monkeypatch.setattr(learnt, "trained", silent)
    assert error(straight[method]) < 0.9 * error(invert(noisy(), method=method))


@EACH
def test_slabs_leave_no_seams(straight, method, monkeypatch):
    monkeypatch.setattr(network, "SLAB", 16)
    np.testing.assert_allclose(invert(noisy(), method=method), straight[method], atol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_slab_sees_all_that_its_network_looks_at(layers, monkeypatch):
    rng = np.random.default_rng(0)
    shapes = {
        "first": (4, 9, 3, 3, 3), "second": (4, 4, 3, 3, 3), "down": (5, 32, 1, 1, 1), "up": (32, 5, 1, 1, 1),
        "third": (4, 4, 3, 3, 3), "last": (9, 4, 3, 3, 3),
        **{f"deep.{number}": (5, 5, 3, 3, 3) for number in range(layers)},
    }  # fmt: skip
    weights = {f"{name}.weight": rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in shapes.items()}
    weights["geometry.weight"] = np.zeros((4, 6), np.float32)
    maps = rng.standard_normal((64, 8, 4, 1)).astype(np.float32)
    whole = network.correction(weights, maps, maps, np.zeros(6, np.float32))
    monkeypatch.setattr(network, "SLAB", 8)
    for found, expected in zip(network.correction(weights, maps, maps, np.zeros(6, np.float32)), whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_an_empty_mask_gives_an_empty_map():
    assert not invert(noisy(), np.zeros(SHAPE, bool), method="deepqsm").any()


def test_a_turn_is_undone():
    volume = np.random.default_rng(0).random((3, 4, 5, 2))
    turn = Turn.of(Grid([1, 1, 2], [-0.8, 0.48, -0.36]), volume.shape[:3])
    assert turn.grid(Grid([1, 1, 2], [-0.8, 0.48, -0.36])) == Grid([2, 1, 1], [0.36, 0.48, 0.8])
    np.testing.assert_array_equal(turn.back(turn.there(volume)), volume)


@pytest.mark.parametrize(
    ("method", "voxel_size_mm", "b0_dir", "said"),
    [
        ("unrolled", [4.0, 4.0, 4.0], (0, 0, 1), "voxel edges of 0.5 to 3.5 mm, found 4 to 4 mm"),
        ("deepqsm", [4.0, 4.0, 4.0], (0, 0, 1), "voxel edges of 0.5 to 3.5 mm, found 4 to 4 mm"),
        ("qsmnet", [0.6, 0.6, 3.0], (0, 0, 1), "edges up to 3.5 times as long as others, found 5"),
        ("unrolled", [2.0, 1.5, 1.5], (0, 0, 1), "the longest edges along B0, found 1.5x2x1.5 mm, B0 along the last"),
        ("unrolled", [1.5, 1.5, 1.5], np.ones(3) / np.sqrt(3), "B0 within 45 degrees of an axis, found 54.7"),
    ],
)
def test_outside_its_range_it_says_so_and_gives_the_map_of_tv(method, voxel_size_mm, b0_dir, said):
    field = np.where(BRAIN, field_of(nuclei(), b0_dir, voxel_size_mm), 0).astype(np.float32)
    with pytest.warns(UserWarning, match=f"{method}: the map is that of tv: the network is for .*{said}"):
        found = invert(field, b0_dir=b0_dir, voxel_size_mm=voxel_size_mm, method=method)
    np.testing.assert_array_equal(found, invert(field, b0_dir=b0_dir, voxel_size_mm=voxel_size_mm, method="tv"))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (("", "little noise"), ["echo 2: the network is for little noise"]),
        (("little noise", "little noise"), ["echoes 1, 2: the network is for little noise"]),
        (("short edges", "little noise"), ["echo 1: the network is for short", "echo 2: the network is for little"]),
    ],
)
def test_it_says_which_echoes_have_the_map_of_tv(found, said, monkeypatch):
    answers = iter(found)
    monkeypatch.setattr(learnt, "outside_range", lambda *given: next(answers))
    mask = ball(12, shape=(20, 22, 16))
    field = np.where(mask, field_of(nuclei(mask.shape)), 0).astype(np.float32)
    with pytest.warns(UserWarning) as told:
        invert(np.stack([field, field], -1), mask, method="unrolled", tv_iterations=2)
    assert len(told) == len(said)
    for warning, words in zip(told, said, strict=True):
        assert f"unrolled: the map is that of tv in {words}" in str(warning.message)


@EACH
@pytest.mark.parametrize(
    ("spoil_ppm", "said"),
    [(0.2, "noise up to 0.*of the field's spread"), (0.0, "a residual up to .* times what noise explains")],
)
def test_noise_and_fields_that_no_dipoles_explain_are_outside_its_range(method, spoil_ppm, said):
    rng = np.random.default_rng(0)
    field = noisy() + np.float32(spoil_ppm) * rng.standard_normal(SHAPE, np.float32)
    if not spoil_ppm:  # steps of a wrong unwrapping
        field[20:44, 20:50, 24:] += 0.3
    with pytest.warns(UserWarning, match=said):
        invert(field * BRAIN, method=method)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])])
@EACH
def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path, monkeypatch, fresh, spoil, method):
    path = tmp_path / f"{method}.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copy(RESOURCES / f"{method}{suffix}", path.with_suffix(suffix))
    spoil(path)
    monkeypatch.setattr(learnt, "RESOURCES", tmp_path)
    with pytest.raises(ValueError, match=rf"{path}: expected the weights with SHA-256 \w{{64}}, found"):
        invert(noisy(), method=method)


@EACH
def test_the_weights_are_small_and_their_card_says_how_they_were_made(method):
    path = RESOURCES / f"{method}.safetensors"
    card = path.with_suffix(".json").read_text(encoding="utf-8")
    assert path.stat().st_size < 6_000_000
    assert all(f'"{entry}"' in card for entry in ("sha256", "range", "training", "command"))


def test_convolution_is_the_sum_over_neighbours():
    rng = np.random.default_rng(0)
    volume, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in ((3, 4, 5, 2), (3, 3, 3, 2, 3), (3,)))
    padded = np.pad(volume, [(1, 1)] * 3 + [(0, 0)])
    at = (1, 2, 3)
    expected = bias + np.einsum("xyzi,xyzij->j", padded[1:4, 2:5, 3:6], weight)
    np.testing.assert_allclose(convolve3(volume, weight, bias)[at], expected, rtol=1e-5)


def test_folding_is_undone():
    volume = np.random.default_rng(0).random((4, 6, 2, 3))
    assert folded(volume).shape == (2, 3, 1, 24)
    np.testing.assert_array_equal(unfolded(folded(volume)), volume)
