"""Maps and labels of one scan → features of its nuclei, one tidy table: what the baselines learn from.

What counts, and what is missing: a voxel that is zero in a map was not measured (outside the mask, lost to erosion)
and does not count. One side of a nucleus is left out of a map's features where fewer than `minimum_voxels` of its
voxels were measured; `both` joins the sides that are left. A side of which a part was measured stays: in simulated
heads half a substantia nigra tells its susceptibility as well as a whole one does. A side that touches the border of
the volume may be cut: its shape is left out. What no side is left for is missing (n/a in the table).
A nucleus that is labelled in parts is taken whole, so that no voxel counts twice.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qnet.baselines.feature_table import COLUMNS
from qnet.baselines.glcm import cooccurrence, grey_levels, texture
from qnet.baselines.radiomics import SHAPE_UNITS, first_order, shape
from qnet.images.data import read_canonical

UNITS = {"chi": "ppm", "r2star": "1/s", "t1w": "1"}
UNITLESS = ("skewness", "kurtosis")
BOX = "box"


@dataclass(frozen=True, kw_only=True)
class RegionFeatures:
    """What counts as measured, and how texture is discretised.

    Attributes
    ----------
    minimum_voxels : int
        A side of a nucleus with fewer measured voxels is missing.
    levels : int
        Grey levels of the texture.
    chi_window_ppm, r2star_window_hz : (2,) [ppm], [1/s]
        What the levels divide into equal parts.
    """

    minimum_voxels: int
    levels: int
    chi_window_ppm: tuple[float, float]
    r2star_window_hz: tuple[float, float]


@dataclass(frozen=True)
class Side:
    """One side of a nucleus inside the smallest block that holds it."""

    name: str  # L, R
    block: tuple[slice, slice, slice]
    inside: np.ndarray  # (x, y, z) bool, of the block
    cut: bool  # at the border of the volume


def region_features(
    chi: str, r2star: str, t1w: str, dseg: str, box: str, stats: str, params: RegionFeatures,
    wholes: Mapping[int, int] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Features of one scan.

    Parameters
    ----------
    chi, r2star, t1w : path
        Susceptibility [ppm], R2* [1/s] and T1-weighted image [a.u.].
    dseg, box : path
        Labels of the nuclei and mask of the basal ganglia on the same grid.
    stats : path
        Table that names the labels: `index name hemisphere`.
    params : RegionFeatures
    wholes : label of a part → that of its nucleus, which is taken whole

    Returns
    -------
    DataFrame
        A row for each feature: `name` (unique), `map` (chi, r2star, t1w; mask for shapes), `kind` (mean, first_order,
        texture, shape), `region`, `side` (L, R, both), `unit`, `value`. Means stand for each side and for both, where
        each measured voxel counts once, which weights the sides by volume; the other kinds for both, a shape as the
        mean of the sides. Region `box` has the statistics of all measured voxels of the box, T1W over its median
        there.

    Raises
    ------
    ValueError
        Grids differ, a map is not finite, or the table of names lacks a column.
    """
    maps, voxel_size_mm = _read({"chi": chi, "r2star": r2star, "t1w": t1w, "dseg": dseg, "box": box})
    wholes = wholes or {}
    labels = np.rint(maps.pop("dseg")).astype(int)
    for part, nucleus in wholes.items():
        labels[labels == part] = nucleus
    names = read_names(stats, leave_out=wholes)
    regions = find_sides(labels, names, params.minimum_voxels)
    inside = maps.pop("box") > 0.5
    windows = {"chi": params.chi_window_ppm, "r2star": params.r2star_window_hz}
    rows: list[tuple] = []
    for region, sides in regions.items():
        for quantity, window in windows.items():
            rows += _of_map(quantity, region, maps[quantity], window, sides, params)
        rows += _of_shape(region, sides, voxel_size_mm)
    for quantity, volume in maps.items():
        values = volume[inside & (volume != 0)]
        scale = np.median(values) if quantity == "t1w" and len(values) else 1
        rows += _of_values(quantity, BOX, values / scale)
    return pd.DataFrame(rows, columns=COLUMNS)


