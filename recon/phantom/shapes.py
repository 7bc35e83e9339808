"""Soft shapes: signed distances [mm] to ellipsoids, tubes and smooth random fields, for the parts no template has."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

Array = np.ndarray


def share(distance_mm: Array, edge_mm: float) -> Array:
    """Share of a voxel inside a surface at signed distance `distance_mm`, negative inside, over an edge `edge_mm`."""
    return np.clip(0.5 - distance_mm / edge_mm, 0, 1)


def within(points_mm: Array, low: Array, high: Array) -> Array:
    """Indices of the points, given as (3, N), inside an axis-parallel box."""
    x, y, z = points_mm
    inside = (z > low[2]) & (z < high[2])
    inside &= (y > low[1]) & (y < high[1])
    inside &= (x > low[0]) & (x < high[0])
    return np.flatnonzero(inside)


def ellipsoid(points_mm: Array, centre_mm: ArrayLike, semi_axes_mm: ArrayLike) -> Array:
    """Signed distance of (3, N) points to an axis-parallel ellipsoid, to first order at its surface: (N,)."""
    semi = np.asarray(semi_axes_mm, np.float32)[:, None]
    u = (points_mm - np.asarray(centre_mm, np.float32)[:, None]) / semi
    q = np.linalg.norm(u, axis=0)
    return (q - 1) * q / np.maximum(np.linalg.norm(u / semi, axis=0), 1e-6)


def tube(points_mm: Array, path_mm: Array, radius_mm: float) -> Array:
    """Signed distance of (3, N) points to a tube about a polyline (M, 3): (N,)."""
    path = np.asarray(path_mm, np.float32)
    best = np.full(points_mm.shape[1], np.inf, np.float32)
    for start, end in pairwise(path):
        axis = end - start
        offset = points_mm - start[:, None]
        t = np.clip(axis @ offset / (axis @ axis), 0, 1)
        best = np.minimum(best, np.linalg.norm(offset - axis[:, None] * t, axis=0))
    return best - radius_mm


def random_waves(shape: tuple[int, int, int], rng: np.random.Generator, modes: int = 4) -> Array:
    """Smooth random field of unit variance: the lowest `modes` cosines along each axis, slower ones stronger."""
    k = np.arange(modes)
    damping = 1 / (1 + (k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2))
    damping[0, 0, 0] = 0  # no shift of the whole
    coefficients = rng.standard_normal((modes,) * 3) * damping
    coefficients /= np.sqrt((damping**2 / 2 ** (np.indices(damping.shape) > 0).sum(0)).sum())
    bases = [np.cos(np.pi * np.outer((np.arange(n) + 0.5) / n, k)) for n in shape]
    field = np.einsum("abc,kc->abk", coefficients, bases[2])
    field = np.einsum("abk,jb->ajk", field, bases[1])
    return np.einsum("ajk,ia->ijk", field, bases[0]).astype(np.float32)


def random_texture(shape: tuple[int, int, int], sigma_voxels: Array, rng: np.random.Generator) -> Array:
    """Gaussian noise smoothed to `sigma_voxels`, scaled to unit variance."""
    texture = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma_voxels, truncate=2.5)
    return texture / texture.std()
