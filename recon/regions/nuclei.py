"""Deep grey nuclei as ellipsoids in MNI space (mm, RAS+): names, labels and label maps.

The geometry is in ``resources/nuclei.tsv``: one row for each ellipsoid, a nucleus may have several.
"""

from functools import cache

import numpy as np

from recon.files.home import HOME

TABLE = HOME / "resources" / "nuclei.tsv"
READ_CHI = ("shapes", "network")  # methods of `locate_nuclei` that look at susceptibility beside a T1-weighted image
REACH_MM = 4.0  # ellipsoids are evaluated up to this distance beyond their surface


@cache
def nucleus_table() -> np.ndarray:
    """Ellipsoids, a row each: label, name, hemisphere (L or R), centre x y z and semi-axes a b c [mm], rotations.

    The rotations rot_x rot_y rot_z [degree] apply in this order about the fixed axes.
    """
    return np.genfromtxt(TABLE, delimiter="\t", names=True, dtype=None, encoding="utf-8")


def nucleus_labels() -> dict[int, tuple[str, str]]:
    """Label → (name, hemisphere), in the order of the labels."""
    table = np.sort(nucleus_table()[["label", "name", "hemisphere"]], order="label")
    return {int(label): (str(name), str(hemisphere)) for label, name, hemisphere in table}


def nucleus_names() -> list[str]:
    """Names without hemisphere, each once, in the order of the labels."""
    return list(dict.fromkeys(name for name, _ in nucleus_labels().values()))


def rotation(x_deg: float, y_deg: float, z_deg: float) -> np.ndarray:
    """(3, 3) matrix that turns about the fixed axes x, y and z in this order."""
    cx, cy, cz = np.cos(np.deg2rad([x_deg, y_deg, z_deg]))
    sx, sy, sz = np.sin(np.deg2rad([x_deg, y_deg, z_deg]))
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rz @ ry @ rx


@cache
def deep_brain_mm() -> tuple[np.ndarray, np.ndarray]:
    """Corners (3,) of the box in MNI space [mm] that holds whatever is nearer than 4 mm to a nucleus."""
    table = nucleus_table()
    centres, axes = (np.stack([table[f"{axis}_mm"] for axis in names], axis=-1) for names in ("xyz", "abc"))
    reach = axes.max(1, keepdims=True) + REACH_MM
    return (centres - reach).min(0), (centres + reach).max(0)


def nearest_nucleus(points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest nucleus of each point and the signed distance to its surface.

    With q(x) = |A R'(x - c)|, A = diag(1/semi-axes), the distance is (q - 1) / |grad q|: exact to first
    order near the surface, where it is used.

    Parameters
    ----------
    points_mm : (..., 3) array
        MNI coordinates, mm.

    Returns
    -------
    label : (...) uint8
        Nucleus with the smallest distance; 0 farther than 4 mm from all.
    distance_mm : (...) float32
        Negative inside; infinite where the label is 0.
    """
    points = np.asarray(points_mm, np.float32).reshape(-1, 3)
    label = np.zeros(len(points), np.uint8)
    distance = np.full(len(points), np.inf, np.float32)
    table = nucleus_table()
    centres, axes = (np.stack([table[f"{axis}_mm"] for axis in names], axis=-1) for names in ("xyz", "abc"))
    reach = axes.max(1, keepdims=True) + REACH_MM
    low, high = deep_brain_mm()
    near = np.flatnonzero(((points > low) & (points < high)).all(1))  # the deep brain, once for all
    deep = np.ascontiguousarray(points[near].T)  # a comparison along each axis at a time is the faster one
    for row, centre, semi, span in zip(table, centres, axes, reach, strict=True):
        offset = deep - centre.astype(np.float32)[:, None]
        close = (np.abs(offset) < span).all(0)
        where = near[close]
        turn = rotation(*(row[f"rot_{axis}_deg"] for axis in "xyz")).astype(np.float32)
        u = offset[:, close].T @ turn / semi.astype(np.float32)
        q = np.maximum(np.linalg.norm(u, axis=1), 1e-6)
        d = (q - 1) * q / np.linalg.norm(u / semi.astype(np.float32), axis=1).clip(1e-6)
        better = (d < distance[where]) & (d < REACH_MM)
        distance[where[better]], label[where[better]] = d[better], row["label"]
    shape = np.shape(points_mm)[:-1]
    return label.reshape(shape), distance.reshape(shape)


def label_nuclei(points_mm: np.ndarray) -> np.ndarray:
    """Labels of MNI points (..., 3) in mm → (...) uint8, 0 outside every nucleus."""
    label, distance = nearest_nucleus(points_mm)
    return np.where(distance <= 0, label, 0).astype(np.uint8)


def template_labels(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Label map of the nuclei on a grid in MNI space.

    Parameters
    ----------
    shape : (X, Y, Z)
    affine : (4, 4)
        Voxel indices → MNI mm.

    Returns
    -------
    (X, Y, Z) uint8
    """
    index = np.stack(list(np.indices(shape, dtype=np.float32)), axis=-1)
    affine = np.asarray(affine, np.float32)
    return label_nuclei(index @ affine[:3, :3].T + affine[:3, 3])
