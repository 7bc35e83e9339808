"""Large images piece by piece: voxelwise functions in blocks that the cache holds, and pairs of slices as a sample."""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

BLOCK = 2**15  # voxels at once
SAMPLE = 2**21  # voxels of an image whose neighbours are compared


def in_blocks(
    function: Callable[..., np.ndarray],
    *images: np.ndarray,
    dtype: DTypeLike = np.float32,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """`function` of images, voxel by voxel, several times as fast as of whole ones, which no cache holds.

    Parameters
    ----------
    function : of flat pieces of the images, to a piece of the result
    images : of one shape
    dtype : of the result
    out : of that shape and of any type, its first axis running fastest, to hold the result

    Returns
    -------
    result : of that shape, the first axis running fastest, as in files
    """
    flat = [image.reshape(-1, order="F") for image in images]
    result = np.empty(flat[0].size, dtype) if out is None else out.reshape(-1, order="F", copy=False)
    for start in range(0, result.size, BLOCK):
        result[start : start + BLOCK] = function(*(image[start : start + BLOCK] for image in flat))
    return result.reshape(images[0].shape, order="F")


def slice_pairs(image: np.ndarray) -> np.ndarray:
    """Pairs of neighbouring slices of a (X, Y, Z) image, evenly spaced, of `SAMPLE` voxels or a little less.

    Returns
    -------
    pairs : (X, Y, 2, pair); of an image that is not larger (X, Y, Z, 1), all of it
    """
    pairs = max(1, SAMPLE // max(1, 2 * image.shape[0] * image.shape[1]))
    if image.size <= SAMPLE or 2 * pairs >= image.shape[2]:
        return image[..., None]
    found = np.empty((*image.shape[:2], 2, pairs), image.dtype, order="F")
    for pair, first in enumerate(np.linspace(0, image.shape[2] - 2, pairs).astype(int)):
        found[..., pair] = image[..., first : first + 2]
    return found
