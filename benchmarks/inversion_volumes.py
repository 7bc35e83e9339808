"""Volumes from which the trained dipole inversions are learnt: `python -m benchmarks.inversion_volumes OUT`.

    python -m benchmarks.inversion_volumes OUT [--for unrolled|deepqsm|qsmnet] [--volumes N] [--seed S]

Four generators (`GENERATORS`) share nothing with :mod:`benchmarks.generators`, on whose heads the result is scored:
here size, contrast, noise and geometry are drawn without anatomy in mind. `unrolled` is learnt from all of them in
turn, `deepqsm` from `shapes` alone, `qsmnet` from `heads` alone, every second after a background removal of the
reconstruction. Each volume becomes a file `NNNN.npz` with what the network reads and the truth, all relative to
the spread of the field.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from scipy import fft, ndimage

from recon.background import local_field
from recon.field.stage import field_precision
from recon.grid import Grid
from recon.inversion.problem import Problem, margins
from recon.inversion.total_variation import Solver
from recon.maths.boxes import bounding_box, padded_shape
from recon.maths.contrast import tissue_contrasts
from recon.maths.kernels import dipole_kernel
from recon.settings import defaults

FINE = 2  # sub-voxels along each edge
SEED = 20261129
VOLUMES = 240
REMOVERS = ("lbv_sources", "lbv", "sharp", "vsharp")  # background removals, drawn with equal chance
BEYOND = 8  # voxels about a volume in which the background may have sources
REMOVED = 1  # stream of the random numbers of the background
Shape = tuple[int, int, int]


@dataclass
class Scene:
    """Susceptibility [ppm], R2* [1/s] and signal at TE = 0 of the sub-voxels, (X, Y, Z) float32 each."""

    chi: np.ndarray
    r2star: np.ndarray
    signal: np.ndarray

    @classmethod
    def of_labels(cls, labels: np.ndarray, rng: Generator, spread_ppm: float) -> "Scene":
        """Every label with values of its own."""
        n = int(labels.max()) + 1
        chi = rng.normal(0, spread_ppm, n)
        r2star = rng.uniform(5, 40, n) + rng.choice([0, rng.uniform(50, 200)]) * np.abs(chi)
        signal = np.clip(1 - rng.choice([0.0, 1.0]) * chi / 0.3 + rng.normal(0, 0.15, n), 0.3, 1.8)
        return cls(*(table.astype(np.float32)[labels] for table in (chi, r2star, signal)))

    def paint(self, box: tuple[slice, ...], where: np.ndarray, chi: float, r2star: float, signal: float) -> None:
        """Set the values of some sub-voxels of a box."""
        for volume, value in ((self.chi, chi), (self.r2star, r2star), (self.signal, signal)):
            volume[box][where] = value


def waves(shape: Shape, period: float, rng: Generator) -> np.ndarray:
    """Smooth noise of unit variance that varies over about `period` voxels."""
    coarse = rng.standard_normal([int(n / period) + 4 for n in shape], np.float32)
    out = coarse
    for axis, n in enumerate(shape):  # cubic-like: linear between nodes, then a mean over half a period
        at = rng.uniform(0, 1) + np.arange(n) / period
        low = at.astype(int)
        share = (at - low).astype(np.float32)
        share = share * share * (3 - 2 * share)
        weight = share.reshape([-1 if a == axis else 1 for a in range(3)])
        out = np.take(out, low, axis) * (1 - weight) + np.take(out, low + 1, axis) * weight
    return out / max(float(out.std()), 1e-6)


def turned(rng: Generator) -> np.ndarray:
    """A random rotation."""
    return np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)


def near(shape: Shape, centre: np.ndarray, reach: float) -> tuple[tuple[slice, ...], np.ndarray]:
    """Box of the sub-voxels within `reach` of a centre, and their offsets from it."""
    box = tuple(
        slice(int(np.clip(c - reach, 0, n)), int(np.clip(c + reach + 1, 0, n)))
        for c, n in zip(centre, shape, strict=True)
    )
    offsets = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij")).astype(np.float32)
    return box, offsets - np.asarray(centre, np.float32).reshape(3, 1, 1, 1)


def blob(shape: Shape, centre: np.ndarray, size: np.ndarray, rng: Generator) -> tuple[tuple[slice, ...], np.ndarray]:
    """Box and voxels of a turned ellipsoid or cuboid with semi-axes `size` [sub-voxels]."""
    cuboid = rng.random() < 0.3
    box, offset = near(shape, centre, float(np.max(size)) * (1.8 if cuboid else 1.05))
    local = np.abs(np.tensordot(turned(rng), offset, 1)) / np.asarray(size, np.float32).reshape(3, 1, 1, 1)
    return box, local.max(0) < 1 if cuboid else (local**2).sum(0) < 1


def place(depth: np.ndarray, rng: Generator) -> np.ndarray:
    """A random sub-voxel inside the surface depth = 0."""
    while True:
        at = np.array([rng.integers(n) for n in depth.shape])
        if depth[tuple(at)] < 0:
            return at


def shapes(depth: np.ndarray, rng: Generator) -> Scene:
    """Ellipsoids and cuboids of all sizes."""
    scene = Scene.of_labels(np.zeros(depth.shape, np.uint8), rng, 0.01)
    for _ in range(int(rng.integers(15, 70))):
        size = np.exp(rng.uniform(np.log(3), np.log(20), 3))
        chi = rng.uniform(-0.6, 0.6) if rng.random() < 0.1 else rng.normal(0, 0.08)
        scene.paint(*blob(depth.shape, place(depth, rng), size, rng), chi, rng.uniform(5, 60), rng.uniform(0.4, 1.4))
    return scene


def tissues(depth: np.ndarray, rng: Generator) -> Scene:
    """Labels where one of several smooth fields is the largest."""
    fields = [
        waves(depth.shape, float(np.exp(rng.uniform(np.log(8), np.log(50)))), rng) for _ in range(rng.integers(3, 9))
    ]
    return Scene.of_labels(np.argmax(fields, 0), rng, 0.05)


def heads(depth: np.ndarray, rng: Generator) -> Scene:
    """A folded ribbon, an interior with fluid in its middle, and pairs of nuclei."""
    fold = float(rng.uniform(3, 9)) * waves(depth.shape, float(rng.uniform(5, 14)), rng)
    ribbon = depth + np.abs(fold) > -float(rng.uniform(2, 7))
    labels = np.where(ribbon, 1, 2).astype(np.uint8)
    labels[depth + fold / 2 > -2] = 0  # fluid in the folds
    labels[waves(depth.shape, float(rng.uniform(15, 40)), rng) > 1.3] = 3
    labels[(waves(depth.shape, float(rng.uniform(12, 30)), rng) > 1.6) & ~ribbon] = 0
    scene = Scene.of_labels(labels, rng, float(rng.uniform(0.015, 0.05)))
    middle = (depth.shape[0] - 1) / 2 + rng.uniform(-4, 4)
    for _ in range(int(rng.integers(2, 9))):
        centre, size = place(depth, rng), np.exp(rng.uniform(np.log(2), np.log(10), 3))
        values = (rng.uniform(-0.03, 0.28), rng.uniform(15, 90), rng.uniform(0.5, 1.1))
        for at in (centre, [2 * middle - centre[0], *centre[1:]]):
            scene.paint(*blob(depth.shape, np.asarray(at), size, rng), *values)
    return scene


def textures(depth: np.ndarray, rng: Generator) -> Scene:
    """Noise of all scales, the slower the stronger, with no edges."""
    slope = rng.uniform(0.2, 1.0)
    chi = sum(period**slope * waves(depth.shape, period, rng) for period in (2.5, 5.0, 10.0, 20.0, 40.0))
    chi = chi * np.float32(rng.uniform(0.02, 0.08) / chi.std())
    steps = np.clip(np.digitize(chi, np.quantile(chi[::4, ::4, ::4], np.linspace(0, 1, 12)[1:-1])), 0, 10)
    scene = Scene.of_labels(steps, rng, 0.05)
    scene.chi = chi
    return scene


GENERATORS: dict[str, Callable[[np.ndarray, Generator], Scene]] = {
    "shapes": shapes, "tissues": tissues, "heads": heads, "textures": textures,
}  # fmt: skip


def add_veins(scene: Scene, depth: np.ndarray, rng: Generator) -> None:
    """Winding tubes of about one oxygenation."""
    chi = rng.uniform(0.1, 0.45)
    for _ in range(int(rng.integers(2, 16))):
        at, way = place(depth, rng).astype(float), turned(rng)[0]
        radius = float(np.exp(rng.uniform(np.log(0.6), np.log(2.5))))
        for _ in range(int(rng.integers(5, 30))):
            box, offset = near(depth.shape, at, radius + 1)
            scene.paint(box, (offset**2).sum(0) < radius**2, chi, 60, 0.7)
            way = way + 0.35 * rng.standard_normal(3)
            way /= np.linalg.norm(way)
            at += way * max(radius, 1)


def add_lesions(scene: Scene, depth: np.ndarray, rng: Generator) -> None:
    """Calcifications and haemorrhages."""
    for _ in range(int(rng.integers(1, 4))):
        chi = -rng.uniform(0.3, 2.5) if rng.random() < 0.5 else rng.uniform(0.3, 1.5)
        size = np.exp(rng.uniform(np.log(1.2), np.log(6), 3))
        scene.paint(*blob(depth.shape, place(depth, rng), size, rng), chi, rng.uniform(60, 200), rng.uniform(0.2, 0.8))


def coarse(volume: np.ndarray) -> np.ndarray:
    """Mean over the sub-voxels of each voxel."""
    x, y, z = (n // FINE for n in volume.shape)
    return volume.reshape(x, FINE, y, FINE, z, FINE).mean((1, 3, 5), dtype=np.float32)


def truncated(volume: np.ndarray) -> np.ndarray:
    """The lower frequencies of a volume, as a scanner that sees no others would show it."""
    X = fft.fftshift(fft.fftn(volume))
    part = tuple(slice(n // 2 - n // FINE // 2, n // 2 - n // FINE // 2 + n // FINE) for n in volume.shape)
    return (fft.ifftn(fft.ifftshift(X[part])).real / FINE**3).astype(np.float32)


def remainder(mask: np.ndarray, grid: Grid, rng: Generator) -> np.ndarray:
    """What background removal may leave, unit variance in the mask: sources beside it, and slow waves."""
    sources = np.zeros(mask.shape, np.float32)
    rim = np.argwhere(ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask))
    if len(rim):
        chosen = rim[rng.integers(len(rim), size=int(rng.integers(1, 40)))]
        sources[tuple(chosen.T)] = rng.standard_normal(len(chosen))
    shape = padded_shape(mask.shape, grid.voxel_size_mm, 40.0)
    field = fft.irfftn(fft.rfftn(sources, shape) * dipole_kernel(shape, grid), shape)
    field = field[tuple(slice(n) for n in mask.shape)] * mask
    slow = waves(mask.shape, float(rng.uniform(15, 40)), rng)
    share = rng.random()
    total = share * field / max(field[mask].std(), 1e-6) + (1 - share) * slow
    return (total / max(total[mask].std(), 1e-6)).astype(np.float32)


def geometry(rng: Generator) -> Grid:
    """Voxels of 0.5 to 3 mm, and B0 within 45 degrees of an axis."""
    edge = float(np.exp(rng.uniform(np.log(0.5), np.log(2.5))))
    thick = 1.0 if rng.random() < 0.5 else float(rng.uniform(1, 3.5))
    tilt = np.deg2rad(0 if rng.random() < 0.4 else rng.uniform(0, 45))
    azimuth = rng.uniform(0, 2 * np.pi)
    direction = [np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), np.cos(tilt)]
    return Grid([edge, edge, min(edge * thick, max(3.5, edge))], direction)


def surface(shape: Shape, rng: Generator) -> np.ndarray:
    """Depth [sub-voxels] below a bent ellipsoid, negative inside."""
    centre, semi = (np.array(shape) - 1) / 2, np.array(shape) / 2 * rng.uniform(0.7, 0.98, 3)
    axes = np.meshgrid(*((np.arange(n) - c) / s for n, c, s in zip(shape, centre, semi, strict=True)), indexing="ij")
    radius = np.sqrt(sum(a.astype(np.float32) ** 2 for a in axes))
    return (radius - 1) * np.float32(semi.mean()) + np.float32(rng.uniform(0, 4)) * waves(shape, 40.0, rng)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A field [ppm] in a mask, what else a reconstruction knows of it, and its susceptibility [ppm], (X, Y, Z) each."""

    field: np.ndarray
    mask: np.ndarray
    grid: Grid
    precision: np.ndarray
    contrasts: np.ndarray | None
    chi: np.ndarray
    outside: float

    def problem(self, *, solved: bool) -> Problem:
        """What a network reads in the box of the mask, with the map of total variation or without."""
        box = bounding_box(self.mask)
        settings = defaults("dipole_inversion") | {"tv_outside": self.outside}
        return Problem.of(
            self.field[box],
            self.mask[box],
            self.grid,
            precision=self.precision[box],
            contrasts=None if self.contrasts is None else self.contrasts[(slice(None), *box)],
            solver=Solver.of(settings) if solved else None,
        )

    def truth(self, problem: Problem) -> np.ndarray:
        """The susceptibility on the grid and in the units of a problem."""
        box = bounding_box(self.mask)
        inside = np.where(self.mask, self.chi, 0)[box]
        return (np.pad(inside, margins(inside.shape)) / problem.scale).astype(np.float32)


