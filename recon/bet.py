"""Brain extraction: a sphere is inflated until it meets the edge of the brain (Smith 2002)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from recon.surface import icosphere, surface_mask

ITERATIONS = 1000
INWARD_MM = np.arange(1, 20, 2, dtype=np.float32)  # the intensity ray: 20 mm for the minimum, ...
BRIGHT = INWARD_MM <= 10  # ... 10 mm for the maximum
GRID_MM = 2.0  # finer voxels are averaged to about this size: less noise, faster look-ups
NO_AIR = 0.25  # of the 98th percentile; an image whose 2nd lies above is a crop without air
RADIUS_MM = (3.33, 10.0)  # radii of curvature between which smoothing grows
SMOOTHING = 0.5  # fraction of the tangential offset that is undone per iteration
SPEED = 0.05  # of the intensity force, in edge lengths
THRESHOLD_POWER = 0.275  # FSL's scaling of the fractional threshold
SELF_INTERSECTION = 4000.0
PASSES = 10


@dataclass(frozen=True, kw_only=True)
class Bet:
    """Parameters of the brain extraction.

    Attributes
    ----------
    threshold : float
        Fractional intensity threshold, 0..1; a larger one gives a smaller brain.
    """

    threshold: float


@dataclass(frozen=True, kw_only=True)
class _Head:
    """Robust intensities (arbitrary units) and geometry (mm from the centre of voxel 0) of a head."""

    low: float
    high: float
    edge: float
    median: float
    centre_mm: np.ndarray
    radius_mm: float


@cache
def _mesh() -> tuple[np.ndarray, np.ndarray, csr_matrix, csr_matrix, np.ndarray]:
    """Unit sphere (N, 3), faces (M, 3), neighbour mean (N, N), face-to-vertex sum (N, M), edges (K, 2)."""
    vertices, faces = icosphere(4)
    edges = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    ones = np.ones(2 * len(edges), np.float32)
    both = np.concatenate([edges, edges[:, ::-1]])
    adjacency = csr_matrix((ones, both.T), shape=(len(vertices),) * 2)
    mean = csr_matrix(adjacency.multiply(1 / adjacency.sum(axis=1)), dtype=np.float32)
    corners = np.repeat(np.arange(len(faces)), 3)
    gather = csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), corners)))
    return vertices, faces, mean, gather, edges


def _coarsen(image: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Mean over blocks of `factor` voxels; what is left over at the far end of an axis joins no block."""
    size = np.array(image.shape) // factor
    blocks = image[tuple(slice(n) for n in size * factor)].reshape(np.stack([size, factor], axis=1).ravel())
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32)


def _measure(image: np.ndarray, voxel_size_mm: np.ndarray) -> _Head:
    """Robust range, threshold, centre of gravity, radius and median of the head in an image."""
    low, high = (float(value) for value in np.percentile(image, [2, 98]))
    if not high > low:
        raise ValueError(f"magnitude: expected a head, found 2nd and 98th percentile both {low:g}")
    edge = low + 0.1 * (high - low)
    head = np.nonzero(image > edge)
    position_mm = np.stack(head, axis=1) * voxel_size_mm
    intensity = image[head]
    centre_mm = np.average(position_mm, axis=0, weights=np.minimum(intensity, high) - low)
    radius_mm = float((3 * len(intensity) * np.prod(voxel_size_mm) / (4 * np.pi)) ** (1 / 3))
    near = np.linalg.norm(position_mm - centre_mm, axis=1) < radius_mm
    core = intensity[near & (intensity < high)]
    median = float(np.median(core)) if core.size else high
    return _Head(low=low, high=high, edge=edge, median=median, centre_mm=centre_mm, radius_mm=radius_mm)


