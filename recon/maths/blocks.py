"""Smooth maps on a coarser grid: sums over blocks of voxels, and the way back."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recon.grid import Grid, Vector

Sizes = tuple[int, ...] | np.ndarray  # of a block along each axis [voxels]
LARGEST_BLOCK_MM = 3.0  # a rim of wider blocks shows too little of what lies just inside and outside


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


@dataclass(frozen=True, kw_only=True)
class Coarse:
    """A nearly isotropic grid of blocks of the mask's voxels, centred, so that a turned head has the same.

    Parameters
    ----------
    inside : (X, Y, Z) bool array
    factor : (3,) voxels in a block
    grid : Grid of the blocks
    count : float32 array, voxels of the mask in each block, which may hold halves of some
    """

    inside: np.ndarray
    factor: np.ndarray
    grid: Grid
    count: np.ndarray

    @classmethod
    def of(cls, inside: np.ndarray, grid: Grid) -> Self:
        """Blocks for the voxels of a mask."""
        voxel_size_mm = np.asarray(grid.voxel_size_mm)
        most = np.maximum((LARGEST_BLOCK_MM / voxel_size_mm + 1e-3).astype(int), 1)
        factor = np.minimum(coarser(voxel_size_mm), most)
        count = block_sum(inside.astype(np.float32), factor, centred=True)
        blocks = Grid(voxel_size_mm * factor, grid.b0_dir)
        return cls(inside=inside, factor=factor, grid=blocks, count=count)

    @property
    def measured(self) -> np.ndarray:
        """Share of each block that lies in the mask."""
        return self.count / np.float32(np.prod(self.factor))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over the voxels of the mask in each block."""
        sums = block_sum(np.where(self.inside, values, 0).astype(np.float32), self.factor, centred=True)
        return np.divide(sums, self.count, out=np.zeros_like(sums), where=self.count > 0)
