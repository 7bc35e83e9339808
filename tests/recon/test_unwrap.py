import numpy as np
import pytest

from recon.unwrap import UnwrapPhase, align_echoes, phase_coherence, reliable_mask, unwrap, unwrap_phase
from tests.recon.physics import SHAPE, ball, grid_mm

PARAMS = UnwrapPhase(method="best_path", align_echoes=True, trim_coherence=0.5)


def wrap(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


@pytest.fixture(scope="module")
def smooth():
    x, y, z = grid_mm()
    return (0.25 * x + 0.1 * y + 0.004 * z**2).astype(np.float32)


def test_unwrapping_adds_whole_turns_and_recovers_a_smooth_field(smooth):
    mask = ball(34)
    wrapped = wrap(smooth)
    unwrapped = unwrap(wrapped, mask)
    turns = (unwrapped - wrapped)[mask] / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)
    error = (unwrapped - smooth)[mask]
    np.testing.assert_allclose(error, error[0], atol=1e-4)
    assert not unwrapped[~mask].any()


def test_values_outside_the_mask_do_not_matter(smooth):
    mask = ball(30)
    spoiled = wrap(smooth)
    spoiled[~mask] = np.nan
    np.testing.assert_array_equal(unwrap(spoiled, mask), unwrap(wrap(smooth), mask))


def test_nan_inside_the_mask_is_left_out(smooth):
    mask = ball(30)
    spoiled = wrap(smooth)
    spoiled[32, 36, 24] = np.nan
    unwrapped = unwrap(spoiled, mask)
    assert np.isfinite(unwrapped).all()
    assert unwrapped[32, 36, 24] == 0


def test_echoes_are_aligned_to_a_straight_line_through_te(smooth):
    te_s = np.array([0.005, 0.010, 0.015, 0.020])
    mask = ball(30)
    truth = 0.3 + smooth[..., None] * 0.3 * te_s / te_s[0]
    shifted = truth + 2 * np.pi * np.array([0, 3, -2, 1])
    aligned = align_echoes(shifted, mask, te_s)
    np.testing.assert_allclose(aligned[mask], truth[mask], atol=1e-3)


def test_inputs_stay_untouched(smooth):
    mask = ball(30)
    phase = wrap(smooth)[..., None].repeat(2, -1)
    before = phase.copy()
    unwrap_phase(phase, mask, np.array([0.005, 0.010]), PARAMS)
    np.testing.assert_array_equal(phase, before)


def test_coherence_tells_a_steep_field_from_noise(smooth):
    noise = np.random.default_rng(1).uniform(-np.pi, np.pi, SHAPE)
    core = ball(25)
    assert phase_coherence(wrap(4 * smooth))[core].min() > 0.9
    assert phase_coherence(noise)[core].mean() < 0.3


def test_trimming_drops_a_noisy_rim_and_keeps_a_hole_inside(smooth):
    mask, core = ball(34), ball(28)
    rng = np.random.default_rng(0)
    spoilt = (mask & ~core) | ball(4)
    phase = np.where(spoilt, rng.uniform(-np.pi, np.pi, SHAPE), wrap(smooth))[..., None]
    magnitude = np.where(mask & ~core, 0.05, 1.0)[..., None]
    reliable = reliable_mask(phase, magnitude, mask, PARAMS)
    assert reliable[ball(4)].all()
    assert (reliable & ~ball(30)).sum() < 0.02 * mask.sum()
    assert reliable[ball(25)].all()


def test_literal_paper_keeps_the_whole_mask(smooth):
    literal = UnwrapPhase(method="best_path", align_echoes=True, trim_coherence=0)
    mask = ball(30)
    np.testing.assert_array_equal(reliable_mask(smooth[..., None], smooth[..., None], mask, literal), mask)
