"""Fit `resources/nuclei_shapes.tsv` to public labels: `python -m benchmarks.nuclei_shapes [--out FILE]`.

The labels are CIT168's, which lie in MNI152 2009c space; it has no thalamus, which is BigBrain's. The files themselves
are no part of the project; what is stored are surfaces, see :mod:`recon.regions.shapes`. Prints the Dice coefficient
of each surface with the labels that it was fitted to, and with those of the other set.
"""

import argparse
import json
from collections.abc import Sequence
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.transform import Rotation
from scipy.special import expit

from benchmarks.generators.parts import data_file, sample
from recon.files.io import Volume
from recon.maths.boxes import bounding_box
from recon.regions.nuclei import nucleus_table
from recon.regions.shapes import COLUMNS, LABELS, PARTS, TABLE, divided, label_points, polynomials, read_surfaces

STEP_MM = 0.5
GAP_MM = 1.5  # between two parts of a nucleus, of each of which less than half lies there
OVERLAP_MM = 1.5  # of neighbouring cuts of a nucleus, either side of the plane
EDGE = 0.05  # width of the logistic edge, in semi-axes
RIDGE = 1e-2  # precision of the coefficients' prior about an ellipsoid, per voxel of the rim and EDGE
VOXELS = 30_000  # of the rim that take part, about
SETS = ("cit168", "bigbrain")
# name: how its labels begin, after the side, and coronal planes [mm] at which it is cut into parts
NUCLEI: dict[str, tuple[str, tuple[float, ...]]] = {
    "caudate": ("caudate", (13.0, 1.0, -14.0)),
    "putamen": ("putamen", (2.0,)),
    "pallidum": ("globus pallidus", ()),
    "thalamus": ("thalamus", ()),
    "red_nucleus": ("red nucleus", ()),
    "substantia_nigra": ("substantia", ()),
    "subthalamic_nucleus": ("subthalamic", ()),
    "accumbens": ("nucleus accumbens", ()),
    "pallidum_external": ("globus pallidus externa", ()),
    "pallidum_internal": ("globus pallidus interna", ()),
}
DIRECTIONS = np.random.default_rng(0).standard_normal((500, 3))
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)


