"""How cost grows: `python -m benchmarks.growth [--only voxels echoes subjects folds]` writes growth.tsv.

Each factor is measured at four sizes: CPU seconds, peak memory of the largest process, and the exponent p of
cost ~ size^p, by least squares on logarithms, over all sizes and between the two largest. What does not grow (the start
of processes) lowers the first more than the second.

- voxels: `maps` of one scan of six echoes, at four voxel sizes of the same head up to 366 x 366 x 84
- echoes: the same at half that matrix, between 5 and 30 ms
- subjects: the plan (`snakemake -n`) of a simulated study
- folds: training of stage 1 on the same images in so many folds
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.heads import SIZES, Size
from benchmarks.measure import measure
from benchmarks.one_scan import HALF, run, write_scan
from benchmarks.planning import planned, project
from benchmarks.usage import ROOT

SCALES = (0.35, 0.5, 0.7, 1.0)  # of the paper's matrix, along each axis
ECHOES = (3, 6, 12, 24)
SUBJECTS = (10, 30, 100, 300)
FOLDS = (2, 4, 8, 16)
SUBJECT_SLICES, PIXELS = 4, 64


def of_scan(size: Size, te_s: Sequence[float] | None = None) -> tuple[float, float]:
    """CPU seconds of the whole command for one scan, and the peak of its largest process [MB]."""
    with tempfile.TemporaryDirectory() as scratch:
        write_scan(Path(scratch) / "bids", size, te_s)
        table = run(ROOT, Path(scratch) / "bids", Path(scratch) / "run")
    return table.loc["command", "cpu_s"], table.loc["command", "peak_mb"]


def voxels() -> Iterator[tuple[float, float, float]]:
    """Voxels, CPU seconds, peak [MB]."""
    paper = SIZES["paper"]
    for scale in SCALES:
        matrix = tuple(round(scale * n) for n in paper.matrix or ())
        edges_mm = tuple(edge / scale for edge in paper.voxel_size_mm)
        yield (float(np.prod(matrix)), *of_scan(replace(paper, voxel_size_mm=edges_mm, matrix=matrix)))


def echoes() -> Iterator[tuple[float, float, float]]:
    """Echoes, CPU seconds, peak [MB]."""
    for count in ECHOES:
        yield (count, *of_scan(HALF, np.linspace(0.005, 0.030, count).tolist()))


def subjects() -> Iterator[tuple[float, float, float]]:
    """Subjects, CPU seconds, peak [MB]."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = project(Path(scratch) / "project")
        for count in SUBJECTS:
            found = planned(copy, {"dataset": f"of{count}", "simulate": {"subjects": count}})
            yield count, found.cpu_s, found.peak_mb


def trained(count: int) -> None:
    """Stage 1 of `max(FOLDS)` subjects in `count` folds, one epoch each."""
    from qnet.images.augment import Augmentation  # torch: not in this process
    from qnet.networks.model import prepare_torch
    from qnet.networks.train import ImageTraining, train_image_model

    section = yaml.safe_load((ROOT / "config/config.yaml").read_text())["train_image_model"]
    section |= {"epochs": 1, "batch_size": 16, "weights": "none"}
    params = ImageTraining(**{**section, "augmentation": Augmentation(**section["augmentation"])})
    subject = np.repeat(np.arange(max(FOLDS)), SUBJECT_SLICES)
    images = np.random.default_rng(0).random((len(subject), 3, PIXELS, PIXELS), np.float32).astype(np.float16)
    device = prepare_torch(1)
    for fold in range(count):
        kept = subject % count != fold
        names = [f"sub-{number}" for number in subject[kept]]
        train_image_model(images[kept], subject[kept] // 2 % 2, params, (True,) * 3, 0, device, None, names)


def folds() -> Iterator[tuple[float, float, float]]:
    """Folds, CPU seconds, peak [MB]."""
    for count in FOLDS:
        cost, _ = measure(partial(tuple), partial(trained, count), repeats=1)
        yield count, cost.cpu_s, cost.peak_mb


FACTORS = {"voxels": voxels, "echoes": echoes, "subjects": subjects, "folds": folds}


def exponent(size: np.ndarray, cost: np.ndarray) -> float:
    """p of cost ~ size^p."""
    return float(np.polyfit(np.log(size), np.log(cost), 1)[0])


def grown(factor: str, rows: Sequence[tuple[float, float, float]]) -> pd.DataFrame:
    """A row a size, with the exponents of the factor in each."""
    table = pd.DataFrame(rows, columns=["size", "cpu_s", "peak_mb"])
    for quantity in ("cpu_s", "peak_mb"):
        for reach, part in {"": table, "_last": table.tail(2)}.items():
            table[f"{quantity}_exponent{reach}"] = exponent(part["size"].to_numpy(), part[quantity].to_numpy())
    table.insert(0, "factor", factor)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the table, print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=FACTORS, default=[*FACTORS])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    table = pd.concat([grown(factor, [*FACTORS[factor]()]) for factor in chosen.only], ignore_index=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "growth.tsv", sep="\t", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
