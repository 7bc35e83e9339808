r"""Echoes that do not lie where the first one lies: mirrored, as where every second readout was not turned, or moved.

All echoes of a series show one head in one place: magnitudes correlate best as they are. Over eight generated heads
(SYNTHETIC DATA, 1.5 to 7 T, echoes to 36 ms; `python -m benchmarks.intake_checks`) the correlation of an echo with the
first is by 0.006 to 0.17 larger than with its mirror image along the axis that fits best.
"""

from typing import NamedTuple

import numpy as np

from recon.maths.pieces import slice_pairs
from recon.problems import Problem

SAMPLE = 2**18  # voxels of an echo that are compared
MIRRORED, MOVED = 0.02, 0.01  # by which the correlation must be larger elsewhere
SURE = 0.5  # and how large it must be there; measured in their own place: 0.71 to 0.99
ANEW = "convert or export the echoes of this series anew, together"


class Place(NamedTuple):
    """Correlation of two magnitudes as they lie, and the largest elsewhere, with the axis.

    `mirrored` is that of the mirror image, `moved` that after a step to either side, `far` that after a shift along one
    axis by any distance, where the mirror image fits better than the echo as it lies.
    """

    here: float
    mirrored: tuple[float, int]
    moved: tuple[float, int]
    far: tuple[float, int]


def sample_of(magnitude: np.ndarray) -> np.ndarray:
    """About `SAMPLE` voxels of a magnitude (X, Y, Z): pairs of slices, thinned in plane, what is not finite as zero."""
    pairs = slice_pairs(magnitude)
    step = max(1, int(np.sqrt(pairs.size / SAMPLE)))
    return np.nan_to_num(pairs[::step, ::step], posinf=0, neginf=0).astype(np.float32)


def place(first: np.ndarray, other: np.ndarray) -> Place:
    """Compare the samples of two magnitudes, see `sample_of`; the slices of an image that is not whole are no axis."""
    last = (2, 3) if first.shape[3] > 1 else (2,)  # pairs of slices: their order, and the two of each
    axes = ((0,), (1,), last)
    mirrored = max((_correlation(first, np.flip(other, axis)), axis[0]) for axis in axes)
    steps = (
        (_correlation(*_step(first, other, axis[0], to)), axis[0])
        for axis in axes
        for to in (0, 1)
        if first.shape[axis[0]] > 1
    )
    moved = max(steps, default=(0.0, 0))  # a single voxel has no neighbours
    here = _correlation(first, other)
    far = max((_shifted(first, other, axis[-1]), axis[0]) for axis in axes) if _elsewhere(mirrored[0], here) else moved
    return Place(here, mirrored, moved, far)


def _elsewhere(correlation: float, here: float) -> bool:
    """Whether an image lies rather as what has this correlation than as it does."""
    return correlation > max(here + MIRRORED, SURE)


def _shifted(first: np.ndarray, other: np.ndarray, axis: int) -> float:
    """Largest correlation after a cyclic shift along one axis."""
    a, b = (np.fft.rfft(image - image.mean(dtype=float), axis=axis) for image in (first, other))
    others = tuple(k for k in range(first.ndim) if k != axis)
    products = np.fft.irfft(np.sum(a * b.conj(), axis=others), first.shape[axis])
    power = first.size * float(first.std(dtype=float)) * float(other.std(dtype=float))
    return float(products.max()) / power if power else 0.0


def _step(first: np.ndarray, other: np.ndarray, axis: int, to: int) -> tuple[np.ndarray, np.ndarray]:
    """Both images without the voxels that have no neighbour to one side, the second moved by one."""
    ends = np.moveaxis(first, axis, 0), np.moveaxis(other, axis, 0)
    return (ends[0][1:], ends[1][:-1]) if to else (ends[0][:-1], ends[1][1:])


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of two images of one shape; 0 where one is constant."""
    a, b = one - one.mean(dtype=float), other - other.mean(dtype=float)
    power = float(np.sqrt(np.sum(a * a, dtype=float) * np.sum(b * b, dtype=float)))
    return float(np.sum(a * b, dtype=float)) / power if power else 0.0


def place_problems(where: str, found: Place) -> list[Problem]:
    """A problem of an echo that is the mirror image of the first one, or lies far beside it."""
    correlation, axis = found.mirrored
    if not _elsewhere(correlation, found.here):
        return []
    turned = "mirrored"
    if found.far[0] > correlation:
        (correlation, axis), turned = found.far, "moved"
    told = f"correlation {found.here:.2f} as it lies, {correlation:.2f} {turned} along axis {axis}; {ANEW}"
    return [Problem(where, "a magnitude that lies as that of the first echo", told)]


def place_notes(where: str, found: Place) -> list[str]:
    """A note on an echo that lies beside the first one."""
    correlation, axis = found.moved
    if correlation <= max(found.here + MOVED, SURE):
        return []
    return [
        f"{where}: lies beside the first echo along axis {axis} (correlation {found.here:.2f}, after a step "
        f"{correlation:.2f}): of another scan, or moved? Phase is compared from echo to echo, voxel by voxel"
    ]
