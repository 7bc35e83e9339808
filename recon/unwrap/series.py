"""Unwrap the echoes of a series together, or align echoes that were unwrapped one by one."""

from collections.abc import Iterator

import numpy as np

from recon.grid import Times
from recon.maths.in_mask import in_mask
from recon.maths.wrap import in_rad, nearest_turn, turns_rad
from recon.unwrap.bipolar import odd_even
from recon.unwrap.edge_cost import typical, weighted_cost
from recon.unwrap.spatial import clean, unwrap_in_space
from recon.unwrap.temporal import Echo, follow_echoes, smooth_offset

PHASE_SD_RAD = 0.05  # taken for a voxel of median magnitude in the first echo


def echo_weights(magnitude: np.ndarray | None, reference: float, n_voxels: int) -> np.ndarray:
    """(voxel,) float32 inverse variance of the phase [1/rad^2], as the square of the magnitude; never quite zero.

    Weights span so much less than float32 resolves that no sum of them loses the least.
    """
    if magnitude is None:
        return np.full(n_voxels, PHASE_SD_RAD**-2, np.float32)
    level = np.clip(magnitude / np.float32(reference), np.float32(1e-3), np.float32(10))
    return np.square(level / np.float32(PHASE_SD_RAD))


def unwrap_series(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times
) -> Iterator[np.ndarray]:
    """Unwrap the first echo in space and the others after it in time, bipolar readouts brought in line meanwhile.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays, finite inside `mask`; magnitude may be None
    mask : (X, Y, Z) bool array, at least one voxel
    te_s : (echo,) at least two, ascending [s]

    Yields
    ------
    (voxel,) float32 unwrapped phase of each echo [rad], see :func:`recon.maths.in_mask.in_mask`
    """
    theta_rad = odd_even(phase_rad, magnitude, mask, te_s, "auto")
    step_rad = None if theta_rad is None else 2 * in_mask(theta_rad, mask)  # raises odd echoes to the even ones
    first_magnitude = None if magnitude is None else clean(magnitude[..., 0])
    wrapped = np.where(mask, phase_rad[..., 0], 0).astype(np.float32)
    in_space = in_rad(in_mask(unwrap_in_space(wrapped, first_magnitude, mask, weighted_cost), mask))
    reference = 1.0 if first_magnitude is None else typical(first_magnitude[mask])

    def echo(i: int) -> Echo:
        wrapped = in_mask(phase_rad[..., i], mask).astype(np.float32, copy=False)
        signal = None if magnitude is None else clean(in_mask(magnitude[..., i], mask))
        if step_rad is not None and i % 2:
            wrapped = wrapped + step_rad
        return wrapped, echo_weights(signal, reference, len(wrapped)), float(te_s[i])

    wrapped, w, te = echo(0)
    first = nearest_turn(wrapped, in_space), w, te
    yield first[0]
    later = (echo(i) for i in range(1, len(te_s)))
    for i, unwrapped in enumerate(follow_echoes(first, later, smooth_offset(first, echo(1), mask)), start=1):
        yield unwrapped - step_rad if step_rad is not None and i % 2 else unwrapped


def align_echoes(unwrapped_rad: np.ndarray, mask: np.ndarray, te_s: Times) -> np.ndarray:
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
    for i in range(inside.shape[1] if len(inside) else 0):
        if i == 0:
            predicted = np.zeros(len(inside), np.float32)
        elif i == 1:
            predicted = inside[:, 0] * float(te_s[1] / te_s[0])
        else:
            step = float((te_s[i] - te_s[i - 1]) / (te_s[i - 1] - te_s[i - 2]))
            predicted = inside[:, i - 1] + step * (inside[:, i - 1] - inside[:, i - 2])
        inside[:, i] -= turns_rad(np.median(inside[:, i] - predicted))
    aligned[mask] = inside
    return aligned
