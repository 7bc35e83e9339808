"""Image quality numbers of a scan, and which scans of a study are outliers."""

import numpy as np
import pytest

from recon.check.measures import decay_misfit, ghost, image_measures, signal_to_noise, susceptibility_noise
from recon.check.outliers import LEAST_SCANS, spread_of

SHAPE = (40, 44, 36)
POSITION = np.indices(SHAPE).astype(float)
BRAIN = np.linalg.norm(POSITION - np.reshape((19.5, 21.5, 17.5), (3, 1, 1, 1)), axis=0) < 16
ANATOMY = 100 + 20 * np.sin(POSITION[0] / 8) + 10 * np.cos(POSITION[1] / 9) + POSITION[2]  # smooth, and a bias field


def noise(sd, seed=0):
    return np.random.default_rng(seed).normal(0, sd, SHAPE)


@pytest.mark.parametrize("sd", [1.0, 5.0, 20.0])
def test_snr_is_that_of_the_image_whatever_its_anatomy(sd):
    found = signal_to_noise(ANATOMY + noise(sd), BRAIN)
    assert found == pytest.approx(np.median(ANATOMY[BRAIN]) / sd, rel=0.1)


def test_snr_has_no_unit_and_sees_nothing_outside_the_brain():
    echo = ANATOMY + noise(5.0)
    outside = np.where(BRAIN, echo, np.nan)
    assert signal_to_noise(1e-3 * echo, BRAIN) == pytest.approx(signal_to_noise(echo, BRAIN), rel=1e-6)
    assert signal_to_noise(outside, BRAIN) == pytest.approx(signal_to_noise(np.where(BRAIN, echo, 1e6), BRAIN))


def test_interpolation_does_not_raise_the_snr():
    """Zero-filling to twice the matrix halves the noise between neighbours, not the noise."""
    echo = ANATOMY + noise(5.0)
    spectrum = np.fft.fftshift(np.fft.fftn(echo))
    fine = np.fft.ifftn(np.fft.ifftshift(np.pad(spectrum, [(n // 2, n // 2) for n in SHAPE]))).real * 8
    brain = BRAIN.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    assert signal_to_noise(fine, brain) == pytest.approx(signal_to_noise(echo, BRAIN), rel=0.15)


def in_air(axis=None, strength=0.0, seed=0):
    """The brain in the middle of a wider field of view, its repetition half of that away along an axis, noise."""
    rng = np.random.default_rng(seed)
    signal = np.pad(np.where(BRAIN, ANATOMY, 0), 12).astype(complex)
    if axis is not None:
        signal += strength * np.roll(signal, signal.shape[axis] // 2, axis)
    noisy = signal + rng.normal(0, 2, signal.shape) + 1j * rng.normal(0, 2, signal.shape)
    return np.abs(noisy), np.pad(BRAIN, 12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ghost_is_seen_along_any_axis(axis):
    none, weak, strong = (ghost(*in_air(axis, strength)) for strength in (0.0, 0.05, 0.1))
    assert none < 0.1
    assert strong > 1.5 * weak > 10 * none


def test_a_ghost_has_no_unit_and_is_not_known_without_air():
    echo, brain = in_air(1, 0.1)
    assert ghost(1e-3 * echo, brain) == pytest.approx(ghost(echo, brain), rel=1e-6)
    assert np.isnan(ghost(np.where(brain, echo, 0), brain))
    assert np.isnan(ghost(echo, brain & False))


def test_noise_of_chi_is_found_beside_strong_nuclei():
    nuclei = 0.15 * (np.linalg.norm(POSITION - np.reshape((24, 22, 18), (3, 1, 1, 1)), axis=0) < 3)
    chi_ppm = np.where(BRAIN, nuclei + noise(0.01), 0)
    assert susceptibility_noise(chi_ppm) == pytest.approx(0.01, rel=0.1)


def test_misfit_tells_apart_a_brain_in_which_a_tenth_does_not_decay_exponentially():
    rng = np.random.default_rng(0)
    misfit = np.sqrt(rng.chisquare(4, SHAPE) / 4)
    worse = np.where(POSITION[0] < np.percentile(POSITION[0][BRAIN], 10), 4 * misfit, misfit)
    assert decay_misfit(misfit, BRAIN) == pytest.approx(1.54, abs=0.02)
    assert decay_misfit(worse, BRAIN) > 3


def test_what_cannot_be_measured_is_not_a_number():
    nothing = image_measures(np.zeros(SHAPE), BRAIN & False, np.zeros(SHAPE), None)
    assert np.isnan(list(nothing.values())).all()
    assert np.isnan(decay_misfit(np.zeros(SHAPE), BRAIN))  # two echoes leave no residual


def test_an_outlier_is_found_though_it_widens_the_spread_of_the_others():
    values = np.array([10.0, 10.2, 9.9, 10.1, 10.0, 9.8, 10.3, 10.0, 500.0, np.nan])
    spread = spread_of(values, least=0.01)
    z = spread.z(values)
    assert z[3] == pytest.approx(0.6745 * 0.1 / 0.1)  # MAD: 0.1
    assert np.flatnonzero(np.abs(z) > 3.5).tolist() == [8]
    assert np.isnan(z[9]) and spread.known == 9


def test_scans_that_are_all_alike_are_not_told_apart_below_what_counts():
    values = np.array([0.0] * 9 + [0.2, 5.0])
    assert spread_of(values, least=0.1).z(values)[-2:].tolist() == pytest.approx([2, 50])


@pytest.mark.parametrize(("scans", "judges"), [(LEAST_SCANS - 1, False), (LEAST_SCANS, True)])
def test_few_scans_have_no_outlier(scans, judges):
    values = np.append(np.arange(scans - 1.0), 1e6)
    spread = spread_of(values, least=1.0)
    assert spread.judges is judges
    assert bool((np.abs(spread.z(values)) > 3.5).any()) is judges
