"""Boxes of voxels: around a mask, padded for transforms, the ends of their edges, and the axis across their slices."""

from collections.abc import Sequence

import numpy as np

from recon.grid import Grid, Vector


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Slices of the smallest box that holds every True voxel of `mask`."""
    return tuple(
        slice(int(hit[0]), int(hit[-1]) + 1)
        for axis in range(mask.ndim)
        if (hit := np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))).size
    )


def grown(box: tuple[slice, ...], margin: Sequence[int]) -> tuple[slice, ...]:
    """A box with some voxels more on every side, as far as there are any."""
    return tuple(slice(max(side.start - more, 0), side.stop + more) for side, more in zip(box, margin, strict=True))


def edge_ends(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of the lower and of the upper voxel of every edge along `axis` of a volume."""
    before = (slice(None),) * axis
    return (*before, slice(None, -1)), (*before, slice(1, None))


def slice_axis(grid: Grid) -> int:
    """Axis with the largest voxel edge; among equals the one closest to the main field: axial, however it is stored."""
    voxel_size_mm = np.asarray(grid.voxel_size_mm, float)
    longest = np.isclose(voxel_size_mm, voxel_size_mm.max(), rtol=1e-3)
    return int(np.argmax(np.where(longest, np.abs(grid.b0_dir), -1)))


def padded_shape(shape: tuple[int, ...], voxel_size_mm: Vector, pad_mm: float) -> tuple[int, ...]:
    """Shape after `pad_mm` of zeros in all, rounded up to lengths that a real FFT transforms fast."""
    from scipy import fft  # slow to import, and a plan does without

    return tuple(
        fft.next_fast_len(int(np.ceil(n + pad_mm / v)), real=True) for n, v in zip(shape, voxel_size_mm, strict=True)
    )
