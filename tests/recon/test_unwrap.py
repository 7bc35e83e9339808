import numpy as np
import pytest
from skimage.restoration import unwrap_phase as skimage_unwrap

from recon.maths.wrap import fixed_point, in_rad
from recon.unwrap import METHODS, unwrap_phase
from recon.unwrap.series import align_echoes
from recon.unwrap.spanning_tree import unwrap_along_tree
from tests.recon.physics import SHAPE, acquisition, ball, field_of, grid_mm, signal

TE_S = np.array([0.005, 0.010, 0.015, 0.020])
TURN = 2 * np.pi


def unwrap(phase, magnitude, mask, method):
    """One echo."""
    signal = None if magnitude is None else magnitude[..., None]
    return unwrap_phase(phase[..., None], mask, TE_S[:1], method=method, magnitude=signal, align_echoes=False)[..., 0]


def wrap(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def wrong(unwrapped, truth, mask):
    """Share of voxels more than half a turn off, a shift of the whole aside."""
    error = (unwrapped - truth)[mask]
    return np.mean(np.abs(error - TURN * np.round(np.median(error) / TURN)) > np.pi)


def flat_shifted(error, atol=1e-3):
    """Assert that an error is one and the same whole number of turns everywhere."""
    np.testing.assert_allclose(error, TURN * np.round(error.flat[0] / TURN), atol=atol)


@pytest.fixture(scope="module")
def smooth():
    x, y, z = grid_mm()
    return (0.25 * x + 0.1 * y + 0.004 * z**2).astype(np.float32)


@pytest.fixture(scope="module")
def head():
    """Noisy echoes of a ball with an air-filled void, whose late echoes run through several turns a voxel."""
    facts, mask = acquisition(), ball(34)
    field = field_of(3.0 * ball(5, (0, 22, -10)))
    magnitude, phase = signal(np.zeros(SHAPE), field, facts, snr=15)
    te_s = np.asarray(facts.te_s)
    return phase, magnitude, mask & ~ball(5, (0, 22, -10)), te_s, field[..., None] / facts.ppm_per_rad()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_a_smooth_field_of_any_slope_comes_back(smooth, method, scale):
    mask = ball(34)
    flat_shifted((unwrap(wrap(scale * smooth), None, mask, method) - scale * smooth)[mask])


@pytest.mark.parametrize("method", METHODS)
def test_unwrapping_adds_whole_turns_inside_and_nothing_outside(head, method):
    phase, magnitude, mask, te_s, _ = head
    unwrapped = unwrap_phase(phase, mask, te_s, magnitude=magnitude, method=method)
    turns = (unwrapped - phase)[mask] / TURN
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)
    assert unwrapped.dtype == np.float32
    assert not unwrapped[~mask].any()


def test_best_path_agrees_with_scikit_image(smooth):
    rng = np.random.default_rng(3)
    mask = ball(30)
    phase = wrap(2 * smooth + 0.3 * rng.standard_normal(SHAPE))
    expected = skimage_unwrap(np.ma.array(phase, mask=~mask), rng=0).filled(0)
    flat_shifted((unwrap(phase, None, mask, "best_path") - expected)[mask])


def test_best_path_is_no_worse_than_scikit_image_where_paths_conflict(head):
    phase, _, mask, _, truth = head
    expected = skimage_unwrap(np.ma.array(phase[..., 5], mask=~mask), rng=0).filled(0)
    ours = wrong(unwrap(phase[..., 5], None, mask, "best_path"), truth[..., 5], mask)
    assert ours <= 1.1 * wrong(expected, truth[..., 5], mask)


def test_weights_spare_many_errors_of_a_single_late_echo(head):
    phase, magnitude, mask, _, truth = head
    plain = wrong(unwrap(phase[..., 5], None, mask, "best_path"), truth[..., 5], mask)
    assert wrong(unwrap(phase[..., 5], magnitude[..., 5], mask, "weighted"), truth[..., 5], mask) < 0.7 * plain


