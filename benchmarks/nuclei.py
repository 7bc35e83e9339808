"""Labels of the deep grey nuclei against the true ones: `python -m benchmarks.nuclei [--heads FOLDER] [--only HEAD] …`.

The heads are those of `benchmarks.generators`, as they lie, turned by 20 degrees, or pushed apart at the ventricles.
Maps are those of an arm in the true brain. `nuclei.tsv`, or with `--table nuclei_network` `nuclei_network.tsv`, has a
row a head, change, arm, method, inputs, nucleus, side: Dice coefficient, 95 % surface distance [mm], means of the arm's
own χ [ppm] over the label and over the true label,
the confidence, the share of its volume that the nucleus has in the head, with the method `network` the Dice coefficient
that it expects, and for the head the CPU seconds of registration and labels. Where that share is below `LEAST_SHARE`,
the printed means leave the nucleus out: `siemens` has nuclei only from 8 mm below the surface of its brain on, where a
fifth of its substantia nigra lies.

The labels of the heads are BigBrain's, or BigBrain's and CIT168's together (philips, mni, seven). The surfaces of
`resources/nuclei_shapes.tsv` were fitted to CIT168, but for the thalamus, which is BigBrain's, and the dentate, which
is the same ellipsoid in the heads: of these two the shape is no independent evidence, only the place.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.generators import HEADS, simulate, write
from benchmarks.generators.parts import DataMissing
from benchmarks.heads import Head, read_head
from recon.maths.boxes import bounding_box
from recon.pipeline import reconstruct
from recon.regions.confidence import confidence
from recon.regions.deformation import HIGH_MM, LOW_MM
from recon.regions.locate import locate
from recon.regions.nuclei import nucleus_labels
from recon.regions.shapes import label_points
from recon.relaxation.t1 import t1_weighted
from recon.settings import arm, shipped

ROOT = Path(__file__).resolve().parents[1]
ANATOMIES = [name for name in HEADS if name != "shapes"]  # which has no nuclei
CHANGES = ("none", "turned", "wide")
TURN_DEG = (12.0, 8.0, 14.0)  # about x, y and z: 20 degrees about one axis
WIDENING, REACH_MM = 0.5, (28.0, 45.0, 22.0)  # of the ventricles, and how far it is felt
INPUTS = {"chi": (), "chi t1w": ("t1w",), "chi t1w r2star": ("t1w", "r2star")}
METHODS = ("template", "shapes", "network")
LEAST_SHARE = 0.6  # of a nucleus' volume, below which the head holds only a piece of it


def maps_of(head: Head, arm_name: str) -> dict[str, np.ndarray]:
    """Susceptibility, R2* and T1-weighted image of a head by an arm, in its true brain; its mask and true labels."""
    facts, brain = head.acquisition, head["brain"]
    made = reconstruct(head["phase"], head["magnitude"], brain, facts, arm(shipped() | {"pipeline": arm_name}))
    t1w = t1_weighted(head["magnitude"][..., 0], brain, r2star_hz=made.r2star_hz, te1_s=facts.te_s[0])
    maps = {"chi": made.chi_ppm, "t1w": t1w, "brain": brain, "truth": head["nuclei"]}
    return maps | ({} if made.r2star_hz is None else {"r2star": made.r2star_hz})


def widened(maps: dict[str, np.ndarray], voxel_size_mm: np.ndarray) -> dict[str, np.ndarray]:
    """The maps pushed apart about the ventricles: near the middle of the nuclei a place looks closer to the midline."""
    truth = maps["truth"]
    middle = np.argwhere(np.isin(truth, range(1, 9))).mean(0)
    index = np.indices(truth.shape).astype(np.float32)
    offset = [(i - m) * mm for i, m, mm in zip(index, middle, voxel_size_mm, strict=True)]
    near = np.exp(-sum((o / r) ** 2 for o, r in zip(offset, REACH_MM, strict=True)))
    index[0] -= WIDENING * near * offset[0] / voxel_size_mm[0]
    return {
        name: ndimage.map_coordinates(data, index, order=0 if data.dtype in (np.bool_, np.uint8) else 1)
        for name, data in maps.items()
    }


def surface_distance_mm(a: np.ndarray, b: np.ndarray, voxel_size_mm: np.ndarray) -> float:
    """95th percentile of the distances from the surface voxels of either bool array to those of the other [mm]."""
    if not (a.any() and b.any()):
        return float("nan")
    box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in bounding_box(a | b))
    a, b = (np.pad(mask[box], 1) for mask in (a, b))
    rims = [mask & ~ndimage.binary_erosion(mask) for mask in (a, b)]
    away = [ndimage.distance_transform_edt(~rim, voxel_size_mm) for rim in rims]
    return float(np.percentile(np.r_[away[1][rims[0]], away[0][rims[1]]], 95))


def rows_of(
    head: Head, arm_name: str, changes: Sequence[str], inputs: Sequence[str], methods: Sequence[str] = METHODS
) -> Iterator[dict]:
    """Rows of one head and arm."""
    plain = maps_of(head, arm_name)
    voxel_size_mm = np.array(head.acquisition.voxel_size_mm)
    for change in changes:
        maps = widened(plain, voxel_size_mm) if change == "wide" else plain
        affine = np.array(head.affine)
        if change == "turned":
            affine[:3] = Rotation.from_euler("xyz", TURN_DEG, degrees=True).as_matrix() @ affine[:3]
        for method in methods:
            for given in inputs:
                extra = {name: maps[name] for name in INPUTS[given] if name in maps}
                start_s = time.process_time()
                found = locate(maps["chi"], maps["brain"], affine, **extra, method=method)
                cpu_s = time.process_time() - start_s
                first = {"head": head.folder.name, "change": change, "arm": arm_name, "method": method, "inputs": given}
                size, expected = found.registration.determinant, found.expected_dice or {}
                for row in compare(found.labels, maps["truth"], maps["chi"], voxel_size_mm, size, expected):
                    yield first | row | {"cpu_s": cpu_s}


@cache
def volumes_mm3() -> dict[int, float]:
    """Label → volume of its surface in MNI space, from points 1 mm apart."""
    axes = (np.arange(low, high) for low, high in zip(LOW_MM, HIGH_MM, strict=True))
    labels = label_points(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
    return dict(enumerate(np.bincount(labels).astype(float)))


def compare(
    labels: np.ndarray,
    truth: np.ndarray,
    chi_ppm: np.ndarray,
    voxel_size_mm: np.ndarray,
    size: float,
    expected_dice: Mapping[int, float],
) -> Iterator[dict]:
    """Scores of each side of each nucleus that the head has; `size`: volume of the template over that of the head."""
    sure = confidence(labels, chi_ppm, nucleus_labels(), voxel_size_mm).set_index("index")["confidence"]
    for label, (name, side) in nucleus_labels().items():
        found, true = labels == label, truth == label
        if not true.any():
            continue
        both = np.count_nonzero(found & true)
        means = [chi_ppm[where & (chi_ppm != 0)] for where in (found, true)]
        yield {
            "nucleus": name,
            "hemisphere": side,
            "dice": 2 * both / (np.count_nonzero(found) + np.count_nonzero(true)),
            "surface_distance_mm": surface_distance_mm(found, true, voxel_size_mm),
            **{
                key: float(v.mean()) if v.size else np.nan
                for key, v in zip(("mean_ppm", "true_ppm"), means, strict=True)
            },
            "confidence": sure[label],
            "volume_share": np.count_nonzero(true) * float(np.prod(voxel_size_mm)) * size / volumes_mm3()[label],
            "expected_dice": expected_dice.get(label, np.nan),
        }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each nucleus, a row a head, change, arm, method and inputs; the mean of all last."""
    keys = ["head", "change", "arm", "method", "inputs"]
    table = rows[rows["volume_share"] >= LEAST_SHARE].pivot_table(
        index=keys, columns="nucleus", values="dice", sort=False
    )
    return table.assign(mean=table.mean(axis=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make or read the heads, label them, write the table, print the mean Dice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nuclei", description=__doc__)
    parser.add_argument("--heads", type=Path, help="folder of benchmarks.generators; without it they are made anew")
    parser.add_argument("--only", action="append", metavar="HEAD", choices=ANATOMIES)
    parser.add_argument("--arm", action="append", choices=("paper", "consensus"))
    parser.add_argument("--change", action="append", choices=CHANGES)
    parser.add_argument("--inputs", action="append", choices=INPUTS)
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--table", default="nuclei", choices=("nuclei", "nuclei_network"), help="name of the table")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as made:
        for name in chosen.only or ANATOMIES:
            folder = (chosen.heads or Path(made)) / name
            if not chosen.heads:
                try:
                    write(folder, *simulate(name, coarse=True))
                except DataMissing as missing:
                    print(f"{name}: left out: {missing}")
                    continue
            head = read_head(folder)
            for arm_name in chosen.arm or ("paper", "consensus"):
                rows += rows_of(
                    head, arm_name, chosen.change or CHANGES, chosen.inputs or list(INPUTS), chosen.method or METHODS
                )
                path = chosen.out / f"{chosen.table}.tsv"
                pd.DataFrame(rows).to_csv(path, sep="\t", index=False, float_format="%.4g", na_rep="n/a")
    print(summary(pd.DataFrame(rows)).to_string(float_format=lambda x: f"{x:.2f}"))


if __name__ == "__main__":
    main()
