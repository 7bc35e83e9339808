"""Parts that several generators share: sampled label sets, shells around a brain, vein trees, lesions, texture."""

import json
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from benchmarks.generators.scene import Tissue
from recon.files.io import Volume
from recon.maths.boxes import bounding_box
from recon.phantom.shapes import ellipsoid, random_texture, tube
from recon.regions.nuclei import nucleus_labels
from recon.regions.shapes import LABELS, WHOLE

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"  # real heads and label sets, which are no part of the project
MARGIN = 20  # voxels about a structure of a label set
FAR_MM = 100.0  # distance from every surface of what lies beyond a picture
STRUCTURES = {  # of the label sets, by the name of the nucleus
    "putamen": "putamen", "caudate": "caudate", "globus pallidus": "pallidum", "thalamus": "thalamus",
    "red nucleus": "red_nucleus", "substantia nigra": "substantia_nigra",
}  # fmt: skip
OTHERS = ("subthalamic", "accumbens", "hippocampus", "amygdala", "pallidum")
FINER = {  # what the tissue of a scene does not tell apart, by the name of the nucleus or part: words, painted as
    "subthalamic_nucleus": ("subthalamic", None), "accumbens": ("accumbens", None),
    "pallidum_external": ("globus pallidus externa", "pallidum"),
    "pallidum_internal": ("globus pallidus interna", "pallidum"),
}  # fmt: skip


class DataMissing(Exception):
    """A file from outside of the project is absent; the message says which."""


def data_file(*parts: str) -> Path:
    """Path of a file below `DATA`.

    Raises
    ------
    DataMissing
    """
    path = DATA.joinpath(*parts)
    if not path.is_file():
        raise DataMissing(f"{path.name}: expected in {path.parent}, found no file")
    return path


def sample(volume: Volume, affine: np.ndarray, shape: tuple[int, int, int], outside: float = 0.0) -> np.ndarray:
    """Values of a volume on a grid, linearly interpolated, `outside` beyond its field of view: (X, Y, Z) float32."""
    to_voxel = np.linalg.solve(volume.affine, affine)
    return ndimage.affine_transform(
        volume.data, to_voxel[:3, :3], to_voxel[:3, 3], shape, np.float32, order=1, cval=outside
    )


@cache
def label_set(name: str) -> tuple[np.ndarray, np.ndarray, dict[int, int]]:
    """Labels, affine (4, 4) to MNI mm, and for each label the one of a scene. `name`: bigbrain or cit168."""
    image = nibabel.load(data_file("deep_gray_labels", f"{name}.nii.gz"))
    texts = json.loads(data_file("deep_gray_labels", f"{name}.json").read_text())["labels"]
    of_nucleus = {name: label for label, name in nucleus_labels().items()}
    known = {}
    for label, text in enumerate(texts):
        plain = text.lower().replace("-", " ")
        side = "L" if plain.startswith("l") else "R"
        for words, nucleus in STRUCTURES.items():
            if words in plain:
                known[label] = Tissue.NUCLEUS + of_nucleus[nucleus, side]
        if label not in known and any(word in plain for word in OTHERS):
            known[label] = int(Tissue.DEEP)
    return np.asarray(image.dataobj), image.affine, known


