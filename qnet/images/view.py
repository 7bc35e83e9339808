"""Where the pixels of an image lie in a slice, and what they show there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class View:
    """A square in the plane of the slices, looked at from below (radiological view).

    Pixel (column, row) lies at voxel `start + step * (column, row)`: the first column is the subject's right, the
    first row anterior, and steps are negative.
    """

    start: np.ndarray  # (2,) [voxels]
    step: np.ndarray  # (2,) [voxels]
    size: int  # pixels along a side

    def coordinates(self) -> list[np.ndarray]:
        """Voxel indices x and y of the pixels, each (S, S), rows before columns."""
        x, y = self.start[:, None] + self.step[:, None] * np.arange(self.size)
        columns, rows = np.meshgrid(x, y)
        return [columns, rows]

    def to_voxel(self, z: int) -> np.ndarray:
        """(4, 4): (column, row, slices above z, 1) → voxel indices."""
        matrix = np.diag([*self.step, 1.0, 1.0])
        matrix[:3, 3] = [*self.start, z]
        return matrix


def square_view(voxel_size_mm: ArrayLike, centre_mm: ArrayLike, fov_mm: float, size: int) -> View:
    """View of `size` pixels and `fov_mm` along a side about a centre.

    Parameters
    ----------
    voxel_size_mm, centre_mm : (2,) [mm]
        Position of a voxel is its index times the voxel size.
    fov_mm : float [mm]
    size : int
    """
    edge_mm, middle_mm = np.asarray(voxel_size_mm, float), np.asarray(centre_mm, float)
    step = -fov_mm / size / edge_mm
    return View(middle_mm / edge_mm - step * (size - 1) / 2, step, size)


def resample_slice(image: np.ndarray, view: View) -> np.ndarray:
    """One axial slice (X, Y), axes towards right and anterior → (S, S) float32, linearly; zero outside the slice.

    A Gaussian goes first, against aliasing.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    sigma = np.maximum(np.abs(view.step) - 1, 0) / 2  # half the excess of the new pixel over the old
    smooth = gaussian_filter(image.astype(np.float32), sigma)
    return map_coordinates(smooth, view.coordinates(), order=1, mode="constant").astype(np.float32)


def resample_labels(labels: np.ndarray, view: View) -> np.ndarray:
    """One axial slice of labels (X, Y) → (S, S) uint8, nearest neighbour; zero outside the slice."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(labels.astype(np.uint8), view.coordinates(), order=0, mode="constant")
