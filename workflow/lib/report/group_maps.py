"""Group means, difference and effect of maps in template space: images, a table of clusters, and pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qnet.folds import read_folds
from qnet.group_maps import clusters as statistics
from qnet.group_maps import pictures
from qnet.group_maps.clusters import Comparison, GroupMaps
from qnet.labels import RESEARCH_USE
from recon.check.overview import CHI_WINDOW_PPM, R2STAR_WINDOW_HZ
from recon.files.io import Volume, read_volume, write_volume
from recon.files.tables import write_table
from recon.regions.shapes import LABELS, label_points
from recon.regions.to_template import EVERY, SPACE, template_grid
from workflow.lib.report.group_maps_files import KINDS
from workflow.lib.study.names import scan_in

MAPS = {"chi": ("susceptibility χ", "ppm", CHI_WINDOW_PPM), "r2star": ("R2*", "1/s", R2STAR_WINDOW_HZ)}
BEYOND_CHANCE = 0.05  # family-wise p, below which a cluster is outlined
MOST = 20  # clusters of a map in the table
COLUMNS = [
    "map", "unit", "direction", "p", "voxels", "volume_mm3", "x_mm", "y_mm", "z_mm", "t", "difference", "effect",
    "nucleus", "subjects", "adjusted_for",
]  # fmt: skip


def write_group_maps(
    maps: Mapping[str, tuple[Sequence[str], str]], images: Sequence[str], table: str, folds: str,
    cfg: Mapping[str, Any], groups: Mapping[str, Any], synthetic: bool,
) -> None:  # fmt: skip
    """Compare both groups in every map.

    Parameters
    ----------
    maps : a name of `MAPS` → files of the subjects in template space, and the picture to write
    images : to write, see :func:`workflow.lib.report.group_maps_files.images_of`
    table : of the clusters, to write
    folds : table of the subjects that are diagnosed
    cfg, groups : sections `group_maps` and `participants`
    synthetic : whether subjects are simulated
    """
    people, params, grid = read_folds(folds).set_index("participant_id"), GroupMaps(**cfg), template_grid()
    rows: list[dict] = []
    left = list(images)
    for name, (files, picture) in maps.items():
        of_map, left = left[: len(KINDS)], left[len(KINDS) :]
        stack, who, mask = read_maps(files, people.index, grid, params)
        chosen = people.loc[who]
        ages = pd.to_numeric(chosen["age"], errors="coerce").to_numpy(float) if "age" in chosen else None
        ages = None if ages is None or not np.isfinite(ages).all() else ages
        positive = (chosen["label"] == 1).to_numpy()
        found = statistics.compare(stack, mask, positive, ages, params)
        names = (str(groups["positive_label"]), str(groups["negative_label"]))
        means = {of: statistics.on_grid(stack[side].mean(0), mask)
                 for of, side in zip(names, (positive, ~positive), strict=True)}  # fmt: skip
        title, unit, window = MAPS[name]
        data = [means[names[1]], means[names[0]], found.difference, found.effect, found.t, found.labels]
        for kind, path, image in zip(KINDS, of_map, data, strict=True):
            write_volume(path, image.astype(np.float32), grid, described(kind, unit, names, len(who)))
        adjusted = "none" if ages is None else "age"
        about = {"map": name, "unit": unit, "subjects": len(who), "adjusted_for": adjusted}
        rows += [about | row for row in rows_of(found, grid, names)]
        significant = np.isin(found.labels, beyond_chance(found))
        picture_rows = pictures.rows_of(means, found.difference, found.effect, unit, window, names)
        heading = f"{title}: {sum(positive)} {names[0]}, {sum(~positive)} {names[1]}"
        pictures.draw(picture, picture_rows, mask, significant, grid.affine, synthetic, heading)
    write_table(table, pd.DataFrame(rows, columns=COLUMNS))


def read_maps(
    files: Sequence[str], subjects: Sequence[str], grid: Volume, params: GroupMaps
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Values (n, V) of the subjects that were registered, their names, and the mask of V voxels known in all of them.

    Raises
    ------
    ValueError
        No voxel is known in all.
    """
    volumes, who = [], []
    for file in files:
        subject = str(scan_in(Path(file).name)).split("_")[0]
        data = read_volume(file).data
        if subject in subjects and data.any():
            volumes.append(data)
            who.append(subject)
    mask = grid.data > 0
    for data in volumes:
        mask = mask & (data != 0)
    if not who or not mask.any():
        raise ValueError(f"group_maps: expected voxels that all of {len(who)} subjects have in common, found none")
    width = params.smoothing_mm / EVERY
    return np.stack([statistics.smoothed(data, mask, width)[mask] for data in volumes]), who, mask


def beyond_chance(found: Comparison) -> list[int]:
    """Labels of the clusters whose family-wise p is below 5 %."""
    return [number for number, cluster in enumerate(found.clusters, start=1) if cluster.p < BEYOND_CHANCE]


def rows_of(found: Comparison, grid: Volume, names: tuple[str, str]) -> list[dict]:
    """A row a cluster: where it is, and the nucleus of the template that most of it lies in."""
    rows = []
    for number, cluster in enumerate(found.clusters[:MOST], start=1):
        where = found.labels == number
        x, y, z = grid.affine[:3, :3] @ cluster.peak + grid.affine[:3, 3]
        points = np.argwhere(where) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
        counts = np.bincount(label_points(points.astype(np.float32)), minlength=max(LABELS) + 1)
        counts[0] = 0
        rows.append({
            "direction": " > ".join(names if cluster.sign > 0 else names[::-1]), "p": cluster.p,
            "voxels": cluster.voxels, "volume_mm3": cluster.voxels * EVERY**3, "x_mm": x, "y_mm": y, "z_mm": z,
            "t": cluster.peak_t, "difference": float(found.difference[where].mean()),
            "effect": float(found.effect[where].mean()),
            "nucleus": " ".join(LABELS[int(np.argmax(counts))]) if counts.any() else "none",
        })  # fmt: skip
    return rows


def described(kind: str, unit: str, names: tuple[str, str], subjects: int) -> dict:
    """The sidecar of an image."""
    positive, negative = names
    said = {
        "mean_negative": (f"mean of {negative}", unit), "mean_positive": (f"mean of {positive}", unit),
        "difference": (f"{positive} minus {negative}, adjusted for age where it is known", unit),
        "effect": ("the difference over the standard deviation between subjects of a group", "1"),
        "t": ("the difference over its standard error", "1"),
        "clusters": ("clusters by p, 1 is the first row of the map in group_maps.tsv", "1"),
    }  # fmt: skip
    text, units = said[kind]
    return {"Description": text, "Units": units, "SpatialReference": SPACE, "Subjects": subjects,
            "Note": RESEARCH_USE}  # fmt: skip
