"""Convolution of volumes of many channels, channels last: what a small trained network needs."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BLOCK = 2  # voxels along each edge of a block


def convolve3(volume: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    r"""Correlate with kernels of 3 x 3 x 3, zero outside the volume, plane by plane as one product of matrices.

    .. math:: y_j(r) = b_j + \sum_{d \in \{-1, 0, 1\}^3} \sum_i w_{d i j}\, x_i(r + d)

    Parameters
    ----------
    volume : (X, Y, Z, in) float32 array
    weight : (3, 3, 3, in, out) float32 array
    bias : (out,) float32 array

    Returns
    -------
    (X, Y, Z, out) float32 array
    """
    x, y, z, channels = volume.shape
    padded = np.pad(volume, [(1, 1)] * 3 + [(0, 0)])
    windows = np.moveaxis(sliding_window_view(padded, (3, 3, 3), axis=(0, 1, 2)), 3, -1)  # (X, Y, Z, 3, 3, 3, in)
    matrix = weight.reshape(27 * channels, -1)
    result = np.empty((x, y * z, matrix.shape[1]), np.float32)
    for plane, out in zip(windows, result, strict=True):
        np.matmul(plane.reshape(y * z, -1), matrix, out=out)
        out += bias
    return result.reshape(x, y, z, -1)


def folded(volume: np.ndarray) -> np.ndarray:
    """(X, Y, Z, C) → (X/2, Y/2, Z/2, 8 C): voxels of a block become channels of each channel, z fastest."""
    x, y, z, channels = volume.shape
    blocks = volume.reshape(x // BLOCK, BLOCK, y // BLOCK, BLOCK, z // BLOCK, BLOCK, channels)
    return blocks.transpose(0, 2, 4, 6, 1, 3, 5).reshape(x // BLOCK, y // BLOCK, z // BLOCK, -1)


def unfolded(volume: np.ndarray) -> np.ndarray:
    """The way back from :func:`folded`."""
    x, y, z, channels = volume.shape
    blocks = volume.reshape(x, y, z, channels // BLOCK**3, BLOCK, BLOCK, BLOCK)
    return blocks.transpose(0, 4, 1, 5, 2, 6, 3).reshape(BLOCK * x, BLOCK * y, BLOCK * z, -1)
