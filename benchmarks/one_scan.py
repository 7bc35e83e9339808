"""Maps of one scan through the workflow, beside another commit: `python -m benchmarks.one_scan --against COMMIT`.

One gzipped BIDS scan is simulated. Both builds run `snakemake --cores 2 -- maps` on it in turn, in the environment of
this Python, and the medians go to one_scan.tsv: CPU seconds and peak memory of every job, of all jobs, and of the whole
command with the check of the data and Snakemake itself. Images that differ in any voxel are named, and the exit status
is 1.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.__main__ import configuration
from benchmarks.heads import SIZES, Size, simulate
from benchmarks.measure import ONE_THREAD
from benchmarks.planning import PARTS
from recon.files.io import read_volume, write_stored

ROOT = Path(__file__).resolve().parents[1]
HALF = Size(voxel_size_mm=(1.202, 1.202, 4.0), matrix=(183, 183, 42))
SCANS = {"half": HALF, "paper": SIZES["paper"]}
LEVELS = 4096  # of twelve bits, in a turn of phase and in the largest magnitude
MAPS = "results/one/derivatives/qnet/sub-01"
BUILDS = ("before", "after")


def write_scan(bids: Path, size: Size) -> None:
    """One subject in integers, as Siemens scanners store them."""
    with tempfile.TemporaryDirectory() as folder:
        head = simulate(Path(folder), size, configuration()[0])
        magnitude, phase = head["magnitude"], head["phase"]
    facts = {"MagneticFieldStrength": 3.0, "Manufacturer": "Siemens", "FlipAngle": 24, "MRAcquisitionType": "3D"}
    parts = {
        "mag": (magnitude * ((LEVELS - 1) / magnitude.max()), 1, 0),
        "phase": ((phase / (2 * np.pi) + 0.5) * LEVELS % LEVELS, 2, -LEVELS),
    }
    for part, (values, slope, intercept) in parts.items():
        for echo, te_s in enumerate(head.acquisition.te_s):
            stored = (np.rint(values[..., echo]) % LEVELS).astype(np.int16)
            path = bids / "sub-01" / "anat" / f"sub-01_echo-{echo + 1}_part-{part}_MEGRE.nii.gz"
            write_stored(path, stored, np.array(head.affine), slope, intercept, facts | {"EchoTime": te_s})
    (bids / "dataset_description.json").write_text(json.dumps({"Name": "one scan", "BIDSVersion": "1.10.0"}))


def run(code: Path, bids: Path, folder: Path) -> pd.DataFrame:
    """CPU and wall seconds and peak memory [MB] of each job, of all `jobs`, and of the `command`, in a new folder."""
    folder.mkdir(parents=True)
    for part in (*PARTS, "pyproject.toml", "requirements.lock"):  # older builds run in their own checkout only
        (folder / part).symlink_to(code / part)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", "dataset=one"]
    command += [f"bids_dir={bids}", "--", "maps"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, cwd=folder, env=os.environ | ONE_THREAD, capture_output=True, text=True)
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise RuntimeError(f"{code}: expected maps, found\n{ended.stderr[-2000:]}")
    jobs = pd.concat(
        pd.read_csv(path, sep="\t", na_values="-").assign(job=path.stem.replace("sub-01", "").strip("_"))
        for path in sorted((folder / "results/one/benchmarks").rglob("*.tsv"))
    ).rename(columns={"cpu_time": "cpu_s", "s": "wall_s", "max_rss": "peak_mb"})
    table = jobs.set_index("job")[["cpu_s", "wall_s", "peak_mb"]]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    table.loc["jobs"] = [table["cpu_s"].sum(), table["wall_s"].sum(), table["peak_mb"].max()]
    table.loc["command"] = [cpu_s, wall_s, np.nan]
    return table


def differing(one: Path, other: Path) -> list[str]:
    """Names of the images that are not in both folders with the same voxels."""
    names = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob("*.nii.gz")}
    return sorted(
        str(name)
        for name in names
        if not ((one / name).is_file() and (other / name).is_file())
        or read_volume(one / name).data.tobytes() != read_volume(other / name).data.tobytes()
    )


def compared(runs: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """Medians over the runs of both builds, and what is left of CPU seconds, wall seconds and peak memory."""
    before, after = (pd.concat(runs[build]).groupby(level=0, sort=False).median() for build in BUILDS)
    table = before.add_suffix("_before").join(after.add_suffix("_after"), how="outer")
    for quantity in before.columns:
        table[f"{quantity}_ratio"] = table[f"{quantity}_after"] / table[f"{quantity}_before"]
    return table


def checkout(commit: str, folder: Path) -> Path:
    """The files of a commit in a new folder, apart from git's own records."""
    folder.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", folder], input=packed, check=True)
    return folder


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
        unlike = differing(*(Path(scratch) / f"{build}0" / MAPS for build in BUILDS))
    table = compared(runs)
    table.to_csv(chosen.out / "one_scan.tsv", sep="\t", float_format="%.3g", na_rep="n/a")
    print(table.to_string(float_format=lambda x: f"{x:.3g}", na_rep=""))
    print("\n".join(f"{name}: expected the same voxels in both builds, found others" for name in unlike))
    return int(bool(unlike))


if __name__ == "__main__":
    sys.exit(main())
