"""Index of a BIDS dataset and the checks that run before any job: file, what was expected, what was found."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recon.acquisition import Acquisition
from recon.bids import applicable_sidecars, entities, metadata
from recon.io import read_header
from recon.tables import read_table

REQUIRED = {"EchoTime": "seconds", "MagneticFieldStrength": "tesla"}


class InputError(ValueError):
    """Problems of a dataset, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["the input cannot be used:", *(f"  - {p}" for p in problems)]))


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Files of one subject, ordered by echo; `low_flip` is the first echo of a second series at a lower flip angle."""

    magnitude: tuple[str, ...]
    phase: tuple[str, ...]
    sidecars: tuple[str, ...]
    low_flip: str | None = None


def index(bids_dir: Path, phase_in_rad: bool) -> dict[str, Scan]:
    """Scans by subject label.

    Parameters
    ----------
    bids_dir : folder of the dataset
    phase_in_rad : whether phase must be in rad, because the config gives no other range

    Raises
    ------
    InputError
        With every problem that was found.
    """
    if not bids_dir.is_dir():
        raise InputError([f"{bids_dir}: expected a BIDS folder (config bids_dir), found none"])
    folders = sorted(p for p in bids_dir.glob("sub-*") if p.is_dir())
    if not folders:
        raise InputError([f"{bids_dir}: expected sub-* folders, found none"])
    scans, problems = {}, []
    for folder in folders:
        try:
            scans[folder.name.removeprefix("sub-")] = _scan(bids_dir, folder, phase_in_rad)
        except InputError as error:
            problems += str(error).split("\n  - ")[1:]
    counts = {len(scan.phase) for scan in scans.values()}
    if len(counts) > 1:
        detail = ", ".join(f"sub-{label} {len(scan.phase)}" for label, scan in scans.items())
        problems.append(f"{bids_dir}: expected one number of echoes in all subjects, found {detail}")
    if problems:
        raise InputError(problems)
    return scans


def _scan(bids_dir: Path, folder: Path, phase_in_rad: bool) -> Scan:
    """The scan in one subject's folder."""
    images = sorted(p for p in folder.glob("**/anat/*_MEGRE.nii*") if p.name.endswith((".nii", ".nii.gz")))
    if not images:
        raise InputError([f"{folder}: expected anat/*_MEGRE.nii.gz images, found none"])
    beyond = [p for p in images if entities(p).keys() - {"sub", "acq", "echo", "part", "suffix"}]
    if beyond:
        raise InputError([f"{beyond[0]}: expected only the entities sub, acq, echo and part, found more"])
    sidecars = [*bids_dir.glob("*.json"), *folder.glob("**/*.json")]
    series = {
        acq: _series([p for p in images if entities(p).get("acq") == acq], sidecars, phase_in_rad)
        for acq in sorted({entities(p).get("acq") for p in images}, key=str)
    }
    if len(series) > 2:
        raise InputError(
            [f"{folder}: expected one MEGRE series or two flip angles, found acq {', '.join(map(str, series))}"]
        )
    facts = {acq: metadata(phase[0], sidecars) for acq, (_, phase) in series.items()}
    if len(series) == 2:
        _check_flip_angles(folder, facts)
    by_flip = [series[acq] for acq in sorted(series, key=lambda acq: facts[acq].get("FlipAngle", 0))]
    magnitude, phase = by_flip[-1]  # the higher flip angle carries the T1 weighting
    used = {str(s) for p in (*magnitude, *phase) for s in applicable_sidecars(p, sidecars)}
    low_flip = str(by_flip[0][0][0]) if len(by_flip) == 2 else None
    if low_flip:
        used |= {str(s) for s in applicable_sidecars(low_flip, sidecars)}
    return Scan(
        magnitude=tuple(map(str, magnitude)),
        phase=tuple(map(str, phase)),
        sidecars=tuple(sorted(used)),
        low_flip=low_flip,
    )


def _check_flip_angles(folder: Path, facts: dict[str, dict]) -> None:
    """Raise InputError unless two series differ in flip angle and say their repetition time."""
    flips = [fact.get("FlipAngle") for fact in facts.values()]
    if not all(isinstance(flip, int | float) for flip in flips) or flips[0] == flips[1]:
        raise InputError([f"{folder}: expected two FlipAngle [degree] that differ, found {flips[0]} and {flips[1]}"])
    if any("RepetitionTimeExcitation" not in fact and "RepetitionTime" not in fact for fact in facts.values()):
        raise InputError([f"{folder}: expected RepetitionTimeExcitation [seconds] with two flip angles, found none"])


