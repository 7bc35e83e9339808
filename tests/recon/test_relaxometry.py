import numpy as np
import pytest

from recon.relaxometry import R2starMap, T1wMap, r2star_map, t1_weighted, variable_flip_angle

TE_S = np.array([0.005, 0.010, 0.015, 0.020, 0.025, 0.030])
IRLS = R2starMap(method="irls", iterations=4, maximum_hz=200.0)
ARLO = R2starMap(method="arlo", iterations=4, maximum_hz=200.0)


def decay(r2star_hz, te_s=TE_S, shape=(20, 20, 20)):
    return np.exp(-np.float32(r2star_hz) * te_s.astype(np.float32)) * np.ones((*shape, 1), np.float32)


@pytest.mark.parametrize("params", [IRLS, ARLO])
@pytest.mark.parametrize("r2star_hz", [5.0, 20.0, 60.0, 120.0])
def test_noiseless_decay_is_recovered(params, r2star_hz):
    estimate = r2star_map(decay(r2star_hz), np.ones((20, 20, 20), bool), TE_S, params)
    np.testing.assert_allclose(estimate, r2star_hz, rtol=2e-3)


@pytest.mark.parametrize("r2star_hz", [20.0, 40.0, 60.0])
def test_fit_is_unbiased_at_snr_40(r2star_hz):
    rng = np.random.default_rng(0)
    clean = decay(r2star_hz, shape=(40, 40, 20))
    noisy = np.abs(clean + rng.normal(0, 1 / 40, (*clean.shape, 2)) @ [1, 1j]).astype(np.float32)
    estimate = r2star_map(noisy, np.ones(clean.shape[:3], bool), TE_S, IRLS)
    assert np.median(estimate) == pytest.approx(r2star_hz, rel=0.005)


def test_two_echoes_follow_the_two_point_formula():
    magnitude = np.array([3.0, 2.0], np.float32).reshape(1, 1, 1, 2)
    estimate = r2star_map(magnitude, np.ones((1, 1, 1), bool), TE_S[:2], IRLS)
    assert estimate.item() == pytest.approx(np.log(3 / 2) / 0.005, rel=1e-4)


def test_voxels_without_signal_are_zero_and_values_stay_in_range():
    magnitude = decay(500.0)
    magnitude[0, 0, 0, 3] = 0
    magnitude[1, 0, 0, 2] = np.nan
    estimate = r2star_map(magnitude, np.ones((20, 20, 20), bool), TE_S, IRLS)
    assert estimate[0, 0, 0] == estimate[1, 0, 0] == 0
    assert estimate.max() == 200


def test_one_echo_is_refused():
    with pytest.raises(ValueError, match="at least two echoes"):
        r2star_map(decay(20)[..., :1], np.ones((20, 20, 20), bool), TE_S[:1], IRLS)


def test_arlo_refuses_uneven_echoes():
    with pytest.raises(ValueError, match="equally spaced"):
        r2star_map(decay(20)[..., :3], np.ones((20, 20, 20), bool), np.array([0.005, 0.010, 0.030]), ARLO)


def test_t1_weighted_image_is_free_of_iron_decay():
    r2star = np.array([20.0, 60.0], np.float32).reshape(2, 1, 1)
    first = 5 * np.exp(-0.005 * r2star)
    image = t1_weighted(first, np.ones((2, 1, 1), bool), r2star, 0.005, T1wMap(remove_r2star_decay=True))
    np.testing.assert_allclose(image, 5, rtol=1e-5)


@pytest.mark.parametrize(("t1", "pd"), [(0.87, 0.70), (1.45, 0.83), (4.3, 1.0)])
def test_two_flip_angles_give_t1_and_pd(t1, pd):
    tr_s, flips = 0.036, np.deg2rad([6.0, 24.0])
    E1 = np.exp(-tr_s / t1)
    low, high = pd * np.sin(flips) * (1 - E1) / (1 - E1 * np.cos(flips))
    t1_s, density = variable_flip_angle(np.array([low]), np.array([high]), 6.0, 24.0, tr_s)
    assert t1_s[0] == pytest.approx(t1, rel=1e-3)
    assert density[0] == pytest.approx(pd, rel=1e-3)


def test_impossible_signals_give_no_t1():
    t1_s, pd = variable_flip_angle(np.array([0.0, 1.0]), np.array([0.0, 100.0]), 6.0, 24.0, 0.036)
    assert not t1_s.any()
    assert not pd.any()
