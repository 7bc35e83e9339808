"""Series of single receive coils, which are not combined: they are no runs of a scan, and no scan of their own.

A scanner that saves its channels uncombined writes one series for all coils or one for each. Coils of one series are
told by `recon.intake.dicom.repeats`; those of a series each by what names them, or because no scanner acquires two
different images of one part, echo and place at the same time.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, zip_longest

from recon.intake.dicom.frames import SINGLE_COILS, Frame
from recon.intake.dicom.images import Raw
from recon.intake.dicom.same import alike
from recon.intake.dicom.verify import frames_of
from recon.intake.proof import SAME_TIME_S, acquisition_time_s

AT_ONE_TIME = (
    "images that differ, of one part, echo, place and time, in several series: single coils, which are not combined "
    "(export the combined images with their phase), or runs to which an anonymiser gave one AcquisitionTime "
    "(0008,0032): put the series of each run into a ses-* folder of its own"
)
NUMBER = re.compile(r"\d+")
SEVERAL = re.compile(r"\d\s*[-,]\s*\d|;")  # names of several elements: HE1-4, HEA;HEP


def single_coils(images: Iterable[Raw], frames: Mapping[str, Sequence[Frame]]) -> dict[str, str]:
    """Why a series is of a single coil, by SeriesInstanceUID, for those that are.

    Parameters
    ----------
    images : of one visit, with the times of their headers
    frames : every slice by SeriesInstanceUID
    """
    images = list(images)
    timed = {id(image) for image in _without_placeholders(images)}
    of_place: defaultdict[tuple, list[Raw]] = defaultdict(list)
    for image in images:
        of_place[image.study, image.header.shape[:3], tuple(image.header.affine.round(1).ravel())].append(image)
    found: dict[str, str] = {}
    for group in of_place.values():
        found |= dict.fromkeys(_named(group, frames), SINGLE_COILS)
        others = [image for image in group if image.uid not in found and id(image) in timed]
        found |= dict.fromkeys(_at_one_time(others, frames), AT_ONE_TIME)
    return found


def _named(images: Iterable[Raw], frames: Mapping[str, Sequence[Frame]]) -> set[str]:
    """The series whose coils are named as one another but for one number."""
    names: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for image in images:
        names[image.uid] |= {frame.coil for frame in frames_of(image, frames.get(image.uid, ()))}
    return {
        uid
        for one, other in combinations(names, 2)
        if any(_numbered(a, b) for first in names[one] for second in names[other] for a, b in _paired(first, second))
        for uid in (one, other)
    }


def _paired(first: Sequence[str], second: Sequence[str]) -> Iterable[tuple[str, str]]:
    """What each source tells of both."""
    return zip_longest(first, second, fillvalue="")


def _numbered(one: str, other: str) -> bool:
    """Whether two names of one element each differ in one number alone: H1 and H2, but not HE1-3 and HE1-4."""
    if SEVERAL.search(one) or SEVERAL.search(other) or NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    numbers = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return sum(int(a) != int(b) for a, b in numbers) == 1


def _at_one_time(images: Sequence[Raw], frames: Mapping[str, Sequence[Frame]]) -> set[str]:
    """The series with an image that another has at the same time with other voxels.

    None where no time is told, or no part: magnitude and phase differ, too. The repetitions of one series were told
    apart by more than their time.
    """
    kinds: defaultdict[tuple, list[Raw]] = defaultdict(list)
    for image in (image for image in images if image.part):
        kind = image.part, image.te_s, image.facts.get("FlipAngle"), image.facts.get("RepetitionTime")
        kinds[kind, tuple(sorted(image.words))].append(image)
    stored = {image.uid: frames[image.uid][0].file.uid for image in images if frames.get(image.uid)}
    return {
        uid
        for group in kinds.values()
        for one, other in combinations(group, 2)
        if stored.get(one.uid, one.uid) != stored.get(other.uid, other.uid)
        and _same_time(one, other)
        and alike(one, other) is False
        for uid in (one.uid, other.uid)
    }


def _without_placeholders(images: Sequence[Raw]) -> list[Raw]:
    """Images without a time that scans of other protocols share: an anonymiser wrote it, as they follow each other."""
    protocols: defaultdict[float | None, set[tuple]] = defaultdict(set)
    for image in images:
        if "InversionTime" not in image.facts:  # of one acquisition with two inversion times the flip angles may differ
            time_s = acquisition_time_s(image.facts)
            protocols[time_s].add((image.facts.get("FlipAngle"), image.facts.get("RepetitionTime")))
    return [image for image in images if len(protocols[acquisition_time_s(image.facts)]) <= 1]


def _same_time(one: Raw, other: Raw) -> bool:
    times = acquisition_time_s(one.facts), acquisition_time_s(other.facts)
    return times[0] is not None and times[1] is not None and abs(times[0] - times[1]) <= SAME_TIME_S
