"""Harmonic functions inside a mask: the field of sources outside it, from its values on the mask's surface."""

import numpy as np
from scipy import ndimage, sparse

from recon.grid import Vector
from recon.maths.blocks import block_sum, coarser, expand
from recon.maths.boxes import bounding_box
from recon.maths.neighbours import CROSS, CUBE, compact_laplacian, laplacian_weights
from recon.maths.solve import conjugate_gradients

TOLERANCE = 1e-4  # of the right-hand side, at which the conjugate gradients stop
CORRECTION_TOLERANCE = 2e-2  # of the correction, which is small
COARSEST_VOXELS = 20_000  # below it no coarser grid is worth a start from


def harmonic_extension(values: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    r"""Solve :math:`\nabla^2 h = 0` inside `mask` with h = `values` on its outermost layer of voxels.

    The seven-point stencil is solved by conjugate gradients, started from the solution on a coarser grid, so that
    few iterations are left for the fine one. One step of defect correction then takes out most of its error, of
    second order in the voxel size: what :func:`recon.maths.neighbours.compact_laplacian` leaves of the solution is
    solved for once more, wherever the mask holds all 26 neighbours.

    Parameters
    ----------
    values : (X, Y, Z) float array; read, and finite, in the outermost layer of `mask`
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    h : (X, Y, Z) float32 in the unit of `values`, zero outside `mask`

    References
    ----------
    .. [1] Zhou et al., NMR Biomed 27:312 (2014), doi:10.1002/nbm.3064
    .. [2] Stetter, Numer Math 29:425 (1978), doi:10.1007/BF01432879: defect correction
    """
    box = bounding_box(mask)
    inside = mask[box]
    surface = inside & ~ndimage.binary_erosion(inside, CROSS)
    mean = np.float32(values[box][surface].mean())  # a constant is its own extension
    known = np.where(surface, values[box] - mean, 0).astype(np.float32)
    resolved = ndimage.binary_erosion(inside, CUBE)
    extended = _extend(known, surface, inside & ~surface, np.asarray(voxel_size_mm, float), resolved)
    extension = np.zeros(mask.shape, np.float32)
    extension[box] = np.where(surface, values[box], extended + mean) * inside
    return extension


def _extend(
    h: np.ndarray,
    known: np.ndarray,
    unknown: np.ndarray,
    voxel_size_mm: Vector,
    resolved: np.ndarray | None = None,
) -> np.ndarray:
    """Fill the `unknown` voxels of h, which is zero outside the `known` ones, started from a coarser grid.

    In the `resolved` voxels, all of whose neighbours are known or unknown ones, the defect is corrected.
    """
    h, inner = np.pad(h, 1), np.pad(unknown, 1)
    if unknown.any():
        A, b = _system(h, inner, laplacian_weights(voxel_size_mm))
        start = _start(h[1:-1, 1:-1, 1:-1], known, unknown, voxel_size_mm)
        h[inner] = conjugate_gradients(A.dot, b, start, tolerance=TOLERANCE)
        if resolved is not None and resolved.any():
            defect = -ndimage.correlate(h, compact_laplacian(voxel_size_mm), mode="constant")
            defect = np.where(np.pad(resolved, 1), defect, 0)[inner]
            h[inner] += conjugate_gradients(A.dot, defect, np.zeros_like(defect), tolerance=CORRECTION_TOLERANCE)
    return h[1:-1, 1:-1, 1:-1]


def _start(h: np.ndarray, known: np.ndarray, unknown: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """First guess at the unknown voxels: the extension on a coarser grid, whose known cells hold known voxels."""
    if np.count_nonzero(unknown) < COARSEST_VOXELS:
        return np.full(np.count_nonzero(unknown), h[known].mean(), np.float32)
    factor = coarser(voxel_size_mm)
    count = block_sum(known.astype(np.float32), factor)
    mean = block_sum(h, factor) / np.maximum(count, 1)
    coarse_known = count > 0
    coarse_unknown = (block_sum(unknown.astype(np.float32), factor) > 0) & ~coarse_known
    coarse = _extend(mean, coarse_known, coarse_unknown, np.asarray(voxel_size_mm) * factor)
    return expand(coarse, factor, h.shape)[unknown]


def _system(h: np.ndarray, inner: np.ndarray, weights: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
    """Matrix and right-hand side of :math:`h_p - \\sum_q w_q h_q = 0` at the inner voxels p, the others known."""
    at = np.flatnonzero(inner).astype(np.int32)
    number = np.full(inner.size, -1, np.int32)
    number[at] = np.arange(len(at), dtype=np.int32)
    strides = (inner.shape[1] * inner.shape[2], inner.shape[2], 1)
    flat = h.ravel()
    b = np.zeros(len(at), np.float32)
    columns = np.empty((len(at), 7), np.int32)
    entries = np.empty((len(at), 7), np.float32)
    neighbours = [(-s, w) for s, w in zip(strides, weights, strict=True)]
    neighbours += [(s, w) for s, w in zip(strides[::-1], weights[::-1], strict=True)]
    for slot, (step, w) in zip((0, 1, 2, 4, 5, 6), neighbours, strict=True):
        q = number[at + step]
        unknown = q >= 0
        b += np.where(unknown, 0, np.float32(w) * flat[at + step])
        columns[:, slot] = np.where(unknown, q, 0)
        entries[:, slot] = np.where(unknown, np.float32(-w), 0)
    columns[:, 3], entries[:, 3] = np.arange(len(at)), 1
    rows = np.arange(0, 7 * len(at) + 1, 7, dtype=np.int32)
    return sparse.csr_array((entries.ravel(), columns.ravel(), rows), shape=(len(at), len(at))), b