@cache
def read_set(name: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels of a set, affine to MNI mm, and the text of each label, in lower case and without the side's name."""
    image = nibabel.load(data_file("deep_gray_labels", f"{name}.nii.gz"))
    texts = json.loads(data_file("deep_gray_labels", f"{name}.json").read_text())["labels"]
    plain = [text.lower().replace("-", " ") for text in texts]
    sides = [text.replace("left ", "l ", 1).replace("right ", "r ", 1).strip() for text in plain]
    return np.asarray(image.dataobj), image.affine, tuple(sides)


@cache
def labelled(name: str, words: str, side: str) -> Volume | None:
    """A nucleus of a label set, gaps between its parts closed, 0 and 1 on voxels of 0.5 mm; None where it has none."""
    data, place, texts = read_set(name)
    chosen = [label for label, text in enumerate(texts) if text.startswith(f"{side.lower()} {words}")]
    mask = np.isin(data, chosen)
    if not mask.any():
        return None
    points = np.argwhere(mask) @ place[:3, :3].T + place[:3, 3]
    affine = np.diag([STEP_MM] * 3 + [1.0])
    affine[:3, 3] = points.min(0) - 5
    nx, ny, nz = np.ceil((np.ptp(points, axis=0) + 10) / STEP_MM).astype(int)
    box = bounding_box(mask)
    place = place.copy()
    place[:3, 3] += place[:3, :3] @ [side.start for side in box]
    mask = np.pad(mask[box], 1)
    place[:3, 3] -= place[:3, :3] @ np.ones(3)
    fine = sample(Volume(data=mask.astype(np.float32), affine=place), affine, (nx, ny, nz)) > 0.5
    if len(chosen) > 1:
        near = ndimage.distance_transform_edt(~fine, STEP_MM) <= GAP_MM
        fine |= ndimage.distance_transform_edt(near, STEP_MM) > GAP_MM
    return Volume(data=fine.astype(np.float32), affine=affine)


def points_of(volume: Volume) -> np.ndarray:
    """Coordinates [mm] of all voxels, (N, 3)."""
    return np.argwhere(np.ones(volume.data.shape, bool)) @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def fitted(inside: np.ndarray, shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """Centre, semi-axes, rotations and coefficients of the surface that best parts (N,) bool voxels.

    The axes are those of the moments, about the deepest voxels' place nearest to the centre of mass. With them a voxel
    is inside where the radius less its own is positive, which is linear in the coefficients: logistic regression,
    solved by Newton's method.
    """
    depth = ndimage.distance_transform_edt(inside.reshape(shape)).ravel()
    middle = points[depth > 0.6 * depth.max()]  # of a bent nucleus the centre of mass may lie outside
    of_mass = points[inside].mean(0)
    centre = middle[np.argmin(((middle - of_mass) ** 2).sum(1))]
    values, axes = np.linalg.eigh(np.cov((points[inside] - of_mass).T))
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    semi = np.sqrt(5 * values)  # of an ellipsoid with these moments
    every = max(1, len(points) // (4 * VOXELS)) | 1
    u, is_in = (points[::every] - centre) @ axes / semi, inside[::every].astype(float)
    length = np.linalg.norm(u, axis=1)
    rim = (length < 2.0) & (length > 0.3)
    u, length, is_in = u[rim], length[rim], is_in[rim]
    basis = polynomials(u / length[:, None])
    ball = np.linalg.lstsq(basis, np.ones(len(basis)), rcond=None)[0]  # coefficients of r = 1
    ridge = RIDGE * len(basis) * EDGE * np.eye(len(ball))
    coefficients = ball
    for _ in range(20):
        expected = expit((basis @ coefficients - length) / EDGE)
        gradient = basis.T @ (is_in - expected) / EDGE - ridge @ (coefficients - ball)
        weight = np.maximum(expected * (1 - expected), 1e-6) / EDGE**2
        step = np.linalg.solve((basis * weight[:, None]).T @ basis + ridge, gradient)
        coefficients = coefficients + step * min(1, 0.5 / np.abs(basis @ step).max())
    rotations = Rotation.from_matrix(axes).as_euler("xyz", degrees=True)
    return np.r_[centre, semi, rotations, coefficients]


def rightly_divided(of_set: str, side: str) -> float:
    """Share of the voxels of both parts of a set's pallidum that fall into the part which they have in the set."""
    places = {name: labelled(of_set, NUCLEI[name][0], side) for name in PARTS}
    right, voxels = 0, 0
    for name, volume in places.items():
        points = points_of(volume)[volume.data.ravel() > 0]
        label, nucleus = (next(n for n, key in LABELS.items() if key == (of, side)) for of in (name, PARTS[name]))
        found = divided(np.full(len(points), nucleus, np.uint8), points)
        right, voxels = right + np.count_nonzero(found == label), voxels + len(points)
    return right / voxels


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Of two bool arrays."""
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def rows_of(label: int, name: str, side: str) -> list[list]:
    """Rows of one nucleus, one a part; those of a nucleus in no label set are its ellipsoids."""
    if name not in NUCLEI:
        ball = np.linalg.lstsq(polynomials(DIRECTIONS), np.ones(len(DIRECTIONS)), rcond=None)[0]
        return [[*list(row)[:3], "none", *list(row)[3:], *ball] for row in nucleus_table() if row["label"] == label]
    words, cuts = NUCLEI[name]
    source = next(found for found in SETS if labelled(found, words, side))
    volume = labelled(source, words, side)
    points = points_of(volume)
    inside, y = volume.data.ravel() > 0, points[:, 1]
    edges = [np.inf, *cuts, -np.inf]
    parts = [inside & (y < top + OVERLAP_MM) & (y >= low - OVERLAP_MM) for top, low in pairwise(edges)]
    return [[label, name, side, source, *fitted(part, volume.data.shape, points)] for part in parts]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit all nuclei, write the table, print how well the surfaces agree with either label set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nuclei_shapes", description=__doc__)
    parser.add_argument("--out", type=Path, default=TABLE)
    chosen = parser.parse_args(arguments)
    rows = [row for label, (name, side) in LABELS.items() for row in rows_of(label, name, side)]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(chosen.out, sep="\t", index=False, float_format="%.4g")
    surfaces = read_surfaces(chosen.out)
    for label, (name, side) in LABELS.items():
        for volume, of_set in ((labelled(of_set, NUCLEI[name][0], side), of_set) for of_set in SETS if name in NUCLEI):
            if volume:
                own = tuple(surface for surface in surfaces if surface.label == label)
                some = slice(None, None, 7)
                found = label_points(points_of(volume)[some], own) == label
                print(label, name, side, of_set, f"{dice(found, volume.data.ravel()[some] > 0):.3f}", flush=True)
    for side, of_set in product("LR", SETS):
        print(f"pallidum {side} {of_set}: {100 * rightly_divided(of_set, side):.1f} % in the right part")


if __name__ == "__main__":
    main()