def background(mask: np.ndarray, grid: Grid, rng: Generator) -> np.ndarray:
    """Field of strong sources beyond a mask, near to it and far, unit variance inside.

    Sources have soft edges, whose field the grid can hold: hard ones would ring into the mask.
    """
    whole = np.pad(mask, BEYOND)
    distance = ndimage.distance_transform_edt(~whole)
    places = np.argwhere((distance > 2) & (distance < rng.uniform(4, BEYOND)))
    sources = np.zeros(whole.shape, np.float32)
    for place in places[rng.integers(len(places), size=int(rng.integers(2, 20)))]:
        box, offset = near(whole.shape, place, float(rng.uniform(1, 4)))
        reach = np.sqrt((offset**2).sum(0)).max()
        sources[box][(offset**2).sum(0) < reach**2 / 3] = rng.choice([1.0, 0.3, -0.3])
    sources = ndimage.gaussian_filter(sources, 1.0, truncate=3) * np.clip(distance / 2 - 0.5, 0, 1)
    large = padded_shape(whole.shape, grid.voxel_size_mm, 40.0)
    field = fft.irfftn(fft.rfftn(sources.astype(np.float32), large) * dipole_kernel(large, grid), large)
    field = field[tuple(slice(BEYOND, BEYOND + n) for n in mask.shape)]
    return (field / max(field[mask].std(), 1e-6)).astype(np.float32)


