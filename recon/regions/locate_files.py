"""Nuclei of maps that lie in a folder, whoever made them: `python -m recon nuclei IN OUT`."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from recon.files.io import Volume, read_mask, read_volume, write_volume
from recon.files.tables import write_table
from recon.intake.headers import checked_header
from recon.problems import Problem, ProblemError
from recon.regions.confidence import DOUBTFUL, confidence
from recon.regions.locate import METHODS, locate, no_brain
from recon.regions.resample import same_grid
from recon.regions.shapes import names_of, values_of

WITHOUT_MASK = 0.9  # share of the voxels that are not zero, above which the map itself does not tell the brain
LARGEST_PPM = 2.0  # 95 % of all |chi| in a brain are far below, and those of a map in ppb far above


def refuse(path: Path, expected: str, found: str) -> ProblemError:
    """The error of one file."""
    return ProblemError([Problem(str(path), expected, found)])


def read_map(path: Path, like: Volume | None = None) -> Volume:
    """A 3-D map; ProblemError where it is none, its header is not in order, or it is not on the grid of `like`."""
    checked_header(path)
    volume = read_volume(path)
    if volume.data.ndim != 3:
        raise refuse(path, "a 3-D map", f"shape {volume.data.shape}")
    if like and not same_grid(volume, like):
        other = " with another affine" if volume.data.shape == like.data.shape else ""
        raise refuse(path, f"the grid of chimap.nii.gz, {like.data.shape}", f"{volume.data.shape}{other}")
    return volume


def brain_of(source: Path, chi: Volume) -> np.ndarray:
    """The mask of the folder, or the largest part of the map that is not zero, its holes filled."""
    path = source / "mask.nii.gz"
    if path.exists():
        read_map(path, chi)
        return read_mask(path)
    known = np.isfinite(chi.data) & (chi.data != 0)
    if known.mean() > WITHOUT_MASK:
        found = f"no such file, and {100 * known.mean():.0f} % of chimap.nii.gz are not zero"
        raise refuse(path, "a brain mask, or a map that is zero outside the brain", found)
    parts, _ = ndimage.label(known)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(parts == np.argmax(sizes)) & bool(sizes.any())


def run(source: Path, out: Path, method: str) -> None:
    """Read the maps of `source`, write dseg.nii.gz, dseg.tsv (index, name) and confidence.tsv to `out`.

    A nucleus whose parts are labelled has rows of confidence for itself, the union, and for its parts.

    Raises
    ------
    ProblemError
        A map that is missing, no 3-D map, on another grid or not in ppm, an empty mask, a map without a brain that the
        template fits, or the method `none`.
    """
    if method not in METHODS:
        raise ValueError(f"--set locate_nuclei.method: expected {' or '.join(METHODS)}, found {method}")
    path = source / "chimap.nii.gz"
    chi = read_map(path)
    brain = brain_of(source, chi)
    measured = np.abs(chi.data[brain & np.isfinite(chi.data) & (chi.data != 0)])
    if not measured.size:
        raise refuse(path, "susceptibility [ppm] in the brain", "no voxel that is finite and not zero")
    if (usual := float(np.percentile(measured, 95))) > LARGEST_PPM:
        raise refuse(
            path, f"susceptibility in ppm, 95 % of it below {LARGEST_PPM:g}", f"{usual:.3g}; in ppb, divide by 1000"
        )
    maps = {name: read_map(source / f"{name}.nii.gz", chi).data
            for name in ("t1w", "r2star") if (source / f"{name}.nii.gz").exists()}  # fmt: skip
    found = locate(chi.data, brain, chi.affine, t1w=maps.get("t1w"), r2star=maps.get("r2star"), method=method)
    if not found.registration.plausible:
        instead = "a T1-weighted image t1w.nii.gz or a tighter mask.nii.gz may help"
        raise no_brain(str(source / ("t1w.nii.gz" if "t1w" in maps else "chimap.nii.gz")), found.registration, instead)
    names = names_of(method)
    sure = confidence(np.where(brain, found.labels, 0), np.where(brain, chi.data, 0), names, chi.voxel_size_mm)
    flagged = sure.assign(flag=["doubtful" if value < DOUBTFUL else None for value in sure["confidence"]])
    write_volume(out / "dseg.nii.gz", found.labels, chi, {"Method": method, "Registration": found.summary()})
    rows = [(label, f"{name} {side}") for label, (name, side) in values_of(method).items()]
    write_table(out / "dseg.tsv", pd.DataFrame(rows, columns=["index", "name"]))
    write_table(out / "confidence.tsv", flagged)
