"""How a volume becomes the slices of a DICOM series: where each lies, and which voxels are its rows and columns.

DICOM counts [mm] to the left, to the back and up (LPS), an affine to the right, to the front and up (RAS+).
"""

from dataclasses import dataclass

import numpy as np

from recon.maths.affine import orthonormal

TO_LPS = np.diag([-1.0, -1.0, 1.0])
SHOWN_TOWARDS = (1, 1, -1)  # columns and rows of a picture run to the left, to the back and down, as readers expect it


@dataclass(frozen=True, kw_only=True, eq=False)
class Slices:
    """The slices of a volume, in the order of their normal, across × down.

    Parameters
    ----------
    axes : voxel axes that run from slice to slice, down the rows and across the columns
    flipped : whether each of them runs against its voxel axis
    across, down : (3,) unit vectors of the patient (LPS), along a row of pixels and along a column
    positions_mm : (slice, 3) centre of the first pixel of each slice (LPS) [mm]
    spacing_mm : distance of slices, of rows and of columns [mm]
    shape : number of slices, of rows and of columns
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    across: np.ndarray
    down: np.ndarray
    positions_mm: np.ndarray
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    def stack(self, volume: np.ndarray) -> np.ndarray:
        """(X, Y, Z) voxels as (slice, row, column) pixels."""
        return np.flip(volume.transpose(self.axes), self._turned)

    def volume(self, pixels: np.ndarray) -> np.ndarray:
        """(slice, row, column) pixels as (X, Y, Z) voxels."""
        return np.flip(pixels, self._turned).transpose(np.argsort(self.axes))

    @property
    def _turned(self) -> tuple[int, ...]:
        return tuple(axis for axis, turned in enumerate(self.flipped) if turned)

    def __str__(self) -> str:
        count, rows, columns = self.shape
        across, down, apart = (f"{self.spacing_mm[axis]:.4g}" for axis in (2, 1, 0))
        first = ", ".join(f"{value:.1f}" for value in self.positions_mm[0] + 0.0)
        return f"{count} slices of {columns}×{rows} pixels, {across}×{down}×{apart} mm, the first at ({first}) mm"


def slices_of(
    affine: np.ndarray, shape: tuple[int, ...], directions: tuple[np.ndarray, np.ndarray] | None = None
) -> Slices:
    """Cut a grid into slices.

    Parameters
    ----------
    affine : (4, 4) voxel indices to scanner coordinates [mm], RAS+
    shape : of the (X, Y, Z) grid
    directions : (3,) vectors (LPS) that rows and columns of pixels shall follow, as far as the grid allows; without
        them slices are those along the third axis, as converters store them, turned as readers expect to see them
    """
    steps = TO_LPS @ orthonormal(affine, shape)[:3, :3]  # the three columns: from voxel to voxel (LPS) [mm]
    edges_mm = np.linalg.norm(steps, axis=0)
    towards = steps / edges_mm
    if directions is None:
        column_axis, row_axis = sorted((0, 1), key=lambda axis: np.abs(towards[:, axis]).argmax())
        signs = [_shown(towards[:, axis]) for axis in (row_axis, column_axis)]
    else:
        column_axis, row_axis = (int(np.abs(direction @ towards).argmax()) for direction in directions)
        signs = [float(np.sign(directions[i] @ towards[:, axis])) for i, axis in ((1, row_axis), (0, column_axis))]
    slice_axis = 3 - column_axis - row_axis
    down, across = (sign * towards[:, axis] for sign, axis in zip(signs, (row_axis, column_axis), strict=True))
    up = float(np.sign(np.cross(across, down) @ towards[:, slice_axis]))
    axes, flipped = (slice_axis, row_axis, column_axis), tuple(sign < 0 for sign in (up, *signs))
    first = np.zeros(3)
    for axis, turned in zip(axes, flipped, strict=True):
        first[axis] = shape[axis] - 1 if turned else 0
    corner = TO_LPS @ orthonormal(affine, shape)[:3, 3] + steps @ first
    count = np.arange(shape[slice_axis])[:, None]
    return Slices(
        axes=axes, flipped=(flipped[0], flipped[1], flipped[2]), across=across, down=down,
        positions_mm=corner + count * up * steps[:, slice_axis],
        spacing_mm=(float(edges_mm[slice_axis]), float(edges_mm[row_axis]), float(edges_mm[column_axis])),
        shape=(shape[slice_axis], shape[row_axis], shape[column_axis]),
    )  # fmt: skip


def _shown(towards: np.ndarray) -> float:
    """1 where a voxel axis runs as pictures are shown, else -1."""
    nearest = np.abs(towards).argmax()
    return float(np.sign(towards[nearest]) * SHOWN_TOWARDS[nearest])
