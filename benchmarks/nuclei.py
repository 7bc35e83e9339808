"""Labels of the deep grey nuclei against the true ones: `python -m benchmarks.nuclei [--size SIZE] [--only HEAD] …`.

The heads are those of `benchmarks.generators`, as they lie, turned by 20 degrees, or pushed apart at the ventricles.
Maps are those of an arm in the true brain. `nuclei.tsv` has a row a size, head, change, arm, method, inputs, nucleus,
side: Dice coefficient, 95 % surface distance [mm]; of the arm's own χ [ppm] the mean over the label and over the true
label, both medians, both values of `core` (`recon.regions.statistics`), and the mean over the core of white matter,
from which contrasts are counted; mean and `core` of the true χ over the true label, in a map whose mean is zero like
that of the arm; the confidence, the share of its volume that the nucleus has in the head, with the method `network`
the Dice coefficient that it expects, and for the head the CPU seconds of registration and labels. Where that share is
below `LEAST_SHARE`, what is printed leaves the nucleus out: `siemens` has nuclei only from 8 mm below the surface of
its brain on, where a fifth of its substantia nigra lies. A part of the pallidum, or a nucleus that the ellipsoids
lack, has rows for the methods that know it.

The labels of the heads are BigBrain's, or BigBrain's and CIT168's together (philips, mni, seven). The surfaces of
`resources/nuclei_shapes.tsv` were fitted to CIT168, but for the thalamus, which is BigBrain's, and the dentate, which
is the same ellipsoid in the heads: of these two the shape is no independent evidence, only the place.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.generators import HEADS, simulate, write
from benchmarks.generators.parts import DataMissing
from benchmarks.heads import SIZES, Head, read_head
from recon.maths.boxes import bounding_box
from recon.pipeline import reconstruct
from recon.regions.confidence import DOUBTFUL, confidence
from recon.regions.deformation import HIGH_MM, LOW_MM
from recon.regions.localize import white_matter
from recon.regions.locate import locate, registered
from recon.regions.nuclei import nucleus_names
from recon.regions.shapes import WHOLE, divided, label_points, names_of, voxels_of
from recon.regions.statistics import core, depth
from recon.relaxation.t1 import t1_weighted
from recon.settings import arm, shipped

ROOT = Path(__file__).resolve().parents[1]
ANATOMIES = [name for name in HEADS if name != "shapes"]  # which has no nuclei
CHANGES = ("none", "turned", "wide")
TURN_DEG = (12.0, 8.0, 14.0)  # about x, y and z: 20 degrees about one axis
WIDENING, REACH_MM = 0.5, (28.0, 45.0, 22.0)  # of the ventricles, and how far it is felt
INPUTS = {"chi": (), "chi t1w": ("t1w",), "chi t1w r2star": ("t1w", "r2star")}
METHODS = ("template", "shapes", "network")
KEYS = ["size", "head", "change", "arm", "method", "inputs"]
SINCE = {"size": "coarse", "inputs": "chi t1w r2star"} | dict.fromkeys(  # columns that older tables lack
    ("white_ppm", "median_ppm", "true_median_ppm", "core_ppm", "true_core_ppm", "truth_ppm", "truth_core_ppm"), np.nan
)
LEAST_SHARE = 0.6  # of a nucleus' volume, below which the head holds only a piece of it


def maps_of(head: Head, arm_name: str) -> dict[str, np.ndarray]:
    """Susceptibility, R2* and T1-weighted image of a head by an arm, in its true brain; its mask and true labels."""
    facts, brain = head.acquisition, head["brain"]
    made = reconstruct(head["phase"], head["magnitude"], brain, facts, arm(shipped() | {"pipeline": arm_name}))
    t1w = t1_weighted(head["magnitude"][..., 0], brain, r2star_hz=made.r2star_hz, te1_s=facts.te_s[0])
    true_ppm = head["chi_ppm"] - head["chi_ppm"][made.chi_ppm != 0].mean()
    maps = {"chi": made.chi_ppm, "t1w": t1w, "brain": brain, "true_chi": np.where(made.chi_ppm != 0, true_ppm, 0)}
    maps |= {name: head[name] for name in ("nuclei", "finer") if (head.folder / f"{name}.npy").exists()}
    return maps | ({} if made.r2star_hz is None else {"r2star": made.r2star_hz})


def widened(maps: dict[str, np.ndarray], voxel_size_mm: np.ndarray) -> dict[str, np.ndarray]:
    """The maps pushed apart about the ventricles: near the middle of the nuclei a place looks closer to the midline."""
    truth = maps["nuclei"]
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
        for given in inputs:
            extra = {name: maps[name] for name in INPUTS[given] if name in maps}
            start_s = time.process_time()
            fit = registered(maps["chi"], maps["brain"], affine, extra.get("t1w"))
            fit_s = time.process_time() - start_s
            white = white_matter(maps["brain"], affine, fit.subject_to_mni) & (maps["nuclei"] == 0)
            for method in methods:
                start_s = time.process_time()
                found = locate(maps["chi"], maps["brain"], affine, **extra, method=method, registration=fit)
                cpu_s = fit_s + time.process_time() - start_s
                first = {"head": head.folder.name, "change": change, "arm": arm_name, "method": method, "inputs": given}
                first["white_ppm"] = of_known(maps["chi"], white, np.mean)
                names, expected = names_of(method), found.expected_dice or {}
                for row in compare(found.labels, maps, names, voxel_size_mm, fit.determinant, expected):
                    yield first | row | {"cpu_s": cpu_s}


@cache
def volumes_mm3() -> dict[int, float]:
    """Label → volume of its surface in MNI space, from points 1 mm apart."""
    axes = (np.arange(low, high) for low, high in zip(LOW_MM, HIGH_MM, strict=True))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    labels = label_points(points)
    counts = np.bincount(np.concatenate([labels, divided(labels, points)[np.isin(labels, list(WHOLE.values()))]]))
    return dict(enumerate(counts.astype(float)))


def of_known(chi_ppm: np.ndarray, where: np.ndarray, statistic: Callable[[np.ndarray], np.floating]) -> float:
    """A statistic of the voxels in which χ is known, not a number where there are none."""
    values = chi_ppm[where & (chi_ppm != 0)]
    return float(statistic(values)) if values.size else np.nan


def core_of_known(chi_ppm: np.ndarray, where: np.ndarray, voxel_size_mm: np.ndarray) -> float:
    """The statistic `core` of a region, of the voxels in which χ is known."""
    box = bounding_box(where)
    inside, known = where[box], where[box] & (chi_ppm[box] != 0)
    return core(chi_ppm[box][known], depth(inside, voxel_size_mm)[known])


def compare(
    labels: np.ndarray,
    maps: Mapping[str, np.ndarray],
    names: dict[int, tuple[str, str]],
    voxel_size_mm: np.ndarray,
    size: float,
    expected_dice: Mapping[int, float],
) -> Iterator[dict]:
    """Scores of each side of each nucleus that the head has; `size`: volume of the template over that of the head."""
    chi_ppm = maps["chi"]
    sure = confidence(labels, chi_ppm, names, voxel_size_mm).set_index("index")["confidence"]
    for label, (name, side) in names.items():
        found, true = voxels_of(labels, label), (maps["nuclei"] == label) | (maps.get("finer", 0) == label)
        if not true.any():
            continue
        both = np.count_nonzero(found & true)
        yield {
            "nucleus": name,
            "hemisphere": side,
            "dice": 2 * both / (np.count_nonzero(found) + np.count_nonzero(true)),
            "surface_distance_mm": surface_distance_mm(found, true, voxel_size_mm),
            "mean_ppm": of_known(chi_ppm, found, np.mean),
            "true_ppm": of_known(chi_ppm, true, np.mean),
            "median_ppm": of_known(chi_ppm, found, np.median),
            "true_median_ppm": of_known(chi_ppm, true, np.median),
            "core_ppm": core_of_known(chi_ppm, found, voxel_size_mm),
            "true_core_ppm": core_of_known(chi_ppm, true, voxel_size_mm),
            "truth_ppm": of_known(maps["true_chi"], true, np.mean),
            "truth_core_ppm": core_of_known(maps["true_chi"], true, voxel_size_mm),
            "confidence": sure[label],
            "volume_share": np.count_nonzero(true) * float(np.prod(voxel_size_mm)) * size / volumes_mm3()[label],
            "expected_dice": expected_dice.get(label, np.nan),
        }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each nucleus, a row a size, head, change, arm, method and inputs; mean of the ellipsoids' own."""
    table = rows[rows["volume_share"] >= LEAST_SHARE].pivot_table(
        index=KEYS, columns="nucleus", values="dice", sort=False
    )
    return table.assign(mean=table[[name for name in nucleus_names() if name in table]].mean(axis=1))


