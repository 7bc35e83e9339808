"""Volumes from which `locate_nuclei.method: network` is learnt: `python -m benchmarks.segmentation_volumes OUT`.

    python -m benchmarks.segmentation_volumes OUT [--volumes N] [--seed S]

SYNTHETIC DATA: half deep brains whose labels are the surfaces of `resources/nuclei_shapes.tsv` and the tissues of the
template, bent at random, and whose maps are drawn from the labels with random contrast, resolution and artefacts, in
the manner of SynthSeg (Billot 2023, doi:10.1016/j.media.2023.102789). No code and no label image
is shared with :mod:`benchmarks.generators`, on whose heads the result is scored; but the surfaces were fitted to
CIT168, which two of the heads hold in part, and thalamus and dentate have the shapes of the heads. Each volume is a
file `NNNN.npz`: `maps` (channel, X, Y, Z), `known`, `labels`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from recon.grid import Grid
from recon.maths.kernels import dipole_kernel
from recon.regions.segmentation import CHANNELS, LOW_MM, SHAPE, STEP_MM, normalised
from recon.regions.shapes import NUCLEI, REACH_MM, distances, read_shapes
from recon.regions.template import read_template

SEED, VOLUMES = 20261130, 320
NAMES = tuple(dict.fromkeys(name for name, _ in NUCLEI.values()))  # of the classes, after the background
PAD = 10  # voxels around the box from which bent places may come
# usual values: χ [ppm] and its spread between people; T1-weighted signal over that of white matter
USUAL = {
    "caudate": (0.05, 0.03, 0.75), "putamen": (0.06, 0.04, 0.80), "pallidum": (0.13, 0.06, 0.92),
    "thalamus": (0.01, 0.025, 0.85), "red_nucleus": (0.10, 0.06, 0.93), "substantia_nigra": (0.11, 0.06, 0.93),
    "dentate": (0.09, 0.05, 0.88), "subthalamic_nucleus": (0.10, 0.05, 0.93), "accumbens": (0.03, 0.03, 0.75),
}  # fmt: skip
ANY = (0.06, 0.05, 0.88)  # of a nucleus that is not in the table
TISSUES = {"white": (-0.03, 0.015, 1.0, 20.0), "grey": (0.02, 0.02, 0.75, 17.0), "fluid": (0.01, 0.02, 0.35, 4.0)}
RANDOM_CONTRAST = 0.25  # share of volumes whose classes have any values


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """On the padded grid: signed distance [mm] of each nucleus, both sides in one (K, X, Y, Z), and tissues (3, …)."""

    distance_mm: np.ndarray
    tissues: np.ndarray


def grid_points(pad: int = 0) -> np.ndarray:
    """(3, X, Y, Z) MNI coordinates [mm] of the grid with `pad` voxels around it."""
    axes = [low + STEP_MM * np.arange(-pad, n + pad) for low, n in zip(LOW_MM, SHAPE, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


@cache
def atlas() -> Atlas:
    """The surfaces and the template's tissues before they are bent."""
    points = grid_points(PAD)
    flat = points.reshape(3, -1).T
    found = np.full((len(NAMES), len(flat)), REACH_MM, np.float32)
    for label, (where, distance) in distances(flat, read_shapes()).items():
        row = found[NAMES.index(NUCLEI[label][0])]
        row[where] = np.minimum(row[where], distance)
    white, grey = (
        ndimage.map_coordinates(
            tissue.data / np.float32(255),
            np.linalg.solve(tissue.affine[:3, :3], flat.T - tissue.affine[:3, 3:]),
            order=1,
        )
        for tissue in map(read_template, ("wm", "gm"))
    )
    tissues = np.stack([white, grey, np.maximum(1 - white - grey, 0)])
    shape = points.shape[1:]
    return Atlas(distance_mm=found.reshape(-1, *shape), tissues=tissues.reshape(3, *shape).astype(np.float32))


def waves(scale_mm: float, rng: Generator) -> np.ndarray:
    """Smooth random numbers on the grid, SHAPE float32, about unit variance: sums of quadratic B-splines."""
    spans = [n * STEP_MM / scale_mm for n in SHAPE]
    made = rng.standard_normal([int(np.ceil(span)) + 3 for span in spans]).astype(np.float32)
    for axis, (n, span) in enumerate(zip(SHAPE, spans, strict=True)):
        away = np.abs(np.linspace(1, 1 + span, n)[:, None] + rng.random() - np.arange(made.shape[axis]))
        spline = np.where(away < 0.5, 0.75 - away**2, np.maximum(1.5 - away, 0) ** 2 / 2).astype(np.float32)
        made = np.moveaxis(np.tensordot(spline, made, (1, axis)), 0, axis)
    return made / max(float(made.std()), 0.2)


