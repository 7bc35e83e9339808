"""Volumes on the grid of another: is it the same, and if not, values at the same places in the scanner."""

import numpy as np
from scipy import ndimage

from recon.files.io import Volume
from recon.maths.affine import SAME_GRID, corner_gap


def same_grid(volume: Volume, other: Volume) -> bool:
    """Whether two volumes have the same voxels: shape, and place but for the rounding of affines."""
    shape = volume.data.shape[:3]
    return shape == other.data.shape[:3] and corner_gap(shape, other.affine, volume.affine) <= SAME_GRID


def resample(volume: Volume, like: Volume) -> np.ndarray:
    """Values of `volume` at the voxel centres of `like`, linearly interpolated in scanner coordinates.

    Parameters
    ----------
    volume : Volume of (X, Y, Z) float data; what is not finite counts as zero
    like : Volume whose grid is wanted; of (X', Y', Z') or (X', Y', Z', echo) data

    Returns
    -------
    (X', Y', Z') float32 in units of `volume`, zero outside its field of view
    """
    to_voxel = np.linalg.solve(volume.affine, like.affine)
    data = np.nan_to_num(volume.data, posinf=0, neginf=0)
    shape = like.data.shape[:3]
    return ndimage.affine_transform(data, to_voxel[:3, :3], to_voxel[:3, 3], shape, np.float32, order=1)
