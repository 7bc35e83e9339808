"""What jobs of finished runs cost: their benchmark files, and the size of what they worked on."""

import json
import re
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from recon.files.nifti_header import read_header
from workflow.lib.planning.costs import Size
from workflow.lib.study.names import scan_among_words

OFTEN_S, OFTEN = 0.5, 31  # Snakemake looks that often at first,
SELDOM_S = 30.0  # and so seldom afterwards


class Job(NamedTuple):
    """A finished job: its rule, scan (or ""), size, and what it took [s]."""

    rule: str
    scan: str
    size: Size
    cpu_s: float
    wall_s: float


def cpu_seconds(wall_s: float, cpu_s: float) -> float:
    """CPU seconds of a whole job.

    Snakemake looks at a job every half second, after a quarter of a minute every half minute; `cpu_s` is what it saw
    last. The rest is taken to be as busy.
    """
    dense_s = OFTEN_S * OFTEN
    step, start = (OFTEN_S, 0.0) if wall_s < dense_s else (SELDOM_S, dense_s)
    seen_s = start + (wall_s - start) // step * step
    return min(wall_s, cpu_s * wall_s / seen_s) if seen_s else wall_s


def read_benchmark(path: Path) -> tuple[float, float] | None:
    """CPU and wall seconds of a benchmark file; None where Snakemake saw nothing of the job."""
    row = pd.read_csv(path, sep="\t").iloc[-1]
    wall_s, cpu_s = pd.to_numeric(row[["s", "cpu_time"]], errors="coerce")
    return None if pd.isna(wall_s) or pd.isna(cpu_s) else (cpu_seconds(wall_s, cpu_s), float(wall_s))


def rule_and_scan(name: str, rules: frozenset[str]) -> tuple[str, str] | None:
    """The rule and the scan in the name of a benchmark file; None where no such rule exists."""
    scan = scan_among_words(name) or ""
    fits = [rule for rule in rules if re.search(rf"(?:^|_){rule}(?:_|$)", name.replace(scan, "") if scan else name)]
    return (max(fits, key=len), scan) if fits else None


def learning_size(run: Path, size: Size) -> Size:
    """`size` with the settings of a run that its record and its model tell, as far as it has them."""
    path, record = run / "qnet" / "model.json", run / "run.json"
    if record.is_file():
        config = json.loads(record.read_text(encoding="utf-8"))["config"]
        size = replace(size, permutations=config.get("group_maps", {}).get("permutations", 0))
    if not path.is_file():
        return size
    model = json.loads(path.read_text(encoding="utf-8"))
    learning, stack = model["learning"], model["preprocessing"]["slice_stack"]
    folds, runs = learning["folds"]["folds"], learning["runs"]
    return replace(
        size,
        scans=model["data"]["groups"]["all"]["n"],
        slices=stack["slices"],
        side=stack["image_size"],
        folds=folds,
        trainings=folds * len(runs["inputs"]) * len(runs["seeds"]),
        batch=learning["train_image_model"]["batch_size"],
        image_epochs=learning["train_image_model"]["epochs"],
        scan_epochs=learning["train_scan_model"]["epochs"],
    )


def scan_size(maps: Path, scan: str) -> Size | None:
    """What the maps of a scan reveal about its images; None where they are gone."""
    folder = next(maps.glob(f"{scan.split('_')[0]}/**/{scan}_desc-brain_mask.nii.gz"), None)
    if folder is None:
        return None
    decay, anat = folder.with_name(f"{scan}_R2starmap.json"), folder.parent
    about = json.loads(decay.read_text(encoding="utf-8")) if decay.is_file() else {"EchoTime": [0]}
    echoes = len(about["EchoTime"] if "EchoTime" in about else about["EchoTimes"])  # the latter before version 0.2
    return Size(
        voxels=prod(read_header(folder).shape[:3]) / 1e6,
        echoes=echoes,
        flips=2 if (anat / f"{scan}_T1map.nii.gz").is_file() else 1,
        together=not any(anat.glob(f"{scan}_desc-echo*_Chimap.nii.gz")),
    )


def finished_jobs(run: Path, rules: frozenset[str]) -> list[Job]:
    """The jobs of a run, results/NAME, whose benchmark files and maps are still there.

    Parameters
    ----------
    run : folder of the run
    rules : names of all rules
    """
    sizes = cache(lambda scan: scan_size(run / "derivatives" / "qnet", scan))
    found = []
    for path in sorted((run / "benchmarks").rglob("*.tsv")):
        known, took = rule_and_scan(path.stem, rules), read_benchmark(path)
        if known and took:
            found.append((*known, *took))
    names = sorted({scan for _, scan, *_ in found if scan})
    typical = next((size for scan in names if (size := sizes(scan))), None)
    if typical is None:
        return []
    whole = learning_size(run, typical)
    return [
        Job(rule, scan, size, cpu_s, wall_s)
        for rule, scan, cpu_s, wall_s in found
        if (size := sizes(scan) if scan else whole)
    ]
