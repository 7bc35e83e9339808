"""R2* above the noise floor of several coils, and the maps that follow from the same fit."""

import numpy as np
import pytest

from recon.relaxation import r2star_fit
from recon.relaxation.decay import floor_line, scaled
from recon.relaxation.noise_floor import air_power
from recon.relaxation.stage import decay_maps

TE_S = np.arange(1, 7) * 0.005
T = (TE_S - TE_S[0]).astype(np.float32)[:, None]
SHAPE = (44, 44, 44)
RADIUS = np.linalg.norm(np.indices(SHAPE) - 21.5, axis=0)
BRAIN = RADIUS < 14
FAST = np.linalg.norm(np.indices(SHAPE) - np.reshape((26, 22, 22), (3, 1, 1, 1)), axis=0) < 5
R2STAR_HZ = np.where(FAST, 80.0, 20.0)


def summed(clean, coils, snr, seed=0):
    """Root of the sum of squares of coils with equal noise; the SNR is that of the signal 1 over one coil's noise."""
    rng = np.random.default_rng(seed)
    power = (clean + rng.normal(0, 1 / snr, clean.shape)) ** 2 + rng.normal(0, 1 / snr, clean.shape) ** 2
    if coils > 1:
        power += rng.chisquare(2 * (coils - 1), clean.shape) / snr**2
    return np.sqrt(power).astype(np.float32)


def head(coils, snr=40):
    """(X, Y, Z, echo) of a ball in air, fast decay inside."""
    return summed(np.exp(-R2STAR_HZ[..., None] * TE_S) * (RADIUS < 15)[..., None], coils, snr)


def bias(fit):
    """Median error of R2* [1/s] in slow and in fast decay."""
    return np.array([np.median(fit.r2star_hz[BRAIN & where]) for where in (~FAST, FAST)]) - (20, 80)


@pytest.mark.parametrize("coils", [8, 32])
def test_the_floor_of_several_coils_pulls_fast_decay_down_and_is_undone(coils):
    magnitude = head(coils)
    before = bias(r2star_fit(magnitude, BRAIN, TE_S, coils=1))
    assert before[1] < -5
    for given in (coils, "air"):
        after = bias(r2star_fit(magnitude, BRAIN, TE_S, coils=given))
        assert np.abs(after).max() < 1.0


@pytest.mark.parametrize("coils", [2, 8, 32])
def test_coils_and_noise_are_measured(coils):
    fit = r2star_fit(head(coils), BRAIN, TE_S, coils="air")
    assert fit.noise == pytest.approx(1 / 40, rel=0.02)
    assert fit.coils == pytest.approx(coils, rel=0.05)
    assert np.sqrt(np.mean(fit.misfit[BRAIN] ** 2)) == pytest.approx(1, rel=0.03)


def test_one_coil_in_air_is_found_to_be_one():
    fit = r2star_fit(head(1), BRAIN, TE_S, coils="air")
    assert fit.coils == pytest.approx(1, rel=0.05)
    assert np.abs(bias(fit)).max() < 1.0


def test_coils_change_nothing_without_noise():
    """Of a noise that is next to nothing the floor is so, too."""
    clean = head(1, snr=1e6)
    np.testing.assert_allclose(
        r2star_fit(clean, BRAIN, TE_S, coils=32).r2star_hz, r2star_fit(clean, BRAIN, TE_S).r2star_hz, atol=0.05
    )


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_scale_of_the_magnitude_does_not_matter(factor):
    one, other = (r2star_fit(np.float32(f) * head(8), BRAIN, TE_S, coils="air") for f in (1, factor))
    np.testing.assert_allclose(one.r2star_hz, other.r2star_hz, rtol=1e-2, atol=0.05)


def test_missing_echoes_are_left_out_and_the_fit_is_exact_without_noise():
    signal = np.exp(-30 * (T + 0.005)) * np.ones((1, 4), np.float32)
    signal[2, 1] = signal[5, 2] = signal[0, 3] = 0
    line = floor_line(scaled(signal)[0], T, coils=8, log_noise=np.full(4, -20, np.float32), maximum_hz=200.0)
    np.testing.assert_allclose(line.r2star_hz, 30, rtol=1e-3)


def test_air_without_noise_is_refused():
    magnitude = head(8) * (RADIUS < 17)[..., None]
    with pytest.raises(ValueError, match="expected 1000 voxels or more of air with noise .* set the number of coils"):
        r2star_fit(magnitude, BRAIN, TE_S, coils="air")


def test_air_darkened_by_the_scanner_is_refused():
    magnitude = head(8) * np.where(RADIUS < 17, 1, 0.02)[..., None]
    with pytest.raises(ValueError, match="air: expected noise around the head at least as strong as in the brain"):
        r2star_fit(magnitude, BRAIN, TE_S, coils="air")


def test_two_echoes_are_refused():
    with pytest.raises(ValueError, match="coils: expected three echoes or more for 8, found 2"):
        r2star_fit(head(8)[..., :2], BRAIN, TE_S[:2], coils=8)


def test_ghosts_in_early_echoes_do_not_count_as_noise():
    magnitude = head(8)
    quiet = air_power(magnitude, BRAIN)
    ghost = magnitude.copy()
    ghost[:, :6, :, :3] += 0.1
    assert air_power(ghost, BRAIN) == pytest.approx(quiet, rel=0.01)
    assert quiet == pytest.approx(16 / 40**2, rel=0.02)


@pytest.mark.parametrize("coils", [1, 8])
def test_s0_and_t2star_reproduce_the_echoes(coils):
    magnitude = 700 * head(1, snr=1e5)
    fit = r2star_fit(magnitude, BRAIN, TE_S, coils=coils)
    maps = decay_maps(fit, t2star_and_s0=True)
    assert set(maps) == {"T2starmap", "S0map"}
    np.testing.assert_allclose(maps["S0map"][BRAIN], 700, rtol=2e-3)
    np.testing.assert_allclose(maps["T2starmap"][BRAIN] * fit.r2star_hz[BRAIN], 1, rtol=1e-5)
    echoes = maps["S0map"][BRAIN][:, None] * np.exp(-TE_S / maps["T2starmap"][BRAIN][:, None])
    np.testing.assert_allclose(echoes, magnitude[BRAIN], rtol=5e-3)
    assert not any(volume[~BRAIN].any() for volume in maps.values())


def test_no_further_maps_unless_wanted_and_no_t2star_without_decay():
    growing = np.exp(20 * TE_S) * np.ones((2, 2, 2, 1), np.float32)
    fit = r2star_fit(growing, np.ones((2, 2, 2), bool), TE_S)
    assert decay_maps(fit) == {}
    assert not decay_maps(fit, t2star_and_s0=True)["T2starmap"].any()


def test_one_usable_echo_gives_no_s0():
    magnitude = 700 * head(1)
    magnitude[20, 20, 20, 1:] = 0
    assert r2star_fit(magnitude, BRAIN, TE_S).s0[20, 20, 20] == 0