def bent_places(rng: Generator) -> np.ndarray:
    """Places of the atlas [mm] that the voxels of a subject show: errors of an affine registration, and a smooth bend.

    One in two has also a part pushed apart or together about a centre near the ventricles, as atrophy does.
    """
    points = grid_points()
    middle = points.reshape(3, -1).mean(1)
    turn = Rotation.from_rotvec(np.deg2rad(rng.normal(0, 4, 3))).as_matrix()
    matrix = turn @ np.diag(np.exp(rng.normal(0, 0.06, 3))) + rng.normal(0, 0.02, (3, 3))
    moved = np.tensordot(matrix, points - middle[:, None, None, None], 1)
    moved += (middle + rng.normal(0, (1.0, 2.0, 2.0)))[:, None, None, None]
    amplitude, scale_mm = rng.uniform(0, 3.5), rng.uniform(14, 35)
    moved += np.stack([amplitude * waves(scale_mm, rng) for _ in range(3)])
    moved += np.stack([rng.uniform(0, 1) * waves(8.0, rng) for _ in range(3)])
    if rng.random() < 0.5:
        centre = np.array([0, rng.uniform(-30, 15), rng.uniform(0, 20)])[:, None, None, None]
        reach = rng.uniform(18, 50, 3)[:, None, None, None]
        near = np.exp(-(((points - centre) / reach) ** 2).sum(0))
        moved -= rng.uniform(-0.2, 0.5) * near * (points - centre) * (rng.random((3, 1, 1, 1)) < 0.7)
    return moved.astype(np.float32)


