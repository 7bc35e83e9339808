"""Heads from which the shipped encoder learns to measure nuclei: `python -m benchmarks.encoder_heads OUT`.

    python -m benchmarks.encoder_heads OUT [--heads N] [--seed S]

Anatomy, tissue and scanner are drawn without the simulator of the cohorts in mind (`recon.phantom`, which the encoder
has never seen and on which it is scored): surfaces of the nuclei fitted to CIT168 and BigBrain, moved, bent and swollen
at random; an ellipsoid with folds for a brain; susceptibility, R2* and T1 weighting of every tissue and nucleus
unrelated or related by a line that differs from head to head; voxels, obliquity, noise, background removal and
inversion drawn too.
A head becomes a file `NNNN.npz`: slices as the networks see them, the labels in them, the true values.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.random import Generator
from scipy import fft, ndimage

from benchmarks.cohorts import settings
from qnet.images.normalise import Normalise, normalise
from qnet.images.view import resample_labels, resample_slice, square_view
from recon.background.spherical import sharp, vsharp
from recon.grid import Grid
from recon.inversion.division import iterative_tkd, tkd
from recon.maths.boxes import padded_shape
from recon.maths.kernels import dipole_kernel
from recon.phantom.shapes import ellipsoid, random_texture, random_waves, share, tube
from recon.regions.nuclei import nucleus_labels, nucleus_names
from recon.regions.shapes import FIRST_NEW, distances, read_shapes

SEED, HEADS, SLICES, SIZE = 20261201, 320, 12, 64
PAD_MM = 30.0
FAR_MM = 99.0
# centre and semi-axes [mm, MNI] of the ellipsoid that stands for a brain, and of the cistern before the midbrain
BRAIN_MM = ((0, -18, 6), (68, 86, 66))
CISTERN_MM = ((0, 2, -30), (18, 12, 14))
# middle and spread of the susceptibility [ppb] of a nucleus
USUAL_PPB = {
    "caudate": (50, 25), "putamen": (70, 35), "pallidum": (130, 45), "thalamus": (15, 20),
    "red_nucleus": (100, 45), "substantia_nigra": (115, 45), "dentate": (100, 45),
}  # fmt: skip


@dataclass
class Head:
    """Susceptibility [ppm], R2* [1/s] and T1-weighted signal of the voxels, (X, Y, Z) float32; brain, bool; labels."""

    chi: np.ndarray
    r2star: np.ndarray
    signal: np.ndarray
    brain: np.ndarray
    labels: np.ndarray

    def paint(self, weight: np.ndarray, values: Sequence[float]) -> None:
        """Give a share of each voxel to a tissue of these values."""
        for volume, value in zip((self.chi, self.r2star, self.signal), values, strict=True):
            volume += weight * (np.float32(value) - volume)


def coordinates(voxel_size_mm: np.ndarray, rng: Generator) -> np.ndarray:
    """MNI coordinates [mm] of the voxels of a bent head, (3, X, Y, Z) float32."""
    size = rng.uniform(0.84, 1.06) * rng.uniform(0.95, 1.05, 3)
    extent = 2 * np.array(BRAIN_MM[1]) * size + 8
    shape = tuple(int(n) for n in np.ceil(extent / voxel_size_mm))
    turn = np.linalg.qr(np.eye(3) + rng.normal(0, 0.07, (3, 3)))[0]
    turn *= np.sign(np.diag(turn))
    affine = np.diag(1 / size) @ turn
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_size_mm, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    points = np.tensordot(affine.astype(np.float32), grid, 1) + np.array(BRAIN_MM[0], np.float32)[:, None, None, None]
    bend = rng.uniform(0.5, 3.5)
    return points + np.stack([np.float32(bend) * random_waves(shape, rng, modes=6) for _ in range(3)])


def relation(rng: Generator) -> tuple[float, float]:
    """R2* [1/s] of iron-free grey matter and its rise [1/s/ppm] with susceptibility: none in a quarter of the heads."""
    return rng.uniform(10, 22), 0.0 if rng.random() < 0.25 else rng.uniform(40, 250)


def paint_nuclei(head: Head, points: np.ndarray, edge: float, rng: Generator) -> dict[str, float]:
    """Nuclei of drawn values → mean values of both sides: `<nucleus>_chi_ppb`, `<nucleus>_r2star_hz`."""
    base, rise = relation(rng)
    level, shared, contrast = rng.uniform(0.5, 1.5), rng.normal(), rng.uniform(0.6, 1.15)
    found = distances(points.reshape(3, -1).T, read_shapes())
    truth: dict[str, float] = {}
    drawn: dict[str, tuple[float, float, float]] = {}
    for name in nucleus_names():
        middle, spread = USUAL_PPB[name]
        chi = level * middle + spread * (0.5 * shared + 0.85 * rng.normal())
        r2star = max(base + rise * chi / 1000 + rng.normal(0, 5), 6.0)
        drawn[name] = chi, r2star, contrast * rng.uniform(0.85, 1.1)
    sides: dict[str, list[tuple[float, float]]] = {name: [] for name in drawn}
    for label, (where, distance) in found.items():
        swollen = (distance - rng.normal(0, 0.6)).astype(np.float32)
        weight = np.zeros(head.chi.size, np.float32)
        weight[where] = share(swollen, edge)
        weight = weight.reshape(head.chi.shape)
        if label >= FIRST_NEW:  # subthalamic nucleus and accumbens: there, but not asked for
            head.paint(weight, (rng.uniform(-0.02, 0.15), rng.uniform(12, 40), rng.uniform(0.7, 1.1)))
            continue
        name = nucleus_labels()[label][0]
        chi, r2star, signal = drawn[name]
        own = chi + rng.normal(0, 4), r2star * (1 + rng.normal(0, 0.04))
        head.paint(weight, (own[0] / 1000, own[1], signal))
        head.labels.reshape(-1)[where[swollen <= 0]] = label
        sides[name].append(own)
    for name, values in sides.items():
        chi, r2star = np.mean(values, axis=0)
        truth |= {f"{name}_chi_ppb": float(chi), f"{name}_r2star_hz": float(r2star)}
    return truth


def paint_fluid(head: Head, points: np.ndarray, edge: float, rng: Generator) -> None:
    """Ventricles: two bent ellipsoids beside the midline and one in it."""
    fluid = rng.normal(0.01, 0.015), rng.uniform(2, 7), rng.uniform(0.15, 0.8)
    wide, flat = rng.uniform(0.5, 1.8), points.reshape(3, -1)
    shapes = [((side * 9, -8, 16), (5 * wide, 26, 7 * wide)) for side in (-1, 1)] + [((0, -8, 2), (1.5 * wide, 12, 9))]
    for centre, semi in shapes:
        distance = ellipsoid(flat, np.array(centre) + rng.normal(0, 2, 3), semi).reshape(head.chi.shape)
        head.paint(share(distance, edge), fluid)


def paint_veins(head: Head, points: np.ndarray, edge: float, rng: Generator) -> None:
    """Winding tubes of one oxygenation."""
    values = rng.uniform(0.1, 0.4), rng.uniform(30, 70), rng.uniform(0.6, 1.4)
    inside = np.argwhere(head.brain)
    for _ in range(int(rng.integers(4, 16))):
        at = points[(slice(None), *inside[rng.integers(len(inside))])].astype(float)
        path, way = [at], rng.standard_normal(3)
        for _ in range(int(rng.integers(2, 5))):
            way = way / np.linalg.norm(way) + 0.4 * rng.standard_normal(3)
            path.append(path[-1] + 9 * way)
        for a, b in pairwise(path):
            low, high = np.minimum(a, b) - 4, np.maximum(a, b) + 4
            near = np.nonzero(((points > low[:, None, None, None]) & (points < high[:, None, None, None])).all(0))
            if len(near[0]):
                weight = np.zeros(head.chi.shape, np.float32)
                weight[near] = share(tube(points[(slice(None), *near)], np.stack([a, b]), rng.uniform(0.5, 1.5)), edge)
                head.paint(weight, values)


def build(points: np.ndarray, edge: float, rng: Generator) -> tuple[Head, dict[str, float]]:
    """A head on given coordinates, and its true values; susceptibility is that over the mean of the brain."""
    shape = points.shape[1:]
    flat = points.reshape(3, -1)
    rough = np.float32(rng.uniform(0, 3)) * random_waves(shape, rng, modes=8)
    depth = ellipsoid(flat, *BRAIN_MM).reshape(shape) + rough
    if rng.random() < 0.8:
        centre, semi = np.array(CISTERN_MM[0]) + rng.normal(0, 4, 3), np.array(CISTERN_MM[1]) * rng.uniform(0.7, 1.4, 3)
        depth = np.maximum(depth, -ellipsoid(flat, centre, semi).reshape(shape))
    white = rng.normal(-0.03, 0.02), rng.uniform(12, 28), 1.0
    head = Head(
        *(np.full(shape, value, np.float32) for value in white), brain=depth < 0, labels=np.zeros(shape, np.uint8)
    )
    folds = random_texture(shape, rng.uniform(3, 6) / edge, rng)
    ribbon = share(-(depth + rng.uniform(3, 9) + 3 * np.abs(folds)), edge)
    head.paint(ribbon, (rng.normal(0.015, 0.015), rng.uniform(10, 24), rng.uniform(0.6, 1.2)))
    paint_fluid(head, points, edge, rng)
    truth = paint_nuclei(head, points, edge, rng)
    paint_veins(head, points, edge, rng)
    head.chi += np.float32(rng.uniform(0, 0.012)) * random_texture(shape, rng.uniform(0.8, 2.5) / edge, rng)
    head.chi += np.float32(rng.uniform(0, 0.015)) * random_waves(shape, rng, modes=8)
    head.r2star *= 1 + np.float32(rng.uniform(0, 0.08)) * random_texture(shape, 2 / edge, rng)
    head.chi -= (mean := float(head.chi[head.brain].mean()))
    head.chi[~head.brain] = 0
    return head, {name: value - 1000 * mean * name.endswith("_chi_ppb") for name, value in truth.items()}


def reconstructed(head: Head, voxel_size_mm: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Susceptibility map [ppm] of a head by a drawn chain, and where it is known."""
    tilt = rng.normal(0, 0.15, 2)
    grid = Grid(voxel_size_mm, np.array([*tilt, 1.0]) / np.sqrt(1 + (tilt**2).sum()))
    large = padded_shape(head.chi.shape, voxel_size_mm, PAD_MM)
    spectrum = fft.rfftn(head.chi, large) * dipole_kernel(large, grid)
    field = fft.irfftn(spectrum, large)[tuple(slice(n) for n in head.chi.shape)]
    noise = float(np.exp(rng.uniform(np.log(0.0003), np.log(0.005))))
    field += noise * rng.standard_normal(field.shape, np.float32) * np.exp(0.02 * np.clip(head.r2star - 20, 0, 60))
    mask = head.brain
    for _ in range(rng.integers(0, 3)):
        mask = ndimage.binary_erosion(mask)
    kind = rng.choice(["sharp", "vsharp", "known"], p=[0.5, 0.2, 0.3])
    if kind == "sharp":
        radius, threshold = float(rng.uniform(4, 8)), float(rng.uniform(0.02, 0.08))
        field, mask = sharp(field, mask, grid, radius_mm=radius, threshold=threshold)
    elif kind == "vsharp":
        field, mask = vsharp(field, mask, grid, radius_mm=float(rng.uniform(6, 10)))
    field += np.float32(rng.uniform(0, 0.003)) * random_waves(field.shape, rng, modes=6)
    field = np.where(mask, field, 0).astype(np.float32)
    threshold, truncation = float(rng.uniform(0.08, 0.2)), str(rng.choice(["clamp", "swim", "zero"]))
    choice = rng.random()
    if choice < 0.5:
        chi = iterative_tkd(
            field, mask, grid, r2star_hz=head.r2star, threshold=threshold, truncation=truncation,
            iterations=int(rng.integers(1, 5)),
        )  # fmt: skip
    elif choice < 0.75:
        chi = tkd(field, mask, grid, threshold=threshold, truncation=truncation)
    else:  # as good as an inversion can be
        grain = random_texture(field.shape, 0.7, rng)
        chi = ndimage.gaussian_filter(head.chi, rng.uniform(0, 0.8)) + np.float32(rng.uniform(0.001, 0.01)) * grain
    return np.where(mask, chi - chi[mask].mean(), 0).astype(np.float32), mask


