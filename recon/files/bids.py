"""Brain Imaging Data Structure: entities in file names, and sidecars that apply to an image (inheritance)."""

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from recon.files.io import read_json

INDICES = ("run", "echo", "flip")  # entities whose labels are numbers, of which BIDS lets zeros lead: run-1 is run-01


def entities(path: str | Path) -> dict[str, str]:
    """`sub-01_echo-2_part-mag_MEGRE.nii.gz` → {"sub": "01", "echo": "2", "part": "mag", "suffix": "MEGRE"}."""
    return dict(_labels(os.path.basename(path)))


@lru_cache(maxsize=10_000)  # an index asks for the same names again and again
def _labels(name: str) -> tuple[tuple[str, str], ...]:
    *pairs, suffix = name.split(".")[0].split("_")
    labels = (pair.partition("-") for pair in pairs if "-" in pair)
    return (*((key, label) for key, _, label in labels), ("suffix", suffix))


def canonical(names: Mapping[str, str]) -> dict[str, str]:
    """Entities of which those that mean the same are equal: indices without the zeros that lead."""
    return {key: _canonical(key, label) for key, label in names.items()}


def _canonical(key: str, label: str) -> str:
    return label.lstrip("0") or "0" if key in INDICES and label.isdecimal() and label.isascii() else label


@lru_cache(maxsize=10_000)
def _meaning(name: str) -> frozenset[tuple[str, str]]:
    return frozenset(canonical(dict(_labels(name))).items())


def applicable_sidecars(image: str | Path, sidecars: Iterable[str | Path]) -> list[Path]:
    """The sidecars whose entities are all in the image's name, the most general first."""
    own = _meaning(os.path.basename(image))
    above = set(map(str, Path(image).parents))
    matching = [Path(s) for s in sidecars if os.path.dirname(s) in above and _meaning(os.path.basename(s)) <= own]
    return sorted(matching, key=lambda s: (len(s.parent.parts), len(entities(s)), str(s)))


def metadata(image: str | Path, sidecars: Iterable[str | Path]) -> dict:
    """Merge the sidecars that apply to `image`; the most specific one has the last word."""
    merged: dict = {}
    for sidecar in applicable_sidecars(image, sidecars):
        merged |= read_json(sidecar)
    return merged


def raw_uri(image: str | Path) -> str:
    """BIDS URI of a raw image, `bids:raw:sub-01/anat/…`; the derivative dataset's DatasetLinks say where `raw` is."""
    *folders, name = Path(image).parts
    subject = max(i for i, folder in enumerate(folders) if folder.startswith("sub-"))  # the dataset may lie in another
    return "bids:raw:" + "/".join([*folders[subject:], name])


def derivative_uri(image: str | Path) -> str:
    """BIDS URI of a map in the same derivative dataset, `bids::sub-01/anat/…`."""
    return raw_uri(image).replace("bids:raw:", "bids::")
