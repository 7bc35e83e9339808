r"""Slices that were acquired one by one (2-D), each with a phase offset of its own.

The step of the phase from slice k to the next, at echo time TE,

.. math:: s_k(TE) = \mathrm{median}_{x, y}\; [\phi(x, y, k + 1) - \phi(x, y, k)] = a_k + g_k TE

has two parts. The field gives :math:`g_k`, which changes smoothly along the head and must survive. The offsets give
:math:`a_k`, uneven from slice to slice. The median of lines over TE that share :math:`a_k` is again a line, so that two
echoes tell both apart; one echo tells only what is uneven. How uneven steps are is the median of
:math:`|s_{k-1} - 2 s_k + s_{k+1}| / \sqrt 6`, in first approximation 1.2 times the SD of the offsets.

Measured on simulated heads without offsets (1.5, 3 and 7 T, TE 5 to 30 ms, slices of 3 and 5 mm, level and oblique,
with and without shim, SNR 10 and 40): 0.001 to 0.025 rad in the first echo, 0.073 rad at most in the last one.
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
LEAST_VOXELS = 30  # with signal in both slices of a step
MOST_VOXELS = 4000  # of a step that are looked at
FEWEST_STEPS = 8  # along an axis that is judged


def strong(magnitude: np.ndarray) -> np.ndarray:
    """(X, Y, Z) bool, voxels with more than the mean magnitude."""
    return magnitude > magnitude.mean(dtype=float)


def steps(phase_rad: np.ndarray, inside: np.ndarray, axis: int) -> np.ndarray:
    """(n - 1,) median step of the phase [rad] from slice to slice along `axis`; NaN where too few voxels tell it.

    Parameters
    ----------
    phase_rad : (X, Y, Z), wrapped or not
    inside : (X, Y, Z) bool, voxels with signal
    """
    phase, use = np.moveaxis(phase_rad, axis, 0), np.moveaxis(inside, axis, 0)
    found = np.full(max(len(phase) - 1, 0), np.nan)
    for k in range(len(found)):
        both = np.flatnonzero(use[k] & use[k + 1])
        if len(both) < LEAST_VOXELS:
            continue
        both = both[:: -(-len(both) // MOST_VOXELS)]
        step = phase[k + 1].flat[both].astype(float) - phase[k].flat[both]
        centre = np.angle(np.exp(1j * step).sum())
        found[k] = centre + np.median(wrap(step - centre))
    return wrap(found)


def unevenness(step_rad: np.ndarray) -> float:
    """How uneven steps are [rad], see above; 0 where there are too few."""
    bend = wrap(step_rad[:-2] - 2 * step_rad[1:-1] + step_rad[2:])
    known = bend[np.isfinite(bend)]
    return float(np.median(np.abs(known)) / np.sqrt(6)) if len(known) >= FEWEST_STEPS else 0.0


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
    inside, phases = strong(np.abs(signals[0])), [np.angle(signal) for signal in signals]
    uneven, lines = [], []
    for axis in range(3):
        rate, common = _lines(np.stack([steps(phase_rad, inside, axis) for phase_rad in phases], axis=1), te_s)
        uneven.append(unevenness(common))
        lines.append(rate)
    axis = int(np.argmax(uneven))
    evidence = (
        f"steps between slices uneven by {', '.join(f'{u:.3f}' for u in uneven)} rad along the three axes, "
        f"MRAcquisitionType {shown(told)}"
    )
    if uneven[axis] <= (UNEVEN_RAD if len(signals) > 1 else EVEN_RAD):
        return Decision(None, f"none: {evidence}")
    if len(signals) == 1 or (unlike := unevenness(lines[axis] * te_s[-1])) > EVEN_RAD:
        unsure = "a single echo" if len(signals) == 1 else f"what grows with TE uneven by {unlike:.3f} rad"
        expected = "slices with the same phase offset in all echoes, or a 3-D acquisition"
        raise IntakeError(
            [Problem(where, expected, f"{evidence}, and {unsure}: offsets cannot be told from the field")]
        )
    note = (
        f"every slice along axis {axis} has a phase offset of its own ({evidence}); the offsets were estimated and "
        "removed: look for stripes across the slices, and prefer a 3-D acquisition"
    )
    return Decision(axis, f"those of the slices along axis {axis} removed: {evidence}", (note,))


def slice_offsets(phase_rad: np.ndarray, magnitude: np.ndarray, te_s: Times, axis: int) -> np.ndarray:
    """(slice,) phase offsets [rad] of the slices along `axis`, the same in all echoes, zero in the mean.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo)
    te_s : (echo,) at least two [s]
    axis : of the slices
    """
    inside = strong(magnitude.mean(axis=-1))
    step = np.stack([steps(phase_rad[..., e], inside, axis) for e in range(len(te_s))], axis=1)
    common = _lines(step, te_s)[1]
    offset = np.concatenate([[0.0], np.cumsum(np.nan_to_num(common))])
    return offset - offset.mean()


def without_offsets(phase_rad: np.ndarray, magnitude: np.ndarray, te_s: Times, axis: int) -> np.ndarray:
    """(X, Y, Z, echo) float32 `phase_rad` in [-pi, pi] less its `slice_offsets`, whose arrays these are."""
    offset = slice_offsets(phase_rad, magnitude, te_s, axis).astype(np.float32)
    shape = [-1 if a == axis else 1 for a in range(4)]
    return wrap(phase_rad - offset.reshape(shape)).astype(np.float32, copy=False)


def _lines(step_rad: np.ndarray, te_s: Times) -> tuple[np.ndarray, np.ndarray]:
    """(step,) slope [rad/s] and value at TE = 0 [rad] of (step, echo) steps; NaN where an echo's is unknown."""
    rate, common = np.zeros(len(step_rad)), step_rad[:, 0].copy()
    known = np.isfinite(step_rad).all(axis=1)
    common[~known] = np.nan
    if step_rad.shape[1] > 1 and known.any():
        rate[known], common[known] = np.polyfit(te_s, np.unwrap(step_rad[known], axis=1).T, 1)
    return rate, common
