"""Which images of a folder may be echoes of a gradient echo, and what is wrong with their names."""

import os
import re
from collections.abc import Iterable, Iterator

from recon.files.bids import entities
from recon.intake.layout import BIDS_NAME, PARTS
from recon.intake.select import Select
from recon.problems import Problem

SUFFIXES = ("MEGRE", "VFA", "MPM", "T2starw", "T1w")  # images of each count where there are none of those before it
TOLD_BY_PART = {
    "T2starw": PARTS,
    "T1w": ("phase", "real", "imag"),
}  # suffixes of all kinds of images: what makes an echo
READ, PAIRS = (".nii", ".nii.gz"), (".hdr", ".img", ".hdr.gz", ".img.gz")
IMAGE = re.compile(  # of any format and case: what is not read is refused, so that no echo is lost without a word
    r"(?P<stem>.*_(?P<suffix>[A-Za-z0-9]+))\.(?P<end>(nii|hdr|img|mgh|mnc|nrrd|mha)(\.(gz|bz2|xz|zst|zip))?|mgz)",
    re.IGNORECASE | re.DOTALL,  # a name may have several lines
)
SERIES = ("task", "acq", "ce", "rec", "mt", "flip")  # entities that tell the series of a visit apart, in BIDS order
MOST = 5  # kinds of images that are listed
ENTITIES = {"sub", "ses", "run", "echo", "part", "suffix", *SERIES}
MEANINGS = {  # of entities that no echo may have: why
    "inv": "an inversion pulse turns the sign of the signal",
    "chunk": "a part of the field of view: the field of what lies outside of it would be missing",
    "space": "it was moved to another space, and wrapped phase must not be interpolated",
    "res": "it was resampled, and wrapped phase must not be interpolated",
    "desc": "it is derived, and not as the scanner wrote it",
    "coil": "an image of a single coil, which is not combined: export the combined images",
    "dir": "a readout of another direction is another series: say so by acq-",
}


def echo_images(folder: str, names: Iterable[str], select: Select) -> list[str]:
    """The images among the `names` in a folder that may be echoes, of the first suffix that there is."""
    return next(_by_suffix(folder, names, select), [])


def other_echoes(folder: str, names: Iterable[str], select: Select) -> list[str]:
    """The names of images that would be echoes if there were none of a suffix before theirs."""
    _, *others = [*_by_suffix(folder, names, select)] or [[]]
    return [os.path.basename(path) for found in others for path in found if _has_part(path, PARTS)]


def _by_suffix(folder: str, names: Iterable[str], select: Select) -> Iterator[list[str]]:
    """The images that may be echoes, for each suffix that there is."""
    told = [(match["suffix"], os.path.join(folder, name)) for name in names if (match := IMAGE.fullmatch(name))]
    for suffix in SUFFIXES:
        found = [path for said, path in told if said.upper() == suffix.upper() and select.takes_image(path)]
        if suffix in TOLD_BY_PART:
            found = [path for path in found if _has_part(path, PARTS)]
            found = found if any(_has_part(path, TOLD_BY_PART[suffix]) for path in found) else []
        if found:
            yield found


def _has_part(path: str, parts: Iterable[str]) -> bool:
    return any(f"_part-{part}_" in os.path.basename(path) for part in parts)


def others(folder: str) -> str:
    """What a subject's folder holds instead of echoes: `none, but anat/*_T1w, func/*_bold`."""
    found = {
        os.path.relpath(os.path.join(inside, f"*_{match['suffix']}"), folder)
        for inside, _, names in os.walk(folder)
        for name in names
        if (match := IMAGE.fullmatch(name))
    }
    return f"none, but {', '.join(sorted(found)[:MOST])}" if found else "none"


def name_problems(image: str, visit: str) -> list[Problem]:
    """Problems of one image's name: of a pair of files, not BIDS, of another visit, or with an entity that means more.

    `visit` is `sub-01` or `sub-01_ses-02`.
    """
    name, names = os.path.basename(image), entities(image)
    if name.endswith(PAIRS):
        expected = "one file with header and voxels, .nii or .nii.gz, as BIDS has it"
        return [Problem(image, expected, "a pair of .hdr and .img: convert it")]
    if (match := IMAGE.fullmatch(name)) and not name.endswith(READ):
        return [Problem(image, f"a name that ends in {' or '.join(READ)}", f".{match['end']}")]
    if match and match["suffix"] not in SUFFIXES:
        meant = next(suffix for suffix in SUFFIXES if suffix.upper() == match["suffix"].upper())
        return [Problem(image, f"the suffix {meant} in its name", match["suffix"])]
    if not name.startswith("sub-"):
        return [Problem(image, f"a name that begins with {visit}_", "one without sub-: rename the file")]
    if not BIDS_NAME.fullmatch(name) or len(names) != name.count("_") + 1:  # fewer where one stands twice
        return [Problem(image, "a BIDS name: key-label_..._suffix of letters and digits, no key twice", repr(name))]
    said = "_".join(f"{key}-{names[key]}" for key in ("sub", "ses") if key in names)
    if said != visit:
        return [Problem(image, f"{visit} in its name, as its folder says", said)]
    unknown = sorted(names.keys() - ENTITIES)
    if unknown:
        known = ", ".join(sorted(ENTITIES - {"suffix"}))
        found = ", ".join(f"{key}-{names[key]}" + (f" ({MEANINGS[key]})" if key in MEANINGS else "") for key in unknown)
        return [Problem(image, f"no entities but {known}", found)]
    return []
