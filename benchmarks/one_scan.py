"""Maps of one scan through the workflow, beside another commit: `python -m benchmarks.one_scan --against COMMIT`.

One gzipped BIDS scan is simulated. Both builds run `snakemake --cores 2 -- maps` on it in turn, in the environment of
this Python, and the medians go to one_scan.tsv: CPU seconds, their share and peak memory of every job, of all jobs, and
of the whole command with the check of the data and Snakemake itself. Images that differ in any voxel are named, and the
exit status is 1.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import zoom

from benchmarks.__main__ import configuration
from benchmarks.beside import differing, told
from benchmarks.heads import SIZES, Size, simulate
from benchmarks.usage import ROOT, checkout, command_usage, project, snakemake
from recon.files.io import read_volume, write_stored

HALF = Size(voxel_size_mm=(1.202, 1.202, 4.0), matrix=(183, 183, 42))
SCANS = {"half": HALF, "paper": SIZES["paper"]}
LEVELS = 4096  # of twelve bits, in a turn of phase and in the largest magnitude
MAPS = "results/one/derivatives/qnet/sub-01"
BUILDS = ("before", "after")


def write_scan(bids: Path, size: Size, te_s: Sequence[float] | None = None, finer: int = 1) -> None:
    """One subject in integers, as Siemens scanners store them.

    Parameters
    ----------
    bids : where
    size : of the simulated head
    te_s : other echo times [s] than the demo's
    finer : by how much every edge of a voxel is divided, the signal being interpolated as scanners do
    """
    config = configuration()[0]
    if te_s is not None:
        config["simulate"] |= {"te_s": [*te_s]}
    with tempfile.TemporaryDirectory() as folder:
        head = simulate(Path(folder), size, config)
        magnitude, phase = head["magnitude"], head["phase"]
    facts = {"MagneticFieldStrength": 3.0, "Manufacturer": "Siemens", "FlipAngle": 24, "MRAcquisitionType": "3D"}
    affine, largest = np.array(head.affine), magnitude.max()
    affine[:3, :3] /= finer
    for echo, seconds in enumerate(head.acquisition.te_s):
        of_echo = interpolated(magnitude[..., echo], phase[..., echo], finer)
        parts = {
            "mag": (of_echo[0] * ((LEVELS - 1) / largest), 1, 0),
            "phase": ((of_echo[1] / (2 * np.pi) + 0.5) * LEVELS % LEVELS, 2, -LEVELS),
        }
        for part, (values, slope, intercept) in parts.items():
            stored = (np.rint(values) % LEVELS).astype(np.int16)
            path = bids / "sub-01" / "anat" / f"sub-01_echo-{echo + 1}_part-{part}_MEGRE.nii.gz"
            write_stored(path, stored, affine, slope, intercept, facts | {"EchoTime": seconds})
    (bids / "dataset_description.json").write_text(json.dumps({"Name": "one scan", "BIDSVersion": "1.10.0"}))


def interpolated(magnitude: np.ndarray, phase: np.ndarray, finer: int) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and phase [rad] of a complex signal on a grid with `finer` times as many voxels along each axis."""
    if finer == 1:
        return magnitude, phase
    parts = magnitude * np.cos(phase), magnitude * np.sin(phase)  # of complex arrays `zoom` ignores `grid_mode`
    real, imaginary = (zoom(part, finer, order=1, mode="nearest", grid_mode=True) for part in parts)
    return np.hypot(real, imaginary), np.arctan2(imaginary, real)


def run(code: Path, bids: Path, folder: Path, cores: int = 2) -> pd.DataFrame:
    """What the maps of a scan cost by job, in a new folder; see `benchmarks.usage`."""
    command = snakemake("--config", "dataset=one", f"bids_dir={bids}", "--", "maps", cores=cores)
    return command_usage(command, project(code, folder))


def voxels(image: Path) -> bytes:
    """What an image holds, however it is packed."""
    return read_volume(image).data.tobytes()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both builds in turn, write the table and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_scan", description=__doc__)
    parser.add_argument("--against", required=True, metavar="COMMIT", help="the build to compare with")
    parser.add_argument("--size", choices=SCANS, default="paper", help="366 × 366 × 84, or half of each: six echoes")
    parser.add_argument("--repeats", type=int, default=3, help="of each build; medians count")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    runs: dict[str, list[pd.DataFrame]] = {build: [] for build in BUILDS}
    with tempfile.TemporaryDirectory() as scratch:
        old = checkout(chosen.against, Path(scratch) / "code")
        bids = Path(scratch) / "bids"
        write_scan(bids, SCANS[chosen.size])
        for repeat in range(chosen.repeats):
            for build, code in zip(BUILDS, (old, ROOT), strict=True):
                runs[build].append(run(code, bids, Path(scratch) / f"{build}{repeat}"))
        unlike = differing(*(Path(scratch) / f"{build}0" / MAPS for build in BUILDS), "*.nii.gz", voxels)
    return told(runs, unlike, "voxels", chosen.out / "one_scan.tsv")


if __name__ == "__main__":
    sys.exit(main())
