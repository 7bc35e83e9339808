"""How an image lies in the scanner: what its affine tells."""

from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recon.files.io import Volume

TOWARDS = np.array([["L", "R"], ["P", "A"], ["I", "S"]])  # per scanner axis: its negative and its positive end


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
