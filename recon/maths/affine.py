"""Affines of voxel grids: how far two of them lie apart, how perpendicular their axes are, and the nearest that is."""

from itertools import product

import numpy as np

SAME_GRID = 0.05  # of a voxel edge; programs round affines, and half a voxel would already be a shift
PERPENDICULAR = 1e-6  # largest cosine between voxel axes; ITK opens no image beyond about 1e-4


def shear(affine: np.ndarray) -> float:
    """Largest cosine between two voxel axes; zero where they are perpendicular."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def corner_gap(shape: tuple[int, ...], one: np.ndarray, other: np.ndarray) -> float:
    """How far the corners of a (X, Y, Z) grid lie apart under two affines, at most, in edges of `one`'s voxels."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in shape[:3]))], dtype=float)
    edge_mm = np.linalg.norm(one[:3, :3], axis=0).min()
    return float(np.linalg.norm(corners @ (one - other)[:3].T, axis=1).max() / edge_mm)


def of_box(affine: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """The affine of a box of voxels, which places them where that of the whole grid does."""
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    return moved


def orthonormal(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The nearest affine with perpendicular axes: the same edges of voxels, the same centre of the (X, Y, Z) grid.

    With the unit axes A = U S V^T the nearest perpendicular ones are U V^T (polar decomposition; Higham, SIAM J Sci
    Stat Comput 7:1160, 1986). An affine that is perpendicular within `PERPENDICULAR` is returned as it is.
    """
    if shear(affine) <= PERPENDICULAR:
        return affine
    edges_mm = np.linalg.norm(affine[:3, :3], axis=0)
    u, _, vt = np.linalg.svd(affine[:3, :3] / edges_mm)
    turned = affine.copy()
    turned[:3, :3] = u @ vt * edges_mm
    centre = (np.array(shape[:3]) - 1) / 2
    turned[:3, 3] += (affine - turned)[:3, :3] @ centre
    return turned
