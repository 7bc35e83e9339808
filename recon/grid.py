"""The grid of an image: how large its voxels are, and how the main field lies in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

Vector = tuple[float, float, float] | np.ndarray  # one number an axis
Times = Sequence[float] | np.ndarray  # one number an echo [s]


@dataclass(frozen=True, init=False)
class Grid:
    """Voxels and the direction of the main field.

    Parameters
    ----------
    voxel_size_mm : (3,) edge lengths of a voxel [mm]
    b0_dir : (3,) unit vector of the main field in voxel axes

    Raises
    ------
    ValueError
        Where an edge is not positive, or the direction no unit vector.

    Examples
    --------
    >>> Grid([1, 1, 2])
    Grid(voxel_size_mm=(1.0, 1.0, 2.0), b0_dir=(0.0, 0.0, 1.0))
    """

    voxel_size_mm: tuple[float, float, float]
    b0_dir: tuple[float, float, float]

    def __init__(self, voxel_size_mm: ArrayLike, b0_dir: ArrayLike = (0.0, 0.0, 1.0)) -> None:
        size, direction = np.asarray(voxel_size_mm, float), np.asarray(b0_dir, float)
        if size.shape != (3,) or not np.all(size > 0):
            raise ValueError(f"voxel size: expected three positive mm, found {size.tolist()}")
        if direction.shape != (3,) or not abs(np.linalg.norm(direction) - 1) <= 1e-3:
            raise ValueError(f"B0 direction: expected a unit vector of three, found {direction.tolist()}")
        object.__setattr__(self, "voxel_size_mm", tuple(size.tolist()))
        object.__setattr__(self, "b0_dir", tuple(direction.tolist()))
