"""Run brainextractor in its own environment: `python -m benchmarks.brainextractor_peer IN.npz OUT.npz`.

IN holds image, voxel_size_mm, threshold; OUT gets mask and cost. Its just-in-time compiler runs before the clock does.
"""

import contextlib
import os
import sys

import nibabel
import numpy as np
from brainextractor import BrainExtractor

from benchmarks.measure import timed


def extract(image: np.ndarray, voxel_size_mm: np.ndarray, threshold: float, iterations: int) -> np.ndarray:
    """Brain mask (X, Y, Z) after so many steps of the surface."""
    affine = np.diag([*voxel_size_mm, 1.0])
    extractor = BrainExtractor(img=nibabel.Nifti1Image(image, affine), bt=threshold)
    extractor.run(iterations=iterations)
    return extractor.compute_mask() > 0


def main(source: str, target: str) -> None:
    given = np.load(source)
    image, voxel_size_mm, threshold = given["image"], given["voxel_size_mm"], float(given["threshold"])
    with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
        warm, _ = timed(lambda: extract(image, voxel_size_mm, threshold, 1), repeats=1)
        cost, mask = timed(lambda: extract(image, voxel_size_mm, threshold, 1000), repeats=1)
    np.savez(target, mask=mask, cost=[cost.cpu_s, cost.wall_s, warm.peak_mb + cost.peak_mb])


if __name__ == "__main__":
    main(*sys.argv[1:])
