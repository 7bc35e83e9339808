r"""Slices that were acquired one by one (2-D), each with a phase offset of its own.

The step of a voxel's phase from slice k to the next is a line over the echo time TE:

.. math:: \phi(x, y, k + 1) - \phi(x, y, k) = a_k + g(x, y, k) TE

The field gives g, which changes smoothly along the head and must survive. The offsets give :math:`a_k`, the same all
over a slice, and uneven from slice to slice. Two echoes tell both apart in every voxel, and the median over the voxels
of a slice is free of noise. How uneven steps are is the median of :math:`|a_{k-1} - 2 a_k + a_{k+1}| / \sqrt 6`, to
first approximation 1.2 times the SD of the offsets. That is a multiple of 2 pi, hence nothing, where every second slice
is off by a quarter turn; then :math:`a_{k+1} - a_k` is half a turn everywhere, which no head's phase is.

Measured in heads without offsets: 0.003 to 0.013 rad (simulated at 1.5, 3 and 7 T, three or six echoes of 4 to 36 ms,
slices of 3 and 5 mm, level and oblique, with and without shim, SNR 20). On other heads (15 made from T1-weighted images
and templates, 1.5 to 7 T, SNR 10 to 100, and two real ones): at most 0.007 rad, 0.018 rad in a single echo, and what
grows with TE at most 0.06 rad; offsets with an SD of 0.1 to 3 rad were found in 73 of 73, along the right axis.

What is uneven and grows with TE alone is a frequency of each slice (breathing, drift). An SD of 3 Hz over the slices of
a simulated head, uneven by 0.30 rad at a TE of 30 ms, raises the error of its map from 55 to 94 % (`paper`) and from 30
to 107 % (`consensus`). Its slow part cannot be told from the field, so that it is not removed.
"""

from collections.abc import Sequence

import numpy as np

from recon.grid import Times
from recon.intake.decisions import Decision
from recon.intake.facts import shown
from recon.maths.wrap import wrap
from recon.problems import IntakeError, Problem

UNEVEN_RAD = 0.1  # from which slices are said to differ
EVEN_RAD = 0.2  # of a single echo, and of what grows with TE in the last one, up to which unevenness is the field's
LEAST_VOXELS = 10  # with signal in both slices of a step
MOST_VOXELS = 4000  # of a step that are looked at
STEADY_RAD = 1.5  # by which steps grow from slice to slice everywhere, from which it is no head's; eight heads: 0.06
LEAST_COMMON = 0.5  # length of the mean direction of what is the same everywhere
FEWEST_STEPS = 8  # along an axis that is judged
TWO_D = "2D"  # MRAcquisitionType of slices that are excited one by one


