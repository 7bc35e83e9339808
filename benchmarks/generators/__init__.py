"""Heads that disagree with each other: every generator has its own anatomy, tissue model and field."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.generators import forward, mni, own, philips, seven, shapes, siemens
from benchmarks.generators.physics import acquire
from benchmarks.generators.scene import Scan
from benchmarks.heads import SIZES

SEED = 17
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How a head is made: its scan, the voxels [mm] of the small head on which settings are compared, and the maker.

    `finer` are the sub-voxels of a head of given size: few, and an odd number, of which a label has most or not; none:
    as many as make them cubes, see `cubes`. The maker gives the arrays of `physics.acquire`, and facts that the scan
    does not hold.
    """

    scan: Scan
    coarse_mm: tuple[float, float, float]
    make: Callable[[Scan, np.random.Generator], tuple[Arrays, dict]]
    finer: tuple[int, int, int] | None = (1, 1, 3)


def acquired(generator: ModuleType) -> Callable[[Scan, np.random.Generator], tuple[Arrays, dict]]:
    """The maker of a generator that builds scenes."""

    def make(scan: Scan, rng: np.random.Generator) -> tuple[Arrays, dict]:
        scene = generator.build(scan, rng)
        return acquire(scene, scan, rng), {"tags": list(scene.tags), "drawn": scene.drawn}

    return make


HEADS = {
    "own": Recipe(own.SCAN, (1.75, 1.75, 1.75), own.simulate),
    "philips": Recipe(philips.SCAN, (1.4, 1.4, 2.5), acquired(philips)),
    "siemens": Recipe(siemens.SCAN, (1.6, 1.6, 3.6), acquired(siemens)),
    "mni": Recipe(mni.SCAN, (1.75, 1.75, 1.75), acquired(mni)),
    "shapes": Recipe(shapes.SCAN, (1.75, 1.75, 1.75), acquired(shapes)),
    "seven": Recipe(seven.SCAN, (1.6, 1.6, 1.6), acquired(seven)),
    "forward": Recipe(forward.STRAIGHT, (1.5, 1.5, 3.0), forward.simulate, None),
    "forward_oblique": Recipe(forward.OBLIQUE, (2.5, 2.5, 2.5), forward.simulate, None),
}


def simulate(name: str, coarse: bool, size: str | None = None) -> tuple[Arrays, dict]:
    """Arrays and facts of one head; the same for the same name and size, one of `benchmarks.heads.SIZES` if given.

    Raises
    ------
    DataMissing
        Where a generator needs files that are not here.
    """
    recipe = HEADS[name]
    scan = scan_of(recipe, coarse, size)
    arrays, facts = recipe.make(scan, np.random.default_rng([SEED, zlib.crc32(name.encode())]))
    generator = name.partition("_")[0]
    return arrays, describe(scan) | facts | {"head": name, "generator": generator, "coarse": coarse, "seed": SEED}


def scan_of(recipe: Recipe, coarse: bool, size: str | None) -> Scan:
    """The scan of a head of the recipe's voxels, of its coarse ones, or of a size."""
    if size is None:
        return replace(recipe.scan, voxel_size_mm=recipe.coarse_mm) if coarse else recipe.scan
    voxel_size_mm = SIZES[size].voxel_size_mm
    return replace(recipe.scan, voxel_size_mm=voxel_size_mm, finer=recipe.finer or cubes(voxel_size_mm))


def cubes(voxel_size_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Sub-voxels that are nearly cubes, of voxels [mm].

    The dipole of the peer's simulator is sampled in k-space up to each axis' own highest frequency. On a grid three
    times finer in plane than along B0 its field is no longer that of sources outside where there are none: removing
    the background of such a head left three times the field of the brain.
    """
    x, y, z = (round(edge / min(voxel_size_mm)) for edge in voxel_size_mm)
    return x, y, z


def describe(scan: Scan) -> dict:
    """Facts of a scan, plain JSON."""
    return {
        "te_s": list(scan.te_s),
        "b0_tesla": scan.b0_tesla,
        "voxel_size_mm": list(scan.voxel_size_mm),
        "b0_dir": scan.b0_dir.tolist(),
        "snr": scan.snr,
        "sub_voxels": list(scan.finer),
        "tilt_deg": list(scan.tilt_deg),
        "receive_rad": scan.receive_rad,
        "shading": scan.shading,
        "dipole": scan.dipole,
    }


def write(folder: Path, arrays: dict[str, np.ndarray], facts: dict) -> None:
    """A folder of .npy arrays in the memory order of NIfTI files, and facts.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        small = array.astype(np.float32) if array.dtype.kind == "f" else array
        np.save(folder / f"{name}.npy", np.asfortranarray(small))
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
