"""The images of a scan for the viewer of its page: 16-bit integers in the box of the brain.

A stored value v stands for step × v, zero stays zero, and the largest magnitude of an image M is 32767 steps: what the
viewer tells is within half a step, M / 65534, of the map (`recon.export.quantity`). The lowest integer, which no value
takes, marks voxels without a value: those that are not finite, and the phase outside the brain, which is noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def views(images: Sequence[Shown], brain: np.ndarray, regions: Mapping[str, np.ndarray]) -> Views:
    """Cut the images of a scan to the box of the brain.

    Parameters
    ----------
    images : on one grid
    brain : (X, Y, Z) bool
    regions : by title, (X, Y, Z) integer labels of nuclei, or bool

    Raises
    ------
    ValueError
        An image or a region is not on the grid of the brain.
    """
    for name, shape in [(i.title, i.volume.data.shape) for i in images] + [(n, r.shape) for n, r in regions.items()]:
        if shape != brain.shape:
            raise ValueError(f"viewer, {name}: expected the shape of the brain mask, {brain.shape}, found {shape}")
    box = bounding_box(brain)
    affine = of_box(images[0].volume.affine, box)
    return Views(
        first_voxel=[side.start for side in box],
        layers=[_layer(image, brain[box], box, affine) for image in images],
        overlays=[_overlay(title, labels[box], affine) for title, labels in regions.items() if labels[box].any()],
    )


def heat(title: str, unit: str, values: np.ndarray, affine: np.ndarray, brain: np.ndarray) -> Heat:
    """Values (X, Y, Z) float, NaN where there are none, in the box of the brain (X, Y, Z) bool, as `views` cuts it."""
    box = bounding_box(brain)
    inside = np.nan_to_num(values[box]).astype(np.float32)
    largest = float(np.percentile(np.abs(inside[inside != 0]), 99)) if inside.any() else 1.0
    return Heat(title=title, unit=unit, largest=largest, nifti=packed_image(inside, of_box(affine, box), 1.0))


def _layer(image: Shown, brain: np.ndarray, box: tuple[slice, ...], affine: np.ndarray) -> Layer:
    """An image inside the box; `brain`, `affine`: of the box."""
    values = image.volume.data[box]
    known = np.isfinite(values) & (brain if image.unit == "rad" else True)
    stored, step = scaled(np.where(known, values, 0))
    stored[~known] = NO_VALUE
    about = {name: getattr(image, name) for name in ("title", "caption", "unit", "window", "hz_per_unit")}
    return Layer(**about, step=step, nifti=packed_image(stored, affine, step))


def _overlay(title: str, labels: np.ndarray, affine: np.ndarray) -> Overlay:
    """A mask, or nuclei under their names, in the colours of the pictures."""
    found = [int(label) for label in np.unique(labels) if label]
    if labels.dtype == bool:
        names, colours = {1: title.lower()}, {1: CONTOUR_COLOURS[0]}
    else:
        names = {label: " ".join(LABELS[label]) for label in found}
        colours = {label: to_hex(REGION_COLOURS((label - 1) % REGION_COLOURS.N)) for label in found}
    return Overlay(title=title, names=names, colours=colours, nifti=packed_image(labels.astype(np.uint8), affine, 1.0))
