"""Images as the converter left them: part, echo time, flip angle and grid of each, from its metadata.

Siemens writes magnitude and phase as two series, Philips both into one, GE all parts into one and tells them apart by
a private tag; dcm2niix resolves that tag, and writes what it found as the last word of ImageType and into the name.
Enhanced DICOM tells the parts apart frame by frame; dcm2niix then names every part but the magnitude.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recon.files.io import sidecar_path
from recon.files.nifti_header import Header, read_header
from recon.intake.kinds import WORDS, distortion_correction, image_words

# how the converter names its files: series number, series, study, then what it found
NAME_FORMAT = "%s_%j_%k"
NAME = re.compile(r"(?P<number>-?\d+)_(?P<uid>[\d.]*)_(?P<study>[\d.]*)(?P<marks>.*)")
SUFFIXES = {"_ph": "phase", "_real": "real", "_imaginary": "imag"}


@dataclass(frozen=True, kw_only=True)
class Raw:
    """One image as the converter left it, with everything that its sidecar tells."""

    path: Path
    number: int
    uid: str
    study: str
    marks: str
    facts: dict

    @cached_property
    def header(self) -> Header:
        """Of the image; shape and affine are needed again and again."""
        return read_header(self.path)

    @property
    def te_s(self) -> float:
        """Echo time [s]; 0 where the sidecar has none."""
        return float(self.facts.get("EchoTime", 0.0))

    @cached_property
    def words(self) -> set[str]:
        """What the header says of the kind of image."""
        return image_words(self.facts)

    @property
    def corrected(self) -> bool:
        """Whether the scanner moved the voxels to undo the distortion by its gradients."""
        return bool(distortion_correction(self.facts))

    @cached_property
    def told(self) -> set[str]:
        """Parts that metadata and name tell of."""
        parts = {part for part, words in WORDS.items() if words & self.words}
        return parts | {part for suffix, part in SUFFIXES.items() if suffix in self.marks}

    @property
    def part(self) -> str | None:
        """`mag`, `phase`, `real` or `imag`; None where metadata and name do not tell, or contradict each other."""
        return next(iter(self.told)) if len(self.told) == 1 else None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The echoes of one part of one scan, by echo time."""

    images: tuple[Raw, ...]

    @property
    def first(self) -> Raw:
        """The image with the shortest echo time."""
        return self.images[0]

    @property
    def te_s(self) -> tuple[float, ...]:
        """Echo times [s]."""
        return tuple(image.te_s for image in self.images)

    @property
    def told(self) -> str:
        """Echo times and flip angle as evidence: `EchoTime 4, 8.5 ms, FlipAngle 15`."""
        flip_deg = self.protocol[0]
        flip = "no FlipAngle" if flip_deg is None else f"FlipAngle {flip_deg:g}"
        return f"EchoTime {', '.join(f'{1e3 * te_s:g}' for te_s in self.te_s)} ms, {flip}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Series numbers of the scanner."""
        return tuple(sorted({image.number for image in self.images}))

    @property
    def protocol(self) -> tuple:
        """What both parts of an acquisition share: flip angle [degree] and repetition time [s]."""
        facts = self.first.facts
        return facts.get("FlipAngle"), facts.get("RepetitionTimeExcitation", facts.get("RepetitionTime"))

    @property
    def grid(self) -> tuple:
        """Shape and voxel size [mm], as far as a protocol fixes them."""
        header = self.first.header
        return header.shape[:3], tuple(np.linalg.norm(header.affine[:3, :3], axis=0).round(3).tolist())

    @property
    def volumes(self) -> int:
        """Number of 3-D images."""
        return sum(image.header.volumes for image in self.images)


class Pair(NamedTuple):
    """Two parts of one acquisition: magnitude and phase, or real and imaginary."""

    first: Stack
    second: Stack

    @property
    def parts(self) -> tuple[str, str]:
        """Names of the parts, as BIDS calls them."""
        first, second = self.first.first.part, self.second.first.part
        assert first and second  # pairs are made by their parts
        return first, second

    @property
    def numbers(self) -> tuple[int, ...]:
        """Series numbers of the scanner."""
        return tuple(sorted({*self.first.numbers, *self.second.numbers}))

    @property
    def flip_deg(self) -> float:
        """Flip angle [degree]; 0 where the header has none."""
        return float(self.first.protocol[0] or 0)


def read_images(folder: Path) -> tuple[list[Raw], set[int]]:
    """Images that the converter left in `folder`; numbers of series with missing or unevenly spaced slices.

    The converter marks such a series by a resampled copy (`_Eq`), or gives up before it writes the sidecar.
    """
    images, uneven = [], set()
    for path in sorted(folder.glob("*.nii")):
        match, facts = NAME.fullmatch(path.stem), _facts(sidecar_path(path))
        assert match  # the converter was told how to name its files
        number, uid, study, marks = match.group("number", "uid", "study", "marks")
        if "_Eq" in marks or facts is None:
            uneven.add(int(number))
        else:
            images.append(Raw(path=path, number=int(number), uid=uid, study=study, marks=marks, facts=facts))
    return _with_magnitudes(images), uneven


def _with_magnitudes(images: list[Raw]) -> list[Raw]:
    """Name as magnitude the image that no header describes, where its series has a phase of the same echo."""
    phases = {(image.number, image.uid, image.te_s) for image in images if image.part == "phase"}
    return [
        image
        if image.told or (image.number, image.uid, image.te_s) not in phases
        else replace(image, facts=image.facts | {"ImageType": [*image.facts.get("ImageType", ()), "MAGNITUDE"]})
        for image in images
    ]


def _facts(sidecar: Path) -> dict | None:
    """The converter's sidecar; bytes that are not UTF-8 stand only in free text, which is dropped later."""
    try:
        return json.loads(sidecar.read_text(encoding="utf-8", errors="replace"), strict=False)
    except (OSError, json.JSONDecodeError):
        return None


def stacks(images: Iterable[Raw]) -> list[Stack]:
    """Group images by series, part, flip angle and correction of distortion, in the order of the scanner."""
    groups = defaultdict(list)
    for image in images:
        flip_deg = image.facts.get("FlipAngle", 0)
        groups[image.number, image.uid, image.part or "", flip_deg, image.corrected].append(image)
    return [Stack(images=tuple(sorted(group, key=lambda i: i.te_s))) for _, group in sorted(groups.items())]
