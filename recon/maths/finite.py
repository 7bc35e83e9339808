"""Voxels whose values are not finite."""

import numpy as np


def silent_where_bad(magnitude: np.ndarray, phase_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z, echo) magnitude and phase, zero where a voxel of any echo is not finite: no signal, no information."""
    bad = ~(np.isfinite(magnitude).all(-1) & np.isfinite(phase_rad).all(-1))
    if not bad.any():
        return magnitude, phase_rad
    return np.where(bad[..., None], 0, magnitude), np.where(bad[..., None], 0, phase_rad)


def finite_part(data: np.ndarray) -> np.ndarray:
    """The finite values of an array: itself, uncopied, where all are; else (n,) those that are, in C order."""
    finite = np.isfinite(data)
    return data if finite.all() else data[finite]
