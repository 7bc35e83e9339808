"""Does confidence fall where a label is wrong? `python -m benchmarks.nuclei_confidence --heads FOLDER [--only HEAD]`.

The true label of one nucleus at a time is moved by 0 to 8 mm in a random direction, on heads of `benchmarks.generators`
(coarse, folder FOLDER) that score nothing else: the Dice coefficient with where it was is known, and the confidence is
that of the moved label in the χ of an arm. Printed are the area under the ROC curve with which the confidence tells
labels with a Dice coefficient below 0.7, and the share of such labels, and of those from 0.8 on, that is doubtful: as
it is, and as the contrast of the nucleus as a whole would have it.
"""

import argparse
from collections.abc import Iterator, Sequence
from math import erf
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.heads import Head, read_head
from benchmarks.nuclei import maps_of
from qnet.evaluation.statistics import auc_interval
from recon.regions.confidence import DOUBTFUL, FAINT, confidence
from recon.regions.nuclei import nucleus_labels

HEADS = ("mni", "own")
MOVED_MM = (0, 1, 2, 3, 4, 5, 6, 8)
SEED = 5


def rows_of(head: Head, arm: str, rng: np.random.Generator) -> Iterator[dict]:
    """A row a nucleus and distance: Dice coefficient, confidence, and that from the whole nucleus."""
    maps, voxel_size_mm = maps_of(head, arm), np.array(head.acquisition.voxel_size_mm)
    for label, (name, side) in nucleus_labels().items():
        true = maps["nuclei"] == label
        if name in FAINT or not true.any():
            continue
        for distance_mm in MOVED_MM:
            direction = rng.standard_normal(3)
            steps = np.rint(distance_mm * direction / np.linalg.norm(direction) / voxel_size_mm).astype(int)
            moved = np.roll(true, steps, (0, 1, 2))
            labels = np.where(true, 0, maps["nuclei"])
            labels[moved] = label
            found = confidence(labels, maps["chi"], {label: (name, side)}, voxel_size_mm).iloc[0]
            whole = erf(max(found["contrast_ppm"], 0) / found["spread_ppm"] / 2)
            dice = float(np.count_nonzero(moved & true) / np.count_nonzero(true))
            yield {"head": head.folder.name, "arm": arm, "dice": dice, "sides": found["confidence"], "whole": whole}


def main(arguments: Sequence[str] | None = None) -> None:
    """Move labels, print how well either number tells that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nuclei_confidence", description=__doc__)
    parser.add_argument("--heads", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=HEADS)
    chosen = parser.parse_args(arguments)
    rng, rows = np.random.default_rng(SEED), []
    for name in chosen.only or HEADS:
        for arm in ("paper", "consensus"):
            rows += rows_of(read_head(chosen.heads / name), arm, rng)
    table = pd.DataFrame(rows).fillna(0.0)
    for (head, arm), group in table.groupby(["head", "arm"], sort=False):
        bad, good = group["dice"] < 0.7, group["dice"] >= 0.8
        for number in ("whole", "sides"):
            doubtful = group[number] < DOUBTFUL
            area = auc_interval(bad.to_numpy(), -group[number].to_numpy(), 0.95)[0]
            print(f"{head} {arm} {number}: AUC {area:.3f}, doubtful of bad {doubtful[bad].mean():.2f}, of good "
                  f"{doubtful[good].mean():.2f} ({len(group)} labels)")  # fmt: skip


if __name__ == "__main__":
    main()
