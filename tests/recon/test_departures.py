"""Echoes with smooth phase of their own: found, told apart, and taken off before unwrapping."""

import numpy as np
import pytest

from recon.unwrap.departures import echo_departures
from recon.unwrap.straighten import LEAST_RAD, straightened
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, grid_mm

MASK = ball(34)
EVEN_S = 0.005 * np.arange(1, 7)
UNEVEN_S = np.array([0.004, 0.009, 0.0155, 0.020, 0.028])
X, Y, Z = (axis / 34 for axis in grid_mm())  # -1..1 over the ball
RAMP = 3 * X + 1.5 * Y - 2.1
BOWL = X**2 + 0.8 * Y * Z - 0.4
ALTERNATION = (-1.0) ** np.arange(6)


def echoes(offsets, te_s, noise=0.1):
    """Wrapped phase of a steep field with an offset at TE = 0, to which each echo adds its own (echo, X, Y, Z)."""
    rate = 500 * X - 260 * Y + 900 * Z**2  # rad/s
    phase = 0.6 * Y + rate * np.reshape(te_s, (-1, 1, 1, 1)) + offsets
    phase = np.moveaxis(phase + noise * np.random.default_rng(0).standard_normal(phase.shape), 0, -1)
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def off_the_line(offsets, te_s):
    """(echo, voxel) offsets without what a straight line over TE explains, and without whole turns of an echo."""
    inside = offsets[:, MASK]
    design = np.column_stack([np.ones(len(te_s)), te_s])
    rest = inside - design @ np.linalg.lstsq(design, inside, rcond=None)[0]
    return rest


def odd(echo, offset, te_s):
    """Offsets that are zero but in one echo."""
    return offset * (np.arange(len(te_s)) == echo)[:, None, None, None]


@pytest.mark.parametrize("te_s", [EVEN_S[:3], EVEN_S, UNEVEN_S], ids=["three", "even", "uneven"])
@pytest.mark.parametrize("noise", [0.02, 0.4])
def test_echoes_on_a_line_depart_little_and_stay_as_they_are(te_s, noise):
    phase = echoes(0, te_s, noise)
    assert echo_departures(phase, None, MASK, te_s, VOXEL_SIZE_MM).rms_rad.max() < LEAST_RAD / 5
    straight = straightened(phase, None, MASK, te_s, VOXEL_SIZE_MM)
    assert straight.phase_rad is phase
    assert not straight.singular.any()


@pytest.mark.parametrize("te_s", [EVEN_S, UNEVEN_S], ids=["even", "uneven"])
@pytest.mark.parametrize("offset", [RAMP, BOWL, np.full(SHAPE, 2.6)], ids=["ramp", "bowl", "constant"])
@pytest.mark.parametrize("echo", [0, 2, -1])
def test_one_odd_echo_keeps_all_of_its_departure(te_s, offset, echo):
    echo %= len(te_s)
    found = echo_departures(echoes(odd(echo, offset, te_s), te_s), None, MASK, te_s, VOXEL_SIZE_MM)
    error = (found.volume(echo) - offset)[MASK]
    assert abs(error.mean()) < 0.2 and error.std() < 0.1
    assert np.delete(found.rms_rad, echo).max() < 0.1


@pytest.mark.parametrize("te_s", [EVEN_S[:3], EVEN_S[:4], EVEN_S, UNEVEN_S], ids=["three", "four", "six", "uneven"])
def test_offsets_of_all_echoes_are_found_up_to_a_line(te_s):
    draw = np.random.default_rng(1).normal(0, 0.5, (5, len(te_s), 1, 1, 1))
    offsets = draw[0] + draw[1] * X + draw[2] * Y + draw[3] * Z + draw[4] * X**2
    found = echo_departures(echoes(offsets, te_s), None, MASK, te_s, VOXEL_SIZE_MM)
    volumes = np.stack([found.volume(i) for i in range(len(te_s))])
    error = off_the_line(offsets - volumes, te_s)
    turns = 2 * np.pi * np.round(error.mean(axis=1, keepdims=True) / (2 * np.pi))
    assert np.sqrt(np.mean((error - turns) ** 2)) < 0.05


def test_a_field_of_tissue_is_not_taken_for_an_offset():
    """What is linear in TE leaves no departure, however fine it is in space."""
    nuclei = 60 * ball(6, (12, 0, 0))  # rad/s
    phase = echoes(odd(5, RAMP, EVEN_S) + nuclei * EVEN_S[:, None, None, None], EVEN_S, noise=0.02)
    straight = straightened(phase, None, MASK, EVEN_S, VOXEL_SIZE_MM).phase_rad
    alone = echoes(nuclei * EVEN_S[:, None, None, None], EVEN_S, noise=0.02)
    error = np.angle(np.exp(1j * (straight - alone)))[MASK]
    assert np.abs(error - error.mean(axis=0)).max() < 0.1


def test_a_plane_of_bipolar_readouts_is_left_to_the_stages_that_know_it():
    phase = echoes((0.4 + 0.5 * X) * ALTERNATION[:, None, None, None], EVEN_S)
    assert echo_departures(phase, None, MASK, EVEN_S, VOXEL_SIZE_MM).rms_rad.min() > 0.3
    assert straightened(phase, None, MASK, EVEN_S, VOXEL_SIZE_MM).phase_rad is phase


def test_an_alternation_that_is_no_plane_is_taken_off():
    phase = echoes((0.4 + BOWL) * ALTERNATION[:, None, None, None], EVEN_S)
    straight = straightened(phase, None, MASK, EVEN_S, VOXEL_SIZE_MM).phase_rad
    assert echo_departures(straight, None, MASK, EVEN_S, VOXEL_SIZE_MM).rms_rad.max() < 0.05


@pytest.mark.parametrize("n_echoes", [1, 2])
def test_two_echoes_tell_nothing(n_echoes):
    te_s = EVEN_S[:n_echoes]
    phase = echoes(odd(n_echoes - 1, RAMP, te_s), te_s)
    assert echo_departures(phase, None, MASK, te_s, VOXEL_SIZE_MM) is None
    assert straightened(phase, None, MASK, te_s, VOXEL_SIZE_MM).phase_rad is phase


def test_noise_without_signal_and_bad_voxels_do_not_count():
    phase, magnitude = echoes(0, EVEN_S), np.ones((*SHAPE, 6), np.float32)
    dark = ball(12, (10, 0, 0))
    phase[dark] = np.random.default_rng(1).uniform(-np.pi, np.pi, (dark.sum(), 6))
    magnitude[dark] = 0.02
    phase[30, 36, 20, 1] = np.nan
    assert echo_departures(phase, magnitude, MASK, EVEN_S, VOXEL_SIZE_MM).rms_rad.max() < LEAST_RAD / 5


@pytest.mark.parametrize("signal", [0, 1])
@pytest.mark.parametrize("voxels", [0, 1, 5])
def test_masks_of_a_few_voxels_and_silence(voxels, signal):
    mask = np.zeros(SHAPE, bool)
    mask.flat[100_000 : 100_000 + voxels] = True
    for te_s in (EVEN_S, UNEVEN_S):
        phase = echoes(0, te_s)
        straight = straightened(phase, np.full_like(phase, signal), mask, te_s, VOXEL_SIZE_MM)
        assert np.isfinite(straight.phase_rad).all()
