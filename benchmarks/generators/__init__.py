"""Heads that disagree with each other: every generator has its own anatomy, tissue model and field."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.generators import forward, mni, own, philips, seven, shapes, siemens
from benchmarks.generators.physics import acquire
from benchmarks.generators.scene import Scan

SEED = 17
GENERATORS = {"philips": philips, "siemens": siemens, "mni": mni, "shapes": shapes, "seven": seven}
NAMES = ("own", *GENERATORS, "forward", "forward_oblique")
COARSE_MM = {  # voxels of the small heads, on which all settings are compared
    "own": (1.75, 1.75, 1.75), "philips": (1.4, 1.4, 2.5), "siemens": (1.6, 1.6, 3.6), "mni": (1.75, 1.75, 1.75),
    "shapes": (1.75, 1.75, 1.75), "seven": (1.6, 1.6, 1.6), "forward": (1.5, 1.5, 3.0), "forward_oblique": (1.75,) * 3,
}  # fmt: skip


def simulate(name: str, coarse: bool) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and facts of one head; the same for the same name and size.

    Raises
    ------
    DataMissing
        Where a generator needs files that are not here.
    """
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    if name == "own":
        arrays, facts = own.simulate(COARSE_MM["own"] if coarse else own.VOXEL_SIZE_MM)
    elif name.startswith("forward"):
        scan = at_size(forward.SCANS[name], name, coarse)
        arrays, drawn = forward.simulate(scan, rng)
        facts = describe(scan) | drawn
    else:
        scan = at_size(GENERATORS[name].SCAN, name, coarse)
        scene = GENERATORS[name].build(scan, rng)
        arrays = acquire(scene, scan, rng)
        facts = describe(scan) | {"tags": list(scene.tags), "drawn": scene.drawn}
    return arrays, facts | {"head": name, "generator": name.split("_")[0], "coarse": coarse, "seed": SEED}


def at_size(scan: Scan, name: str, coarse: bool) -> Scan:
    """The scan as it is, or with the voxels of the small head."""
    return replace(scan, voxel_size_mm=COARSE_MM[name]) if coarse else scan


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
