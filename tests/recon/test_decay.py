import numpy as np
import pytest
from scipy.special import exp1

from recon.relaxation.decay import irls_line, log_excess, r2star_arlo, scaled

T = np.linspace(0, 0.025, 6, dtype=np.float32)[:, None]


def rician(r2star_hz, snr, voxels=40000, seed=0):
    """(echo, voxel) magnitudes; the SNR is that of the signal at TE = 0, 5 ms before the first echo."""
    clean = np.exp(-r2star_hz * (T + 0.005))
    real, imaginary = np.random.default_rng(seed).normal(0, 1 / snr, (2, 6, voxels))
    return np.hypot(clean + real, imaginary).astype(np.float32)


def test_closed_form_follows_the_exponential_integral():
    x = np.logspace(-4, 1, 200)
    np.testing.assert_allclose(log_excess(x), exp1(x) / 2, rtol=0.023)


@pytest.mark.parametrize("snr", [1.0, 2.0, 3.0])
def test_log_excess_is_the_mean_excess_of_noisy_logarithms(snr):
    drawn = np.log(rician(0.0, snr)).mean()
    assert drawn == pytest.approx(log_excess(np.array(snr**2 / 2)), abs=0.01)


@pytest.mark.parametrize("r2star_hz", [4.0, 20.0, 80.0])
def test_arlo_is_exact_without_noise(r2star_hz):
    estimate = r2star_arlo(np.exp(-r2star_hz * T), 0.005)
    np.testing.assert_allclose(estimate, r2star_hz, rtol=3e-4)


@pytest.mark.parametrize(("r2star_hz", "snr"), [(120.0, 40), (150.0, 40), (90.0, 15)])
def test_noise_floor_correction_removes_most_of_the_bias(r2star_hz, snr):
    signal, scale = scaled(rician(r2star_hz, snr))
    plain = irls_line(signal, T, iterations=4, maximum_hz=1000.0).r2star_hz
    corrected = irls_line(signal, T, iterations=4, maximum_hz=1000.0, log_noise=-np.log(snr * scale)).r2star_hz
    assert abs(np.median(corrected) - r2star_hz) < 0.5 * abs(np.median(plain) - r2star_hz)


def test_noise_floor_correction_leaves_strong_signals_alone():
    signal, scale = scaled(rician(30.0, 60))
    corrected = irls_line(signal, T, iterations=4, maximum_hz=200.0, log_noise=-np.log(60 * scale))
    np.testing.assert_allclose(
        corrected.r2star_hz, irls_line(signal, T, iterations=4, maximum_hz=200.0).r2star_hz, rtol=1e-3
    )


def test_line_within_limits_passes_the_centroid_of_the_signal():
    line = irls_line(np.full((6, 1), 0.5, np.float32), T, iterations=4, maximum_hz=200.0)
    np.testing.assert_allclose(np.exp(line.at(T)), 0.5, rtol=1e-5)