def bent_labels(rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels SHAPE uint8 of a subject, and memberships (nuclei then tissues, *SHAPE) of its voxels."""
    source = atlas()
    place = (bent_places(rng) - (LOW_MM - PAD * STEP_MM)[:, None, None, None].astype(np.float32)) / np.float32(STEP_MM)
    distance = np.stack([ndimage.map_coordinates(d, place, order=1, mode="nearest") for d in source.distance_mm])
    for row in distance:
        row += rng.normal(0, 0.5) + rng.uniform(0, 0.7) * waves(rng.uniform(6, 12), rng)
    labels = np.where(distance.min(0) < 0, distance.argmin(0) + 1, 0).astype(np.uint8)
    edge_mm = rng.uniform(0.8, 2.0)
    nuclei = np.clip(0.5 - distance / edge_mm, 0, 1)
    nuclei /= np.maximum(nuclei.sum(0), 1)
    tissues = np.stack([ndimage.map_coordinates(t, place, order=1, mode="nearest") for t in source.tissues])
    tissues *= (1 - nuclei.sum(0)) / np.maximum(tissues.sum(0), 1e-6)
    return labels, np.concatenate([nuclei, tissues])


def drawn_values(rng: Generator) -> np.ndarray:
    """Means of the classes (nuclei then tissues) in the three maps: χ [ppm], R2* [1/s], T1-weighted signal."""
    usual = np.array([USUAL.get(name, ANY) for name in NAMES])
    tissue = np.array(list(TISSUES.values()))
    chi = np.r_[rng.normal(usual[:, 0], usual[:, 1]), rng.normal(tissue[:, 0], tissue[:, 1])]
    load = rng.uniform(0.5, 1.6)  # of iron, together
    chi[: len(NAMES)] *= load
    r2star = np.r_[rng.normal(16, 2) + rng.uniform(40, 200) * np.maximum(chi[: len(NAMES)], 0), tissue[:, 3]]
    r2star += rng.normal(0, 2.5, len(chi))
    t1w = np.r_[usual[:, 2], tissue[:, 2]] + rng.normal(0, 0.05, len(chi))
    values = np.stack([chi, r2star, t1w])
    if rng.random() < RANDOM_CONTRAST:
        values = np.stack([rng.uniform(-0.1, 0.2, len(chi)), rng.uniform(5, 60, len(chi)), rng.uniform(0, 1, len(chi))])
    return values


def painted(maps: np.ndarray, rng: Generator) -> None:
    """Veins and small lesions, which are no class of their own, in place."""
    points = grid_points()
    spread = np.array([0.15, 25.0, 0.3])
    for _ in range(rng.poisson(3)):
        start = LOW_MM + rng.random(3) * np.array(SHAPE) * STEP_MM
        along = rng.standard_normal(3)
        along /= np.linalg.norm(along)
        offset = points - start[:, None, None, None].astype(np.float32)
        axial = np.tensordot(along.astype(np.float32), offset, 1)
        away = np.sqrt(np.maximum((offset**2).sum(0) - axial**2, 0)) / rng.uniform(0.6, 1.4)
        inside = np.clip(1.5 - away, 0, 1) * (np.abs(axial) < rng.uniform(8, 40))
        maps += inside * (spread * rng.uniform(0.2, 1.5) * [1, 1, rng.choice([-1, 1])])[:, None, None, None]
    for _ in range(rng.poisson(0.5)):
        centre = LOW_MM + rng.random(3) * np.array(SHAPE) * STEP_MM
        semi = rng.uniform(1.5, 5, 3)
        away = (((points - centre[:, None, None, None]) / semi[:, None, None, None]) ** 2).sum(0)
        maps += (away < 1) * (rng.normal(0, 3, 3) * spread)[:, None, None, None]


def as_measured(chi_ppm: np.ndarray, rng: Generator) -> np.ndarray:
    """χ as an inversion gives it: less of what lies on the cone, noise that the cone amplifies, slow waves."""
    tilt = Rotation.from_euler("xy", rng.uniform(-25, 25, 2), degrees=True).as_matrix() @ [0, 0, 1]
    D = np.abs(dipole_kernel(SHAPE, Grid((STEP_MM,) * 3, tilt)))
    threshold = rng.uniform(0.02, 0.2)
    kept = 1 - rng.uniform(0, 1) * np.clip(1 - D / threshold, 0, 1)
    spectrum = fft.rfftn(chi_ppm) * kept
    noise = fft.rfftn(rng.standard_normal(SHAPE)) / np.maximum(D, threshold)
    grain = fft.irfftn(noise, SHAPE)
    measured = fft.irfftn(spectrum, SHAPE) + grain / grain.std() * np.exp(rng.uniform(np.log(0.003), np.log(0.04)))
    measured -= rng.uniform(0, 1) * ndimage.gaussian_filter(measured, rng.uniform(8, 25) / STEP_MM)
    return measured + rng.uniform(0, 0.03) * waves(rng.uniform(15, 40), rng)


def blurred(maps: np.ndarray, rng: Generator) -> np.ndarray:
    """Maps at the resolution of thick slices, most often axial."""
    sigma_mm = np.array([rng.uniform(0.2, 0.8)] * 2 + [rng.uniform(0.3, 1.3)])
    if rng.random() < 0.2:
        sigma_mm = rng.permutation(sigma_mm)
    return np.stack([ndimage.gaussian_filter(one, sigma_mm / STEP_MM) for one in maps])


def unmeasured(rng: Generator) -> np.ndarray:
    """Where nothing was measured: holes in one of three volumes, the end of a slab in one of eight."""
    missing = np.zeros(SHAPE, bool)
    if rng.random() < 1 / 3:
        missing |= waves(rng.uniform(8, 20), rng) > rng.uniform(1.8, 3.0)
    if rng.random() < 1 / 8:
        cut = int(rng.integers(4, SHAPE[2] // 3))
        missing[:, :, :cut] |= rng.random() < 0.5
        missing[:, :, -cut:] |= rng.random() < 0.5
    return missing


def volume(number: int, seed: int) -> dict[str, np.ndarray]:
    """Arrays of a volume: `maps` (CHANNELS, *SHAPE) float16, normalised; `known` and `labels` uint8."""
    rng = np.random.default_rng([seed, number])
    labels, members = bent_labels(rng)
    values = drawn_values(rng)
    uneven = np.stack([1 + rng.uniform(0, 0.35) * waves(rng.uniform(6, 20), rng) for _ in CHANNELS])
    nuclei = len(NAMES)
    maps = np.tensordot(values[:, :nuclei], members[:nuclei], 1) * uneven
    maps += np.tensordot(values[:, nuclei:], members[nuclei:], 1)
    grain = np.array([0.012, 1.5, 0.03])
    maps += np.stack([rng.uniform(0, g) * waves(rng.uniform(3, 8), rng) for g in grain])
    painted(maps, rng)
    maps = blurred(maps, rng)
    maps[0] = as_measured(maps[0], rng)
    maps[1] += rng.uniform(0.3, 4) * ndimage.gaussian_filter(rng.standard_normal(SHAPE), 0.4)
    maps[2] = maps[2] * np.exp(rng.uniform(0, 0.3) * waves(50.0, rng)) + rng.uniform(0.005, 0.05) * rng.standard_normal(
        SHAPE
    )
    known = ~unmeasured(rng)
    shown = np.stack([normalised(one, known) for one in maps])
    return {"maps": shown.astype(np.float16), "known": known.astype(np.uint8), "labels": labels}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the volumes; those that are there are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segmentation_volumes", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--volumes", type=int, default=VOLUMES)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for number in range(chosen.volumes):
        path = chosen.out / f"{number:04d}.npz"
        if not path.exists():
            part = path.with_suffix(".part.npz")
            np.savez(part, names=np.array(NAMES), **volume(number, chosen.seed))
            part.rename(path)
    print(f"{chosen.volumes} volumes, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
