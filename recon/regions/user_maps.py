"""The user's own brain mask, labels, lesions, T1-weighted image and B1 map, as maps on the grid of the echoes."""

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recon.files.bids import entities
from recon.files.io import Volume, read_json, read_volume, sidecar_path
from recon.intake.decisions import Decision
from recon.intake.facts import is_number
from recon.problems import IntakeError, Problem
from recon.regions.resample import resample, same_grid
from recon.regions.shapes import LABELS

B1_RANGE = (0.3, 3.0)  # medians of a map in fractions; those of one in percent lie outside by far
PERCENT_UNSAID = (70.0, 130.0)  # medians of one in percent whose sidecar has no unit: degrees may look like less
LIKE_DEGREES = 0.3  # relative, by which the median of a map in degrees may lie beside the nominal angle: as of percent
PERCENT = re.compile(r"%|per ?cent|\bpct\b", re.I)  # not `p.u.`: per unit, a fraction, but percent units to others
NO_RATIO = re.compile(  # whole words: a unit is not T, nor arbitrary ones radians
    r"°|(?<![a-z])(deg(ree)?s?|m?rad(ian)?s?|[kmg]?hz|hertz|[nmµμu]?t|[a-z]*tesla|[mk]?v|[a-z]*volts?)(?![a-z])", re.I
)


def user_mask(path: str, grid: Volume) -> np.ndarray:
    """The mask as it is: (X, Y, Z) bool; IntakeError unless it lies on `grid` and selects something."""
    mask = np.nan_to_num(on_grid(path, grid).data) > 0.5
    if not mask.any():
        raise IntakeError([Problem(path, "a brain mask that is not empty", "no voxel above 0.5")])
    return mask


def user_labels(path: str, grid: Volume) -> np.ndarray:
    """The labels as they are: (X, Y, Z) uint8; IntakeError unless they lie on `grid` and are in the table."""
    labels = on_grid(path, grid).data
    known, found = list(LABELS), np.unique(labels)
    unknown = found[~np.isin(found, [0, *known])]
    if len(unknown) or not labels.any():
        wrong = ", ".join(f"{label:g}" for label in (unknown if len(unknown) else found)[:8])
        raise IntakeError([Problem(path, f"labels {known[0]} to {known[-1]} of resources/nuclei_shapes.tsv", wrong)])
    return labels.astype(np.uint8)


def user_regions(path: str, grid: Volume, names: str | None) -> tuple[np.ndarray, dict[int, str]]:
    """Regions that the user drew, as they are: a label image, or the mask of a lesion.

    Parameters
    ----------
    path : NIfTI file
    grid : Volume, the echoes
    names : table of the labels' names, `…_dseg.tsv` (BIDS: columns `index` and `name`); None for a mask, whose name is
        its own: that of `label-` or `desc-`

    Returns
    -------
    labels : (X, Y, Z) int32, zero outside every region
    names : name of each label that occurs

    Raises
    ------
    IntakeError
        The grid is not that of the echoes, nothing is selected, a value is no label, or a label has no name.
    """
    data = on_grid(path, grid).data
    if names is None:
        said = entities(path)
        inside = np.nan_to_num(data) > 0.5
        if not inside.any():
            raise IntakeError([Problem(path, "a mask of a lesion that is not empty", "no voxel above 0.5")])
        return inside.astype(np.int32), {1: said.get("label", said.get("desc", "lesion"))}
    found = np.unique(data)
    if not np.all((found >= 0) & (found == np.rint(found)) & (found < 2**24)):  # float32 tells whole numbers to there
        odd = ", ".join(f"{value:g}" for value in found if not (value >= 0 and value == np.rint(value)))
        raise IntakeError([Problem(path, "labels that are whole numbers from 0 on", odd or f"{found.max():g}")])
    present = [int(label) for label in found if label]
    if not present:
        raise IntakeError([Problem(path, "labels above 0", "an image that is zero everywhere")])
    known = label_names(names)
    if nameless := [label for label in present if label not in known]:
        listed = ", ".join(map(str, nameless[:8])) + (f" and {len(nameless) - 8} more" if len(nameless) > 8 else "")
        raise IntakeError([Problem(path, f"labels that {names} names", listed)])
    return data.astype(np.int32), {label: known[label] for label in present}


