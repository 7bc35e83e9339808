"""Phase unwrapping: in space along the most reliable edges, over the echoes along a straight line."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from recon.field.offset import odd_even
from recon.maths.kernels import bounding_box
from recon.unwrap.edge_cost import typical
from recon.unwrap.spanning_tree import in_rad
from recon.unwrap.spatial import clean, unwrap_in_space
from recon.unwrap.temporal import Echo, follow_echoes, nearest_turn, smooth_offset

PHASE_SD_RAD = 0.05  # taken for a voxel of median magnitude in the first echo


@dataclass(frozen=True, kw_only=True)
class UnwrapPhase:
    """Config section `unwrap_phase`."""

    method: str
    align_echoes: bool
    trim_coherence: float
    trim_echo: int
    trim_r2star_hz: float | None


def unwrap(phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, method: str) -> np.ndarray:
    """Unwrap one echo along the minimum spanning tree over the edges between neighbours.

    Parameters
    ----------
    phase_rad : (X, Y, Z) float array, wrapped
    magnitude : (X, Y, Z) float array or None; `best_path` does not use it
    mask : (X, Y, Z) bool array
    method : `best_path`, as published by Abdul-Rahman et al., or `weighted` by magnitude as well

    Returns
    -------
    unwrapped_rad : (X, Y, Z) float32, `phase_rad` plus multiples of 2 pi, zero outside `mask` and where the phase is
        not finite
    """
    out = np.zeros(phase_rad.shape, np.float32)
    mask = mask & np.isfinite(phase_rad)
    if not mask.any():
        return out
    box = bounding_box(mask)
    inside = mask[box]
    wrapped = np.where(inside, phase_rad[box], 0).astype(np.float32)
    signal = None if magnitude is None else clean(magnitude[box])
    out[box][inside] = nearest_turn(wrapped[inside], in_rad(unwrap_in_space(wrapped, signal, inside, method)[inside]))
    return out


def echo_weights(magnitude: np.ndarray | None, reference: float, n_voxels: int) -> np.ndarray:
    """(voxel,) float32 inverse variance of the phase [1/rad^2], as the square of the magnitude; never quite zero.

    Weights span so much less than float32 resolves that no sum of them loses the least.
    """
    if magnitude is None:
        return np.full(n_voxels, PHASE_SD_RAD**-2, np.float32)
    level = np.clip(magnitude / np.float32(reference), np.float32(1e-3), np.float32(10))
    return np.square(level / np.float32(PHASE_SD_RAD))


def unwrap_series(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: np.ndarray
) -> Iterator[np.ndarray]:
    """Unwrap the first echo in space and the others after it in time, bipolar readouts brought in line meanwhile.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays, finite inside `mask`; magnitude may be None
    mask : (X, Y, Z) bool array, at least one voxel
    te_s : (echo,) at least two, ascending [s]

    Yields
    ------
    (voxel,) float32 unwrapped phase of each echo [rad]
    """
    theta_rad = odd_even(phase_rad, magnitude, mask, te_s, "auto")
    step_rad = None if theta_rad is None else 2 * theta_rad[mask]  # raises odd echoes to the even ones
    first_magnitude = None if magnitude is None else clean(magnitude[..., 0])
    wrapped = np.where(mask, phase_rad[..., 0], 0).astype(np.float32)
    in_space = in_rad(unwrap_in_space(wrapped, first_magnitude, mask, "weighted")[mask])
    reference = 1.0 if magnitude is None else typical(first_magnitude[mask])

    def echo(i: int) -> Echo:
        wrapped = phase_rad[..., i][mask].astype(np.float32, copy=False)
        signal = None if magnitude is None else clean(magnitude[..., i][mask])
        if step_rad is not None and i % 2:
            wrapped = wrapped + step_rad
        return wrapped, echo_weights(signal, reference, len(wrapped)), float(te_s[i])

    wrapped, w, te = echo(0)
    first = nearest_turn(wrapped, in_space), w, te
    yield first[0]
    later = (echo(i) for i in range(1, len(te_s)))
    for i, unwrapped in enumerate(follow_echoes(first, later, smooth_offset(first, echo(1), mask)), start=1):
        yield unwrapped - step_rad if step_rad is not None and i % 2 else unwrapped


def align_echoes(unwrapped_rad: np.ndarray, mask: np.ndarray, te_s: np.ndarray) -> np.ndarray:
    """Shift whole echoes by the 2 pi n that makes the phase run straight over TE.

    Echo 2 is predicted by TE2/TE1 of echo 1, later ones by the line through the two before, which cancels the
    phase at TE = 0. The median over the mask decides, so that single voxels do not.

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]

    Returns
    -------
    aligned_rad : (X, Y, Z, echo) float32
    """
    aligned = np.array(unwrapped_rad, dtype=np.float32)
    inside = aligned[mask]  # (voxel, echo), a copy
    for i in range(inside.shape[1]):
        if i == 0:
            predicted = np.zeros(len(inside), np.float32)
        elif i == 1:
            predicted = inside[:, 0] * float(te_s[1] / te_s[0])
        else:
            step = float((te_s[i] - te_s[i - 1]) / (te_s[i - 1] - te_s[i - 2]))
            predicted = inside[:, i - 1] + step * (inside[:, i - 1] - inside[:, i - 2])
        inside[:, i] -= 2 * np.pi * np.round(np.median(inside[:, i] - predicted) / (2 * np.pi))
    aligned[mask] = inside
    return aligned


def unwrap_phase(
    phase_rad: np.ndarray,
    magnitude: np.ndarray | None,
    mask: np.ndarray,
    te_s: np.ndarray,
    params: UnwrapPhase,
    workers: int = 1,
) -> np.ndarray:
    """Unwrap all echoes inside the mask.

    `weighted` with `align_echoes` unwraps the first echo in space and the others in time, one series; otherwise every
    echo is unwrapped in space by itself, and `align_echoes` shifts whole echoes.

    Parameters
    ----------
    phase_rad : (X, Y, Z, echo) float array, wrapped
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array
    te_s : (echo,) ascending [s]
    params : UnwrapPhase
    workers : echoes unwrapped side by side where each is unwrapped by itself

    Returns
    -------
    unwrapped_rad : (X, Y, Z, echo) float32, `phase_rad` plus multiples of 2 pi, zero outside the mask; a voxel whose
        phase is not finite at some echo is left out, zero in all
    """
    out = np.zeros(phase_rad.shape, np.float32)
    if not mask.any():
        return out
    box = bounding_box(mask)
    phase = phase_rad[box]
    inside = mask[box] & np.isfinite(phase).all(axis=-1)
    if not inside.any():
        return out
    signal = None if magnitude is None else magnitude[box]
    if params.method == "weighted" and params.align_echoes and len(te_s) > 1:
        for i, unwrapped in enumerate(unwrap_series(phase, signal, inside, te_s)):
            out[box][..., i][inside] = unwrapped
        return out

    def alone(i: int) -> None:
        out[box][..., i] = unwrap(phase[..., i], None if signal is None else signal[..., i], inside, params.method)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(alone, range(phase.shape[-1])))
    return align_echoes(out, mask, te_s) if params.align_echoes else out
