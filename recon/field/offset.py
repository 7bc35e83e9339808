"""Smooth phase at TE = 0."""

import numpy as np

from recon.grid import Times, Vector
from recon.maths.blocks import block_sum, expand
from recon.maths.boxes import bounding_box
from recon.maths.local_fit import local_linear


def line_offset(unwrapped_rad: np.ndarray, magnitude: np.ndarray | None, te_s: Times) -> tuple[np.ndarray, np.ndarray]:
    """Where each voxel's weighted straight line through its echoes meets TE = 0.

    Parameters
    ----------
    unwrapped_rad, magnitude : (X, Y, Z, echo); magnitude may be None
    te_s : (echo,) [s]

    Returns
    -------
    offset_rad : (X, Y, Z) float32
    weight : (X, Y, Z) float32, proportional to the inverse of its variance; 0 where nothing is known
    """
    shape = unwrapped_rad.shape[:3]
    s0, s1, s2, y0, y1 = (np.zeros(shape, np.float32) for _ in range(5))
    for i, te in enumerate(np.asarray(te_s, dtype=float) / te_s[-1]):
        t = np.float32(te)
        w = np.ones(shape, np.float32) if magnitude is None else magnitude[..., i].astype(np.float32) ** 2
        y = w * unwrapped_rad[..., i]
        s0 += w
        y0 += y
        w *= t
        y *= t
        s1 += w
        y1 += y
        w *= t
        s2 += w
    weight = s0 - s1 * s1 / s2  # det / s2
    offset = (y0 - y1 * s1 / s2) / weight
    known = np.isfinite(offset) & np.isfinite(weight) & (weight > 0)
    return np.where(known, offset, 0), np.where(known, weight, 0)


def phase_offset(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray | None,
    mask: np.ndarray,
    te_s: Times,
    voxel_size_mm: Vector,
    *,
    sigma_mm: float,
) -> np.ndarray:
    """Smooth phase at TE = 0: straight lines over TE, smoothed by straight fits in space on a coarser grid.

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array, echoes aligned, bipolar phase removed
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array
    te_s : (echo,) at least two [s]
    voxel_size_mm : (3,) [mm]
    sigma_mm : width of the Gaussian [mm]

    Returns
    -------
    offset_rad : (X, Y, Z) float32, zero outside the mask

    Raises
    ------
    ValueError
        with fewer than two echoes

    References
    ----------
    .. [1] Eckstein et al., Magn Reson Med 79:2996 (2018), doi:10.1002/mrm.26963
    """
    if len(te_s) < 2:
        raise ValueError(f"phase offset: expected at least 2 echoes, found {len(te_s)}")
    smooth = np.zeros(mask.shape, np.float32)
    if not mask.any():
        return smooth
    box = bounding_box(mask)
    inside = mask[box]
    signal = None if magnitude is None else magnitude[box]
    with np.errstate(all="ignore"):  # division by the zero weight of voxels without signal
        offset, weight = line_offset(unwrapped_rad[box], signal, te_s)
    weight *= inside
    weight /= max(weight.max(), np.float32(1e-30))
    size = tuple(int(s) for s in np.maximum(np.rint(sigma_mm / 2 / np.asarray(voxel_size_mm)), 1))
    total = block_sum(weight, size).astype(float)
    share = 1 / np.maximum(total, 1e-30)
    value = block_sum(weight * offset, size) * share
    voxel: tuple[np.ndarray, ...] = np.indices(inside.shape, np.float32, sparse=True)
    index = [(n - (s - 1) / 2) / s for n, s in zip(voxel, size, strict=True)]
    position = [block_sum(weight * x, size) * share for x in index]
    sigma = sigma_mm / (np.asarray(voxel_size_mm) * size)
    fitted = expand(local_linear(value, total, position, sigma), size, inside.shape)
    smooth[box] = np.where(inside, fitted, 0)
    return smooth
