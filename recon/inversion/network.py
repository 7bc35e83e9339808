"""The trained network of `unrolled`, applied with NumPy; :mod:`qnet.networks.inversion` trains the same in torch."""

from collections.abc import Mapping

import numpy as np

from recon.maths.convolution import BLOCK, convolve3, folded, unfolded

SLOPE = 0.1  # of the leaky ReLU
Weights = Mapping[str, np.ndarray]


def _active(x: np.ndarray) -> np.ndarray:
    """Leaky ReLU, in place."""
    return np.maximum(x, np.float32(SLOPE) * x, out=x)


def correction(
    weights: Weights, maps: np.ndarray, scalars: np.ndarray, geometry: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A U-Net of two levels: what is read voxel by voxel, what as means over blocks, and numbers → a correction.

    Parameters
    ----------
    weights : by the names of :class:`qnet.networks.inversion.Prior`
    maps : (X, Y, Z, map) float32, edges multiples of four
    scalars : (X, Y, Z, scalar) float32
    geometry : (number,) float32

    Returns
    -------
    own : (X, Y, Z) float32, the correction itself
    shares : (X, Y, Z, candidate) float32, constant in blocks: how much of each candidate is added to it
    """

    def conv(name: str, x: np.ndarray, offset: np.ndarray | float = 0.0) -> np.ndarray:
        kernel = np.moveaxis(weights[f"{name}.weight"], (0, 1), (4, 3))
        bias = weights[f"{name}.bias"] + offset
        return convolve3(x, kernel, bias) if kernel.shape[0] == 3 else x @ kernel[0, 0, 0] + bias

    blocks = folded(scalars)
    means = blocks.reshape(*blocks.shape[:3], scalars.shape[3], -1).mean(-1)
    x = np.concatenate([folded(maps), means], -1)
    x = _active(conv("first", x, weights["geometry.weight"] @ geometry))
    kept = _active(conv("second", x))
    x = _active(conv("down", folded(kept)))
    for name in ("deep.0", "deep.1"):
        x = _active(conv(name, x))
    x = unfolded(conv("up", x))
    x += kept
    x = _active(conv("third", _active(x)))
    x = conv("last", x)
    shares = x[..., BLOCK**3 :]
    for axis in range(3):
        shares = shares.repeat(BLOCK, axis)
    return unfolded(x[..., : BLOCK**3])[..., 0], shares