def _read(paths: dict[str, str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Volumes (X, Y, Z) on one grid, by name, and its voxel size (3,) [mm]."""
    volumes, affines = {}, {}
    for name, path in paths.items():
        volumes[name], affines[name] = read_canonical(path)
        if volumes[name].shape != volumes["chi"].shape or not np.allclose(affines[name], affines["chi"], atol=1e-3):
            raise ValueError(f"{path}: expected the grid of {paths['chi']}, found another one {volumes[name].shape}")
    return volumes, np.linalg.norm(affines["chi"][:3, :3], axis=0)


def read_names(stats: str | Path, leave_out: Collection[int] = ()) -> dict[str, dict[str, int]]:
    """Region → side → label, from the statistics of the nuclei; index 0 names what is no nucleus."""
    table = pd.read_csv(stats, sep="\t", na_values=["n/a"])
    if missing := {"index", "name", "hemisphere"} - set(table.columns):
        raise ValueError(f"{stats}: expected the columns {sorted(missing)}, found {list(table.columns)}")
    names: dict[str, dict[str, int]] = {}
    for row in table[(table["index"] > 0) & ~table["index"].isin(list(leave_out))].itertuples():
        names.setdefault(row.name, {})[row.hemisphere] = int(row.index)
    return names


def find_sides(labels: np.ndarray, names: dict[str, dict[str, int]], minimum_voxels: int) -> dict[str, list[Side]]:
    """Region → its sides of at least `minimum_voxels` voxels in `labels`, (X, Y, Z) int."""
    from scipy.ndimage import find_objects

    blocks = dict(enumerate(find_objects(labels), start=1))
    regions: dict[str, list[Side]] = {}
    for region, of_side in names.items():
        regions[region] = []
        for name, label in of_side.items():
            if block := blocks.get(label):
                inside = labels[block] == label
                cut = any(s.start == 0 or s.stop == n for s, n in zip(block, labels.shape, strict=True))
                if np.count_nonzero(inside) >= minimum_voxels:
                    regions[region].append(Side(name, block, inside, cut))
    return regions


def _row(quantity: str, kind: str, feature: str, region: str, side: str, unit: str, value: float) -> tuple:
    return f"{quantity}_{feature}_{region}_{side}", quantity, kind, region, side, unit, float(value)


def _of_values(quantity: str, region: str, values: np.ndarray) -> Iterator[tuple]:
    for feature, value in first_order(values).items():
        kind = "mean" if feature == "mean" else "first_order"
        yield _row(quantity, kind, feature, region, "both", "1" if feature in UNITLESS else UNITS[quantity], value)


def _of_map(
    quantity: str, region: str, volume: np.ndarray, window: Any, sides: list[Side], params: RegionFeatures
) -> Iterator[tuple]:
    """Rows of one map (X, Y, Z) in one nucleus: mean of each side; statistics and texture of both."""
    values, counts = {}, np.zeros((params.levels, params.levels), int)
    for side in sides:
        data = volume[side.block]
        measured = side.inside & (data != 0)
        if np.count_nonzero(measured) >= params.minimum_voxels:
            values[side.name] = data[measured]
            counts += cooccurrence(grey_levels(data, window, params.levels), measured, params.levels)
    for name in ("L", "R"):
        mean = values[name].mean(dtype=float) if name in values else np.nan
        yield _row(quantity, "mean", "mean", region, name, UNITS[quantity], mean)
    yield from _of_values(quantity, region, np.concatenate([*values.values(), []]))
    for feature, value in texture(counts).items():
        yield _row(quantity, "texture", feature, region, "both", "1", value)


def _of_shape(region: str, sides: list[Side], voxel_size_mm: np.ndarray) -> Iterator[tuple]:
    """Rows of the shape of one nucleus: the mean of the sides that lie wholly in the volume."""
    whole = [shape(side.inside, voxel_size_mm) for side in sides if not side.cut]
    for feature, unit in SHAPE_UNITS.items():
        value = float(np.mean([of_side[feature] for of_side in whole])) if whole else np.nan
        yield _row("mask", "shape", feature, region, "both", unit, value)
