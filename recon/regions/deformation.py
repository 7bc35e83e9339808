r"""Bend the nuclei of the template onto those of a subject: demons on all maps at once, after an affine registration.

The picture that is registered is made for the subject from the shapes themselves. In the template a nucleus k has the
membership p_k, its soft surface; what is left of the brain is white and grey matter and fluid. Of each map c the mean
m_kc of each class is fitted to the subject, so that J_c = sum_k m_kc p_k is the template in the subject's own contrast,
whatever the map, and alternates with the displacement u that brings J_c(x + u(x)) onto the map (demons: Thirion 1998,
doi:10.1016/S1361-8415(98)80022-4; regularised by Gaussians: Vercauteren 2009, doi:10.1016/j.neuroimage.2008.10.040).
Every map counts by the inverse variance of its residual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from recon.regions.shapes import NUCLEI, distances, read_shapes
from recon.regions.template import read_template

STEP_MM = 2.0
LOW_MM, HIGH_MM = np.array([-46.0, -76.0, -50.0]), np.array([46.0, 44.0, 44.0])  # of the deep brain, MNI
SHAPE = tuple(int(n) for n in np.floor((HIGH_MM - LOW_MM) / STEP_MM) + 1)
SURROUND_MM = 5.0  # about the nuclei: what the registration looks at
EDGE_MM = 2.0  # over which a nucleus fades
SMOOTHING_MM = (16.0, 8.0, 5.0)  # of the displacement, level by level
ITERATIONS = 20  # a level; on the head `mni` with its ventricles pushed apart 8 were too few, 40 no better
MEANS_EVERY = 4
LARGEST_STEP_MM = 1.0
STIFFNESS = 0.2  # 1/mm^2: squared gradient over variance of a map at which half a step is taken
LEAST_JACOBIAN = 0.2


@dataclass(frozen=True, kw_only=True)
class Template:
    """Classes of the deep brain on the grid: memberships (K, X, Y, Z), nuclei first, and what is near a nucleus."""

    members: np.ndarray
    near: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Deformation:
    """Displacement [mm] (3, X, Y, Z) in MNI space, and the share of the maps' variance that the template explains.

    `before` is that of the affine registration alone; `kept` says whether the displacement was better and stays.
    """

    displacement_mm: np.ndarray
    before: float
    after: float
    kept: bool


def grid_points() -> np.ndarray:
    """(3, X, Y, Z) MNI coordinates of the grid [mm]."""
    return np.stack(np.meshgrid(*(low + STEP_MM * np.arange(n) for low, n in zip(LOW_MM, SHAPE, strict=True)),
                                indexing="ij")).astype(np.float32)  # fmt: skip


@cache
def template() -> Template:
    """The classes, from the shapes and the tissue maps of the template."""
    points = grid_points()
    flat = points.reshape(3, -1).T
    members = np.zeros((len(NUCLEI) + 3, len(flat)), np.float32)
    near = np.zeros(len(flat), bool)
    for row, (where, distance) in enumerate(distances(flat, read_shapes()).values()):
        members[row, where] = np.clip(0.5 - distance / EDGE_MM, 0, 1)
        near[where[distance < SURROUND_MM]] = True
    members[: len(NUCLEI)] /= np.maximum(members[: len(NUCLEI)].sum(0), 1)
    left = 1 - members[: len(NUCLEI)].sum(0)
    for row, kind in enumerate(("wm", "gm"), start=len(NUCLEI)):
        tissue = read_template(kind)
        index = (points - tissue.affine[:3, 3, None, None, None]) / np.diag(tissue.affine)[:3, None, None, None]
        members[row] = left * ndimage.map_coordinates(tissue.data / 255, index, order=1).ravel()
    members[-1] = np.maximum(1 - members[:-1].sum(0), 0)
    return Template(members=members.reshape(-1, *SHAPE), near=near.reshape(SHAPE))


def on_grid(data: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray) -> np.ndarray:
    """A map (X, Y, Z) of the subject at the places of the grid under the affine registration."""
    to_voxel = np.linalg.inv(subject_to_mni @ affine)
    voxel_mm = np.linalg.norm(affine[:3, :3], axis=0)
    blurred = ndimage.gaussian_filter(data.astype(np.float32), 0.4 * np.maximum(STEP_MM / voxel_mm - 1, 0))
    return ndimage.affine_transform(
        blurred, to_voxel[:3, :3] * STEP_MM, to_voxel[:3, :3] @ LOW_MM + to_voxel[:3, 3], SHAPE, np.float32, order=1
    )


def warped(values: np.ndarray, displacement_mm: np.ndarray) -> np.ndarray:
    """Values (..., X, Y, Z) of the template at x + u(x)."""
    index = np.indices(SHAPE, np.float32) + displacement_mm / np.float32(STEP_MM)
    flat = values.reshape(-1, *SHAPE)
    moved = [ndimage.map_coordinates(one, index, np.float32, order=1, mode="nearest") for one in flat]
    return np.stack(moved).reshape(values.shape)


def bend(
    maps: Mapping[str, np.ndarray], known: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray
) -> Deformation:
    """Register the template's nuclei to the maps of a subject.

    Parameters
    ----------
    maps : name → (X, Y, Z) float array
    known : (X, Y, Z) bool, where all of them were measured
    affine : (4, 4), voxel indices → scanner mm
    subject_to_mni : (4, 4), the affine registration

    Returns
    -------
    Deformation
        Zero where the affine registration explains as much of the maps.
    """
    classes = template()
    inside = on_grid(known, affine, subject_to_mni) > 0.9
    counted = inside & classes.near
    zero = np.zeros((3, *SHAPE), np.float32)
    if np.count_nonzero(counted) < 0.2 * np.count_nonzero(classes.near):
        return Deformation(displacement_mm=zero, before=0.0, after=0.0, kept=False)
    # what was not measured has the mean of the rest, so that the zero of a map, its reference, does not matter
    finite = [np.nan_to_num(data) for data in maps.values()]
    values = np.stack(
        [on_grid(np.where(known, data - data[known].mean(), 0), affine, subject_to_mni) for data in finite]
    )
    weight = ndimage.gaussian_filter(counted.astype(np.float32), 0.7)
    u = zero.copy()
    first = explained(values, counted, u)
    for sigma in SMOOTHING_MM:
        for iteration in range(ITERATIONS):
            if iteration % MEANS_EVERY == 0:
                picture, variance = fitted(values, counted, u)
            moved = warped(picture, u)
            push, pull = zero.copy(), np.zeros(SHAPE, np.float32)
            for value, now, spread in zip(values, moved, variance, strict=True):
                slope = np.stack(np.gradient(now, STEP_MM))
                push += slope * ((value - now) * weight / spread)
                pull += (slope**2).sum(0) * weight / spread
            step = push / (pull + STIFFNESS)
            length = np.sqrt((step**2).sum(0))
            step *= LARGEST_STEP_MM / np.maximum(length, LARGEST_STEP_MM)
            u = np.stack([ndimage.gaussian_filter(a + b, sigma / STEP_MM / 2) for a, b in zip(u, step, strict=True)])
    last = explained(values, counted, u)
    kept = last > first and jacobian(u)[counted].min() > LEAST_JACOBIAN
    return Deformation(displacement_mm=u if kept else zero, before=first, after=last, kept=bool(kept))


def fitted(values: np.ndarray, counted: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The template in the contrast of the (C, X, Y, Z) maps, and the variance of each map's residual."""
    members = template().members
    rows = warped(members, u)[:, counted].astype(np.float64)
    target = values[:, counted].astype(np.float64)
    # classes with few voxels are held to the mean of the map
    mean = target.mean(1, keepdims=True)
    normal = rows @ rows.T + 5 * np.eye(len(rows))
    means = mean + np.linalg.solve(normal, rows @ (target - mean).T).T
    residual = target - means @ rows
    return np.tensordot(means, members, 1).astype(np.float32), residual.var(1).astype(np.float32)


def explained(values: np.ndarray, counted: np.ndarray, u: np.ndarray) -> float:
    """Share of the maps' variance near the nuclei that the template explains: its mean over the maps."""
    return float(np.mean(1 - fitted(values, counted, u)[1] / values[:, counted].var(1)))


def jacobian(u: np.ndarray) -> np.ndarray:
    """Determinant of the derivative of x + u(x): the volume that a voxel takes up in the template."""
    rows = [np.stack(np.gradient(component, STEP_MM), -1) for component in u]
    return np.linalg.det(np.stack(rows, -2) + np.eye(3))


def displaced(points_mm: np.ndarray, displacement_mm: np.ndarray) -> np.ndarray:
    """(N, 3) MNI points of the affine registration → those of the template."""
    index = ((points_mm - LOW_MM) / STEP_MM).T
    return points_mm + np.stack([ndimage.map_coordinates(u, index, order=1) for u in displacement_mm], 1)
