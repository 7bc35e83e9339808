"""How an image lies in the scanner: what its affine tells, and whether two images share a grid."""

from itertools import permutations, product
from typing import NamedTuple

import numpy as np

from recon.files.io import Volume

TOWARDS = np.array([["L", "R"], ["P", "A"], ["I", "S"]])  # per scanner axis: its negative and its positive end
SAME_GRID = 0.05  # of a voxel edge; programs round affines, and half a voxel would already be a shift


class Geometry(NamedTuple):
    """`RAS`: the voxel axes point right, anterior and superior; B0 in voxel axes, and how far it leaves the nearest."""

    axes: str
    obliquity_deg: float
    b0_dir: tuple[float, float, float]


def quaternion_affine(fields: np.void) -> np.ndarray:
    """The qform of a NIfTI header as (4, 4) affine; not finite where the quaternion is none.

    References
    ----------
    NIfTI-1 standard, method 2: a = sqrt(1 - b² - c² - d²), R(a, b, c, d), third axis times qfac (pixdim[0]).
    """
    b, c, d = vector = np.array([fields[f"quatern_{name}"] for name in "bcd"], dtype=float)
    a_squared = 1 - vector @ vector
    affine = np.eye(4)
    if not a_squared > -3 * np.finfo(np.float32).eps:  # as much as nibabel lets pass
        return np.full((4, 4), np.nan)
    a = np.sqrt(max(a_squared, 0))
    cross = np.array([[0, -d, c], [d, 0, -b], [-c, b, 0]])
    rotation = (a * a - vector @ vector) * np.eye(3) + 2 * (np.outer(vector, vector) + a * cross)
    affine[:3, :3] = rotation * fields["pixdim"][1:4] * [1, 1, -1 if fields["pixdim"][0] == -1 else 1]
    affine[:3, 3] = [fields[f"qoffset_{name}"] for name in "xyz"]
    return affine


def matrix_affine(fields: np.void) -> np.ndarray:
    """The sform of a NIfTI header as (4, 4) affine."""
    return np.array([*(fields[f"srow_{name}"] for name in "xyz"), [0, 0, 0, 1]], dtype=float)


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


def angle_deg(one: np.ndarray, other: np.ndarray) -> float:
    """Angle between two lines [degree]: a field along -z magnetises as one along +z."""
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), abs(one @ other))))


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
