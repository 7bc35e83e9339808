"""Pictures of maps: slices in anatomical orientation with marks, true proportions, a colour bar and its unit.

Radiological convention: the patient's right is on the left of axial and coronal slices; letters mark sides.
"""

from itertools import permutations
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from recon.files.io import Volume
from recon.maths.boxes import bounding_box
from recon.maths.in_mask import in_mask

# per plane: normal axis, axes shown across and upwards on the RAS grid, letters at left, right, top, bottom
PLANES = {
    "sagittal": (0, (1, 2), "APSI"),
    "coronal": (1, (0, 2), "RLSI"),
    "axial": (2, (0, 1), "RLAP"),
}
MM_PER_INCH = 100.0
LEAST_INCHES = 4.0  # width of a row; small fields of view are enlarged to it
DPI = 120
BAR_INCHES = 0.9  # room for the colour bar
GAP_INCHES = 0.04
MARGIN_MM = 10.0  # around a frame
REGION_COLOURS = ListedColormap(["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2"])
CONTOUR_COLOURS = ("#ffd400", "#00c8ff")
OUTLINED = [withStroke(linewidth=2.0, foreground="black")]
MARK: dict[str, Any] = {"color": "white", "fontsize": 9, "fontweight": "bold", "path_effects": OUTLINED}

View = tuple[str, int]  # plane and slice number on the RAS grid


