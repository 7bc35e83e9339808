"""How an image lies in the scanner: what its affine tells, and whether two images share a grid."""

from itertools import permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recon.files.io import Volume

TOWARDS = np.array([["L", "R"], ["P", "A"], ["I", "S"]])  # per scanner axis: its negative and its positive end
SAME_GRID = 0.05  # of a voxel edge; programs round affines, and half a voxel would already be a shift


class Geometry(NamedTuple):
    """`RAS`: the voxel axes point right, anterior and superior; B0 in voxel axes, and how far it leaves the nearest."""

    axes: str
    obliquity_deg: float
    b0_dir: tuple[float, float, float]


def is_regular(affine: np.ndarray) -> bool:
    """Whether an affine is finite and its voxels have a volume."""
    if not np.isfinite(affine).all():
        return False
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(edges.all() and abs(np.linalg.det(affine[:3, :3] / edges)) > 1e-3)


def shear(affine: np.ndarray) -> float:
    """Largest cosine between two voxel axes; zero where they are perpendicular."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def b0_direction(affine: np.ndarray) -> np.ndarray:
    """(3,) unit vector of the main field in voxel axes."""
    return Volume(data=np.empty(0), affine=affine).b0_dir


def angle_deg(one: ArrayLike, other: ArrayLike) -> float:
    """Angle between two lines [degree]: a field along -z magnetises as one along +z."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), abs(a @ b))))


def describe(affine: np.ndarray, stated_b0: tuple[float, float, float] | None = None) -> Geometry:
    """What the check table tells of a grid; `stated_b0` is the sidecar's `B0_dir`, which goes before the affine."""
    b0_dir = b0_direction(affine) if stated_b0 is None else np.asarray(stated_b0)
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    along = max(permutations(range(3)), key=lambda axes: np.abs(cosines[axes, range(3)]).sum())  # a scanner axis each
    ends = TOWARDS[along, (cosines[along, range(3)] > 0).astype(int)]
    nearest = np.eye(3)[np.abs(b0_dir).argmax()]
    return Geometry("".join(ends), angle_deg(b0_dir, nearest), tuple(b0_dir.tolist()))


def corner_gap(shape: tuple[int, ...], one: np.ndarray, other: np.ndarray) -> float:
    """How far the corners of a (X, Y, Z) grid lie apart under two affines, at most, in edges of `one`'s voxels."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in shape[:3]))], dtype=float)
    edge_mm = np.linalg.norm(one[:3, :3], axis=0).min()
    return float(np.linalg.norm(corners @ (one - other)[:3].T, axis=1).max() / edge_mm)
