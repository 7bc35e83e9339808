"""Maps of scans whose signal is as scanners spoil it: `python -m benchmarks.signals [--heads HEADS] [--further] …`.

A fault of `benchmarks.signal_faults` is laid over the echoes of a head of `benchmarks.generators`; the scan is written
as BIDS, and runs through the scripts of the workflow in both arms, from the intake to what the page says.
`signals.tsv` has a row a head, fault and arm: error of χ over the whole brain without and with the fault, slope of the
deep grey nuclei, share of the brain with χ, whether the page calls the map broken, and what intake and page say that
they do not say of the untouched scan. A refused scan has no numbers. A row whose error is over `RUINED` times the
untouched one and of which nothing is said is a fault of the product; they are printed at the end.
"""

import argparse
import re
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from benchmarks.cohorts import ROOT, chain, import_scripts
from benchmarks.generators import HEADS, SEED, describe, write
from benchmarks.heads import Head, read_head
from benchmarks.scores import chi_scores
from benchmarks.signal_faults import FURTHER, REQUIRED, Scan
from recon.acquisition import Acquisition
from recon.check.quality import Quality, quality
from recon.files.io import Volume, read_json, read_mask, read_volume, write_volume
from recon.files.tables import read_table, write_table
from recon.problems import ProblemError
from recon.regions.localize import region_statistics
from recon.settings import arm, shipped
from workflow.scripts.subject_page import EchoFiles, look_at_echoes

ARMS = ("paper", "consensus")
RUINED = 1.25
UNTOUCHED = "untouched"
EDGE_MM = 3.0  # of voxels; a fault takes 7 CPU s in both arms
HEADS_HERE = ("own", "mni", "siemens")


class Told(NamedTuple):
    """Error [%], slope, share [%] of the brain with χ, and what is said of a scan, what is broken first."""

    nrmse_percent: float
    slope: float
    kept_percent: float
    broken: int
    said: list[str]


def affine_of(acquisition: Acquisition) -> np.ndarray:
    """(4, 4) of voxels in which the main field, the third axis of the scanner, has the head's direction."""
    affine = np.eye(4)
    turn = Rotation.align_vectors([[0, 0, 1]], [acquisition.b0_dir])[0].as_matrix()
    affine[:3, :3] = turn * acquisition.voxel_size_mm
    return affine


def make(folder: Path, name: str) -> None:
    """A head with voxels of `EDGE_MM`, the same for the same name."""
    scan = replace(HEADS[name].scan, voxel_size_mm=(EDGE_MM, EDGE_MM, EDGE_MM))
    arrays, facts = HEADS[name].make(scan, np.random.default_rng([SEED, zlib.crc32(name.encode())]))
    write(folder, arrays, describe(scan) | facts | {"head": name})


def write_scan(scan: Scan, folder: Path) -> tuple[list[str], list[str]]:
    """BIDS images and sidecars of a scan below `folder`."""
    facts = scan.head.acquisition
    told = {
        "MagneticFieldStrength": facts.b0_tesla,
        "Manufacturer": "Siemens",
        "MRAcquisitionType": "3D",
        "FlipAngle": 20,
    }
    images, affine = [], affine_of(facts)
    for part, values, unit in (("mag", scan.magnitude, {}), ("phase", scan.phase_rad, {"Units": "rad"})):
        for echo, te_s in enumerate(facts.te_s):
            path = folder / f"sub-01_echo-{echo + 1}_part-{part}_MEGRE.nii"
            data = values[..., echo].astype(np.float32)
            write_volume(path, data, Volume(data=data, affine=affine), told | unit | scan.facts | {"EchoTime": te_s})
            images.append(str(path))
    return images, [image.replace(".nii", ".json") for image in images]


class Placed:
    """Rule locate_nuclei for the scans of one head: labels and white matter stay where the first scan has them."""

    def __init__(self, locate: Callable) -> None:
        self.locate, self.found = locate, dict[str, tuple[np.ndarray, np.ndarray]]()

    def __call__(self, *, chi: str, r2star: str, stats: str, dseg: str, cfg: dict, **others: str) -> None:
        if cfg["method"] not in self.found:
            white = stats.replace("stats.tsv", "white.nii")
            self.locate(chi=chi, r2star=r2star, stats=stats, dseg=dseg, cfg=cfg, white=white, **others)
            self.found[cfg["method"]] = read_volume(dseg).data.astype(np.uint8), read_mask(white)
            return
        volumes = {"chi_ppm": read_volume(chi), "r2star_hz": read_volume(r2star)}
        maps = {name: volume.data for name, volume in volumes.items()}
        write_table(stats, region_statistics(*self.found[cfg["method"]], maps, volumes["chi_ppm"].voxel_size_mm))


def page(at: Callable[[str], str], config: dict) -> Quality:
    """What the page of a scan says of the files that the chain left."""
    facts, series = read_json(at("acquisition.json")), Acquisition.read(at("acquisition.json"))
    names = ("magnitude.nii", "phase.nii", "unwrapped.nii", "local.nii", "misfit.nii.gz")
    brain, chi, decay = (
        read_mask(at("mask.nii.gz")),
        read_volume(at("chi.nii.gz")).data,
        read_volume(at("r2star.nii.gz")),
    )
    masks = brain, read_mask(at("reliable.nii")), read_volume(at("singular.nii")).data > 0
    maximum_hz = config["r2star_map"]["maximum_hz"]
    _, of_echoes, _, voids, residual = look_at_echoes(
        EchoFiles(*map(at, names)), masks, chi, decay, series, maximum_hz, lambda _: []
    )
    told = {"voids": voids, "residual_ppm": residual, "phase_sign": facts["decisions"]["SignFactor"]}
    found = of_echoes.before(quality(brain, series.voxel_size_mm, chi, read_table(at("stats.tsv")), **told))
    return found._replace(warnings=[*found.warnings, *facts["decisions"].get("Notes", [])])


