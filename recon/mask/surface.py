"""Triangulated surfaces: the icosphere, and the voxels inside a closed surface."""

import numpy as np


def edges_of(faces: np.ndarray) -> np.ndarray:
    """Edges (K, 2) of a closed surface, each once, sorted."""
    return np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)


def subdivide(vertices: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Add the middle of every edge: an `icosphere` of n subdivisions, however bent, gets the vertices of n + 1."""
    return np.concatenate([vertices, vertices[edges].mean(axis=1)])


def icosphere(subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit sphere of 10 * 4**subdivisions + 2 vertices: vertices (N, 3) float32 and outward faces (M, 3)."""
    golden = (1 + 5**0.5) / 2
    corners = [(a, b * golden, 0) for a in (-1, 1) for b in (-1, 1)]
    vertices = np.array([np.roll(corner, k) for k in range(3) for corner in corners], float)
    # faces of the icosahedron: triples of vertices one edge (2) apart
    near = np.linalg.norm(vertices[:, None] - vertices, axis=-1) < 2.1
    triples = [(i, j, k) for i in range(12) for j in range(i) for k in range(j)]
    faces = np.array([(i, j, k) for i, j, k in triples if near[i, j] and near[j, k] and near[i, k]])
    inward = np.linalg.det(vertices[faces]) < 0
    faces[inward] = faces[inward][:, ::-1]
    for _ in range(subdivisions):
        edges, inverse = np.unique(
            np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0, return_inverse=True
        )
        a, b, c = faces.T
        ab, bc, ca = (inverse.reshape(-1, 3) + len(vertices)).T
        vertices = subdivide(vertices, edges)
        quarters = (a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)
        faces = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return (vertices / np.linalg.norm(vertices, axis=1, keepdims=True)).astype(np.float32), faces


def surface_mask(vertices: np.ndarray, faces: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Voxels whose centre lies inside a closed surface.

    Each column of voxels along the last axis is cut with the triangles that cover it; the running sum of the
    signed crossings is the winding number, which is nonzero inside, also where the surface folds.

    Parameters
    ----------
    vertices : (N, 3) array
        Vertices in voxel coordinates (voxel centres are integers).
    faces : (M, 3) int array
        Triangles, all wound outward.
    shape : tuple of int
        Shape of the mask.

    Returns
    -------
    (X, Y, Z) bool array
    """
    triangle = np.asarray(vertices, float)[faces]  # (M, 3 corners, 3)
    first = np.ceil(triangle[..., :2].min(axis=1)).astype(int)
    span = np.floor(triangle[..., :2].max(axis=1)).astype(int) - first + 1
    columns = np.maximum(span, 0).prod(axis=1)
    face = np.repeat(np.arange(len(faces)), columns)
    order = np.arange(columns.sum()) - np.repeat(np.cumsum(columns) - columns, columns)
    x, y = first[face, 0] + order // span[face, 1], first[face, 1] + order % span[face, 1]
    a, b, c = triangle[face].transpose(1, 2, 0)  # each (3, K)
    column_x, column_y = x + 0.618e-6, y + 0.414e-6  # no column runs through an edge that two triangles share

    def area(p: np.ndarray, q: np.ndarray) -> np.ndarray:  # twice the signed area of p, q and the column in the plane
        return (q[0] - p[0]) * (column_y - p[1]) - (q[1] - p[1]) * (column_x - p[0])

    weight_c, weight_a, weight_b = area(a, b), area(b, c), area(c, a)
    total = weight_a + weight_b + weight_c
    up = (weight_a >= 0) & (weight_b >= 0) & (weight_c >= 0) & (total > 0)
    down = (weight_a <= 0) & (weight_b <= 0) & (weight_c <= 0) & (total < 0)
    hit = (up | down) & (x >= 0) & (y >= 0) & (x < shape[0]) & (y < shape[1])
    height = (weight_a * a[2] + weight_b * b[2] + weight_c * c[2])[hit] / total[hit]
    z = np.clip(np.ceil(height), 0, shape[2]).astype(int)
    crossing = np.zeros((shape[0], shape[1], shape[2] + 1), np.int16)
    np.add.at(crossing, (x[hit], y[hit], z), np.where(total[hit] > 0, -1, 1).astype(np.int16))
    return np.cumsum(crossing, axis=2, out=crossing)[..., : shape[2]] != 0