def paint_label_set(labels: np.ndarray, affine: np.ndarray, to_mni: np.ndarray, name: str, where: np.ndarray) -> None:
    """Write the structures of a label set into `labels` wherever `where`; `to_mni` leads from the grid's mm to MNI."""
    source, source_affine, known = label_set(name)
    to_voxel = np.linalg.solve(source_affine, to_mni @ affine)
    for code in sorted(set(known.values())):
        mask = np.isin(source, [label for label, new in known.items() if new == code])
        corners = np.array([[(s.start, s.stop)[i] for s, i in zip(bounding_box(mask), pick, strict=True)]
                            for pick in np.ndindex(2, 2, 2)])  # fmt: skip
        back = np.linalg.inv(to_voxel)
        grid_corners = corners @ back[:3, :3].T + back[:3, 3]
        low = np.clip(np.floor(grid_corners.min(0)).astype(int) - 1, 0, labels.shape)
        high = np.clip(np.ceil(grid_corners.max(0)).astype(int) + 2, 0, labels.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        share = ndimage.affine_transform(
            mask.astype(np.float32), to_voxel[:3, :3], to_voxel[:3, :3] @ low + to_voxel[:3, 3], tuple(high - low),
            order=1,
        )  # fmt: skip
        labels[box][(share >= 0.5) & where[box]] = code


def tissue_of(labels: np.ndarray) -> np.ndarray:
    """Labels of a scene in which the parts of a nucleus are that nucleus, and what no ellipsoid is deep grey matter."""
    table = np.arange(256, dtype=np.uint8)
    for label in LABELS:
        if label not in nucleus_labels():
            table[Tissue.NUCLEUS + label] = Tissue.NUCLEUS + WHOLE[label] if label in WHOLE else Tissue.DEEP
    return table[labels]


def mark_finer(labels: np.ndarray, affine: np.ndarray, to_mni: np.ndarray, name: str) -> None:
    """Rename in `labels` what `FINER` lists, by a label set: each voxel of the pallidum as the part that is nearer."""
    image = nibabel.load(data_file("deep_gray_labels", f"{name}.nii.gz"))
    texts = json.loads(data_file("deep_gray_labels", f"{name}.json").read_text())["labels"]
    plain = [text.lower().replace("-", " ") for text in texts]
    source, to_voxel = np.asarray(image.dataobj), np.linalg.solve(image.affine, to_mni @ affine)
    voxel_mm = np.linalg.norm(image.affine[:3, :3], axis=0)
    nearest_mm = np.zeros(labels.shape, np.float32)  # to the parts so far
    painted, number = labels.copy(), {key: label for label, key in LABELS.items()}
    for (nucleus, (words, of)), side in product(FINER.items(), "LR"):
        mask = np.isin(source, [i for i, text in enumerate(plain) if words in text and text[0] == side.lower()])
        code = Tissue.NUCLEUS + number[of, side] if of else Tissue.DEEP
        index = np.argwhere(painted == code)
        box = tuple(slice(max(s.start - MARGIN, 0), s.stop + MARGIN) for s in bounding_box(mask))
        place = (index @ to_voxel[:3, :3].T + to_voxel[:3, 3] - [s.start for s in box]).T
        mask = mask[box]
        signed_mm = ndimage.distance_transform_edt(~mask, voxel_mm) - ndimage.distance_transform_edt(mask, voxel_mm)
        away_mm = ndimage.map_coordinates(signed_mm.astype(np.float32), place, order=1, mode="nearest")
        first = labels[tuple(index.T)] == code  # which has no part yet
        nearer = (first | (away_mm < nearest_mm[tuple(index.T)])) if of else away_mm <= 0
        chosen = tuple(index[nearer].T)
        labels[chosen], nearest_mm[chosen] = Tissue.NUCLEUS + number[nucleus, side], away_mm[nearer]


def grid_points(affine: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """Coordinates [mm] of the sub-voxels of a box on an axis-parallel grid: (3, N) float32."""
    axes = [
        (np.arange(s.start, s.stop) * affine[axis, axis] + affine[axis, 3]).astype(np.float32)
        for axis, s in enumerate(box)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)


def box_about(affine: np.ndarray, shape: tuple[int, ...], low_mm: np.ndarray, high_mm: np.ndarray) -> tuple[slice, ...]:
    """The sub-voxels of an axis-parallel grid between two corners."""
    scale, origin = np.diag(affine)[:3], affine[:3, 3]
    low = np.clip(np.floor((low_mm - origin) / scale).astype(int), 0, shape)
    high = np.clip(np.ceil((high_mm - origin) / scale).astype(int) + 1, 0, shape)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def paint_ellipsoid(
    labels: np.ndarray, affine: np.ndarray, centre_mm: np.ndarray, semi_mm: np.ndarray, code: int, where: np.ndarray
) -> None:
    """Write an axis-parallel ellipsoid into `labels` wherever `where`."""
    centre_mm, semi_mm = np.asarray(centre_mm, float), np.asarray(semi_mm, float)
    box = box_about(affine, labels.shape, centre_mm - semi_mm, centre_mm + semi_mm)
    inside = ellipsoid(grid_points(affine, box), centre_mm, semi_mm) <= 0
    labels[box][inside.reshape(labels[box].shape) & where[box]] = code


def paint_tube(
    labels: np.ndarray, affine: np.ndarray, path_mm: np.ndarray, radius_mm: float, code: int, where: np.ndarray
) -> None:
    """Write a tube about a polyline (M, 3) into `labels` wherever `where`."""
    reach = max(radius_mm, float(np.diag(affine)[:3].max()))
    box = box_about(affine, labels.shape, path_mm.min(0) - reach, path_mm.max(0) + reach)
    inside = tube(grid_points(affine, box), path_mm, radius_mm) <= 0
    labels[box][inside.reshape(labels[box].shape) & where[box]] = code


def paint_veins(
    labels: np.ndarray, affine: np.ndarray, where: np.ndarray, rng: np.random.Generator, trees: int, radius_mm: float
) -> None:
    """Write random vein trees into `labels` wherever `where`: curved stems that taper and branch."""
    inside = np.argwhere(where)
    stems = [
        (affine[:3, :3] @ inside[i] + affine[:3, 3], rng.standard_normal(3), radius_mm * rng.uniform(0.6, 1.4))
        for i in rng.integers(len(inside), size=trees)
    ]
    while stems:
        start, direction, radius = stems.pop()
        path, direction = [start], direction / np.linalg.norm(direction)
        for _ in range(rng.integers(4, 12)):
            direction = direction + 0.35 * rng.standard_normal(3)
            direction /= np.linalg.norm(direction)
            path.append(path[-1] + 4 * direction)
            if rng.random() < 0.15 and radius > 0.35 * radius_mm:
                stems.append((path[-1], direction + rng.standard_normal(3), 0.6 * radius))
        for a, b in pairwise(path):
            paint_tube(labels, affine, np.stack([a, b]), radius, Tissue.VEIN, where)
            radius *= 0.95


def paint_lesion(
    labels: np.ndarray, affine: np.ndarray, where: np.ndarray, rng: np.random.Generator, code: int, semi_mm: float
) -> None:
    """Write one ellipsoid of about `semi_mm` at a random place deep inside `where`."""
    spacing = np.diag(affine)[:3]
    deep = ndimage.distance_transform_edt(where[::2, ::2, ::2], 2 * spacing) > 2 * semi_mm
    inside = np.argwhere(deep) * 2
    centre = affine[:3, :3] @ inside[rng.integers(len(inside))] + affine[:3, 3]
    paint_ellipsoid(labels, affine, centre, semi_mm * rng.uniform(0.7, 1.3, 3), code, where)


def texture(
    shape: tuple[int, int, int], spacing_mm: np.ndarray, scale_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Random field of unit variance, correlated over `scale_mm`."""
    return random_texture(shape, scale_mm / spacing_mm, rng)
