import numpy as np
import pytest

from recon.check.metrics import nrmse_percent, slope, xsim
from tests.recon.physics import SHAPE, ball, nuclei

MASK = ball(36)
TRUTH = nuclei() + 0.01 * np.random.default_rng(0).standard_normal(SHAPE, np.float32)
C1, C2 = 1e-4, 1e-6
WITHIN = np.array([3, 4, 5, 4, 3]) / 5


def noisy(sd):
    return TRUTH + sd * np.random.default_rng(1).standard_normal(SHAPE, np.float32)


def test_equal_maps_are_alike():
    assert xsim(TRUTH, TRUTH, MASK) == pytest.approx(1)
    assert nrmse_percent(TRUTH, TRUTH, MASK) == 0


def test_xsim_is_symmetric_and_the_error_is_relative_to_the_truth():
    assert xsim(noisy(0.02), TRUTH, MASK) == pytest.approx(xsim(TRUTH, noisy(0.02), MASK))
    assert nrmse_percent(2 * TRUTH, TRUTH, MASK) == pytest.approx(100, rel=1e-5)
    assert nrmse_percent(TRUTH, 2 * TRUTH, MASK) == pytest.approx(50, rel=1e-5)


def test_noise_makes_maps_less_alike():
    values = [xsim(noisy(sd), TRUTH, MASK) for sd in (0, 0.005, 0.02, 0.1)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.3


def test_unrelated_maps_are_not_alike_and_opposite_ones_less():
    noise = 0.1 * np.random.default_rng(2).standard_normal((2, *SHAPE))
    assert xsim(noise[0], noise[1], MASK) == pytest.approx(0, abs=0.05)
    assert xsim(-noise[0], noise[0], MASK) < -0.1


def test_xsim_of_one_voxel_by_hand():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    e, t, n = 0.2, 0.1, 125  # the cube holds the voxel and 124 zeros
    me, mt = e / n, t / n
    ve, vt, cov = e * e / n - me**2, t * t / n - mt**2, e * t / n - me * mt
    expected = (2 * me * mt + C1) * (2 * cov + C2) / ((me**2 + mt**2 + C1) * (ve + vt + C2))
    assert xsim(np.full(mask.shape, e), np.full(mask.shape, t), mask) == pytest.approx(expected)


def test_xsim_of_constants_by_hand():
    mask, (e, t) = np.ones((5, 5, 5), bool), (0.05, 0.02)
    share = np.multiply.outer(np.multiply.outer(WITHIN, WITHIN), WITHIN)  # of each cube that lies in the grid
    variance = share * (1 - share)
    luminance = (2 * e * t * share**2 + C1) / ((e**2 + t**2) * share**2 + C1)
    structure = (2 * e * t * variance + C2) / ((e**2 + t**2) * variance + C2)
    assert xsim(np.full(mask.shape, e), np.full(mask.shape, t), mask) == pytest.approx((luminance * structure).mean())


def test_values_outside_the_mask_do_not_count():
    other = np.where(MASK, noisy(0.02), np.nan)
    assert xsim(other, np.where(MASK, TRUTH, np.inf), MASK) == pytest.approx(xsim(noisy(0.02), TRUTH, MASK))
    assert nrmse_percent(other, TRUTH, MASK) == pytest.approx(nrmse_percent(noisy(0.02), TRUTH, MASK))


def test_the_position_of_the_mask_in_the_grid_does_not_matter():
    shifted = [np.pad(v, ((3, 0), (0, 5), (2, 2))) for v in (noisy(0.02), TRUTH, MASK)]
    assert xsim(*shifted) == pytest.approx(xsim(noisy(0.02), TRUTH, MASK))


def test_a_constant_offset_counts_for_the_similarity_alone():
    assert nrmse_percent(noisy(0.02) + 0.5, TRUTH, MASK) == pytest.approx(
        nrmse_percent(noisy(0.02), TRUTH, MASK), rel=1e-4
    )
    assert xsim(TRUTH + 0.5, TRUTH, MASK) < 0.5


def test_slope_is_that_of_the_regression():
    assert slope(0.8 * TRUTH[MASK] + 0.3, TRUTH[MASK]) == pytest.approx(0.8, rel=1e-4)
    assert np.isnan(slope(TRUTH[MASK], np.ones(MASK.sum())))


def test_inputs_stay():
    arrays = TRUTH.copy(), noisy(0.1), MASK.copy()
    for array in arrays:
        array.flags.writeable = False
    xsim(*arrays)
    nrmse_percent(*arrays)