def off_by(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each row by how much numbers of a region are off, in percent, and means in ppb.

    Of the label: `mean`, `median` and `core` over it less over the true label, both in the arm's own χ, in percent of
    the latter and (`_of_contrast`) of its difference from white matter. Of the map, what is left where the label is
    perfect: `map_mean`, `map_core` over the true label in the arm's χ less in the true one. Of both: `both_mean`,
    `both_core` over the label in the arm's χ less over the true label in the true one.
    """
    found = {}
    for name, true in (("mean", "true_ppm"), ("median", "true_median_ppm"), ("core", "true_core_ppm")):
        off = (rows[f"{name}_ppm"] - rows[true]).abs()
        found[name] = 100 * off / rows[true].abs()
        found[f"{name}_of_contrast"] = 100 * off / (rows[true] - rows["white_ppm"]).abs()
    for name, true, truth in (("mean", "true_ppm", "truth_ppm"), ("core", "true_core_ppm", "truth_core_ppm")):
        found[f"map_{name}"] = 100 * (rows[true] - rows[truth]).abs() / rows[truth].abs()
        found[f"both_{name}"] = 100 * (rows[f"{name}_ppm"] - rows[truth]).abs() / rows[truth].abs()
    found["label_ppb"] = 1000 * (rows["mean_ppm"] - rows["true_ppm"]).abs()
    found["map_ppb"] = 1000 * (rows["true_ppm"] - rows["truth_ppm"]).abs()
    return pd.DataFrame(found)


def errors(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean Dice coefficient and distance of the nuclei of the ellipsoids, whole ones, number of nuclei, and of what
    :func:`off_by` tells the medians and (`_5`) the percentage of nuclei within 5 %, a row a group."""
    kept = rows[(rows["volume_share"] >= LEAST_SHARE) & rows["nucleus"].isin(nucleus_names())]
    off = off_by(kept)
    percents = off.drop(columns=["label_ppb", "map_ppb"])
    within = (100.0 * percents.le(5)).where(percents.notna()).add_suffix("_5")
    keys = [kept[name] for name in by]
    labels = kept[["dice", "surface_distance_mm"]].groupby(keys, sort=False)
    parts = [labels.size().rename("nuclei"), labels.mean(), off.groupby(keys, sort=False).median()]
    return pd.concat([*parts, within.groupby(keys, sort=False).mean()], axis=1)


def warned(rows: pd.DataFrame) -> pd.DataFrame:
    """What `doubtful` says, a row a size, arm and method: number of labels and mean Dice with and without it, and of
    labels with a Dice coefficient below 0.7 and from 0.8 on the share that is doubtful; cut nuclei count."""
    kept = rows[rows["nucleus"].isin(nucleus_names())]
    rows_found = []
    for keys, group in kept.groupby(["size", "arm", "method"], sort=False):
        doubtful, dice = group["confidence"] < DOUBTFUL, group["dice"]
        rows_found.append({
            **dict(zip(("size", "arm", "method"), keys, strict=True)),
            "doubtful": int(doubtful.sum()), "dice_doubtful": dice[doubtful].mean(),
            "others": int((~doubtful).sum()), "dice_others": dice[~doubtful].mean(),
            "doubtful_of_bad": doubtful[dice < 0.7].mean(), "doubtful_of_good": doubtful[dice >= 0.8].mean(),
        })  # fmt: skip
    return pd.DataFrame(rows_found)


def report(rows: pd.DataFrame) -> None:
    """Print what a table of this benchmark says."""
    groups = ["size", "arm", "inputs", "method"]
    labelled = [errors(rows, [*groups, more]).T for more in ("change", "head", "nucleus")]
    for table in (summary(rows), *labelled, warned(rows)):
        print(table.to_string(float_format=lambda x: f"{x:.2f}"), end="\n\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make or read the heads, label them, write the table, print what it says; or print that of tables made before."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nuclei", description=__doc__)
    parser.add_argument("--heads", type=Path, help="folder of benchmarks.generators; without it they are made anew")
    parser.add_argument(
        "--size", choices=(*SIZES, "coarse"), default="coarse", help="of the voxels, a size of benchmarks.heads"
    )
    parser.add_argument("--only", action="append", metavar="HEAD", choices=ANATOMIES)
    parser.add_argument("--arm", action="append", choices=("paper", "consensus"))
    parser.add_argument("--change", action="append", choices=CHANGES)
    parser.add_argument("--inputs", action="append", choices=INPUTS)
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--name", default="nuclei.tsv", help="of the table in the folder OUT")
    parser.add_argument("--keep", action="store_true", help="the rows of that table, and make only those it lacks")
    parser.add_argument("--read", type=Path, action="append", metavar="TABLE", help="print these tables, make none")
    chosen = parser.parse_args(arguments)
    if chosen.read:
        tables = [pd.read_csv(path, sep="\t") for path in chosen.read]
        report(pd.concat([table.assign(**{k: v for k, v in SINCE.items() if k not in table}) for table in tables]))
        return
    changes, inputs, methods = chosen.change or CHANGES, chosen.inputs or list(INPUTS), chosen.method or METHODS
    path = chosen.out / chosen.name
    table = pd.read_csv(path, sep="\t") if chosen.keep and path.exists() else pd.DataFrame(columns=KEYS)
    there = set(table[KEYS].itertuples(index=False, name=None))
    with tempfile.TemporaryDirectory() as made:
        for name in chosen.only or ANATOMIES:
            arms = [
                arm_name
                for arm_name in chosen.arm or ("paper", "consensus")
                if not there.issuperset(product([chosen.size], [name], changes, [arm_name], methods, inputs))
            ]
            if not arms:
                continue
            folder = (chosen.heads or Path(made)) / name
            if not chosen.heads:
                try:
                    coarse = chosen.size == "coarse"
                    write(folder, *simulate(name, coarse=coarse, size=None if coarse else chosen.size))
                except DataMissing as missing:
                    print(f"{name}: left out: {missing}")
                    continue
            head = read_head(folder)
            for arm_name in arms:
                new = pd.DataFrame(rows_of(head, arm_name, changes, inputs, methods)).assign(size=chosen.size)
                table = pd.concat([table, new]).drop_duplicates([*KEYS, "nucleus", "hemisphere"], keep="last")
                table.to_csv(path, sep="\t", index=False, float_format="%.4g", na_rep="n/a")
    report(table)


if __name__ == "__main__":
    main()
