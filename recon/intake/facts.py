"""What the sidecars say of the echoes: read once, merged by inheritance, checked for kind and range."""

import math
import reprlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeGuard

import numpy as np

from recon.files.bids import applicable_sidecars
from recon.files.io import read_json
from recon.intake.vendors import KEYS
from recon.problems import Problem, ProblemError

LONGEST_TE_S = 0.5  # of any gradient echo; beyond it the value is in milliseconds
SHORTEST_TE_S = 2e-5  # ultra-short echoes are later; below it the DICOM header held seconds instead of milliseconds
LONGEST_TR_S = 10.0
TE_ROUNDING_S = 1e-6
ALIKE = 1e-4  # relative, by which a number may differ between sidecars: rounding
ANOTHER = "correct the sidecar, or tell the series apart by acq- in their names"
IN_SIDECAR = "correct it in the sidecar"
UNIT_LENGTH = 1e-3  # slack of a vector's length
# the same in all echoes of a series
CONSTANT = ("MagneticFieldStrength", "ImagingFrequency", "FlipAngle", "Manufacturer", "B0_dir")
# keys that describe the values of one part
OF_THE_IMAGE = ("Units", "ImageType", "NonlinearGradientCorrection", "BidsGuess", "Rescale", *KEYS)


class Told(NamedTuple):
    """An image and the merged sidecars that apply to it."""

    path: str
    facts: dict


def read_sidecars(images: Iterable[str], sidecars: Iterable[str]) -> tuple[list[Told], tuple[str, ...], list[Problem]]:
    """Merge the sidecars of each image; with them the files that were read, and those that are no JSON."""
    sidecars = list(sidecars)
    chains = {image: [str(s) for s in applicable_sidecars(image, sidecars)] for image in images}
    contents: dict[str, dict] = {}
    problems: list[Problem] = []
    for path in sorted({path for chain in chains.values() for path in chain}):
        try:
            contents[path] = read_json(path)
        except ProblemError as error:
            contents[path] = {}
            problems += error.problems
    told = [Told(image, _merged(contents[path] for path in chain)) for image, chain in chains.items()]
    return told, tuple(contents), problems


def _merged(contents: Iterable[dict]) -> dict:
    """The most specific sidecar, which comes last, has the last word; null says nothing."""
    merged: dict = {}
    for content in contents:
        merged |= content
    return {key: value for key, value in merged.items() if value is not None}


def of_both_parts(first: dict, second: dict) -> dict:
    """Facts of an echo: the second part's, and what the first part's tell beyond, save of its own stored values."""
    return {key: value for key, value in first.items() if not key.startswith(OF_THE_IMAGE)} | second


def is_number(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def shown(value: object) -> str:
    """A JSON value in a message: short, and `none` where the key is missing."""
    return "none" if value is None else reprlib.repr(value)


def echo_time_problems(image: str, value: object, volumes: int | None) -> list[Problem]:
    """Problems of an image's EchoTime: seconds, for a 4-D image a list with one a volume."""
    many = volumes is not None and volumes > 1
    times = value if isinstance(value, list) else [value]
    kind = "EchoTime [seconds] in its sidecar" + (f", a list of {volumes} for its volumes" if many else "")
    if len(times) != (volumes or 1) or not all(map(is_number, times)):
        return [Problem(image, kind, shown(value))]
    if min(times) <= 0:
        return [Problem(image, "a positive EchoTime [seconds]", shown(value))]
    if max(times) > LONGEST_TE_S:
        return [Problem(image, f"EchoTime in seconds, at most {LONGEST_TE_S}", f"{shown(value)}: milliseconds?")]
    if min(times) < SHORTEST_TE_S:
        return [
            Problem(image, f"EchoTime in seconds, at least {SHORTEST_TE_S}", f"{shown(value)}: 1000 times too small?")
        ]
    return []


def echo_times(value: float | list[float]) -> list[float]:
    """Echo times [s] of a checked EchoTime."""
    return [float(te_s) for te_s in (value if isinstance(value, list) else [value])]


def optional_problems(image: str, facts: dict) -> list[Problem]:
    """Problems of facts that need not be there, but must be right where they are."""
    problems = []
    flip = facts.get("FlipAngle")
    if flip is not None and not (is_number(flip) and 0 < flip <= 180):
        problems.append(Problem(image, "a FlipAngle from 0 to 180 degrees", f"{shown(flip)}: {IN_SIDECAR}"))
    for key in ("RepetitionTimeExcitation", "RepetitionTime"):
        tr_s = facts.get(key)
        if tr_s is not None and not (is_number(tr_s) and 0 < tr_s <= LONGEST_TR_S):
            hint = ": milliseconds?" if is_number(tr_s) and tr_s > LONGEST_TR_S else ""
            problems.append(Problem(image, f"{key} in seconds, at most {LONGEST_TR_S:g}", shown(tr_s) + hint))
    inversion_s = facts.get("InversionTime")
    if inversion_s is not None and not is_number(inversion_s):
        problems.append(Problem(image, "InversionTime in seconds, a number", f"{shown(inversion_s)}: {IN_SIDECAR}"))
    elif inversion_s is not None and inversion_s > 0:
        expected = "a gradient echo without inversion (InversionTime), which turns the sign of the signal"
        problems.append(Problem(image, expected, shown(inversion_s)))
    b0_dir = facts.get("B0_dir")
    if b0_dir is not None and stated_b0_dir(facts) is None:
        problems.append(
            Problem(image, "B0_dir as a unit vector in voxel axes", f"{shown(b0_dir)}: {IN_SIDECAR}, as [0, 0, 1]")
        )
    return problems


def stated_b0_dir(facts: dict) -> tuple[float, float, float] | None:
    """The sidecar's `B0_dir`, unit vector of the main field in voxel axes; None where there is no such vector."""
    value = facts.get("B0_dir")
    if not (isinstance(value, list) and len(value) == 3 and all(map(is_number, value))):
        return None
    length = math.hypot(*value)
    return tuple(v / length for v in value) if abs(length - 1) <= UNIT_LENGTH else None


def disagreements(told: Sequence[Told]) -> list[Problem]:
    """Problems where images of one series tell different facts that cannot differ; both files are named."""
    problems = []
    for key in CONSTANT:
        tellers = [image for image in told if key in image.facts]
        for image in tellers[1:]:
            if not _alike(image.facts[key], tellers[0].facts[key]):
                expected = f"the {key} of {tellers[0].path}, {shown(tellers[0].facts[key])}"
                problems.append(
                    Problem(image.path, expected, f"{shown(image.facts[key])}: one series has one; {ANOTHER}")
                )
                break  # one contradiction tells it
    return problems


def _alike(one: object, other: object) -> bool:
    if is_number(one) and is_number(other):
        return one == other or bool(np.isclose(one, other, rtol=ALIKE))
    return one.casefold() == other.casefold() if isinstance(one, str) and isinstance(other, str) else one == other
