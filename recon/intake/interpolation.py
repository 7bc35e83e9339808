"""Matrices that were enlarged by zeros around k-space: voxels smaller than what was measured.

Along an axis, the spectrum of a measured image falls slowly and ends in noise; that of a zero-filled one drops at once
beyond the measured samples. From one frequency to the next measured spectra fall by less than 2.5 (whole head and crop
of real scans, noisy and noise-free phantoms); zero-filled and rounded ones by 10^5, by 8 to 13 where air was set to 0.
"""

from collections.abc import Sequence

import numpy as np

DROP = 5.0  # fall of power from the last measured frequency to all beyond
FLAT = 4.0  # largest fall of power over the three last measured frequencies
SMALLEST = 16  # samples of an axis that is looked at
LINES = 64  # lines along each other axis that are looked at


def acquired_matrix(signal: np.ndarray) -> tuple[int, ...]:
    """Measured samples along each axis of a finite (X, Y, Z) complex signal; all of them where nothing is filled."""
    return tuple(_acquired(_power(signal, axis)) for axis in range(signal.ndim))


def _power(signal: np.ndarray, axis: int) -> np.ndarray:
    """(n,) power at each frequency along `axis`, frequency 0 first, summed over some lines."""
    lines = signal[tuple(slice(None, None, 1 if a == axis else max(1, n // LINES)) for a, n in enumerate(signal.shape))]
    others = tuple(a for a in range(signal.ndim) if a != axis)
    return np.sum(np.abs(np.fft.fft(lines, axis=axis)) ** 2, axis=others, dtype=float)


def _acquired(power: np.ndarray) -> int:
    """Number of measured samples of one axis."""
    n = len(power)
    k = np.arange(1, n // 2 + 1)
    if n < SMALLEST:
        return n
    side = np.maximum(power[k], power[-k])  # partial Fourier measures one side only
    beyond = np.maximum.accumulate(side[::-1])[::-1]
    for i in range(n // 8, len(side) - 1):
        if side[i] > DROP * beyond[i + 1] and side[i - 2] < FLAT * side[i]:
            return int(np.count_nonzero(power > np.sqrt(side[i] * max(beyond[i + 1], np.finfo(float).tiny))))
    return n


def interpolation_notes(signal: np.ndarray, voxel_size_mm: Sequence[float]) -> tuple[str, ...]:
    """A sentence for each axis that was zero-filled."""
    return tuple(
        f"zero-filled: {acquired} of {stored} samples acquired along axis {axis} "
        f"(voxel {size:.2f} mm stored, {size * stored / acquired:.2f} mm acquired)"
        for axis, (acquired, stored, size) in enumerate(
            zip(acquired_matrix(signal), signal.shape, voxel_size_mm, strict=True)
        )
        if acquired < stored
    )
