import numpy as np
import pytest

from recon.relaxation.t1 import t1_map, t1_weighted, variable_flip_angle

TR_S = 0.036
FLIPS_DEG = 6.0, 24.0
SCAN = {"flips_deg": FLIPS_DEG, "tr_s": TR_S, "te_s": 0.005}
RADIUS = np.linalg.norm(np.stack(np.meshgrid(*[np.linspace(-1, 1, 12)] * 3)), axis=0) / np.sqrt(3)
B1 = (1.10 - 0.25 * RADIUS**2).astype(np.float32)  # centre to edge
T1_S = np.linspace(0.8, 4.5, B1.size, dtype=np.float32).reshape(B1.shape)
EVERYWHERE = np.ones(B1.shape, bool)


def spoiled(t1_s, pd, flip_deg, b1=1.0):
    """Steady state of the spoiled gradient echo."""
    E1, a = np.exp(-TR_S / t1_s), b1 * np.deg2rad(flip_deg)
    return pd * np.sin(a) * (1 - E1) / (1 - E1 * np.cos(a))


def two_flips(t1_s, pd, b1=1.0):
    return [spoiled(t1_s, pd, flip_deg, b1) for flip_deg in FLIPS_DEG]


@pytest.mark.parametrize(("t1", "pd"), [(0.87, 0.70), (1.45, 0.83), (4.3, 1.0)])
def test_two_flip_angles_give_t1_and_pd(t1, pd):
    fit = variable_flip_angle(*two_flips(np.array([t1]), pd), flips_deg=FLIPS_DEG, tr_s=TR_S)
    assert fit.t1_s[0] == pytest.approx(t1, rel=1e-3)
    assert fit.pd[0] == pytest.approx(pd, rel=1e-3)


def test_b1_map_makes_t1_and_pd_right():
    fit = variable_flip_angle(*two_flips(T1_S, 0.8, B1), flips_deg=FLIPS_DEG, tr_s=TR_S, b1=B1)
    np.testing.assert_allclose(fit.t1_s, T1_S, rtol=2e-3)
    np.testing.assert_allclose(fit.pd, 0.8, rtol=2e-3)


def test_without_b1_t1_is_off_by_its_square():
    fit = variable_flip_angle(*two_flips(T1_S, 0.8, B1), flips_deg=FLIPS_DEG, tr_s=TR_S)
    np.testing.assert_allclose(fit.t1_s / T1_S, B1**2, rtol=0.03)


def test_one_b1_for_all_equals_a_constant_map():
    signals = two_flips(T1_S, 0.8, 0.9)
    number = t1_map(*signals, EVERYWHERE, r2star_hz=np.zeros_like(T1_S), **SCAN, b1=0.9)
    array = t1_map(*signals, EVERYWHERE, r2star_hz=np.zeros_like(T1_S), **SCAN, b1=np.full_like(T1_S, 0.9))
    np.testing.assert_allclose(number.t1_s, array.t1_s, rtol=1e-4)


def test_noise_leaves_t1_unbiased_where_b1_is_known():
    rng = np.random.default_rng(0)
    shape, white_matter = (40, 40, 40), 0.87
    b1 = np.resize(B1, shape)
    signals = [s + rng.normal(0, 0.005 * 0.12, shape) for s in two_flips(white_matter, 1.0, b1)]
    fit = t1_map(*signals, np.ones(shape, bool), r2star_hz=np.zeros(shape), **SCAN, b1=b1)
    assert np.median(fit.t1_s) == pytest.approx(white_matter, rel=0.01)


def test_impossible_signals_give_no_t1():
    fit = variable_flip_angle(np.array([0.0, 1.0, np.nan]), np.array([0.0, 100.0, 1.0]), flips_deg=FLIPS_DEG, tr_s=TR_S)
    assert not fit.t1_s.any()
    assert not fit.pd.any()


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_impossible_b1_gives_no_t1_there_and_nowhere_else(bad):
    b1 = B1.copy()
    b1[3, 3, 3] = bad
    t1_s = variable_flip_angle(*two_flips(T1_S, 0.8, B1), flips_deg=FLIPS_DEG, tr_s=TR_S, b1=b1).t1_s
    assert t1_s[3, 3, 3] == 0
    assert np.count_nonzero(t1_s) == t1_s.size - 1


def test_proton_density_is_that_at_echo_time_zero():
    r2star_hz = np.linspace(5, 60, T1_S.size, dtype=np.float32).reshape(T1_S.shape)
    signals = [s * np.exp(-0.005 * r2star_hz) for s in two_flips(T1_S, 0.8)]
    fit = t1_map(*signals, EVERYWHERE, r2star_hz=r2star_hz, **SCAN)
    np.testing.assert_allclose(fit.pd, 0.8, rtol=2e-3)


def test_nothing_outside_the_mask_and_inputs_unchanged():
    low, high = two_flips(T1_S, 0.8)
    mask, before = T1_S > 2, (low.copy(), high.copy())
    fit = t1_map(low, high, mask, r2star_hz=np.zeros_like(T1_S), **SCAN)
    assert not fit.t1_s[~mask].any()
    assert not fit.pd[~mask].any()
    np.testing.assert_array_equal((low, high), before)


def test_t1_weighted_image_is_free_of_iron_decay():
    r2star = np.array([20.0, 60.0], np.float32).reshape(2, 1, 1)
    first = 5 * np.exp(-0.005 * r2star)
    image = t1_weighted(first, np.ones((2, 1, 1), bool), r2star_hz=r2star, te1_s=0.005, remove_r2star_decay=True)
    np.testing.assert_allclose(image, 5, rtol=1e-5)


def test_t1_weighted_image_can_keep_the_decay():
    first = np.array([[[3.0, np.nan, 4.0]]], np.float32)
    mask = np.array([[[True, True, False]]])
    image = t1_weighted(first, mask, r2star_hz=np.full((1, 1, 3), 20.0), te1_s=0.005, remove_r2star_decay=False)
    np.testing.assert_array_equal(image, [[[3, 0, 0]]])


def test_without_r2star_the_decay_stays():
    first, everywhere = np.full((2, 1, 1), 3.0, np.float32), np.ones((2, 1, 1), bool)
    image = t1_weighted(first, everywhere, r2star_hz=None, te1_s=0.005, remove_r2star_decay=True)
    np.testing.assert_array_equal(image, first)
    known = t1_map(0.5 * first, first, everywhere, r2star_hz=np.zeros((2, 1, 1)), **SCAN)
    unknown = t1_map(0.5 * first, first, everywhere, r2star_hz=None, **SCAN)
    np.testing.assert_array_equal(unknown, known)
