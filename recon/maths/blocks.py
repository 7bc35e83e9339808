"""Smooth maps on a coarser grid: sums over blocks of voxels, and the way back."""

import numpy as np

from recon.grid import Vector

Sizes = tuple[int, ...] | np.ndarray  # of a block along each axis [voxels]


def block_sum(volume: np.ndarray, size: Sizes, *, centred: bool = False) -> np.ndarray:
    """Sum over blocks of `size` voxels; the last block of an axis may be cut short.

    Parameters
    ----------
    volume : (X, Y, Z) array
    size : (3,) voxels
    centred : what is missing is missing at both ends alike, so that a turned volume has the same blocks; where that is
        half a voxel, the sums are the mean of both ways to share it

    Returns
    -------
    sums : (ceil(X / size), ...) array
    """
    for axis, step in enumerate(size):
        n = volume.shape[axis]
        first = _missing_at_both_ends(n, step) if centred else (0, 0)
        sums = [np.add.reduceat(volume, np.maximum(np.arange(-less, n, step), 0), axis=axis) for less in {*first}]
        volume = sums[0] if len(sums) == 1 else (sums[0] + sums[1]) / 2
    return volume


def _missing_at_both_ends(n: int, step: int) -> tuple[int, int]:
    """Voxels by which the smallest number of blocks goes beyond either end; one more on one side where odd."""
    missing = -n % step
    return missing // 2, missing - missing // 2


def to_voxels(n: int, step: int, *, centred: bool = False) -> np.ndarray:
    """(voxel, block) float32 weights that run straight between the centres of blocks, and on beyond the outer two."""
    blocks = -(-n // step)
    if blocks == 1:
        return np.ones((n, 1), np.float32)
    before = sum(_missing_at_both_ends(n, step)) / 2 if centred else 0
    position = (np.arange(n) + before - (step - 1) / 2) / step
    left = np.clip(np.floor(position), 0, blocks - 2).astype(int)
    weights = np.zeros((n, blocks), np.float32)
    weights[np.arange(n), left] = 1 - (position - left)
    weights[np.arange(n), left + 1] = position - left
    return weights


def expand(coarse: np.ndarray, size: Sizes, shape: tuple[int, ...], *, centred: bool = False) -> np.ndarray:
    """Interpolate values at the centres of blocks to (X, Y, Z) voxels, trilinear, float32."""
    volume = coarse.astype(np.float32)
    for axis, (step, n) in enumerate(zip(size, shape, strict=True)):
        weights = to_voxels(n, step, centred=centred)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return np.ascontiguousarray(volume)


def coarser(voxel_size_mm: Vector) -> np.ndarray:
    """(3,) voxels to join along each axis: to a nearly isotropic grid first, then in twos."""
    factor = np.round(np.max(voxel_size_mm) / np.asarray(voxel_size_mm)).astype(int)
    return factor if factor.max() > 1 else np.full(3, 2)