def measured(head: Head, voxel_size_mm: np.ndarray, rng: Generator) -> list[np.ndarray]:
    """Maps of χ [ppm], R2* [1/s] and T1-weighted signal as a scanner and a reconstruction would give them."""
    chi, _ = reconstructed(head, voxel_size_mm, rng)
    shape = head.chi.shape
    noise = float(np.exp(rng.uniform(np.log(0.3), np.log(4))))
    r2star = np.clip(head.r2star + noise * rng.standard_normal(shape, np.float32), 0, 200) * head.brain
    bias = np.exp(rng.uniform(0, 0.25) * random_waves(shape, rng, modes=3))
    t1w = head.signal * bias + np.float32(rng.uniform(0.005, 0.04)) * rng.standard_normal(shape, np.float32)
    return [chi, r2star, np.clip(t1w, 0, None) * head.brain]


def draw(number: int, seed: int, window: Normalise) -> dict[str, np.ndarray]:
    """Arrays of the file of a head: images (T, 3, S, S), nuclei (T, S, S), names and values of the truth."""
    rng = np.random.default_rng((seed, number))
    edge = rng.uniform(1.5, 2.3)
    voxel_size_mm = np.array([edge, edge, np.clip(edge * rng.uniform(1, 2), 1.5, 3.5)])
    head, truth = build(coordinates(voxel_size_mm, rng), edge, rng)
    maps = measured(head, voxel_size_mm, rng)
    if rng.random() < 0.5:
        maps, head.labels = [volume[::-1] for volume in maps], head.labels[::-1]
    low, high = (f(np.argwhere(head.labels), 0) for f in (np.min, np.max))
    images, labels = [], []
    for _ in range(SLICES):
        z = int(np.clip(rng.integers(low[2] - 1, high[2] + 2), 0, head.labels.shape[2] - 1))
        fov_mm = rng.uniform(90, 145) if rng.random() < 0.75 else rng.uniform(145, 200)
        view = square_view(voxel_size_mm[:2], (low + high)[:2] / 2 * edge + rng.normal(0, 5, 2), fov_mm, SIZE)
        images.append([resample_slice(volume[:, :, z], view) for volume in maps])
        labels.append(resample_labels(head.labels[:, :, z], view))
    return {
        "images": normalise(np.array(images), window).astype(np.float16),
        "nuclei": np.array(labels),
        "names": np.array([*truth]),
        "values": np.array([*truth.values()]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the heads; those that are there are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder_heads", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--heads", type=int, default=HEADS)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    window = Normalise(**settings(["preprocessing=quantitative"])["normalise"])
    for number in range(chosen.heads):
        path = chosen.out / f"{number:04d}.npz"
        if not path.exists():
            start = time.monotonic()
            part = path.with_suffix(".part.npz")
            np.savez(part, **draw(number, chosen.seed, window))
            part.rename(path)
            print(f"{path.name} {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