def label_names(path: str) -> dict[int, str]:
    """Label → name of a `…_dseg.tsv`; IntakeError unless it has the columns index and name, and each of both once."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, ValueError, csv.Error) as error:
        raise IntakeError([Problem(path, "a tab-separated table in UTF-8", str(error))]) from None
    if not rows or not {"index", "name"} <= rows[0].keys():
        found = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise IntakeError([Problem(path, "the columns index and name", found)])
    names: dict[int, str] = {}
    for number, row in enumerate(rows, start=2):
        index, name = (str(row[column] or "").strip() for column in ("index", "name"))
        if not index.isdecimal() or name in ("", "n/a"):
            raise IntakeError(
                [Problem(path, "a whole number and a name in each line", f"line {number}: {index} {name}")]
            )
        if int(index) in names or name in names.values():
            expected = "each index and each name once"
            raise IntakeError([Problem(path, expected, f"line {number}: {index} {name} again")])
        names[int(index)] = name
    return names


def user_t1w(path: str, grid: Volume, brain: np.ndarray) -> tuple[np.ndarray, bool]:
    """The image inside the brain on `grid`, and whether it had to be resampled.

    Parameters
    ----------
    path : NIfTI file, registered with the echoes in scanner coordinates
    grid : Volume, the echoes
    brain : (X, Y, Z) bool array

    Returns
    -------
    t1w : (X, Y, Z) float32, zero outside `brain`
    resampled : False where the voxels are those of the file

    Raises
    ------
    IntakeError
        Where the image shows nothing of the brain.
    """
    image = _read(path)
    resampled = not same_grid(image, grid)
    data = resample(image, grid) if resampled else np.nan_to_num(image.data, posinf=0, neginf=0)
    t1w = np.where(brain, data, np.float32(0))
    if not t1w.any():
        raise IntakeError([Problem(path, "an image of the brain in scanner coordinates", "no overlap with it")])
    return t1w, resampled


class B1Map(NamedTuple):
    """Actual over nominal flip angle, (X, Y, Z) float32 and zero outside the map; what is 1 in the file, 1 or 100."""

    factor: np.ndarray
    unit: Decision[int]


def user_b1(path: str, grid: Volume) -> B1Map:
    """A map of the transmit field on `grid`.

    It holds fractions or percent. Transmit fields of heads lie between 0.5 and 1.5 up to 7 T, so the median of what is
    above zero tells which; `Units` of the sidecar must not say another (`p.u.` says neither). Percent that the sidecar
    does not name is taken with a note, as degrees of a nominal angle near 100 look alike; where `FlipAngle` says that
    the nominal angle lies there, it is refused. Zero is where there was no signal: values next to it are interpolated
    from those above zero alone.

    Parameters
    ----------
    path : NIfTI file, in scanner coordinates
    grid : Volume, the echoes

    Raises
    ------
    IntakeError
        Where the values are neither fractions nor percent, may be degrees, or none of them lies where the echoes are.
    """
    image = _read(path)
    data = np.nan_to_num(image.data, posinf=0, neginf=0)
    data = np.where(data > 0, data, np.float32(0))
    unit = _unit_of_b1(path, float(np.median(data[data > 0])) if data.any() else 0.0)
    if not same_grid(image, grid):
        known = resample(replace(image, data=(data > 0).astype(np.float32)), grid)
        near = known >= 0.5  # a voxel's middle lies in the map
        data = np.where(near, resample(replace(image, data=data), grid) / np.where(near, known, 1), np.float32(0))
    if not data.any():
        raise IntakeError([Problem(path, "a B1 map in scanner coordinates where the echoes are", "none of it there")])
    return B1Map((data / unit.value).astype(np.float32), unit)


def _unit_of_b1(path: str, median: float) -> Decision[int]:
    """What is 1 in a B1 map: 1, or 100 for percent; by its sidecar and the median of what is above zero."""
    sidecar = sidecar_path(path)
    facts = read_json(sidecar) if sidecar.is_file() else {}
    said = str(facts.get("Units", "")).strip()
    found = (f"Units: {said} in {sidecar}, " if said else "") + f"a median of {median:g}"
    evidence = f"Units {said or 'none'}, a median of {median:.4g}"
    expected, percent = "actual over nominal flip angle, about 1, or percent, about 100", PERCENT.search(said)
    if NO_RATIO.search(said) and not percent:
        raise IntakeError([Problem(path, f"{expected}: {_quotient(path)}", found)])
    fraction = B1_RANGE[0] <= median <= B1_RANGE[1]
    if fraction and not percent:
        return Decision(1, "fraction", evidence)
    low, high = (100 * end for end in B1_RANGE) if percent else PERCENT_UNSAID
    if low <= median <= high:
        say = f"say so by Units: percent in {sidecar}"
        if percent:
            return Decision(100, "percent", evidence)
        if nominal := _nominal_deg(facts, median):
            expected = f"a unit: percent ({say}) or degrees: {_quotient(path)}"
            raise IntakeError([Problem(path, expected, f"{found}, and FlipAngle {nominal:g}: percent or degrees")])
        note = f"{Path(path).name}: taken for percent, as {evidence}; say so by Units: percent in {sidecar.name}"
        return Decision(100, "percent", evidence, (f"{note}, or divide it where it is in degrees",))
    if percent:
        maybe = f" (if it is a fraction, say Units: arbitrary in {sidecar})" if fraction else ""
        raise IntakeError([Problem(path, "actual over nominal flip angle in percent, about 100", f"{found}{maybe}")])
    maybe = f" (if it is percent, say Units: percent in {sidecar})" if 30 <= median <= 300 else ""
    raise IntakeError([Problem(path, expected, f"{found}{maybe}")])


def _quotient(path: str) -> str:
    """What to do with a map that is no ratio."""
    kept = f"derivatives/NAME/sub-…/anat/{Path(path).name}, which goes before a map in fmap/"
    return f"divide the map by the nominal angle or amplitude and keep the quotient as {kept}"


def _nominal_deg(facts: Mapping, median: float) -> float | None:
    """A nominal flip angle of the sidecar [degree], one or a list, of which the median may be the actual one."""
    stated = facts.get("FlipAngle")
    angles = [angle for angle in (stated if isinstance(stated, list) else [stated]) if is_number(angle)]
    return next((angle for angle in angles if abs(median - angle) <= LIKE_DEGREES * angle), None)


def on_grid(path: str, grid: Volume) -> Volume:
    """Read a volume; IntakeError unless its voxels are those of `grid`."""
    volume = _read(path)
    if not same_grid(volume, grid):
        shape, other = grid.data.shape[:3], volume.data.shape
        found = str(other) + (" with another affine" if other == shape else "")
        raise IntakeError([Problem(path, f"the grid of the echoes {shape}", found)])
    return volume


def _read(path: str) -> Volume:
    """One (X, Y, Z) image, of which programs also write a file of four axes; IntakeError where there are several."""
    volume = read_volume(path)
    if any(n != 1 for n in volume.data.shape[3:]):
        raise IntakeError([Problem(path, "a 3-D image", f"shape {volume.data.shape}")])
    return replace(volume, data=volume.data.reshape(volume.data.shape[:3], order="A"))
