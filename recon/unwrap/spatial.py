"""Unwrap one volume in space, in the order of the most reliable edges."""

import numpy as np

from recon.maths.boxes import bounding_box
from recon.maths.wrap import fixed_point, in_rad, nearest_turn
from recon.unwrap.edge_cost import EdgeCost, steepness
from recon.unwrap.spanning_tree import unwrap_along_tree

CERTAIN = 2.0  # [rad^2] an edge this cheap joins voxels at once: a step below 0.7 rad in a calm neighbourhood
LEAST_STEP_RAD = 1e-3  # below it an axis counts as flat


def clean(magnitude: np.ndarray) -> np.ndarray:
    """Magnitude as float32 without NaN, Inf and negative values."""
    magnitude = magnitude.astype(np.float32, copy=False)
    return np.where((magnitude > 0) & (magnitude < np.inf), magnitude, np.float32(0))


def unwrap_in_space(
    wrapped_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, cost_of: EdgeCost
) -> np.ndarray:
    """Unwrap a volume along the minimum spanning tree of its edges.

    The axes are put in the order of their steps, the smallest last, where runs of voxels are long.

    Parameters
    ----------
    wrapped_rad : (X, Y, Z) float array, finite
    magnitude : (X, Y, Z) float32 >= 0, or None
    mask : (X, Y, Z) bool array, at least one voxel
    cost_of : EdgeCost

    Returns
    -------
    unwrapped : (X, Y, Z) int32, fixed point; undefined outside the mask
    """
    phase = fixed_point(wrapped_rad)
    steep = np.maximum(steepness(phase, mask), LEAST_STEP_RAD)
    axes = np.argsort(-np.nan_to_num(steep, nan=np.inf), kind="stable")
    phase, mask = (np.ascontiguousarray(v.transpose(axes)) for v in (phase, mask))
    signal = None if magnitude is None else np.ascontiguousarray(magnitude.transpose(axes))
    stretch = steep[axes] / np.nanmin(steep, initial=np.inf)
    cost = cost_of(phase, signal, mask, np.nan_to_num(stretch, nan=1))
    return unwrap_along_tree(phase, mask, cost, CERTAIN).transpose(np.argsort(axes))


def unwrap_volume(
    phase_rad: np.ndarray, mask: np.ndarray, *, magnitude: np.ndarray | None, cost_of: EdgeCost
) -> np.ndarray:
    """Unwrap one echo along the minimum spanning tree over the edges between neighbours.

    Parameters
    ----------
    phase_rad : (X, Y, Z) float array, wrapped
    mask : (X, Y, Z) bool array
    magnitude : (X, Y, Z) float array or None
    cost_of : EdgeCost

    Returns
    -------
    unwrapped_rad : (X, Y, Z) float32, `phase_rad` plus multiples of 2 pi, zero outside `mask` and where the phase is
        not finite
    """
    out = np.zeros(phase_rad.shape, np.float32, order="F")
    mask = mask & np.isfinite(phase_rad)
    if not mask.any():
        return out
    box = bounding_box(mask)
    inside = mask[box]
    wrapped = np.where(inside, phase_rad[box], 0).astype(np.float32)
    signal = None if magnitude is None else clean(magnitude[box])
    unwrapped = in_rad(unwrap_in_space(wrapped, signal, inside, cost_of)[inside])
    out[box][inside] = nearest_turn(wrapped[inside], unwrapped)
    return out
