"""The images of a scan for the viewer of its page: 16-bit integers in the box of the brain.

A stored value v stands for step × v, zero stays zero, and the largest magnitude of an image M is 32767 steps: what the
viewer tells is within half a step, M / 65534, of the map (`recon.export.quantity`). The lowest integer, which no value
takes, marks voxels without a value: those that are not finite, and the phase outside the brain, which is noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from matplotlib.colors import to_hex

from recon.check.overview import Shown
from recon.check.pictures import CONTOUR_COLOURS, REGION_COLOURS
from recon.export.quantity import LARGEST, scaled
from recon.files.io import packed_image
from recon.maths.affine import of_box
from recon.maths.boxes import bounding_box
from recon.regions.shapes import LABELS

NO_VALUE = -LARGEST - 1


@dataclass(frozen=True, kw_only=True)
class Layer:
    """An image of the viewer.

    Parameters
    ----------
    title, caption, unit, window, hz_per_unit : see :class:`recon.check.overview.Shown`
    step : by which its values are rounded, in its unit
    nifti : a .nii.gz file
    """

    title: str
    caption: str
    unit: str
    window: tuple[float, float]
    hz_per_unit: float | None
    step: float
    nifti: bytes


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """A mask or label image of the viewer: name and colour of each label, beside a .nii.gz file."""

    title: str
    names: dict[int, str]
    colours: dict[int, str]
    nifti: bytes


@dataclass(frozen=True, kw_only=True)
class Heat:
    """An overlay of values about zero, which is clear, up to `largest` [unit] in either direction."""

    title: str
    unit: str
    largest: float
    nifti: bytes


@dataclass(frozen=True, kw_only=True)
class Views:
    """All that the viewer shows; `first_voxel`: where the box begins on the grid of the maps."""

    first_voxel: list[int]
    layers: list[Layer]
    overlays: list[Overlay]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The box of the brain, in which the viewer shows a scan.

    Parameters
    ----------
    shape : (3,) of the grid of the maps
    box : (3,) slices of that grid
    affine : (4, 4) of the box
    brain : mask inside the box
    """

    shape: tuple[int, ...]
    box: tuple[slice, ...]
    affine: np.ndarray
    brain: np.ndarray

    @classmethod
    def about(cls, brain: np.ndarray, affine: np.ndarray) -> Self:
        """The frame of a brain (X, Y, Z) bool on a grid."""
        box = bounding_box(brain)
        return cls(shape=brain.shape, box=box, affine=of_box(affine, box), brain=brain[box])

    def cut(self, title: str, data: np.ndarray) -> np.ndarray:
        """What of an image (X, Y, Z) lies in the box; ValueError where it is on another grid."""
        if data.shape != self.shape:
            raise ValueError(f"viewer, {title}: expected the shape of the brain mask, {self.shape}, found {data.shape}")
        return data[self.box]

    def layer(self, image: Shown) -> Layer:
        """An image of the viewer; ValueError where it is on another grid."""
        values = self.cut(image.title, image.volume.data)
        known = np.isfinite(values) & (self.brain if image.unit == "rad" else True)
        stored, step = scaled(np.where(known, values, 0))
        stored[~known] = NO_VALUE
        about = {name: getattr(image, name) for name in ("title", "caption", "unit", "window", "hz_per_unit")}
        return Layer(**about, step=step, nifti=packed_image(stored, self.affine, step))

    def overlay(self, title: str, labels: np.ndarray) -> Overlay | None:
        """A mask or nuclei (X, Y, Z) in the colours of the pictures; None where the box holds nothing of them."""
        inside = self.cut(title, labels)
        return _overlay(title, inside, self.affine) if inside.any() else None

    def heat(self, title: str, unit: str, values: np.ndarray) -> Heat:
        """Values (X, Y, Z) float, NaN where there are none."""
        inside = np.nan_to_num(self.cut(title, values)).astype(np.float32)
        largest = float(np.percentile(np.abs(inside[inside != 0]), 99)) if inside.any() else 1.0
        return Heat(title=title, unit=unit, largest=largest, nifti=packed_image(inside, self.affine, 1.0))

    def views(self, layers: list[Layer], regions: Mapping[str, np.ndarray]) -> Views:
        """All that the viewer shows: images and, by title, regions, of which empty ones are left out."""
        overlays = [self.overlay(title, labels) for title, labels in regions.items()]
        first = [side.start for side in self.box]
        return Views(first_voxel=first, layers=layers, overlays=[found for found in overlays if found])


def _overlay(title: str, labels: np.ndarray, affine: np.ndarray) -> Overlay:
    """A mask, or nuclei under their names, in the colours of the pictures."""
    found = [int(label) for label in np.unique(labels) if label]
    if labels.dtype == bool:
        names, colours = {1: title.lower()}, {1: CONTOUR_COLOURS[0]}
    else:
        names = {label: " ".join(LABELS[label]) for label in found}
        colours = {label: to_hex(REGION_COLOURS((label - 1) % REGION_COLOURS.N)) for label in found}
    return Overlay(title=title, names=names, colours=colours, nifti=packed_image(labels.astype(np.uint8), affine, 1.0))
