"""Ghosts of odd and even lines that differ, on a small head without any."""

import numpy as np
import pytest

from recon.intake.ghosts import ghost_notes, half_ghost
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
    assert ghost_notes([ends[0], ghosted(ends[1], np.pi / 8, 0)]) == ()
    assert ghost_notes([signal[:8, :8, :8] for signal in ends]) == ()
