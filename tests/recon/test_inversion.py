import numpy as np
import pytest

from recon.grid import Grid
from recon.inversion import METHODS, dipole_inversion
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, field_of, nuclei, slope

TKD = {"method": "tkd", "threshold": 0.1, "truncation": "clamp"}
ITERATIVE = TKD | {
    "method": "iterative_tkd",
    "iterations": 4,
    "iteration_threshold": 0.1,
    "structure": "chi",
    "structure_r2star_hz": 25.0,
}
TV = {
    "method": "tv",
    "tv_weight": 0.15,
    "tv_iterations": 20,
    "tv_tolerance": 0.005,
    "tv_outside": 0.03,
    "tv_prior": "tissue",
}
SETTINGS = {"tkd": TKD, "iterative_tkd": ITERATIVE, "tv": TV}
ALL = pytest.mark.parametrize(
    "params", [SETTINGS.get(method, {"method": method}) for method in METHODS], ids=lambda p: p["method"]
)
UP = np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def brain():
    return ball(40)


@pytest.fixture(scope="module")
def field():
    values = field_of(nuclei())
    values.flags.writeable = False
    return values


def invert(field_ppm, mask, params=TKD, b0_dir=UP, voxel_size_mm=VOXEL_SIZE_MM, **more):
    return dipole_inversion(field_ppm, mask, Grid(voxel_size_mm, b0_dir), **params, **more)


@pytest.fixture(scope="module")
def inverted(brain, field):
    """`inverted(params)`: the map of the field by a method, computed once."""
    known = {}

    def once(params):
        name = params["method"]
        if name not in known:
            known[name] = invert(field, brain, params)
            known[name].flags.writeable = False
        return known[name]

    return once


@ALL
def test_nuclei_come_out_positive_and_near_their_susceptibility(brain, inverted, params):
    assert 0.75 < slope(inverted(params), nuclei(), brain) < 1.1


@ALL
def test_result_is_float32_like_the_field_and_zero_outside_the_mask(brain, field, inverted, params):
    estimate = inverted(params)
    assert estimate.shape == field.shape
    assert estimate.dtype == np.float32
    assert not estimate[~brain].any()


@ALL
def test_what_lies_outside_the_mask_is_not_read(brain, field, inverted, params):
    other = np.where(brain, field, np.nan)
    other[0, 0, 0] = np.inf
    np.testing.assert_array_equal(invert(other, brain, params), inverted(params))


@ALL
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_voxel_inside_the_mask_does_not_spread(brain, field, inverted, params, bad):
    spoilt = field.copy()
    spoilt[20, 20, 20] = bad
    change = np.abs(invert(spoilt, brain, params) - inverted(params))
    assert np.isfinite(change).all()
    assert change.max() < 0.02


@ALL
def test_inputs_stay(brain, params):
    arrays = field_of(nuclei()), brain.copy(), 20 + 120 * nuclei(), np.ones(SHAPE, np.float32)
    before = [a.copy() for a in arrays]
    invert(arrays[0], arrays[1], params, r2star_hz=arrays[2], precision=arrays[3])
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@ALL
def test_field_of_nothing_is_nothing(brain, params):
    assert not invert(np.zeros(SHAPE, np.float32), brain, params).any()


@ALL
def test_a_constant_field_gives_a_finite_map(params):
    mask = ball(10)
    assert np.isfinite(invert(mask.astype(np.float32), mask, params)).all()


@ALL
def test_echoes_of_one_field_give_the_map_of_that_field(brain, field, inverted, params):
    single = inverted(params)
    if params is ITERATIVE:
        params = params | {"structure": "r2star_or_chi"}  # the same structures, whatever the noise
        single = invert(field, brain, params)
    echoes = invert(np.stack([field, field], -1), brain, params)
    np.testing.assert_allclose(echoes[..., 0], single, atol=1e-6)
    np.testing.assert_allclose(echoes[..., 1], single, atol=1e-6)


@pytest.mark.parametrize(
    ("params", "axes"),
    [(p, axes) for p in (TKD, TV) for axes in ((2, 1, 0), (0, 2, 1), (1, 2, 0))]
    + [(ITERATIVE, (1, 0, 2))],  # which smooths structures in the plane of the first two axes
)
def test_turning_object_and_field_turns_the_map(brain, field, params, axes):
    straight = invert(field, brain, params)
    turned = invert(field.transpose(axes), brain.transpose(axes), params, UP[list(axes)], VOXEL_SIZE_MM[list(axes)])
    np.testing.assert_allclose(turned, straight.transpose(axes), atol=1e-4)


@pytest.mark.parametrize(("params", "axes"), [(TKD, (2, 1, 0)), (TV, (1, 2, 0)), (ITERATIVE, (1, 0, 2))])
def test_turning_object_and_oblique_field_turns_the_map(brain, params, axes):
    oblique = np.array([0.36, 0.48, 0.8])
    field = field_of(nuclei(), oblique)
    straight = invert(field, brain, params, oblique)
    turned = invert(
        field.transpose(axes), brain.transpose(axes), params, oblique[list(axes)], VOXEL_SIZE_MM[list(axes)]
    )
    np.testing.assert_allclose(turned, straight.transpose(axes), atol=1e-5)


@ALL
def test_mirrored_object_and_b0_mirror_the_map(brain, params):
    oblique = np.array([0.36, 0.48, 0.8])
    field = field_of(nuclei(), oblique)
    mirrored = invert(np.flip(field, (1, 2)), np.flip(brain, (1, 2)), params, oblique * [1, -1, -1])
    difference = np.flip(mirrored, (1, 2)) - invert(field, brain, params, oblique)
    assert np.abs(difference).max() < (2e-3 if params is TV else 1e-5)  # TV takes forward differences


@ALL
def test_oblique_b0_gives_nearly_the_map_of_the_straight_one(brain, inverted, params):
    tilted = np.array([0, np.sin(0.4), np.cos(0.4)])
    oblique_field = field_of(nuclei(), tilted)
    oblique, wrong = (invert(oblique_field, brain, params, b0) for b0 in (tilted, UP))
    core, truth = nuclei() > 0.1, nuclei()[brain]
    assert oblique[core].mean() == pytest.approx(inverted(params)[core].mean(), rel=0.06)
    assert np.corrcoef(oblique[brain], truth)[0, 1] > np.corrcoef(wrong[brain], truth)[0, 1] + 0.05


@ALL
def test_a_point_source_stays_at_its_voxel(brain, params):
    source = np.zeros(SHAPE, np.float32)
    source[30, 37, 25] = 1
    estimate = invert(field_of(source), brain, params)
    assert np.unravel_index(estimate.argmax(), SHAPE) == (30, 37, 25)


@ALL
def test_bright_neighbours_do_not_wrap_around(params):
    mask = np.ones((32, 32, 24), bool)
    chi = np.zeros(mask.shape, np.float32)
    chi[14:18, 14:18, :3] = 0.2
    estimate = invert(field_of(chi, voxel_size_mm=VOXEL_SIZE_MM), mask, params)
    assert np.abs(estimate[14:18, 14:18, -3:]).max() < 0.2 * estimate[14:18, 14:18, :3].max()