def removed(
    field: np.ndarray, mask: np.ndarray, grid: Grid, magnitude: np.ndarray, rng: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The field after a background was added and removed again, and where it is known."""
    strength = float(field[mask].std()) * float(np.exp(rng.uniform(np.log(2), np.log(30))))
    settings = defaults("local_field")
    method = str(rng.choice(REMOVERS))
    own = {"radius_mm": settings["radius_mm"], "threshold": settings["threshold"]} if "sharp" in method else {}
    if method == "vsharp":
        own |= {"smallest_radius_mm": settings["smallest_radius_mm"]}
    total = field + np.float32(strength) * background(mask, grid, rng)
    return local_field(total, mask, grid, method=method, magnitude=magnitude, **own)


def drawn(number: int, seed: int, generator: str, *, after_removal: bool = False) -> Drawn:
    """Draw a volume, its field with what background removal may leave, or `after_removal` what one left."""
    rng = np.random.default_rng((seed, number))
    shape = tuple(int(4 * rng.integers(11, 16) - 4) for _ in range(3))
    fine = tuple(FINE * n for n in shape)
    grid, depth = geometry(rng), surface(fine, rng)
    scene = GENERATORS[generator](depth, rng)
    if rng.random() < 0.6:
        add_veins(scene, depth, rng)
    if rng.random() < 0.3:
        add_lesions(scene, depth, rng)
    scene.chi += np.float32(rng.uniform(0, 0.02)) * waves(fine, 30.0, rng)
    if rng.random() < 0.5:
        scene.chi += np.float32(rng.uniform(0, 0.01)) * waves(fine, float(rng.uniform(2, 5)), rng)

    mask = coarse((depth < 0).astype(np.float32)) > 0.5
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            box, inside = blob(shape, rng.uniform(0, shape, 3), rng.uniform(1, 6, 3), rng)
            mask[box] &= ~inside
    scene.chi *= np.repeat(np.repeat(np.repeat(mask, FINE, 0), FINE, 1), FINE, 2)
    fine_grid = Grid(np.asarray(grid.voxel_size_mm) / FINE, grid.b0_dir)
    large = tuple(fft.next_fast_len(int(1.4 * n), real=True) for n in fine)
    D = dipole_kernel(large, fine_grid)
    field = fft.irfftn(fft.rfftn(scene.chi, large) * D, large)[tuple(slice(n) for n in fine)]
    field = truncated(field) if rng.random() < 0.15 else coarse(field)

    te_s = np.linspace(1, int(rng.integers(3, 8)), 3) * rng.uniform(0.003, 0.006)
    bias = np.exp(0.3 * waves(shape, 30.0, rng))
    signal, r2star = coarse(scene.signal), coarse(scene.r2star)
    magnitude = np.stack([bias * signal * np.exp(-r2star * te) for te in te_s], -1).astype(np.float32)
    precision = field_precision(magnitude, mask, tuple(te_s))
    spread = float(field[mask].std())
    level = spread * float(np.exp(rng.uniform(np.log(0.01), np.log(0.3))))
    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.1:
        noise = ndimage.gaussian_filter(noise, (0.6, 0.6, 0))
    relative = np.maximum(precision / np.median(precision[mask]), 0.3)
    field = field + level * noise / relative
    if after_removal:
        whole = mask
        field, mask = removed(field, mask, grid, magnitude, np.random.default_rng((seed, number, REMOVED)))
        if not mask.any():  # a small mask that is eroded away
            mask = whole
    elif rng.random() < 0.6:
        field += spread * float(rng.uniform(0, 0.4)) * remainder(mask, grid, rng)
    magnitude = magnitude + float(rng.uniform(0, 0.03)) * rng.standard_normal(magnitude.shape, np.float32)
    shown = rng.random() < 0.6
    contrasts = tissue_contrasts(magnitude, mask, grid.voxel_size_mm) if shown else None
    outside = float(np.exp(rng.uniform(np.log(0.001), np.log(0.05))))  # the arms differ
    return Drawn(
        field=field,
        mask=mask,
        grid=grid,
        precision=precision,
        contrasts=contrasts,
        chi=coarse(scene.chi),
        outside=outside,
    )


def volume(number: int, seed: int) -> dict[str, np.ndarray]:
    """Draw a volume of the generator whose turn it is and solve it by total variation: arrays of its file."""
    one = drawn(number, seed, list(GENERATORS)[number % len(GENERATORS)])
    problem = one.problem(solved=True)
    return arrays_of(problem) | {"truth": one.truth(problem)}


def direct_volume(number: int, seed: int, generator: str, *, removal: bool) -> dict[str, np.ndarray]:
    """The same of one generator, with the damped division in place of that map; `removal`: for every second volume."""
    one = drawn(number, seed, generator, after_removal=removal and bool(number % 2))
    problem = one.problem(solved=False)
    arrays = arrays_of(problem)
    kept = {name: arrays[name] for name in DIRECT_ARRAYS}
    return kept | {"division": problem.divided(problem.field), "truth": one.truth(problem)}


DIRECT_ARRAYS = ("field", "pull", "noise", "geometry", "inside", "dipole", "periodic", "level")
VOLUMES_FOR: dict[str, Callable[[int, int], dict[str, np.ndarray]]] = {
    "unrolled": volume,
    "deepqsm": partial(direct_volume, generator="shapes", removal=False),
    "qsmnet": partial(direct_volume, generator="heads", removal=True),
}


def arrays_of(problem: Problem) -> dict[str, np.ndarray]:
    """What a training reads of a problem."""
    names = ("field", "start", "pull", "noise", "contrasts", "geometry")
    arrays = {name: getattr(problem, name) for name in names}
    model = problem.model
    return arrays | {
        "inside": model.inside,
        "dipole": model.D,
        "periodic": np.array(model.transform.grid),
        "level": np.float32(problem.level),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the volumes; those that are there are kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inversion_volumes", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--for", dest="method", choices=VOLUMES_FOR, default="unrolled")
    parser.add_argument("--volumes", type=int, default=VOLUMES)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for number in range(chosen.volumes):
        path = chosen.out / f"{number:04d}.npz"
        if not path.exists():
            start = time.monotonic()
            part = path.with_suffix(".part.npz")
            np.savez(part, **VOLUMES_FOR[chosen.method](number, chosen.seed))
            part.rename(path)
            print(f"{path.name} {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
