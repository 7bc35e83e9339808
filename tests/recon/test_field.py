import numpy as np
import pytest

from recon.field import field_mapping, field_precision, total_field
from tests.recon.physics import SHAPE, acquisition, ball, field_of, grid_mm, nuclei

MASK = ball(36)
X, Y, Z = grid_mm()
FIELD = field_of(nuclei() + 9.4 * ball(6, (0, 50, -20)).astype(np.float32))
TE_S = np.array(acquisition().te_s)
MAGNITUDE = np.exp(-(20 + 120 * nuclei()[..., None]) * TE_S).astype(np.float32)
NONE = {"bipolar": "never", "offset": "none", "offset_smoothing_mm": 5.0}
SMOOTH, VOXEL = NONE | {"offset": "smooth"}, NONE | {"offset": "voxel"}
ROUGH = np.random.default_rng(0).uniform(-3, 3, SHAPE)
OFFSETS = {"none": 0 * X, "smooth": 0.5 + 0.01 * X - 0.02 * Z, "voxel": ROUGH}


def phase_of(field_ppm, facts, offset_rad=0.0):
    """Unwrapped phase of every echo."""
    return (np.asarray(offset_rad)[..., None] + field_ppm[..., None] / facts.ppm_per_rad()).astype(np.float32)


def close(estimate, truth=FIELD, atol=2e-4):
    np.testing.assert_allclose(estimate[MASK], truth[MASK], atol=atol)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("facts", [{}, {"b0_tesla": 1.5}, {"b0_tesla": 7.0}, {"te_s": (0.004, 0.011, 0.015, 0.024)}])
def test_the_fit_is_exact_without_noise_whatever_b0_and_echo_times(offset, facts):
    facts = acquisition(**facts)
    phase = phase_of(FIELD, facts, OFFSETS[offset])
    estimate = total_field(phase, MAGNITUDE[..., : len(facts.te_s)], MASK, facts, **(NONE | {"offset": offset}))
    close(estimate)
    assert estimate.dtype == np.float32
    assert not estimate[~MASK].any()


def test_an_offset_that_is_not_fitted_tilts_the_field():
    facts = acquisition()
    estimate = total_field(phase_of(FIELD, facts, OFFSETS["smooth"]), MAGNITUDE, MASK, facts, **NONE)
    assert np.abs(estimate - FIELD)[MASK].max() > 0.02


@pytest.mark.parametrize("echoes", ["together", "separate"])
@pytest.mark.parametrize("bipolar", ["auto", "always"])
def test_the_plane_of_bipolar_readouts_is_taken_off(echoes, bipolar):
    facts, sign = acquisition(), (-1) ** np.arange(6)
    theta = 0.1 + 0.01 * X - 0.005 * Y
    phase = (phase_of(FIELD, facts) + theta[..., None] * sign).astype(np.float32)
    estimate = field_mapping(phase, MAGNITUDE, MASK, facts, **(NONE | {"echoes": echoes, "bipolar": bipolar}))
    for echo in np.atleast_3d(estimate).reshape(*SHAPE, -1).transpose(3, 0, 1, 2):
        close(echo, atol=5e-3)


@pytest.mark.parametrize("echo", range(6))
def test_a_turn_left_in_one_echo_does_not_change_the_field(echo):
    facts = acquisition()
    phase = phase_of(FIELD, facts)
    phase[ball(6, (10, 0, 0)), echo] += 2 * np.pi
    phase[::7, ::5, ::3, echo] -= 2 * np.pi
    close(total_field(phase, MAGNITUDE, MASK, facts, **NONE))


@pytest.mark.parametrize("echo", range(6))
def test_turns_left_in_single_voxels_hardly_change_a_field_with_a_smooth_offset(echo):
    facts = acquisition()
    phase = phase_of(FIELD, facts, OFFSETS["smooth"])
    phase[::9, ::9, ::7, echo] += 2 * np.pi
    close(total_field(phase, MAGNITUDE, MASK, facts, **SMOOTH), atol=8e-3)


@pytest.mark.parametrize("echo", range(1, 5))
def test_a_turn_in_the_middle_of_the_train_leaves_a_line_with_its_own_offset_alone(echo):
    facts = acquisition()
    phase = phase_of(FIELD, facts, ROUGH)
    phase[::7, ::5, ::3, echo] += 2 * np.pi
    close(total_field(phase, np.ones_like(MAGNITUDE), MASK, facts, **VOXEL))


