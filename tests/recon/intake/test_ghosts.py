"""Ghosts of lines of k-space that differ, on a small head without any."""

import numpy as np
import pytest

from recon.intake.ghosts import ghost_notes, half_ghost, shifted_ghost
from tests.recon.intake import echo_files as ef


@pytest.fixture(scope="module")
def ends() -> list[np.ndarray]:
    return [ef.head(ef.TE_S[i]) for i in (0, -1)]


def ghosted(signal: np.ndarray, apart_rad: float, axis: int) -> np.ndarray:
    """The signal as odd and even lines of k-space make it that differ in phase."""
    odd = np.arange(signal.shape[axis]) % 2
    turn = np.exp(1j * apart_rad * (odd - 0.5)).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.fft.ifft(np.fft.fft(signal, axis=axis) * turn, axis=axis)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ghost_is_measured_along_its_axis(ends, axis):
    spoilt = [ghosted(signal, np.pi / 8, axis) for signal in ends]
    assert 0.1 < half_ghost(spoilt[1], axis) < 1.2 * np.tan(np.pi / 16)
    note = ghost_notes(spoilt)
    assert len(note) == 1 and f"along axis {axis}" in note[0]


def test_a_head_without_a_ghost_gets_no_note_nor_one_with_it_in_one_echo_or_a_small_piece(ends):
    assert ghost_notes(ends) == ()
    assert ghost_notes([ghosted(ends[0], np.pi / 8, 0), ends[1]]) == ()
    assert ghost_notes([signal[:8, :8, :8] for signal in ends]) == ()


@pytest.mark.parametrize("axis", [0, 2])
def test_what_breathing_repeats_in_the_dark_is_told_with_its_distance(axis):
    n, rng = 64, np.random.default_rng(0)
    x, y, z = np.indices((n, n, n)) - n / 2
    slab = (np.abs((x, y, z)[axis]) < 7) * np.exp(0.1j * (x * x - y * z))  # as a field curves phase
    sound = slab + 0.02 * (rng.standard_normal(slab.shape) + 1j * rng.standard_normal(slab.shape))
    assert ghost_notes([sound, sound]) == ()
    breath = np.exp(0.2j * np.sin(2 * np.pi * 16 * np.arange(n) / n)).reshape(
        [-1 if a == axis else 1 for a in range(3)]
    )
    spoilt = np.fft.ifft(np.fft.fft(sound, axis=axis) * breath, axis=axis)
    amplitude, distance = shifted_ghost(spoilt, axis)
    assert distance == 16
    assert 0.8 * 0.0995 < amplitude < 1.05 * 0.0995  # J1(0.2), by Jacobi and Anger
    note = ghost_notes([sound, spoilt])
    assert len(note) == 1 and f"16 voxels away along axis {axis}" in note[0]
    assert shifted_ghost(spoilt[:40, :40, :40], axis) == (0.0, 0)