def _series(images: list[Path], sidecars: list[Path], phase_in_rad: bool) -> tuple[list[Path], list[Path]]:
    """Magnitude and phase of one series by echo, checked."""
    parts: dict[str, dict[int, Path]] = {"mag": {}, "phase": {}}
    problems = []
    for image in images:
        names = entities(image)
        if names.get("part") not in parts or not names.get("echo", "1").isdigit():
            problems.append(f"{image}: expected part-mag or part-phase and a number as echo, found {image.name}")
        elif (echo := int(names.get("echo", 1))) in parts[names["part"]]:
            problems.append(f"{image}: expected one image of echo {echo}, found also {parts[names['part']][echo].name}")
        else:
            parts[names["part"]][echo] = image
    for part, other in (("mag", "phase"), ("phase", "mag")):
        problems += [
            f"{parts[part][echo]}: expected its part-{other} partner of echo {echo}, found none"
            for echo in sorted(parts[part].keys() - parts[other].keys())
        ]
    if problems:
        raise InputError(problems)
    magnitude, phase = ([parts[part][echo] for echo in sorted(parts[part])] for part in ("mag", "phase"))
    problems = _check_metadata(phase, sidecars, phase_in_rad) + _check_grid([*magnitude, *phase])
    if len(phase) < 2:
        problems.append(f"{phase[0]}: expected at least two echoes, found one")
    if problems:
        raise InputError(problems)
    return magnitude, phase


def _check_metadata(phase: list[Path], sidecars: list[Path], phase_in_rad: bool) -> list[str]:
    """Problems of the sidecars: missing facts, and facts that contradict each other."""
    facts = [metadata(p, sidecars) for p in phase]
    problems = [
        f"{image}: expected {key} [{unit}] in its sidecar, found {fact.get(key)!r}"
        for image, fact in zip(phase, facts, strict=True)
        for key, unit in REQUIRED.items()
        if not isinstance(fact.get(key), int | float)
    ]
    problems += [
        f"{image}: expected Units rad in its sidecar, or prepare_echoes.phase_range in the config, "
        f"found {fact.get('Units')!r}"
        for image, fact in zip(phase, facts, strict=True)
        if phase_in_rad and fact.get("Units") != "rad"
    ]
    if problems:
        return problems
    fields = {fact["MagneticFieldStrength"] for fact in facts}
    if len(fields) > 1:
        return [f"{phase[0]}: expected one MagneticFieldStrength in all echoes, found {sorted(fields)} T"]
    try:
        Acquisition(te_s=tuple(fact["EchoTime"] for fact in facts), b0_tesla=facts[0]["MagneticFieldStrength"],
                    b0_dir=(0, 0, 1), voxel_size_mm=(1, 1, 1))  # fmt: skip
    except ValueError as error:
        return [f"{phase[0]}: {error}"]
    return []


def _check_grid(images: list[Path]) -> list[str]:
    """Problems of the headers: unreadable, not 3-D, or not all on one grid."""
    try:
        headers = [read_header(image) for image in images]
    except ValueError as error:
        return [str(error)]
    shape, affine = headers[0]
    if len(shape) != 3 or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        return [f"{images[0]}: expected a 3-D image with voxels of positive size, found shape {shape}"]
    return [
        f"{image}: expected the grid of {images[0].name} {shape}, found {other}"
        + ("" if other != shape else " with another affine")
        for image, (other, place) in zip(images, headers, strict=True)
        if other != shape or not np.allclose(place, affine, atol=1e-3)
    ]


def check_participants(path: Path, subjects: list[str], columns: dict, folds: int) -> None:
    """Raise InputError unless the table gives every subject of the study an age, a sex and one of the two groups.

    Parameters
    ----------
    path : participants.tsv
    subjects : labels without `sub-`
    columns : config section `participants`
    folds : number of folds, at most the smaller group's size
    """
    if not path.is_file():
        raise InputError(
            [f"{path}: expected a participants table for the diagnosis (target `maps` needs none), found none"]
        )
    table = read_table(path).astype({"participant_id": str})
    group, labels = columns["group_column"], [columns["negative_label"], columns["positive_label"]]
    missing = [c for c in ("participant_id", "age", "sex", group) if c not in table]
    if missing:
        raise InputError(
            [f"{path}: expected columns participant_id, age, sex and {group}, found no {', '.join(missing)}"]
        )
    problems = []
    listed, scanned = set(table.participant_id), {f"sub-{s}" for s in subjects}
    problems += [f"{path}: expected images of {s}, found none" for s in sorted(listed - scanned)]
    problems += [f"{path}: expected a row for {s}, found none" for s in sorted(scanned - listed)]
    wrong = table[~table[group].isin(labels)]
    problems += [
        f"{path}: expected {group} {' or '.join(map(str, labels))} for {row.participant_id}, found {row[group]}"
        for _, row in wrong.iterrows()
    ]
    problems += [
        f"{path}: expected a number as age of {row.participant_id}, found {row.age}"
        for _, row in table[pd.to_numeric(table.age, errors="coerce").isna()].iterrows()
    ]
    smallest = table[group].value_counts().reindex(labels, fill_value=0)
    if not problems and smallest.min() < folds:
        problems.append(f"{path}: expected at least {folds} subjects a group (folds), found {smallest.to_dict()}")
    if problems:
        raise InputError(problems)