def strong(magnitude: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool, voxels with more than the mean magnitude; in the last echo, those that have a phase in all."""
    return magnitude > magnitude.mean(dtype=float)


def steps(signals: Sequence[np.ndarray], te_s: Times, inside: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Median line over TE of the voxels' steps from slice to slice along `axis`.

    Parameters
    ----------
    signals : (X, Y, Z) of each echo, complex, or its phase [rad]; of a single one the line is taken for level
    te_s : their echo times [s]
    inside : (X, Y, Z) bool, voxels with signal

    Returns
    -------
    rate, common : (n - 1,) slope [rad/s] and value at TE = 0 [rad], 0 and NaN where too few voxels tell them
    """
    echoes = [np.moveaxis(signal, axis, 0) for signal in signals]
    use = np.ascontiguousarray(np.moveaxis(inside, axis, 0))
    times = np.asarray(te_s, dtype=float)
    moment = (times - times.mean()) / max(np.sum((times - times.mean()) ** 2), np.finfo(float).tiny)
    rate, common = np.zeros(max(len(use) - 1, 0)), np.full(max(len(use) - 1, 0), np.nan)
    for k in range(len(common)):
        both = np.flatnonzero(use[k] & use[k + 1])
        if len(both) < LEAST_VOXELS:
            continue
        voxels = np.unravel_index(both[:: -(-len(both) // MOST_VOXELS)], use[k].shape)
        line = np.unwrap([_advance(echo[k][voxels], echo[k + 1][voxels]) for echo in echoes], axis=0)
        slope = moment @ line  # of the least squares
        value = line.mean(axis=0) - slope * times.mean()
        centre = np.angle(np.exp(1j * value).sum())
        rate[k], common[k] = np.median(slope), wrap(centre + np.median(wrap(value - centre)))
    return rate, common


def _advance(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By how much phase grows from one set of (n,) voxels, complex or phase [rad], to another: within half a turn."""
    if np.iscomplexobj(before):
        return np.angle(after.astype(complex) * before.conj())
    return wrap(after.astype(float) - before)


def unevenness(step_rad: np.ndarray) -> float:
    """How uneven steps are [rad], see above; 0 where there are too few."""
    bend = wrap(step_rad[:-2] - 2 * step_rad[1:-1] + step_rad[2:])
    known = bend[np.isfinite(bend)]
    if len(known) < FEWEST_STEPS:
        return 0.0
    growth = np.diff(step_rad)
    common = np.exp(1j * growth[np.isfinite(growth)]).mean()
    steady = abs(np.angle(common)) if abs(common) > LEAST_COMMON else 0.0
    return float(max(np.median(np.abs(known)) / np.sqrt(6), steady / 2 if steady > STEADY_RAD else 0))


def offset_axis(signals: Sequence[np.ndarray], te_s: Times, told: object, where: str) -> Decision[int | None]:
    """The axis along which every slice has a phase offset of its own, or None.

    Parameters
    ----------
    signals : (X, Y, Z) complex, of the first and, where there are several, the last echo
    te_s : their echo times [s]
    told : `MRAcquisitionType` of the sidecar, None where it is missing
    where : file for messages

    Raises
    ------
    IntakeError
        Where slices differ, and the echoes do not tell the offsets from the field.
    """
    inside = strong(np.abs(signals[-1]))
    uneven, lines = [], []
    for axis in range(3):
        rate, common = steps(signals, te_s, inside, axis)
        uneven.append(unevenness(common))
        lines.append(rate)
    axis = int(np.argmax(uneven))
    evidence = (
        f"steps between slices uneven by {', '.join(f'{u:.3f}' for u in uneven)} rad along the three axes, "
        f"MRAcquisitionType {shown(told)}"
    )
    if uneven[axis] <= (UNEVEN_RAD if len(signals) > 1 else EVEN_RAD):
        return _own_frequencies([unevenness(rate * te_s[-1]) for rate in lines], evidence, told, where)
    if len(signals) == 1 or (unlike := unevenness(lines[axis] * te_s[-1])) > EVEN_RAD:
        unsure, remedy = (
            ("a single echo", "acquire two echoes or more, or in 3-D")
            if len(signals) == 1
            else (f"what grows with TE uneven by {unlike:.3f} rad", "acquire in 3-D")
        )
        expected = "slices with the same phase offset in all echoes, or a 3-D acquisition"
        found = f"{evidence}, and {unsure}: offsets cannot be told from the field; no setting mends that, {remedy}"
        raise IntakeError([Problem(where, expected, found)])
    note = (
        f"every slice along axis {axis} has a phase offset of its own ({evidence}); the offsets were estimated and "
        "removed: look for stripes across the slices, and prefer a 3-D acquisition"
    )
    return Decision(axis, f"those of the slices along axis {axis} removed", evidence, (note,))


def _own_frequencies(uneven: Sequence[float], evidence: str, told: object, where: str) -> Decision[int | None]:
    """No offsets; a note where slices differ by what grows with TE, which is refused where they are told to be 2-D.

    `uneven` : along each axis, in the last echo [rad]
    """
    axis = int(np.argmax(uneven))
    if uneven[axis] <= UNEVEN_RAD:
        return Decision(None, "none", evidence)
    found = f"what grows with TE is uneven by {uneven[axis]:.3f} rad from slice to slice along axis {axis}"
    if told == TWO_D and uneven[axis] > EVEN_RAD:
        expected = "slices of the same frequency, or a 3-D acquisition"
        raise IntakeError([Problem(where, expected, f"{found} (a head's field: at most 0.06 rad), {evidence}")])
    note = (
        f"slices may have a frequency of their own, which distorts susceptibility: {found} (a head's field: at most "
        f"0.06 rad), {evidence}; look for stripes across the slices, and prefer a 3-D acquisition"
    )
    return Decision(None, "none removed", f"{found}, {evidence}", (note,))


def slice_offsets(phase_rad: np.ndarray, magnitude: np.ndarray, te_s: Times, axis: int) -> np.ndarray:
    """(slice,) phase offsets [rad] of the slices along `axis`, the same in all echoes, zero in the mean.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo)
    te_s : (echo,) at least two [s]
    axis : of the slices
    """
    echoes = [phase_rad[..., e] for e in range(len(te_s))]
    common = steps(echoes, te_s, strong(magnitude[..., -1]), axis)[1]
    offset = np.concatenate([[0.0], np.cumsum(np.nan_to_num(common))])
    return offset - offset.mean()


def without_offsets(phase_rad: np.ndarray, magnitude: np.ndarray, te_s: Times, axis: int) -> np.ndarray:
    """(X, Y, Z, echo) float32 `phase_rad` in [-pi, pi] less its `slice_offsets`, whose arrays these are."""
    offset = slice_offsets(phase_rad, magnitude, te_s, axis).astype(np.float32)
    shape = [-1 if a == axis else 1 for a in range(4)]
    return wrap(phase_rad - offset.reshape(shape)).astype(np.float32, copy=False)