def test_echoes_together_leave_a_tenth_of_the_errors_of_each_alone(head):
    phase, magnitude, mask, te_s, truth = head
    together = unwrap_phase(phase, mask, te_s, magnitude=magnitude)[..., 5]
    alone = unwrap(phase[..., 5], magnitude[..., 5], mask, "weighted")
    assert wrong(together, truth[..., 5], mask) < 0.1 * wrong(alone, truth[..., 5], mask)


def test_joining_calm_voxels_at_once_does_not_change_the_tree():
    rng = np.random.default_rng(5)
    shape = (12, 14, 30)
    x = np.linspace(0, 1, 30) ** 2 * 40
    phase = fixed_point(wrap(x + 0.2 * rng.standard_normal(shape)))
    mask = rng.random(shape) > 0.05

    def cost(axis):
        return np.square(in_rad(np.diff(phase, axis=axis)))

    expected = unwrap_along_tree(phase, mask, cost, certain=0)
    np.testing.assert_array_equal(unwrap_along_tree(phase, mask, cost, certain=0.5)[mask], expected[mask])


def test_a_faint_noisy_sheet_is_passed_by_where_there_is_a_way_round(smooth):
    mask = ball(34)
    x, y, _ = grid_mm()
    sheet = (np.abs(x) < 3) & (y < 15)
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, SHAPE)
    phase = np.where(sheet, noise, wrap(smooth)).astype(np.float32)
    beyond = mask & ~sheet
    unwrapped = unwrap(phase, np.where(sheet, 0.05, 1.0), mask, "weighted")
    assert wrong(unwrapped, smooth, beyond) < 1e-3


def test_noise_around_the_head_does_not_harm_it(head):
    phase, magnitude, mask, te_s, truth = head
    rng = np.random.default_rng(2)
    phase = np.where(mask[..., None], phase, rng.uniform(-np.pi, np.pi, phase.shape)).astype(np.float32)
    magnitude = np.where(mask[..., None], magnitude, 0.05)
    unwrapped = unwrap_phase(phase, np.ones(SHAPE, bool), te_s, magnitude=magnitude)
    assert max(wrong(unwrapped[..., i], truth[..., i], mask) for i in range(6)) < 2e-3


def test_magnitude_is_not_needed(head):
    phase, _, mask, te_s, truth = head
    unwrapped = unwrap_phase(phase, mask, te_s)
    assert max(wrong(unwrapped[..., i], truth[..., i], mask) for i in range(6)) < 2e-3


@pytest.mark.parametrize("te_s", [[0.004, 0.009], [0.002, 0.004, 0.009, 0.011, 0.02], list(0.002 * np.arange(1, 33))])
def test_echoes_of_any_number_and_spacing_follow_a_straight_line(smooth, te_s):
    mask, te_s = ball(30), np.array(te_s)
    truth = 0.4 + 0.2 * smooth[..., None] * te_s / te_s[0]
    error = (unwrap_phase(wrap(truth), mask, te_s) - truth)[mask]
    for i in range(len(te_s)):
        flat_shifted(error[:, i], atol=2e-3)


def test_a_steep_offset_at_te_0_does_no_harm(smooth):
    mask = ball(30)
    x, y, _ = grid_mm()
    truth = smooth[..., None] * TE_S / 0.005 + (0.2 * y - 0.15 * x)[..., None]
    error = (unwrap_phase(wrap(truth), mask, TE_S) - truth)[mask]
    for i in range(len(TE_S)):
        flat_shifted(error[:, i], atol=2e-3)


def test_bipolar_readouts_are_followed(smooth):
    mask = ball(30)
    x, _, _ = grid_mm()
    odd_even = np.array([1, -1, 1, -1])
    truth = smooth[..., None] * TE_S / 0.005 + (0.4 + 0.08 * x)[..., None] * odd_even
    phase = wrap(truth)
    unwrapped = unwrap_phase(phase, mask, TE_S)
    turns = (unwrapped - phase)[mask] / TURN
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)
    assert max(wrong(unwrapped[..., i], truth[..., i], mask) for i in range(4)) < 1e-3


