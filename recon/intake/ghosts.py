r"""Ghosts: what the signal repeats half a field of view away, or anywhere else in the dark.

Echo planar readouts leave a ghost half a field of view away uncorrected, and so does a parallel acquisition that was
unfolded wrongly. With z the signal and z' the one half a field of view away, the ghost's amplitude is about

.. math:: c = |\sum \overline{z'} z| / \sum |z'|^2

over voxels where z is the fainter one: noise and other tissue have no phase in common with z'.

It counts as far as every part of the image has it, with one phase: what agrees by chance changes from place to place.
Of six parts the least has 0.72 to 0.97 of the whole's amplitude where there is a ghost, and below 0.4 where there is
none, also in a real head with echoes of 2.3 and 4.6 ms, whose slices agree by chance with c = 0.05.

Measured in eight generated heads, three of them with larger voxels as well (1.5 to 7 T, SNR 20 to 100), the lesser of
first and last echo, all axes: the least part has 0.001 at most without a ghost; of lines that differ by 1/32, 1/16, 1/8
and 1/4 of half a turn 0.030 to 0.037, 0.05 to 0.08, 0.10 to 0.15 and 0.15 to 0.26. The last raises the error of a map
from 50 to 92 % (`consensus`) and from 75 to 88 % (`paper`).

What breathing, or any other period, changes from line to line repeats the signal at another distance. There other
tissue would agree with it, so that the same sums are taken over dark voxels alone, at all distances at once by Fourier
transforms, in the last echo, which has most of it.

Limits chosen on four of the heads, counted on the other four: without a ghost 0.0017 at most (0.0016), with voxels
twice as large 0.0016 (0.0009), in a real head of 3 mm 0.0004; of a frequency that breathing moves by 2 Hz 0.059 to
0.092 (0.043 to 0.090; where the breath is irregular 0.042 to 0.086), by 0.5 Hz (0.017 to 0.035). Afterwards, all eight
heads zero-filled by 1.25 to 2, in two or three directions, with partial Fourier and both: 0.016 at most. Breathing by
2 Hz raises the error of a map from 50 to 80 % (`consensus`) and from 75 to 83 % (`paper`).
"""

from collections.abc import Sequence

import numpy as np

from recon.intake.interpolation import LINES

CLEAR = 0.02  # amplitude from which a ghost is told
FAINTER = 0.5  # magnitude over that half a field of view away, below which most of a voxel may be a ghost
DARK = 0.4  # of the mean magnitude, below which a voxel is air or next to no signal
NEAREST = 12  # th of the field of view, about 18 mm; nearer by lie the skull of the same tissue, and its edges' ringing
FEWEST, FEWEST_DARK = 500, 100  # voxels that tell; where they are dark none of them is other tissue
PARTS = 6  # of the image, each of which must show it
SMALLEST, SMALLEST_DARK = 16, 64  # samples of an axis that is looked at; zero filling of coarse matrices rings too far


def _lines(signal: np.ndarray, axis: int) -> np.ndarray:
    """Some lines of a (X, Y, Z) signal, along the last axis; parts lie one after the other along the first."""
    apart = (1 if a == axis else max(1, m // LINES) for a, m in enumerate(signal.shape))
    return np.moveaxis(signal[tuple(slice(None, None, step) for step in apart)], axis, -1)


def shifted_ghost(signal: np.ndarray, axis: int) -> tuple[float, int]:
    """Amplitude, over the signal's own, of what every part of a (X, Y, Z) signal repeats in the dark, and how far away.

    The distance is the one with the largest amplitude, in voxels.
    """
    from scipy import fft  # slow to import, and a plan does without

    n = signal.shape[axis]
    if n < SMALLEST_DARK:
        return 0.0, 0
    lines = _lines(signal, axis)
    size = np.abs(lines)
    level = np.nanmean(size, dtype=float)
    bright, dark = size > level, size < DARK * level
    source, power = np.where(bright, lines, 0), np.where(bright, size**2, 0)

    def summed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(part, distance) sums of conj(a(y)) b(y + distance)."""
        both = (np.conj(fft.fft(a, axis=-1)) * fft.fft(b, axis=-1)).sum(axis=1)
        return fft.ifft(np.stack([part.sum(axis=0) for part in np.array_split(both, PARTS)]), axis=-1)

    shared, power = summed(source, np.where(dark, lines, 0)), summed(power, dark.astype(size.dtype)).real
    whole = shared.sum(axis=0)
    along = (shared * np.conj(whole)).real / np.maximum(np.abs(whole), np.finfo(np.float32).tiny)
    tells = power > FEWEST_DARK / PARTS * level**2
    amplitude = np.where(tells, along / np.where(tells, power, 1), 0).min(axis=0)
    nearest = n // NEAREST
    amplitude[:nearest] = amplitude[n - nearest + 1 :] = 0
    distance = int(np.argmax(amplitude))
    return max(0.0, float(amplitude[distance])), min(distance, n - distance)


def half_ghost(signal: np.ndarray, axis: int) -> float:
    """Amplitude, over the signal's own, of what every part of a (X, Y, Z) signal repeats half a field of view away."""
    n = signal.shape[axis]
    if n < SMALLEST:
        return 0.0
    lines = _lines(signal, axis)
    source = np.roll(lines, n // 2, -1)
    near, far = np.abs(lines), np.abs(source)
    tells = (near < FAINTER * far) & (far > np.nanmean(near, dtype=float))
    if np.count_nonzero(tells) < FEWEST:
        return 0.0
    shared, power = np.conj(source[tells]) * lines[tells], far[tells] ** 2
    whole = shared.sum()
    along = (shared * np.conj(whole)).real / max(abs(whole), np.finfo(np.float32).tiny)
    parts = zip(np.array_split(along, PARTS), np.array_split(power, PARTS), strict=True)
    return max(0.0, min(float(a.sum() / p.sum()) for a, p in parts))


def ghost_notes(ends: Sequence[np.ndarray]) -> tuple[str, ...]:
    """A note on a ghost in the first and last echo, (X, Y, Z) complex each; none of a single echo.

    One half a field of view away must be in both: early phase varies little, so that other tissue there may agree with
    it by chance. One in the dark must be in the last echo.
    """
    if len(ends) < 2:
        return ()
    amplitude, axis = max((min(half_ghost(signal, axis) for signal in ends), axis) for axis in range(3))
    if amplitude >= CLEAR:
        return (
            f"ghost: half a field of view away along axis {axis}, the signal is repeated with {amplitude:.0%} of its "
            "size (heads without: 0.1 % at most), from odd and even lines that differ, as in echo planar readouts, or "
            "from missing lines; it distorts susceptibility where it lies on the brain: reconstruct the images with "
            "the correction of Nyquist ghosts, or acquire without echo planar readouts",
        )
    (amplitude, distance), axis = max((shifted_ghost(ends[-1], axis), axis) for axis in range(3))
    if amplitude >= CLEAR:
        return (
            f"ghost: {distance} voxels away along axis {axis}, the signal of the last echo is repeated with "
            f"{amplitude:.0%} of its size in the dark (heads without: 0.2 % at most, zero-filled 1.6 %), from "
            "breathing, pulsation or motion that changes it from line to line; it distorts susceptibility where it "
            "lies on the brain: reconstruct the images with a navigator's correction, or acquire anew",
        )
    return ()
