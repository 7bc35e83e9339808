"""Phase and whole turns: wrapped to half a turn, brought to the nearest turn, and in fixed point.

In fixed point a turn has 2^16 units: as int16 phase wraps by itself, so that the difference of two voxels is the
wrapped difference, and as int32 it counts whole turns exactly.
"""

import numpy as np

TURN = 1 << 16  # units of fixed-point phase in 2 pi


def turns_rad(angle_rad: np.ndarray) -> np.ndarray:
    """The multiple of 2 pi nearest to an angle [rad]."""
    return 2 * np.pi * np.rint(angle_rad / (2 * np.pi))


def wrap(angle_rad: np.ndarray) -> np.ndarray:
    """Angle within half a turn of 0."""
    return angle_rad - turns_rad(angle_rad)


def nearest_turn(phase_rad: np.ndarray, predicted_rad: np.ndarray) -> np.ndarray:
    """`phase_rad` plus the whole turns that bring it nearest to the prediction."""
    turn = np.float32(2 * np.pi)
    turns = predicted_rad - phase_rad
    turns /= turn
    np.rint(turns, out=turns)
    turns *= turn
    turns += phase_rad
    return turns


def fixed_point(phase_rad: np.ndarray) -> np.ndarray:
    """Phase [rad, finite] as int16, 2^16 units a turn."""
    turns = phase_rad * np.float32(1 / (2 * np.pi))
    turns -= np.rint(turns)
    turns *= np.float32(TURN)
    return np.rint(turns, out=turns).astype(np.int32).astype(np.int16)  # through int32: half a turn wraps, too


def in_rad(phase: np.ndarray) -> np.ndarray:
    """Fixed-point phase in rad, float32."""
    return np.multiply(phase, np.float32(2 * np.pi / TURN), dtype=np.float32)