def judged(scan: Scan, arm_names: Sequence[str], scripts: dict) -> Iterator[tuple[str, Told]]:
    """The intake of a scan, its map by each arm, and what is said of it."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work = Path("sub-01")
        work.mkdir()

        def at(name: str) -> str:
            return str(work / name)

        prepared = [at(name) for name in ("magnitude.nii", "phase.nii", "acquisition.json")]
        try:
            scripts["prepare_echoes"](*write_scan(scan, work), *prepared, shipped()["prepare_echoes"])
        except ProblemError as error:
            for name in arm_names:
                yield name, Told(np.nan, np.nan, np.nan, 0, [f"refused, {error.problems[0].found}"])
            return
        for name in arm_names:
            config = arm(shipped() | {"pipeline": name})
            config["simulate"] = config["simulate"] | {"te_s": list(scan.te_s)}
            try:
                chain(config, at, scripts)
            except ValueError as error:  # the job ends with it
                yield name, Told(np.nan, np.nan, np.nan, 0, [f"failed, {error}"])
                continue
            chi, head = read_volume(at("chi.nii.gz")).data, scan.head
            brain = scan.brain if scan.lesion is None else scan.brain & ~scan.lesion
            scores = chi_scores(chi, chi != 0, head["chi_ppm"], brain, head["nuclei"], head["lesions"])
            found = page(at, config)
            numbers = (scores[key] for key in ("nrmse_percent", "deep_grey_slope", "kept_percent"))
            yield name, Told(*numbers, len(found.broken), found.warnings)


def new(said: Sequence[str], before: Sequence[str]) -> str:
    """What is said beyond what was said before, numbers aside: of each sentence its beginning."""
    known = {re.sub(r"[\d.+−-]+", "#", text) for text in before}
    fresh = (text for text in said if re.sub(r"[\d.+−-]+", "#", text) not in known)
    return "; ".join(re.sub(r"\s+", " ", text)[:90] for text in fresh)


def rows_of(
    head: Head, faults: dict[str, Callable[[Scan], Scan]], arm_names: Sequence[str], scripts: dict
) -> Iterator[dict]:
    """Rows of one head: the untouched scan, then every fault."""
    sound = Scan(head=head, magnitude=head["magnitude"], phase_rad=head["phase"])
    scripts = scripts | {"locate_nuclei": Placed(scripts["locate_nuclei"])}
    untouched = dict(judged(sound, arm_names, scripts))
    for name, of in {UNTOUCHED: lambda scan: scan, **faults}.items():
        start_s = time.process_time()
        found = untouched if name == UNTOUCHED else dict(judged(of(sound), arm_names, scripts))
        print(f"{head.folder.name}: {name}, {time.process_time() - start_s:.0f} CPU s", file=sys.stderr, flush=True)
        for arm_name, told in found.items():
            base = untouched[arm_name]
            yield {
                "head": head.folder.name, "fault": name, "arm": arm_name, "untouched_percent": base.nrmse_percent,
                "nrmse_percent": told.nrmse_percent, "deep_grey_slope": told.slope, "kept_percent": told.kept_percent,
                "broken": int(told.broken > 0), "said": new(told.said, () if name == UNTOUCHED else base.said),
            }  # fmt: skip


def silently_ruined(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of which nothing is said though their error is over `RUINED` times that of the untouched scan."""
    return rows[(rows["said"] == "") & (rows["nrmse_percent"] > RUINED * rows["untouched_percent"])]


def main(arguments: Sequence[str] | None = None) -> int:
    """All faults over all heads, the table, and what is a fault of the product."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument(
        "--heads", type=Path, help="folder of benchmarks.generators; without it they are made, with voxels of 3 mm"
    )
    parser.add_argument("--only", action="append", metavar="HEAD", help=f"by default {', '.join(HEADS_HERE)}")
    parser.add_argument("--fault", action="append", choices=[*REQUIRED, *FURTHER])
    parser.add_argument("--further", action="store_true", help="also the faults of readouts, motion and storage")
    parser.add_argument("--arm", action="append", choices=ARMS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "signals.tsv")
    chosen = parser.parse_args(arguments)
    every = REQUIRED | FURTHER
    faults = {name: every[name] for name in chosen.fault or (every if chosen.further else REQUIRED)}
    out, scripts, rows = chosen.out.resolve(), import_scripts(), list[dict]()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        for name in chosen.only or HEADS_HERE:
            folder = (chosen.heads or Path(made)).resolve() / name
            if not chosen.heads:
                make(folder, name)
            for row in rows_of(read_head(folder), faults, chosen.arm or ARMS, scripts):
                rows.append(row)
                pd.DataFrame(rows).to_csv(out, sep="\t", index=False, float_format="%.4g", na_rep="n/a")
    silent = silently_ruined(pd.DataFrame(rows))
    print(silent.to_string(index=False) if len(silent) else "No map is ruined without a word.")
    return int(len(silent) > 0)


if __name__ == "__main__":
    sys.exit(main())
