"""The spheres of background removal on a grid: which radii there are, and which a grid can hold. Loads no SciPy."""

import numpy as np

from recon.grid import Vector

# of a voxel's longest edge; a sampled sphere below 0.6 of it does not leave its slice and its mean is that of a disc,
# which a harmonic field does not equal. From 0.7 on its second moments along all axes agree within a half.
LEAST_REACH = 0.7


def least_radius_mm(voxel_size_mm: Vector) -> float:
    """Radius of the smallest sphere that reaches into the next voxel along every axis [mm]; (3,) edges [mm]."""
    return LEAST_REACH * float(np.max(voxel_size_mm))


def descending_radii_mm(radius_mm: float, smallest_radius_mm: float, voxel_size_mm: Vector) -> list[float]:
    """Radii [mm] from the largest down to the smallest in steps of a voxel's longest edge; (3,) edges [mm]."""
    return np.arange(radius_mm, smallest_radius_mm - 1e-6, -float(np.max(voxel_size_mm))).tolist()
