"""How much of the brain lies in the field of view along B0, and when that is too little."""

import numpy as np

from recon.grid import Grid

THIN_MM, THIN_SLAB = 60.0, "thin_slab"  # coverage along B0 below which the statistics are flagged, and the flag


def coverage_mm(mask: np.ndarray, grid: Grid) -> float:
    """How far a mask (X, Y, Z) reaches along B0 [mm], the edges of its voxels included."""
    columns = np.nonzero(mask.any(axis=2))
    inside = mask[columns]  # (column, Z), of which the ends alone can be the highest or the lowest
    ends = inside.argmax(axis=1), mask.shape[2] - 1 - inside[:, ::-1].argmax(axis=1)
    step_mm = np.multiply(grid.b0_dir, grid.voxel_size_mm)
    height_mm = np.array([np.stack([*columns, z], axis=1) @ step_mm for z in ends])
    return float(np.ptp(height_mm) + np.abs(step_mm).max()) if height_mm.size else 0.0
