"""Connected parts of a mask, whose voxels touch by their faces."""

import numpy as np
from scipy import ndimage


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest part of a (X, Y, Z) bool mask whose voxels touch by their faces; nothing of an empty one."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0  # the background
    return (labels == np.argmax(sizes)) & mask


def large_parts(mask: np.ndarray, least_voxels: float) -> np.ndarray:
    """The parts of a (X, Y, Z) bool mask of at least `least_voxels`."""
    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= least_voxels
    large[0] = False
    return large[labels]
