"""How much of the brain lies in the field of view along B0, and when that is too little."""

import numpy as np

THIN_MM, THIN_SLAB = 60.0, "thin_slab"  # coverage along B0 below which the statistics are flagged, and the flag


def coverage_mm(mask: np.ndarray, affine: np.ndarray) -> float:
    """How far a mask (X, Y, Z) reaches along B0, the scanner's third axis [mm], the edges of its voxels included."""
    columns = np.nonzero(mask.any(axis=2))
    inside = mask[columns]  # (column, Z), of which the ends alone can be the highest or the lowest
    ends = inside.argmax(axis=1), mask.shape[2] - 1 - inside[:, ::-1].argmax(axis=1)
    height_mm = np.array([np.stack([*columns, z], axis=1) @ affine[2, :3] for z in ends])
    return float(np.ptp(height_mm) + np.abs(affine[2, :3]).max()) if height_mm.size else 0.0
