"""Slices of many subjects → one volume in MNI space: evidence maps, maps and labels, averaged."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qnet.images.data import read_array, read_stack

CELL_PIXELS = 32  # pitch of the last feature maps of ResNet18; half for each stage that is not there
VOXEL_MM = 2.0
COVERAGE = 0.5  # share of the subjects that a mean needs


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Evidence maps of a held-out subject, see `qnet.explanation.evidence.evidence_map`.

    Attributes
    ----------
    participant, group : str
    stack, input : str
        File and name of the input.
    correct : bool
        Whether the vote of the slices is right.
    scores : (T,) float array
        P(positive) of each slice.
    maps, control : (T, h, w) float array
        Evidence [logit] of the trained network and of one with random weights.
    crop_size : int
        Side of the centre of the images that the network saw [pixels].
    """

    participant: str
    group: str
    stack: str
    input: str
    correct: bool
    scores: np.ndarray
    maps: np.ndarray
    control: np.ndarray
    crop_size: int

    def images(self) -> np.ndarray:
        """(T, 3, S, S) in physical units."""
        return read_stack(self.stack, self.input)[0]

    def array(self, part: str) -> np.ndarray:
        """`nuclei`, `brain` or `to_mni` of the input."""
        return read_array(self.stack, f"{self.input}_{part}")

    def slices(self) -> np.ndarray:
        """(T,) int"""
        return read_array(self.stack, "slice")