def canonical(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn voxel axes to right, anterior, superior as nearly as flips and swaps allow.

    Parameters
    ----------
    data : (X, Y, Z)
    affine : (4, 4) voxel indices → scanner mm, RAS+

    Returns
    -------
    data : view of the input, first axis towards the right
    voxel_size_mm : (3,) in the new order
    """
    size = np.linalg.norm(affine[:3, :3], axis=0)
    direction = affine[:3, :3] / size
    # the voxel axis of each scanner axis: the assignment with the largest direction cosines
    order = max(permutations(range(3)), key=lambda axes: sum(abs(direction[i, axis]) for i, axis in enumerate(axes)))
    flips = tuple(slice(None, None, -1 if direction[axis, order[axis]] < 0 else 1) for axis in range(3))
    return data.transpose(order)[flips], size[list(order)]


def orthogonal_views(mask: np.ndarray, affine: np.ndarray) -> list[View]:
    """The three planes through the centre of mass of `mask` (X, Y, Z)."""
    inside = canonical(mask, affine)[0]
    counts = [np.count_nonzero(inside, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    centre = [int(np.round(np.arange(len(count)) @ count / count.sum())) for count in counts]
    return [(plane, centre[axis]) for plane, (axis, _, _) in PLANES.items()]


def axial_views(mask: np.ndarray, affine: np.ndarray, count: int) -> list[View]:
    """`count` axial slices, evenly spaced inside the extent of `mask` (X, Y, Z), from below."""
    z = np.flatnonzero(canonical(mask, affine)[0].any(axis=(0, 1)))
    steps = (np.arange(count) + 0.5) / count
    return [("axial", int(np.round(z.min() + step * (z.max() - z.min())))) for step in steps]


def robust_window(data: np.ndarray, mask: np.ndarray, symmetric: bool = False) -> tuple[float, float]:
    """Display limits: 1st and 99th percentile inside `mask`; symmetric: the larger on both sides of zero."""
    values = in_mask(data, mask)
    low, high = np.percentile(values[np.isfinite(values)], [1, 99])
    if symmetric:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def mosaic(
    stream: BinaryIO,
    volume: Volume,
    views: list[View],
    window: tuple[float, float],
    unit: str,
    contours: tuple[np.ndarray, ...] = (),
    regions: np.ndarray | None = None,
    frame: np.ndarray | None = None,
    cmap: str = "gray",
    columns: int | None = None,
) -> None:
    """Write a PNG of slices side by side.

    Parameters
    ----------
    stream : binary, to write to
    volume : 3-D
    views : slices to show
    window : values shown as the first and last colour
    unit : written beside the colour bar
    contours : (X, Y, Z) bool each, outlined
    regions : (X, Y, Z) integer labels, filled with colours; 0 is clear
    frame : (X, Y, Z) bool; only its bounding box and a margin are shown; None shows everything
    columns : slices in a row; None shows all of them in one

    Raises
    ------
    ValueError
        `volume` is not 3-D, or a mask has another shape.
    """
    if volume.data.ndim != 3:
        raise ValueError(f"picture of {unit}: expected a 3-D map, found shape {volume.data.shape}")
    for overlay in (*contours, regions, frame):
        if overlay is not None and overlay.shape != volume.data.shape:
            raise ValueError(f"overlay: expected the shape of the map, {volume.data.shape}, found {overlay.shape}")
    data, size_mm = canonical(volume.data, volume.affine)
    outlines = [canonical(contour, volume.affine)[0] for contour in contours]
    filled = None if regions is None else canonical(regions, volume.affine)[0]

    box = [(0, count) for count in data.shape]
    if frame is not None:
        box = _bounds(canonical(frame, volume.affine)[0], size_mm)
    spans_mm = [size * np.subtract(stop, start) for size, (start, stop) in zip(size_mm, box, strict=True)]
    columns = columns or len(views)
    rows = [views[first : first + columns] for first in range(0, len(views), columns)]
    extents_mm = [[[spans_mm[axis] for axis in PLANES[plane][1]] for plane, _ in row] for row in rows]
    widest_mm = max(sum(across for across, _ in row) for row in extents_mm)
    scale = min(MM_PER_INCH, widest_mm / LEAST_INCHES)  # mm per inch
    heights = [max(up for _, up in row) / scale for row in extents_mm]
    total = widest_mm / scale + GAP_INCHES * columns + BAR_INCHES
    height = sum(heights) + GAP_INCHES * (len(rows) - 1)
    figure = Figure(figsize=(total, height), dpi=DPI, facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, total), ylim=(0, height))  # one for all slices: each takes a while
    ax.set_axis_off()
    bottom = height + GAP_INCHES
    for row, row_mm, row_height in zip(rows, extents_mm, heights, strict=True):
        bottom, left = bottom - row_height - GAP_INCHES, 0.0
        for (plane, index), (across_mm, up_mm) in zip(row, row_mm, strict=True):
            extent = (left, left + across_mm / scale, bottom, bottom + up_mm / scale)
            place: dict[str, Any] = {"extent": extent, "origin": "lower"}
            image = ax.imshow(
                section(data, plane, index, box), cmap=cmap, vmin=window[0], vmax=window[1], **place, aspect="auto"
            )
            for colour, outline in zip(CONTOUR_COLOURS, outlines, strict=False):
                outlined = section(outline, plane, index, box)
                if outlined.any() and not outlined.all():
                    ax.contour(outlined, [0.5], colors=colour, linewidths=0.9, **place)
            if filled is not None:
                labels = section(filled, plane, index, box)
                coloured = np.ma.masked_where(labels == 0, (labels.astype(int) - 1) % REGION_COLOURS.N)
                top = REGION_COLOURS.N - 1
                ax.imshow(coloured, cmap=REGION_COLOURS, vmin=0, vmax=top, alpha=0.6, **place, aspect="auto")
            _mark(ax, PLANES[plane][2], extent)
            left = extent[1] + GAP_INCHES
    left = widest_mm / scale + GAP_INCHES * columns
    bar_axes = figure.add_axes(((left + 0.06) / total, 0.1, 0.1 / total, 0.8))
    bar = figure.colorbar(image, cax=bar_axes)
    bar.set_label(unit, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    # half the time of the usual level at a twentieth more bytes; the same map gives the same bytes
    figure.savefig(stream, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})


def _bounds(mask: np.ndarray, size_mm: np.ndarray) -> list[tuple[int, int]]:
    """First and last + 1 voxel of `mask` along each axis, with a margin, inside the grid."""
    bounds = []
    for inside, size, count in zip(bounding_box(mask), size_mm, mask.shape, strict=True):
        margin = int(np.ceil(MARGIN_MM / size))
        bounds.append((max(inside.start - margin, 0), min(inside.stop + margin, count)))
    return bounds


def section(data: np.ndarray, plane: str, index: int, box: list[tuple[int, int]]) -> np.ndarray:
    """Slice (up, across) of a RAS grid within `box`, row 0 at the bottom, in the radiological convention."""
    normal, (across, up), _ = PLANES[plane]
    flat = np.moveaxis(data, normal, 0)[index][slice(*box[across]), slice(*box[up])].T  # np.take would copy all slices
    return flat[:, ::-1]  # sagittal: anterior on the left; coronal and axial: right on the left


def _mark(ax: Axes, letters: str, extent: tuple[float, float, float, float]) -> None:
    """Write the side letters into a slice that lies at `extent` [left, right, bottom, top]."""
    places = (
        (0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"),
        (0.5, 0.99, "center", "top"), (0.5, 0.01, "center", "bottom"),
    )  # fmt: skip
    left, right, bottom, top = extent
    for letter, (x, y, ha, va) in zip(letters, places, strict=True):
        ax.text(left + x * (right - left), bottom + y * (top - bottom), letter, ha=ha, va=va, **MARK)