def _normals(vertices: np.ndarray, faces: np.ndarray, gather: csr_matrix) -> np.ndarray:
    """Outward unit normals (N, 3) at the vertices."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
    normal = gather @ np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
    return normal / np.sqrt(np.einsum("ij,ij->i", normal, normal) + np.float32(1e-12))[:, None]


def _intensity_force(image, scale, vertices, normals, head: _Head, threshold: float) -> np.ndarray:
    """f3 (N,) of Smith 2002: positive where the ray inward sees brain, negative where it sees edge."""
    ray = vertices[None] - INWARD_MM[:, None, None] * normals[None]  # (R, N, 3) mm
    index = np.rint(ray * scale).astype(np.int32)
    inside = np.all((index[0] >= 0) & (index[0] < image.shape), axis=-1)
    np.clip(index, 0, np.array(image.shape, np.int32) - 1, out=index)
    _, columns, rows = image.shape
    sample = image.ravel()[(index[..., 0] * columns + index[..., 1]) * rows + index[..., 2]]  # (R, N)
    lowest = np.clip(sample.min(axis=0), head.low, head.median)
    highest = np.clip(sample[BRIGHT].max(axis=0), head.edge, head.median)
    local = (highest - head.low) * np.float32(threshold**THRESHOLD_POWER) + head.low
    return np.where(inside, 2 * (lowest - local) / (highest - head.low), 0).astype(np.float32)


def _inflate(image, voxel_size_mm, head: _Head, threshold: float, stiffness: float) -> np.ndarray:
    """Evolve the sphere to the surface of the brain: vertices (N, 3) in mm."""
    sphere, faces, mean, gather, edges = _mesh()
    vertices = (head.centre_mm + 0.5 * head.radius_mm * sphere).astype(np.float32)
    scale = (1 / voxel_size_mm).astype(np.float32)
    mean_curvature = (1 / RADIUS_MM[0] + 1 / RADIUS_MM[1]) / 2
    slope = 6 / (1 / RADIUS_MM[0] - 1 / RADIUS_MM[1])
    for iteration in range(ITERATIONS):
        if iteration == 50 or iteration % 100 == 0:
            length = np.float32(np.linalg.norm(np.subtract(*vertices[edges.T]), axis=1).mean())
        normals = _normals(vertices, faces, gather)
        offset = mean @ vertices - vertices
        along = np.einsum("ij,ij->i", offset, normals)[:, None]  # signed length of s_n
        tangential = offset - along * normals
        curvature = 2 * np.abs(along) / length**2
        fraction = 0.5 * (1 + np.tanh(slope * (curvature - mean_curvature)))
        if stiffness > 1:
            ramp = min(1.0, 4 * (1 - iteration / ITERATIONS))
            fraction = np.where(along > 0, np.minimum(1, fraction * max(1.0, stiffness * ramp)), fraction)
        force = _intensity_force(image, scale, vertices, normals, head, threshold)[:, None]
        vertices += SMOOTHING * tangential + (fraction * along + SPEED * length * force) * normals
    return vertices


def _self_intersection(vertices: np.ndarray) -> float:
    """How much of the surface lies closer to a remote part of itself than on the sphere (Smith 2002)."""
    sphere, _, _, _, edges = _mesh()
    length, start = (np.linalg.norm(np.subtract(*v[edges.T]), axis=1).mean() for v in (vertices, sphere))
    pairs = cKDTree(vertices).query_pairs(length, output_type="ndarray").T
    now, before = (np.linalg.norm(np.subtract(*v[pairs]), axis=1) for v in (vertices, sphere))
    return 2 * float(np.sum((now / length - before / start) ** 2))


def bet(magnitude: np.ndarray, voxel_size_mm, params: Bet) -> np.ndarray:
    """Brain mask of a magnitude image.

    A sphere in the middle of the head grows along its normals under a smoothness force and a force that
    compares the darkest and the brightest intensity just below the surface; a surface that folds into itself
    is grown again, stiffer. All lengths are in mm, so voxels may be of any shape. An image without air, such
    as a crop inside the brain, has no edge to find and is taken whole.

    Parameters
    ----------
    magnitude : (X, Y, Z) array
        Magnitude, any unit; values that are not finite count as zero.
    voxel_size_mm : (3,) sequence
        Edge lengths of a voxel.
    params : Bet
        Fractional intensity threshold.

    Returns
    -------
    (X, Y, Z) bool array
        True inside the brain.

    Raises
    ------
    ValueError
        Where the image holds no contrast at all.

    Notes
    -----
    S. M. Smith, "Fast robust automated brain extraction", Human Brain Mapping 17 (2002),
    doi:10.1002/hbm.10062, with the threshold scaling of its successor bet2. The rays keep the paper's lengths
    (20 and 10 mm; bet2 has 7 and 3): at low thresholds the surface then does not leak into the neck.
    """
    image = np.nan_to_num(np.ascontiguousarray(magnitude, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if image.ndim != 3:
        raise ValueError(f"magnitude: expected 3 axes, found shape {image.shape}")
    factor = np.clip(np.rint(GRID_MM / np.asarray(voxel_size_mm, float)).astype(int), 1, image.shape)
    coarse, coarse_size_mm = _coarsen(image, factor), factor * np.asarray(voxel_size_mm, float)
    head = _measure(coarse, coarse_size_mm)
    if head.low > NO_AIR * head.high:
        return np.ones(image.shape, bool)
    for attempt in range(PASSES):
        vertices = _inflate(coarse, coarse_size_mm, head, params.threshold, 10.0**attempt)
        if _self_intersection(vertices) < SELF_INTERSECTION:
            break
    _, faces, *_ = _mesh()
    return surface_mask(vertices / coarse_size_mm * factor + (factor - 1) / 2, faces, image.shape)
