"""Brain extraction: a sphere is inflated until it meets the edge of the brain (Smith 2002)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix

from recon.grid import Vector
from recon.mask.head import Head, find_head
from recon.mask.surface import edges_of, icosphere, subdivide, surface_mask
from recon.settings import defaults

THRESHOLD = defaults("brain_mask")["threshold"]
STAGES = ((3, 500), (4, 250))  # subdivisions of the icosahedron, iterations: a coarse surface, then a finer one
INWARD_MM = np.arange(1, 20, 2, dtype=np.float32)  # the intensity ray: 20 mm for the minimum, ...
BRIGHT = INWARD_MM <= 10  # ... 10 mm for the maximum
LEVEL = (0.6, 0.15)  # of the local maximum where brain ends, at fractional threshold 0, and its rise to threshold 1
RADIUS_MM = (3.33, 10.0)  # radii of curvature between which smoothing grows
SMOOTHING = 0.5  # fraction of the tangential offset that is undone per iteration
SPEED = 0.05  # of the intensity force, in edge lengths
SELF_INTERSECTION = 4000.0
PASSES = 5


@dataclass(frozen=True, kw_only=True)
class _Mesh:
    """Unit sphere (N, 3), faces (M, 3), edges (K, 2), neighbour mean (N, N), face-to-vertex sum (N, M)."""

    sphere: np.ndarray
    faces: np.ndarray
    edges: np.ndarray
    mean: csr_matrix
    gather: csr_matrix

    def length(self, vertices: np.ndarray) -> np.float32:
        """Mean edge length of a surface (N, 3), in its unit."""
        return np.float32(np.linalg.norm(np.subtract(*vertices[self.edges.T]), axis=1).mean())


@cache
def _mesh(subdivisions: int) -> _Mesh:
    sphere, faces = icosphere(subdivisions)
    edges = edges_of(faces)
    both = np.concatenate([edges, edges[:, ::-1]])
    adjacency = csr_matrix((np.ones(len(both), np.float32), both.T), shape=(len(sphere),) * 2)
    mean = csr_matrix(adjacency.multiply(1 / adjacency.sum(axis=1)), dtype=np.float32)
    corners = np.repeat(np.arange(len(faces)), 3)
    gather = csr_matrix((np.ones(faces.size, np.float32), (faces.ravel(), corners)))
    return _Mesh(sphere=sphere, faces=faces, edges=edges, mean=mean, gather=gather)


def _normals(vertices: np.ndarray, mesh: _Mesh) -> np.ndarray:
    """Outward unit normals (N, 3) at the vertices."""
    a, b, c = (vertices[mesh.faces[:, k]] for k in range(3))
    (ux, uy, uz), (vx, vy, vz) = (b - a).T, (c - a).T
    normal = mesh.gather @ np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx], axis=1)
    return normal / np.sqrt(np.einsum("ij,ij->i", normal, normal) + np.float32(1e-12))[:, None]


def _intensity_force(head: Head, vertices: np.ndarray, normals: np.ndarray, level: float) -> np.ndarray:
    """f3 (N,) of Smith 2002: positive where the ray inward sees brain, negative where it sees edge."""
    ray = vertices[None] - INWARD_MM[:, None, None] * normals[None]  # (R, N, 3) mm
    index = np.rint(ray * (1 / head.voxel_size_mm).astype(np.float32)).astype(np.int32)
    inside = np.all((index[0] >= 0) & (index[0] < head.image.shape), axis=-1)
    np.clip(index, 0, np.array(head.image.shape, np.int32) - 1, out=index)
    _, columns, rows = head.image.shape
    sample = head.image.ravel()[(index[..., 0] * columns + index[..., 1]) * rows + index[..., 2]]  # (R, N)
    lowest = np.clip(sample.min(axis=0), head.low, head.median)
    highest = np.clip(sample[BRIGHT].max(axis=0), head.edge, head.median)
    local = (highest - head.low) * np.float32(level) + head.low
    return np.where(inside, 2 * (lowest - local) / (highest - head.low), 0).astype(np.float32)


def _smoothing(along: np.ndarray, length: np.float32, stiffness: float) -> np.ndarray:
    """f2 (N, 1) of Smith 2002: the share of the signed normal offset `along` [mm] that is undone."""
    slope = 6 / (1 / RADIUS_MM[0] - 1 / RADIUS_MM[1])
    curvature = 2 * np.abs(along) / length**2
    share = 0.5 * (1 + np.tanh(slope * (curvature - (1 / RADIUS_MM[0] + 1 / RADIUS_MM[1]) / 2)))
    return np.where(along > 0, np.minimum(1, stiffness * share), share) if stiffness > 1 else share


def _evolve(head: Head, vertices: np.ndarray, mesh: _Mesh, level: float, stiffness: np.ndarray) -> np.ndarray:
    """Move a surface (N, 3) [mm] under both forces; `stiffness` is one factor for each iteration."""
    for iteration, factor in enumerate(stiffness):
        if iteration == 50 or iteration % 100 == 0:
            length = mesh.length(vertices)
        normals = _normals(vertices, mesh)
        offset = mesh.mean @ vertices - vertices
        along = np.einsum("ij,ij->i", offset, normals)[:, None]  # signed length of s_n
        tangential = offset - along * normals
        outward = _smoothing(along, length, factor) * along
        outward += SPEED * length * _intensity_force(head, vertices, normals, level)[:, None]
        vertices = vertices + SMOOTHING * tangential + outward * normals
    return vertices


def _inflate(head: Head, level: float, stiffness: float) -> np.ndarray:
    """Evolve the sphere to the surface of the brain: vertices (N, 3) in mm."""
    (first, early), (second, late) = STAGES
    total = early + late
    ramp = np.maximum(1, stiffness * np.minimum(1, 4 * (1 - np.arange(total) / total)))  # the last quarter softens
    coarse, fine = _mesh(first), _mesh(second)
    vertices = (head.centre_mm + head.radius_mm * coarse.sphere).astype(np.float32)
    vertices = _evolve(head, vertices, coarse, level, ramp[:early])
    return _evolve(head, subdivide(vertices, coarse.edges), fine, level, ramp[early:])


def _self_intersection(vertices: np.ndarray, mesh: _Mesh) -> float:
    """How much of the surface lies closer to a remote part of itself than on the sphere (Smith 2002)."""
    from scipy.spatial import cKDTree  # slow to import, and what else looks at masks does without

    length, start = mesh.length(vertices), mesh.length(mesh.sphere)
    pairs = cKDTree(vertices).query_pairs(length, output_type="ndarray").T
    now, before = (np.linalg.norm(np.subtract(*v[pairs]), axis=1) for v in (vertices, mesh.sphere))
    return 2 * float(np.sum((now / length - before / start) ** 2))


def bet_of_head(head: Head, *, threshold: float) -> np.ndarray:
    """Brain mask of a head that `find_head` found; see `bet`."""
    if not head.has_air:
        return np.ones(head.shape, bool)
    mesh = _mesh(STAGES[-1][0])
    level = LEVEL[0] + LEVEL[1] * threshold
    for attempt in range(PASSES):
        vertices = _inflate(head, level, 10.0**attempt)
        if _self_intersection(vertices, mesh) < SELF_INTERSECTION:
            break
    voxels = vertices / head.voxel_size_mm * head.factor + (head.factor - 1) / 2
    return surface_mask(voxels, mesh.faces, head.shape)


def bet(magnitude: np.ndarray, voxel_size_mm: Vector, *, threshold: float = THRESHOLD) -> np.ndarray:
    """Brain mask of a magnitude image.

    A sphere in the cranium grows along its normals under a smoothness force and a force that compares the darkest
    and the brightest intensity just below the surface; a surface that folds into itself is grown again, stiffer. All
    lengths are in mm, so voxels may be of any shape. An image without air, such as a crop inside the brain, has no
    edge to find and is taken whole.

    Parameters
    ----------
    magnitude : (X, Y, Z) array
        Magnitude, any unit; values that are not finite count as zero.
    voxel_size_mm : (3,)
        Edge lengths of a voxel.
    threshold : float
        Fractional intensity threshold, 0..1; a larger one gives a smaller brain.

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
    S. M. Smith, "Fast robust automated brain extraction", Human Brain Mapping 17 (2002), doi:10.1002/hbm.10062.
    The rays keep the paper's lengths (20 and 10 mm; bet2 has 7 and 3): a surface that has passed the skull still
    sees it and returns. Such rays also see more of the dark sulci, so the intensity level rises more slowly with the
    threshold t than bet2's t**0.275: the two agree about t = 0.2, and at 0.5 ours cuts into the cortex less.
    Unlike either, the sphere starts in the middle of the cranium, not at the centre of gravity of the head, which a
    neck pulls down; and most iterations run on a surface of a quarter of the vertices.
    """
    return bet_of_head(find_head(magnitude, voxel_size_mm), threshold=threshold)
