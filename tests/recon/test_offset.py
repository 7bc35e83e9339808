import numpy as np
import pytest

from recon.field.offset import phase_offset
from recon.maths.blocks import block_sum, expand
from recon.unwrap.bipolar import bipolar_offset
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, grid_mm

MASK = ball(30)
UNEVEN_S = np.array([0.003, 0.008, 0.0125, 0.019, 0.024])
EVEN_S = 0.005 * np.arange(1, 5)
SIGMA_MM = 6.0


def wrap(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


@pytest.fixture(scope="module")
def coords():
    return grid_mm()


@pytest.fixture(scope="module")
def rate(coords):
    """Angular frequency [rad/s], a few turns over the ball at the last echo."""
    x, y, z = coords
    return 20 * x - 8 * y + 0.3 * z**2


def bipolar(rate, theta, te_s, noise=0.0):
    """Wrapped phase of echoes with alternating polarity."""
    sign = (-1.0) ** np.arange(len(te_s))
    phase = 0.5 + rate[..., None] * te_s + theta[..., None] * sign
    return wrap(phase + noise * np.random.default_rng(0).standard_normal(phase.shape))


@pytest.mark.parametrize("te_s", [EVEN_S[:3], EVEN_S, UNEVEN_S])
def test_the_plane_of_bipolar_readouts_is_recovered(coords, rate, te_s):
    x, y, z = coords
    theta = 0.3 + 0.1 * x - 0.02 * y + 0.005 * z
    estimate = bipolar_offset(bipolar(rate, theta, te_s, noise=0.1), None, MASK, te_s)
    turns = np.round(np.median((estimate - theta)[MASK]) / (np.pi / 2))  # evenly spaced echoes cannot tell
    np.testing.assert_allclose((estimate - turns * np.pi / 2)[MASK], theta[MASK], atol=0.02)


def test_monopolar_echoes_have_no_plane(rate):
    phase = bipolar(rate, np.zeros(SHAPE), EVEN_S, noise=0.1)
    np.testing.assert_allclose(bipolar_offset(phase, None, MASK, EVEN_S), 0, atol=0.02)


def test_faint_noise_and_nan_do_not_bend_the_plane(coords, rate):
    theta = 0.05 * coords[0]
    phase, magnitude = bipolar(rate, theta, EVEN_S), np.ones((*SHAPE, 4), np.float32)
    spoilt = ball(15, (10, 0, 0))
    phase[spoilt] = np.random.default_rng(1).uniform(-np.pi, np.pi, (spoilt.sum(), 4))
    magnitude[spoilt] = 0.02
    phase[32, 36, 20:24, 1] = np.nan
    np.testing.assert_allclose(bipolar_offset(phase, magnitude, MASK, EVEN_S)[MASK], theta[MASK], atol=0.01)


def test_two_echoes_cannot_tell_polarity():
    with pytest.raises(ValueError, match="at least 3 echoes, found 2"):
        bipolar_offset(np.zeros((2, 2, 2, 2)), None, np.ones((2, 2, 2), bool), EVEN_S[:2])


def test_a_slope_is_recovered_up_to_the_rim(coords, rate):
    x, y, _ = coords
    offset = 0.4 + 0.03 * x - 0.02 * y
    unwrapped = offset[..., None] + rate[..., None] * UNEVEN_S
    estimate = phase_offset(unwrapped, None, MASK, UNEVEN_S, VOXEL_SIZE_MM, sigma_mm=SIGMA_MM)
    np.testing.assert_allclose(estimate[MASK], offset[MASK], atol=0.005)
    assert not estimate[~MASK].any()


def test_noise_is_averaged_and_faint_voxels_count_less(coords, rate):
    offset = 0.5 * np.sin(coords[0] / 25)
    rng = np.random.default_rng(4)
    magnitude = np.where(rng.random(SHAPE) < 0.2, 0.03, 1.0)[..., None] * np.ones(4)
    noise = 0.05 * rng.standard_normal(magnitude.shape) / magnitude
    unwrapped = offset[..., None] + rate[..., None] * EVEN_S + noise
    error = phase_offset(unwrapped, magnitude, MASK, EVEN_S, VOXEL_SIZE_MM, sigma_mm=SIGMA_MM) - offset
    assert np.sqrt(np.mean(error[MASK] ** 2)) < 0.02


def test_voxels_without_signal_or_finite_phase_do_not_spread(rate):
    unwrapped = 0.4 + rate[..., None] * EVEN_S
    magnitude = np.ones(unwrapped.shape)
    magnitude[30:36, 30:36, 20] = 0
    magnitude[20, 36, 24] = np.inf
    unwrapped[32, 36, 24] = np.nan
    estimate = phase_offset(unwrapped, magnitude, MASK, EVEN_S, VOXEL_SIZE_MM, sigma_mm=SIGMA_MM)
    np.testing.assert_allclose(estimate[MASK], 0.4, atol=0.005)


@pytest.mark.parametrize("voxels", [0, 1, 2])
def test_offset_of_a_few_voxels_is_finite(voxels):
    mask = np.zeros((4, 5, 6), bool)
    mask.flat[40 : 40 + voxels] = True
    estimate = phase_offset(np.full((*mask.shape, 4), 0.7), None, mask, EVEN_S, VOXEL_SIZE_MM, sigma_mm=SIGMA_MM)
    np.testing.assert_allclose(estimate, 0.7 * mask, atol=1e-4)


def test_one_echo_has_no_offset():
    with pytest.raises(ValueError, match="at least 2 echoes, found 1"):
        phase_offset(
            np.zeros((2, 2, 2, 1)), None, np.ones((2, 2, 2), bool), EVEN_S[:1], VOXEL_SIZE_MM, sigma_mm=SIGMA_MM
        )


def test_blocks_and_back_keep_a_plane():
    x, y, z = np.indices((9, 8, 5))
    plane = (x - 2.0 * y + 3 * z).astype(np.float32)
    size = (3, 2, 1)
    coarse = block_sum(plane, size) / block_sum(np.ones_like(plane), size)
    np.testing.assert_allclose(expand(coarse, size, plane.shape), plane, atol=1e-4)


def test_inputs_stay_untouched(rate):
    phase = bipolar(rate, np.zeros(SHAPE), EVEN_S)
    magnitude = np.ones_like(phase)
    before = phase.copy(), magnitude.copy()
    bipolar_offset(phase, magnitude, MASK, EVEN_S)
    phase_offset(phase, magnitude, MASK, EVEN_S, VOXEL_SIZE_MM, sigma_mm=SIGMA_MM)
    np.testing.assert_array_equal(phase, before[0])
    np.testing.assert_array_equal(magnitude, before[1])
