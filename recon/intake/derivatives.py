"""Where a user's own masks, labels and images may lie: derivative datasets, and what of them counts."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from recon.files.bids import entities
from recon.files.io import read_json

OWN = {"Q-Net", "recon.phantom"}  # datasets that this project wrote: results, and the truth of simulated cohorts
MANUAL = "manual"  # how BIDS calls what a person drew
IMAGES = (".nii", ".nii.gz")
UNREAD = (".img", ".mgz", ".mgh", ".nrrd", ".mha", ".mnc", ".mnc.gz")  # of images in other formats
KINDS: dict[str, Callable[[dict[str, str]], bool]] = {  # field of Scan: whether the entities of a file's name say so
    "mask": lambda names: names["suffix"] == "mask" and "brain" in (names.get("desc"), names.get("label")),
    "nuclei": lambda names: names["suffix"] == "dseg" and names.get("desc") == "nuclei",
    "t1w": lambda names: names["suffix"] == "T1w",
    "b1": lambda names: names["suffix"] == "TB1map",
    "regions": lambda names: (
        (names["suffix"] == "dseg" and names.get("desc") != "nuclei")
        or (names["suffix"] == "mask" and _of_a_lesion(names))
    ),
}


def _of_a_lesion(names: dict[str, str]) -> bool:
    """Whether a mask's name says so: `label-L` (the abbreviation of BIDS), `label-lesion…`, `desc-lesion…`."""
    said = names.get("label", ""), names.get("desc", "")
    return said[0] == "L" or any(label.casefold().startswith("lesion") for label in said)


class Derivatives(NamedTuple):
    """Datasets with the user's own files, and the name of the pipeline by each dataset of another one.

    `aside` are those that are left aside, `made` those that are taken as the user named them.
    """

    taken: tuple[Path, ...] = ()
    aside: Mapping[Path, str] = MappingProxyType({})
    made: Mapping[Path, str] = MappingProxyType({})

    def and_more(self, other: "Derivatives") -> "Derivatives":
        """Both, each dataset once."""
        taken = tuple(dict.fromkeys(self.taken + other.taken))
        return Derivatives(taken, {**self.aside, **other.aside}, {**self.made, **other.made})


def derivatives_in(folder: Path, named: bool) -> Derivatives:
    """The datasets in a derivatives folder, or the folder itself where it is one; none that this project wrote.

    What another pipeline wrote (`GeneratedBy` in dataset_description.json) is left aside unless it is the folder that
    the user `named`: its masks lie on other grids, and its T1w image need not be registered with the echoes.
    """
    candidates = [folder, *sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("sub-"))]
    makers = {dataset: _makers(dataset) for dataset in candidates if any(dataset.glob("sub-*"))}
    makers = {dataset: names for dataset, names in makers.items() if not OWN & set(names)}
    made = {
        dataset: others[0]
        for dataset, names in makers.items()
        if (others := [name for name in names if name.casefold() != MANUAL])
    }
    aside = {dataset: maker for dataset, maker in made.items() if not (named and dataset == folder)}
    taken = tuple(dataset for dataset in makers if dataset not in aside)
    return Derivatives(taken, aside, {dataset: made[dataset] for dataset in taken if dataset in made})


def _makers(dataset: Path) -> list[str]:
    """Names of what made a dataset: `GeneratedBy`, or `PipelineDescription` as it was before BIDS 1.4."""
    try:
        description = read_json(dataset / "dataset_description.json")
    except ValueError:  # a user's folder need not describe itself
        return []
    authors = description.get("GeneratedBy") or description.get("PipelineDescription")
    authors = authors if isinstance(authors, list) else [authors]
    names = (author.get("Name") for author in authors if isinstance(author, dict))
    return [name for name in names if isinstance(name, str) and name]


class Offered(NamedTuple):
    """What lies in the derivatives for a subject.

    Parameters
    ----------
    files : masks, labels and T1-weighted images anywhere in its folders
    masks : further images of any format that are called masks, in its folders or loose in a dataset
    aside : files as `files`, by dataset of another pipeline
    datasets : where all this was looked for
    """

    files: list[str]
    masks: list[str]
    aside: dict[Path, list[str]]
    datasets: Derivatives


def offered_files(datasets: Derivatives, subject: str) -> Offered:
    """Look for a subject's files in derivative datasets."""
    images = [image for dataset in datasets.taken for image in _images(dataset, subject)]
    files = list(filter(_is_of_a_kind, images))
    aside = {dataset: list(filter(_is_of_a_kind, _images(dataset, subject))) for dataset in datasets.aside}
    return Offered(files, [image for image in images if is_called_mask(image) and image not in files], aside, datasets)


def _images(dataset: Path, subject: str) -> list[str]:
    """The images in a subject's folder of a dataset, and those beside it that begin with its name."""
    beside = [str(file) for file in dataset.glob(f"{subject}[_.]*") if file.is_file()]
    inside = (os.path.join(folder, name) for folder, _, names in os.walk(dataset / subject) for name in names)
    return sorted(file for file in (*beside, *inside) if is_image(os.path.basename(file)))


def is_image(name: str) -> bool:
    """Whether a file's name is that of an image, be it of a format that is not read; hidden ones are none."""
    return name.endswith((*IMAGES, *UNREAD)) and not name.startswith(".")


def in_subject_folder(image: str) -> bool:
    """Whether an image lies in the folder of a subject and not beside it."""
    return f"{os.sep}sub-" in os.path.dirname(image)


def _is_of_a_kind(image: str) -> bool:
    return image.endswith(IMAGES) and in_subject_folder(image) and any(says(entities(image)) for says in KINDS.values())


def is_called_mask(image: str) -> bool:
    """Whether a file's name, BIDS or not, has the word in it."""
    return "mask" in os.path.basename(image).casefold()


def of_visit(names: dict[str, str], scan: dict[str, str | None]) -> bool:
    """Whether the entities of a file's name are those of a scan's subject and session."""
    return all(names.get(key) == scan.get(key) for key in ("sub", "ses"))
