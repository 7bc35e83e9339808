"""Unwrap one volume in space, in the order of the most reliable edges."""

import numpy as np

from recon.unwrap.edge_cost import best_path_cost, steepness, weighted_cost
from recon.unwrap.spanning_tree import fixed_point, unwrap_along_tree

CERTAIN = 2.0  # [rad^2] an edge this cheap joins voxels at once: a step below 0.7 rad in a calm neighbourhood
LEAST_STEP_RAD = 1e-3  # below it an axis counts as flat


def clean(magnitude: np.ndarray) -> np.ndarray:
    """Magnitude as float32 without NaN, Inf and negative values."""
    return np.maximum(np.nan_to_num(magnitude.astype(np.float32), posinf=0, neginf=0), 0)


def unwrap_in_space(wrapped_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, method: str) -> np.ndarray:
    """Unwrap a volume along the minimum spanning tree of its edges.

    The axes are put in the order of their steps, the smallest last, where runs of voxels are long.

    Parameters
    ----------
    wrapped_rad : (X, Y, Z) float array, finite
    magnitude : (X, Y, Z) float32 >= 0, or None
    mask : (X, Y, Z) bool array, at least one voxel
    method : `best_path` or `weighted`

    Returns
    -------
    unwrapped : (X, Y, Z) int32, fixed point; undefined outside the mask
    """
    phase = fixed_point(wrapped_rad)
    steep = np.maximum(steepness(phase, mask), LEAST_STEP_RAD)
    axes = np.argsort(-np.nan_to_num(steep, nan=np.inf), kind="stable")
    phase, mask = (np.ascontiguousarray(v.transpose(axes)) for v in (phase, mask))
    if method == "best_path":
        cost = best_path_cost(phase, mask)
    else:
        signal = None if magnitude is None else np.ascontiguousarray(magnitude.transpose(axes))
        stretch = steep[axes] / np.nanmin(steep, initial=np.inf)
        cost = weighted_cost(phase, signal, mask, np.nan_to_num(stretch, nan=1))
    return unwrap_along_tree(phase, mask, cost, CERTAIN).transpose(np.argsort(axes))
