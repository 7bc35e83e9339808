import numpy as np
import pytest

from recon.relaxation import METHODS, r2star_fit, r2star_map
from recon.relaxation.stage import arlo_difference

TE_S = np.array([0.005, 0.010, 0.015, 0.020, 0.025, 0.030])
UNEVEN_S = np.array([0.004, 0.007, 0.012, 0.020, 0.030])
IRLS = {"method": "irls", "iterations": 4, "maximum_hz": 200.0}
ALL = pytest.mark.parametrize("method", METHODS)
SHAPE = (40, 40, 20)
EVERYWHERE = np.ones(SHAPE, bool)


def decay(r2star_hz, te_s=TE_S):
    """(X, Y, Z, echo) of one R2*, or of one for each plane along x."""
    r2star_hz = np.asarray(r2star_hz, np.float32).reshape(-1, 1, 1, 1)
    return np.exp(-r2star_hz * te_s.astype(np.float32)) * np.ones((*SHAPE, 1), np.float32)


def with_noise(clean, snr=40, seed=0):
    """Rician magnitude; the SNR is that of the signal 1 at TE = 0."""
    real, imaginary = np.random.default_rng(seed).normal(0, 1 / snr, (2, *clean.shape))
    return np.hypot(clean + real, imaginary).astype(np.float32)


def mixture(seed=0, snr=40):
    """Tissue from 10 to 60 1/s in the first planes, 150 1/s in the last four."""
    return with_noise(decay(np.r_[np.linspace(10, 60, 36), [150] * 4]), snr, seed)


@ALL
@pytest.mark.parametrize("r2star_hz", [5.0, 20.0, 60.0, 120.0])
def test_noiseless_decay_is_recovered(method, r2star_hz):
    estimate = r2star_map(decay(r2star_hz), EVERYWHERE, TE_S, method=method)
    np.testing.assert_allclose(estimate, r2star_hz, rtol=2e-3)


@pytest.mark.parametrize("te_s", [TE_S, TE_S[::2], TE_S[1:4:2], UNEVEN_S], ids=["six", "three", "two", "uneven"])
@pytest.mark.parametrize("r2star_hz", [20.0, 40.0, 60.0])
def test_fit_is_unbiased_at_snr_40(r2star_hz, te_s):
    estimate = r2star_map(with_noise(decay(r2star_hz, te_s)), EVERYWHERE, te_s, **IRLS)
    assert np.median(estimate) == pytest.approx(r2star_hz, rel=0.005)
    assert np.mean(estimate) == pytest.approx(r2star_hz, rel=0.005)


def test_fast_decay_into_the_noise_is_hardly_biased():
    estimate = r2star_map(mixture(), EVERYWHERE, TE_S, **IRLS)[-4:]
    assert np.median(estimate) == pytest.approx(150, rel=0.015)


def test_rounding_to_few_counts_leaves_no_hole_in_veins():
    counts = np.round(40 * mixture())  # sigma is one count, late echoes of veins round to zero
    assert (counts[-4:] == 0).any()
    estimate = r2star_map(counts, EVERYWHERE, TE_S, **IRLS)[-4:]
    assert np.mean(estimate) == pytest.approx(150, rel=0.02)


@pytest.mark.parametrize("snr", [15, 40, 100])
def test_noise_is_measured_inside_the_head(snr):
    head = EVERYWHERE.copy()
    head[:10] = head[-4:] = False
    magnitude = mixture(snr=snr) * head[..., None]  # the background was set to zero
    assert r2star_fit(magnitude, head, TE_S, **IRLS).noise == pytest.approx(1 / snr, rel=0.02)


def test_misfit_is_one_for_an_exponential():
    misfit = r2star_fit(with_noise(decay(30.0)), EVERYWHERE, TE_S, **IRLS).misfit
    assert np.sqrt(np.mean(misfit**2)) == pytest.approx(1, rel=0.02)


def test_misfit_shows_dephasing_across_the_voxel():
    clean = decay(20.0)
    clean[:4] *= np.abs(np.sinc(40 * TE_S))  # 40 Hz across the voxel
    misfit = r2star_fit(with_noise(clean), EVERYWHERE, TE_S, **IRLS).misfit
    assert np.median(misfit[:4]) > 2 * np.median(misfit[4:])


def test_two_echoes_leave_no_misfit_and_no_noise():
    fit = r2star_fit(with_noise(decay(30.0, TE_S[:2])), EVERYWHERE, TE_S[:2], **IRLS)
    assert not fit.misfit.any()
    assert fit.noise == 0