def test_an_echo_without_signal_does_not_count():
    facts = acquisition()
    phase, magnitude = phase_of(FIELD, facts), MAGNITUDE.copy()
    phase[20:40, 20:40, 20:30, 4] = 100.0
    magnitude[20:40, 20:40, 20:30, 4] = 0
    for params in (NONE, VOXEL):
        close(total_field(phase, magnitude, MASK, facts, **params))


@pytest.mark.parametrize("params", [NONE, SMOOTH, VOXEL], ids=lambda p: p["offset"])
def test_magnitude_that_is_not_finite_does_not_spread(params):
    facts, magnitude = acquisition(), MAGNITUDE.copy()
    magnitude[30, 30, 20] = np.nan
    magnitude[31, 30, 20, 3] = np.inf
    estimate = total_field(phase_of(FIELD, facts), magnitude, MASK, facts, **params)
    assert np.isfinite(estimate).all()
    rest = MASK.copy()
    rest[30, 30, 20] = False
    np.testing.assert_allclose(estimate[rest], FIELD[rest], atol=5e-4)


def test_a_smooth_offset_halves_the_noise_of_one_offset_a_voxel():
    facts, rng = acquisition(), np.random.default_rng(1)
    noise = 0.05 * rng.standard_normal(MAGNITUDE.shape) / MAGNITUDE
    phase = (phase_of(FIELD, facts, OFFSETS["smooth"]) + noise).astype(np.float32)
    smooth, voxel = (
        (total_field(phase, MAGNITUDE, MASK, facts, **(p | {"offset_smoothing_mm": 8.0})) - FIELD)[ball(32)].std()
        for p in (SMOOTH, VOXEL)
    )
    assert smooth == pytest.approx(0.5 * voxel, rel=0.15)


def test_weights_are_those_of_least_variance():
    facts, rng = acquisition(), np.random.default_rng(2)
    magnitude = np.where(np.arange(6) == 3, 0.05, 1.0) * np.ones((*SHAPE, 1))
    phase = (phase_of(0 * FIELD, facts) + 0.02 * rng.standard_normal(magnitude.shape) / magnitude).astype(np.float32)
    estimate = total_field(phase, magnitude, MASK, facts, **NONE)
    expected = 0.02 / np.sqrt((magnitude[0, 0, 0] ** 2 * TE_S**2).sum()) * facts.ppm_per_rad()[0] * TE_S[0]
    assert estimate[MASK].std() == pytest.approx(expected, rel=0.02)


def test_separate_gives_every_echo_in_ppm():
    facts = acquisition()
    estimate = field_mapping(phase_of(FIELD, facts), MAGNITUDE, MASK, facts, **(NONE | {"echoes": "separate"}))
    assert estimate.shape == MAGNITUDE.shape
    assert not estimate[~MASK].any()
    for i in range(6):
        close(estimate[..., i])


@pytest.mark.parametrize("offset", ["none", "smooth", "voxel"])
@pytest.mark.parametrize("echoes", ["together", "separate"])
def test_one_echo_goes_through_zero(offset, echoes):
    facts = acquisition(1)
    params = NONE | {"offset": offset, "echoes": echoes, "bipolar": "always"}
    estimate = field_mapping(phase_of(FIELD, facts), MAGNITUDE[..., :1], MASK, facts, **params)
    assert estimate.shape == (SHAPE if echoes == "together" else (*SHAPE, 1))
    close(estimate.reshape(SHAPE))


@pytest.mark.parametrize("echoes", ["together", "separate"])
def test_inputs_stay(echoes):
    facts = acquisition()
    arrays = phase_of(FIELD, facts), MAGNITUDE.copy(), MASK.copy()
    for array in arrays:
        array.flags.writeable = False
    field_mapping(*arrays, facts, **(SMOOTH | {"echoes": echoes, "bipolar": "always"}))


def test_precision_is_one_over_the_noise_of_the_field():
    magnitude = MAGNITUDE.copy()
    magnitude[30, 30, 20] = np.nan
    precision = field_precision(magnitude, MASK, TE_S)
    assert np.median(precision[MASK]) == pytest.approx(1)
    assert precision[30, 30, 20] == 0
    assert not precision[~MASK].any()
    strong, weak = nuclei() == 0.14, nuclei() == 0
    expected = [np.sqrt(((MAGNITUDE * TE_S) ** 2).sum(-1))[where & MASK].mean() for where in (strong, weak)]
    actual = [np.median(precision[where & MASK]) for where in (strong, weak)]
    assert actual[0] / actual[1] == pytest.approx(expected[0] / expected[1], rel=1e-3)


def test_no_signal_at_all_has_no_precision():
    assert not field_precision(np.zeros((*SHAPE, 2)), MASK, TE_S[:2]).any()