def test_two_components_are_unwrapped_each_and_aligned_over_echoes(smooth):
    left, right = ball(14, (-20, 0, 0)), ball(14, (20, 0, 0))
    truth = 0.2 + smooth[..., None] * TE_S / 0.005
    error = unwrap_phase(wrap(truth), left | right, TE_S) - truth
    for part in (left, right):
        flat_shifted(np.diff(error[part], n=2, axis=1).ravel(), atol=2e-3)
        for i in range(len(TE_S)):
            flat_shifted(error[part][:, i], atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_voxel_is_left_out_and_does_not_spread(smooth, method, value):
    mask = ball(30)
    phase = wrap(smooth[..., None] * TE_S / 0.005)
    clean = unwrap_phase(phase, mask, TE_S, method=method)
    phase[32, 36, 24, 2] = value
    phase[~mask] = value
    unwrapped = unwrap_phase(phase, mask, TE_S, method=method)
    assert not unwrapped[32, 36, 24].any()
    elsewhere = mask.copy()
    elsewhere[32, 36, 24] = False
    np.testing.assert_allclose(unwrapped[elsewhere], clean[elsewhere], atol=1e-4)


def test_bad_magnitudes_do_not_spread(smooth):
    mask = ball(30)
    truth = smooth[..., None] * TE_S / 0.005
    magnitude = np.ones(truth.shape, np.float32)
    magnitude[30:33, 36, 24] = np.array([np.nan, np.inf, -1])[:, None]
    unwrapped = unwrap_phase(wrap(truth), mask, TE_S, magnitude=magnitude)
    assert max(wrong(unwrapped[..., i], truth[..., i], mask) for i in range(4)) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("voxels", [0, 1, 2])
def test_masks_of_a_few_voxels(method, voxels):
    mask = np.zeros((4, 5, 6), bool)
    mask.flat[40 : 40 + voxels] = True
    phase = np.random.default_rng(0).uniform(-3, 3, (*mask.shape, 4)).astype(np.float32)
    unwrapped = unwrap_phase(phase, mask, TE_S, magnitude=np.abs(phase), method=method)
    assert np.isfinite(unwrapped).all()
    assert not unwrapped[~mask].any()


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_stays_constant_without_any_signal(method):
    phase = np.full((5, 6, 7, 4), 1.5, np.float32)
    unwrapped = unwrap_phase(phase, np.ones(phase.shape[:3], bool), TE_S, magnitude=np.zeros_like(phase), method=method)
    assert np.ptp(unwrapped, axis=(0, 1, 2)).max() == 0


def test_workers_change_nothing(head):
    phase, magnitude, mask, te_s, _ = head
    one = unwrap_phase(phase, mask, te_s, magnitude=magnitude, align_echoes=False)
    np.testing.assert_array_equal(
        unwrap_phase(phase, mask, te_s, magnitude=magnitude, align_echoes=False, workers=2), one
    )


def test_orientation_of_the_array_does_not_matter(smooth):
    mask = ball(30)
    phase = wrap(smooth)
    turned = unwrap(phase.transpose(2, 0, 1)[::-1], None, mask.transpose(2, 0, 1)[::-1], "weighted")
    flat_shifted((turned[::-1].transpose(1, 2, 0) - unwrap(phase, None, mask, "weighted"))[mask])


def test_echoes_are_aligned_to_a_straight_line_through_te(smooth):
    mask = ball(30)
    truth = 0.3 + smooth[..., None] * 0.3 * TE_S / TE_S[0]
    shifted = truth + TURN * np.array([0, 3, -2, 1])
    np.testing.assert_allclose(align_echoes(shifted, mask, TE_S)[mask], truth[mask], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_inputs_stay_untouched(head, method):
    phase, magnitude, mask, te_s, _ = head
    before = phase.copy(), magnitude.copy(), mask.copy()
    unwrap_phase(phase, mask, te_s, magnitude=magnitude, method=method)
    for was, now in zip(before, (phase, magnitude, mask), strict=True):
        np.testing.assert_array_equal(now, was)