def test_two_echoes_follow_the_two_point_formula():
    magnitude = np.array([3.0, 2.0], np.float32).reshape(1, 1, 1, 2)
    estimate = r2star_map(magnitude, np.ones((1, 1, 1), bool), TE_S[:2], **IRLS)
    assert estimate.item() == pytest.approx(np.log(3 / 2) / 0.005, rel=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_scale_of_the_magnitude_does_not_matter(factor):
    magnitude = mixture()
    estimate = r2star_map(np.float32(factor) * magnitude, EVERYWHERE, TE_S, **IRLS)
    np.testing.assert_allclose(estimate, r2star_map(magnitude, EVERYWHERE, TE_S, **IRLS), rtol=1e-3, atol=1e-3)


@ALL
def test_order_of_the_echoes_does_not_matter(method):
    magnitude, order = mixture(), [3, 0, 5, 1, 4, 2]
    shuffled = r2star_map(magnitude[..., order], EVERYWHERE, TE_S[order], method=method)
    np.testing.assert_allclose(shuffled, r2star_map(magnitude, EVERYWHERE, TE_S, method=method), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("layout", "workers"), [("C", 3), ("F", 1), ("F", 3)])
def test_memory_layout_and_threads_change_nothing(layout, workers):
    magnitude, mask = mixture(), np.random.default_rng(1).random(SHAPE) > 0.3
    expected = r2star_fit(magnitude, mask, TE_S, **IRLS)
    fit = r2star_fit(np.array(magnitude, order=layout), np.array(mask, order=layout), TE_S, workers=workers, **IRLS)
    np.testing.assert_allclose(fit.r2star_hz, expected.r2star_hz, rtol=1e-5)
    np.testing.assert_allclose(fit.misfit, expected.misfit, rtol=1e-3)


@ALL
def test_nothing_outside_the_mask_and_inputs_unchanged(method):
    magnitude, mask = mixture(), np.random.default_rng(1).random(SHAPE) > 0.5
    before = magnitude.copy(), mask.copy()
    fit = r2star_fit(magnitude, mask, TE_S, method=method)
    assert not fit.r2star_hz[~mask].any()
    assert not fit.misfit[~mask].any()
    np.testing.assert_array_equal(magnitude, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_an_empty_mask_gives_an_empty_map():
    assert not r2star_map(mixture(), ~EVERYWHERE, TE_S, **IRLS).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0])
def test_bad_voxels_do_not_spread(bad):
    magnitude = with_noise(decay(30.0))
    expected = r2star_map(magnitude, EVERYWHERE, TE_S, **IRLS)
    magnitude[5, 5, 5] = bad
    estimate = r2star_map(magnitude, EVERYWHERE, TE_S, **IRLS)
    assert estimate[5, 5, 5] == 0
    estimate[5, 5, 5] = expected[5, 5, 5]
    np.testing.assert_array_equal(estimate, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0])
@pytest.mark.parametrize("echo", [0, 3])
def test_a_bad_echo_is_left_out(bad, echo):
    magnitude = decay(30.0)
    magnitude[5, 5, 5, echo] = bad
    assert r2star_map(magnitude, EVERYWHERE, TE_S, **IRLS)[5, 5, 5] == pytest.approx(30, rel=1e-3)


def test_one_usable_echo_gives_no_estimate():
    magnitude = with_noise(decay(30.0))
    magnitude[5, 5] = 0
    magnitude[5, 5, :, 2] = np.linspace(0.01, 0.5, SHAPE[2])  # below and above the noise
    assert not r2star_map(magnitude, EVERYWHERE, TE_S, **IRLS)[5, 5].any()


@ALL
def test_values_stay_in_range(method):
    growing = decay(-20.0)
    growing[1:] = decay(500.0)[1:]
    estimate = r2star_map(growing, EVERYWHERE, TE_S, method=method)
    assert estimate.min() == 0
    assert estimate.max() == 200


@pytest.mark.parametrize("te_s", [TE_S[:1], np.array([0.005, 0.005])])
def test_one_echo_time_is_refused(te_s):
    with pytest.raises(ValueError, match="at least two echoes"):
        r2star_map(decay(20, te_s), EVERYWHERE, te_s, **IRLS)


def test_arlo_refuses_uneven_echoes():
    with pytest.raises(ValueError, match="equally spaced"):
        r2star_map(decay(20, UNEVEN_S), EVERYWHERE, UNEVEN_S, method="arlo")


def test_arlo_and_the_fit_agree():
    magnitude = with_noise(decay(np.linspace(10, 50, 40)))
    r2star_hz = r2star_map(magnitude, EVERYWHERE, TE_S, **IRLS)
    assert abs(arlo_difference(magnitude, EVERYWHERE, TE_S, r2star_hz)) < 0.005


def test_arlo_tells_of_a_wrong_map():
    magnitude = decay(30.0)
    wrong_hz = np.full(SHAPE, 33, np.float32)
    assert arlo_difference(magnitude, EVERYWHERE, TE_S, wrong_hz) == pytest.approx(-1 / 11, rel=1e-2)


@pytest.mark.parametrize("te_s", [UNEVEN_S, TE_S[:2]], ids=["uneven", "two"])
def test_no_cross_check_where_arlo_does_not_apply(te_s):
    assert arlo_difference(decay(30, te_s), EVERYWHERE, te_s, np.full(SHAPE, 30, np.float32)) is None