def pitch(size: int, cells: int) -> int:
    """Pixels from cell to cell of a feature map with `cells` along the side of an image of `size`."""
    return next(n for n in (CELL_PIXELS, CELL_PIXELS // 2, CELL_PIXELS // 4, 1) if -(-size // n) >= cells)


def cell_weights(size: int, cells: int) -> np.ndarray:
    """Linear interpolation from cells to pixels along one axis, (C, h); rows sum to one.

    With the strides and paddings of ResNet18 the receptive field of cell i is centred on pixel 32 i (16 i or 8 i with
    fewer stages), not on the middle of the i-th of h equal parts; pixels beyond the last centre take the last cell.
    """
    place = np.minimum(np.arange(size) / pitch(size, cells), cells - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(cells)), 0)


def to_pixels(maps: np.ndarray, size: int) -> np.ndarray:
    """Cells (…, h, w) → pixels (…, C, C), bilinearly."""
    rows, columns = (cell_weights(size, cells) for cells in maps.shape[-2:])
    return rows @ maps @ columns.T


def seen(size: int, crop_size: int) -> tuple[slice, slice]:
    """Rows and columns of the centre of an image of side `size` that the network saw."""
    start = (size - crop_size) // 2
    return (slice(start, start + crop_size),) * 2


@dataclass(frozen=True)
class Grid:
    """Voxels of `VOXEL_MM` along the axes of MNI space; `low_mm` (3,) is the centre of the first."""

    low_mm: np.ndarray
    shape: tuple[int, int, int]

    def axis_mm(self, axis: int) -> np.ndarray:
        return self.low_mm[axis] + VOXEL_MM * np.arange(self.shape[axis])


def grid_over(cases: Sequence[Evidence]) -> Grid:
    """The grid over what the network saw of all subjects, with even coordinates."""
    corners_mm = []
    for case in cases:
        part = seen(case.images().shape[-1], case.crop_size)[0]
        corners = [(column, row, 0, 1) for column in (part.start, part.stop - 1) for row in (part.start, part.stop - 1)]
        corners_mm.append((case.array("to_mni")[[0, -1]] @ np.array(corners).T).transpose(0, 2, 1).reshape(-1, 3))
    points_mm = np.concatenate(corners_mm)
    low, high = np.floor(points_mm.min(0) / VOXEL_MM), np.ceil(points_mm.max(0) / VOXEL_MM)
    x, y, z = (int(n) for n in high - low + 1)
    return Grid(low * VOXEL_MM, (x, y, z))


def locate(to_mni: np.ndarray, slices: np.ndarray, grid: Grid) -> np.ndarray:
    """Where in a stack each voxel of the grid lies: slice, row and column, (3, X, Y, Z) float32.

    A slice stands for what lies nearer to it than to its neighbours, as it does in `qnet.images.data.pick_slices`; the
    first and the last reach as far outwards. Elsewhere the slice is -1.

    Parameters
    ----------
    to_mni : (T, 3, 4)
        (column, row, slices above, 1) → MNI mm.
    slices : (T,) int
        Increasing.
    grid : Grid
    """
    grid_to_mni = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    grid_to_mni[:3, 3] = grid.low_mm
    return locate_voxels(to_mni, slices, grid_to_mni, grid.shape)


def locate_voxels(
    to_mni: np.ndarray, slices: np.ndarray, grid_to_mni: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """The same for any grid of voxels (X, Y, Z); `grid_to_mni` (4, 4): their indices → MNI mm."""
    from_voxel = np.linalg.inv(np.vstack([to_mni[0], [0, 0, 0, 1]])) @ grid_to_mni
    x, y, z = np.ogrid[tuple(map(slice, shape))]
    column, row, above = (matrix[0] * x + matrix[1] * y + matrix[2] * z + matrix[3] for matrix in from_voxel[:3])
    centre = slices - slices[0]
    reach = np.diff(centre).mean() / 2 if len(centre) > 1 else 0.5
    nearest = np.searchsorted((centre[1:] + centre[:-1]) / 2, above)
    nearest = np.where((above >= -reach) & (above <= centre[-1] + reach), nearest, -1)
    return np.stack([nearest, row, column]).astype(np.float32)


def sample(values: np.ndarray, places: np.ndarray, order: int = 1) -> np.ndarray:
    """Values (T, S, S) at the places (3, X, Y, Z) of `locate` → (X, Y, Z) float32.

    `order` 1 is linear within a slice, 0 nearest neighbour. NaN where there is no slice or no pixel, or where a pixel
    used is NaN.
    """
    from scipy.ndimage import map_coordinates

    return map_coordinates(values.astype(np.float32), places, order=order, mode="constant", cval=np.nan)


def on_scan(case: Evidence, scan_to_mni: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Evidence [logit] of a subject on the grid of the scan, (X, Y, Z) float32; NaN where the network saw nothing.

    Parameters
    ----------
    case : Evidence
    scan_to_mni : (4, 4)
        Voxel indices of the scan → MNI mm.
    shape : (X, Y, Z)
    """
    return sample(evidence_pixels(case), locate_voxels(case.array("to_mni"), case.slices(), scan_to_mni, shape))


class Mean:
    """Mean of volumes over those that are not NaN; NaN where fewer than half of them have a value."""

    def __init__(self) -> None:
        self.total: Any = 0.0
        self.count: Any = 0
        self.volumes = 0

    def add(self, volume: np.ndarray) -> None:
        self.total = self.total + np.nan_to_num(volume)
        self.count = self.count + np.isfinite(volume)
        self.volumes += 1

    def value(self) -> np.ndarray:
        enough = self.count >= COVERAGE * self.volumes
        return np.where(enough, self.total / np.maximum(self.count, 1), np.nan).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Template:
    """Means of held-out subjects on one grid (X, Y, Z).

    Attributes
    ----------
    grid : Grid
    counts : {group: subjects}
    evidence : {group: (X, Y, Z)}
        Mean evidence [logit]; NaN where fewer than half of the subjects have a slice.
    qsm_ppm, t1w : (X, Y, Z)
        Of all subjects; T1W over each subject's mean in the brain.
    nuclei : {label: (X, Y, Z)}
        Share of the subjects with this label here.
    """

    grid: Grid
    counts: dict[str, int]
    evidence: dict[str, np.ndarray]
    qsm_ppm: np.ndarray
    t1w: np.ndarray
    nuclei: dict[int, np.ndarray]


def average(cases: Sequence[Evidence]) -> Template:
    """Average evidence by group, and maps and labels of all subjects."""
    grid = grid_over(cases)
    evidence: defaultdict[str, Mean] = defaultdict(Mean)
    nuclei: defaultdict[int, Any] = defaultdict(float)  # label → (X, Y, Z) share of the subjects
    qsm_ppm, t1w = Mean(), Mean()
    for case in cases:
        places = locate(case.array("to_mni"), case.slices(), grid)
        evidence[case.group].add(sample(evidence_pixels(case), places))
        qsm_ppm.add(sample(case.images()[:, 0], places))
        t1w.add(sample(t1w_over_mean(case), places))
        labels = np.nan_to_num(sample(case.array("nuclei"), places, order=0)).astype(np.uint8)
        for label in np.unique(labels[labels > 0]):
            nuclei[int(label)] += (labels == label).astype(np.float32) / len(cases)
    return Template(
        grid=grid,
        counts={group: mean.volumes for group, mean in evidence.items()},
        evidence={group: mean.value() for group, mean in evidence.items()},
        qsm_ppm=qsm_ppm.value(),
        t1w=t1w.value(),
        nuclei=dict(sorted(nuclei.items())),
    )


def evidence_pixels(case: Evidence) -> np.ndarray:
    """Evidence of a subject at the pixels of its images, (T, S, S); NaN where the network saw nothing."""
    brain = case.array("brain")
    rows, columns = seen(brain.shape[-1], case.crop_size)
    pixels = np.full(brain.shape, np.nan, np.float32)
    pixels[:, rows, columns] = to_pixels(case.maps, case.crop_size)
    return pixels


def t1w_over_mean(case: Evidence) -> np.ndarray:
    """T1W of a subject (T, S, S) over its mean in the brain."""
    t1w, brain = case.images()[:, 2], case.array("brain")
    return t1w / (t1w[brain].mean() if brain.any() else 1)
