"""What an echo image must not contain: nothing, copies of another, values that its part cannot have."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recon.files.nifti_header import DATATYPES
from recon.grid import Times
from recon.maths.boxes import edge_ends
from recon.maths.finite import finite_part
from recon.maths.pieces import slice_pairs
from recon.problems import Problem

NEGATIVE = 1e-3  # of the largest magnitude, that rounding or resampling may leave below zero
SMALLEST, LARGEST = 1e-20, 1e20  # of a signal in any unit; float32 can still square them
STUCK = 0.01  # share of voxels at the lowest or the highest value of a real or imaginary part
CUT = 0.25  # share of voxels with signal at one end of the phase; signed phase that was clipped at zero has 0.5
LEAST_LEVELS = 32  # twelve bits have 4096 in a turn
SAMPLES = 2**16  # voxels whose values are counted
LEAST_LIKE = 0.1  # correlation of neighbours; measured: 0.8 to 0.97 in heads, 0.2 with as much noise as signal
# cosine of the steps of phase between neighbours; measured in the last echoes of eight generated heads of 1.5 to 7 T:
# 0.64 to 0.90, with as much noise as half of the signal 0.41 to 0.60; of noise alone 0.01
LEAST_COHERENT = 0.2
LEAST_PAIRS = 1000  # of neighbours that are compared
ANEW = "convert or export it anew from the scanner's own images"
LEAST_SPAN_S = 0.004  # between the first and the last echo, in which a decay is seen
SLOWEST_HZ = 4.0  # of the signal summed over a head and the noise around it
GROWTH = 1.05  # of the signal from one echo to the next, beyond which their order is doubted


def kind_problems(where: str, kind: str) -> list[Problem]:
    """Problems of the stored type of voxels, see `Header.kind`: complex, colour, boolean or eight bits."""
    if kind in DATATYPES.values() and np.dtype(kind).itemsize > 1:
        return []
    expected = "voxels of one real number of at least 16 bits (real and imaginary parts in two files)"
    return [Problem(where, expected, kind)]


def value_problems(where: str, part: str, data: np.ndarray) -> list[Problem]:
    """Problems of one (X, Y, Z) image of `part` mag, phase, real or imag."""
    finite = finite_part(data)
    if not finite.size:
        return [Problem(where, "finite values", f"NaN or infinity in every voxel: {ANEW}")]
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return [Problem(where, "an image", f"the value {low:g} in every voxel: {ANEW}")]
    if not SMALLEST <= max(-low, high) <= LARGEST:
        expected = f"values of which the largest lies between {SMALLEST:g} and {LARGEST:g}"
        return [Problem(where, expected, f"{low:g} to {high:g}: bytes read in another order or type? {ANEW}")]
    if part == "mag" and low < -NEGATIVE * high:
        return [
            Problem(
                where,
                "a magnitude, which is not negative",
                f"values from {low:g}: phase or real part? Correct part- in its name",
            )
        ]
    if part in ("real", "imag") and low >= 0:
        expected = f"values below and above zero ({part} part)"
        return [Problem(where, expected, f"{low:g} to {high:g}: a magnitude, or its zero level is lost; {ANEW}")]
    if part != "mag" and (levels := len(np.unique(finite.flat[:: max(1, finite.size // SAMPLES)]))) < min(
        LEAST_LEVELS, finite.size // 2
    ):
        return [
            Problem(where, f"at least {LEAST_LEVELS} different values", f"{levels}: rounded to whole numbers? {ANEW}")
        ]
    if part in ("real", "imag") and (stuck := _stuck(finite, low, high)):
        return [Problem(where, f"values that are not cut off ({part} part)", f"{stuck}: {ANEW}")]
    if part != "phase" and (alike := likeness(data)) < LEAST_LIKE:
        found = f"a correlation of {alike:.2f} at most: noise, or bytes read in another order than they were written"
        return [Problem(where, "voxels that are like their neighbours along one axis at least", f"{found}; {ANEW}")]
    return []


def _stuck(finite: np.ndarray, low: float, high: float) -> str:
    """Which extreme too many voxels share, or nothing: values were clipped, or voxels filled with a number."""
    counts = {value: int(np.count_nonzero(finite == np.float32(value))) for value in (low, high)}
    often = {value: count for value, count in counts.items() if count > 1 + STUCK * finite.size}
    return "; ".join(f"{value:g} in {count:,} of {finite.size:,} voxels" for value, count in often.items())


def cut_problems(where: str, phase: np.ndarray, magnitude: np.ndarray) -> list[Problem]:
    """Problems of phase that was clipped: one extreme in many voxels with signal. Both (X, Y, Z)."""
    phase, magnitude = slice_pairs(phase), slice_pairs(magnitude)
    finite = np.isfinite(phase) & np.isfinite(magnitude)
    strong = finite & (magnitude > np.mean(magnitude, where=finite, dtype=float))
    values, most = phase[strong], CUT * np.count_nonzero(strong)
    for end in (np.min, np.max):
        extreme = end(phase, where=finite, initial=values[0]) if values.size else 0
        if (count := np.count_nonzero(values == extreme)) > most:
            found = f"{extreme:g}, its {end.__name__}imum, in {count:,} of {values.size:,} voxels with signal: {ANEW}"
            return [Problem(where, "phase that was neither clipped nor masked where there is signal", found)]
    return []


def coherence(phase: np.ndarray, magnitude: np.ndarray) -> float | None:
    """How alike the phases of neighbours are where there is signal, both (X, Y, Z): 1 the same, 0 random.

    The largest mean cosine, of any sign, of the steps along an axis; None where too few tell. The extremes of the phase
    stand for a turn, so that its unit need not be known.
    """
    phase, magnitude = slice_pairs(phase), slice_pairs(magnitude)
    finite = np.isfinite(phase) & np.isfinite(magnitude)
    if not finite.any():
        return None
    strong = finite & (magnitude > np.mean(magnitude, where=finite, dtype=float))
    low, high = (float(end(phase[finite])) for end in (np.min, np.max))
    alike = [_agreement(phase, strong, 2 * np.pi / max(high - low, SMALLEST), axis) for axis in range(3)]
    return max((abs(cosine) for cosine in alike if cosine is not None), default=None)


def noise_problems(where: str, phase: np.ndarray, magnitude: np.ndarray) -> list[Problem]:
    """Problems of phase that is random where there is signal, both (X, Y, Z)."""
    alike = coherence(phase, magnitude)
    if alike is None or alike >= LEAST_COHERENT:
        return []
    found = f"a mean cosine of {alike:.2f} at most between neighbours: noise? {ANEW}"
    return [Problem(where, "phase that is like its neighbours' where the magnitude is strong", found)]


def _agreement(phase: np.ndarray, region: np.ndarray, rad: float, axis: int) -> float | None:
    """Mean cosine of the steps along an axis within a region, `rad` radians a unit; None where few can be told.

    Equal values were set, by a mask.
    """
    before, after = edge_ends(axis)
    both = (region[before] & region[after]).T  # in the order of files, in which a mask chooses fastest
    step = phase[after].T[both] - phase[before].T[both]
    step = step[step != 0]
    return float(np.cos(rad * step).mean(dtype=float)) if len(step) >= LEAST_PAIRS else None


def likeness(data: np.ndarray) -> float:
    """Largest correlation, of any sign, of neighbouring voxels along an axis of a (X, Y, Z) image; not finite is 0."""
    data = slice_pairs(data)
    finite = np.isfinite(data)
    with np.errstate(invalid="ignore"):  # Inf, and NaN that signal
        centred = np.where(finite, data - np.mean(data, where=finite, dtype=float), 0)
    power = np.sum(centred**2)
    products = []
    for axis in range(3):
        along = np.moveaxis(centred, axis, 0)  # a view
        products.append(np.sum(along[1:] * along[:-1]))
    return float(max(map(abs, products)) / power) if power > 0 else 0.0


def value_notes(where: str, data: np.ndarray) -> list[str]:
    """Notes on voxels that are emptied."""
    bad = data.size - int(np.count_nonzero(np.isfinite(data)))
    return [f"{where}: {bad:,} of {data.size:,} voxels are NaN or infinite and count as no signal"] if bad else []


def copy_problems(digests: Mapping[str, tuple[int, int]]) -> list[Problem]:
    """Problems of images that are equal in every voxel; `digests` by the name for messages, in the order of reading."""
    first: dict[tuple[int, int], str] = {}
    return [
        Problem(where, "an image of its own", f"the same values as in {first[digest]}")
        for where, digest in digests.items()
        if first.setdefault(digest, where) != where
    ]


class Top(NamedTuple):
    """Of the finite voxels with signal of a magnitude: the largest value, the share that have it, how many values."""

    value: float
    share: float
    levels: int


def scale_notes(where: Sequence[str], tops: Sequence[Top]) -> list[str]:
    """Notes on magnitudes without a common scale: cut off, each scaled to one largest value, of few grey values.

    Parameters
    ----------
    where : names of the magnitudes
    tops : of each
    """
    notes = [
        f"{name}: {top.share:.1%} of the voxels with signal have its largest value, {top.value:g}: cut off? R2* and "
        "T1w are wrong there"
        for name, top in zip(where, tops, strict=True)
        if top.share > STUCK
    ]
    if not notes and len(tops) > 1 and len({top.value for top in tops}) == 1:
        notes.append(
            f"the largest magnitude is {tops[0].value:g} in every echo: if each was scaled by itself, R2* is wrong; "
            "export them in one scale"
        )
    few = [(name, top.levels) for name, top in zip(where, tops, strict=True) if top.levels < LEAST_LEVELS]
    if few and not notes:
        notes.append(
            f"{few[0][0]}: {few[0][1]} different values where there is signal: rounded to few grey values? Then R2* is "
            "coarse; export it with the precision of the scanner"
        )
    return notes


def at_largest(magnitude: np.ndarray) -> Top:
    """What the voxels with signal, above the mean, of a magnitude (X, Y, Z) have; values are counted in a sample."""
    finite = finite_part(magnitude)
    largest = float(finite.max(initial=0))
    finite = finite.T  # in the order of files, in which a mask chooses fastest
    strong = finite[finite > finite.mean(dtype=float)] if finite.size else finite
    levels = len(np.unique(strong[:: max(1, strong.size // SAMPLES)]))
    share = np.count_nonzero(strong == np.float32(largest)) / max(strong.size, 1)
    return Top(largest, share, levels)


def order_notes(where: Sequence[str], signal: Sequence[float]) -> list[str]:
    """Notes on echoes whose summed magnitude grows: a gradient echo decays."""
    return [
        f"{b}: {later / earlier - 1:.0%} more signal than in the echo before, {a}; are the echo times in order?"
        for (a, earlier), (b, later) in pairwise(zip(where, signal, strict=True))
        if later > GROWTH * earlier > 0
    ]


def decay_notes(te_s: Times, signal: Sequence[float]) -> list[str]:
    """A note on summed magnitudes that hardly decay, as those do not that are each scaled to its own mean."""
    span_s = te_s[-1] - te_s[0]
    if span_s < LEAST_SPAN_S or min(signal[0], signal[-1]) <= 0:
        return []
    r2star_hz = float(np.log(signal[0] / signal[-1]) / span_s)
    if r2star_hz >= SLOWEST_HZ:
        return []
    return [
        f"the signal hardly decays from the first echo to the last (R2* {r2star_hz:.1f} 1/s; brains have 9 and more): "
        "each echo scaled by itself, or no head?"
    ]
