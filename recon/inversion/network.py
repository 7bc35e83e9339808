"""The network of the trained inversions in NumPy; :mod:`qnet.networks.inversion` trains the same in torch."""

from collections.abc import Mapping

import numpy as np

from recon.maths.convolution import BLOCK, convolve3, folded, unfolded

SLOPE = 0.1  # of the leaky ReLU
SLAB = 128  # voxels along the first axis that pass at once
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

    Overlapping slabs pass one after the other, so that a large head needs little memory; each sees as much of its
    neighbours as the network looks around, so that they leave no seams.
    """
    halo = reach(weights)
    n = len(maps)
    parts = []
    for start in range(0, n, SLAB):
        low, high = max(start - halo, 0), min(start + SLAB + halo, n)
        kept = slice(start - low, min(start + SLAB, n) - low)
        own, shares = _corrected(weights, maps[low:high], scalars[low:high], geometry)
        parts.append((own[kept], shares[kept]))
    own, shares = (np.concatenate(values) if len(values) > 1 else values[0] for values in zip(*parts, strict=True))
    return own, shares


def reach(weights: Weights) -> int:
    """Voxels that the network looks around, in whole blocks of the coarsest level.

    Its convolutions see a block of four for each deep layer; before and after them two neighbours of two voxels each.
    """
    return BLOCK**2 * (deep_layers(weights) + 2)


def deep_layers(weights: Weights) -> int:
    """Convolutions at the coarsest level."""
    return sum(name.startswith("deep.") and name.endswith("bias") for name in weights)


def _corrected(
    weights: Weights, maps: np.ndarray, scalars: np.ndarray, geometry: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The correction of one slab."""

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
    for number in range(deep_layers(weights)):
        x = _active(conv(f"deep.{number}", x))
    x = unfolded(conv("up", x))
    x += kept
    x = _active(conv("third", _active(x)))
    x = conv("last", x)
    shares = x[..., BLOCK**3 :]
    for axis in range(3):
        shares = shares.repeat(BLOCK, axis)
    return unfolded(x[..., : BLOCK**3])[..., 0], shares
