"""Where a user's own masks, labels and images may lie: derivative datasets, and what of them counts."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from recon.files.bids import canonical, entities
from recon.files.io import read_json

OWN = {"Q-Net", "recon.phantom"}  # datasets that this project wrote: results, and the truth of simulated cohorts
MANUAL = "manual"  # how BIDS calls what a person drew
NO_MASKS = ("sourcedata", "code")  # folders of a raw dataset (BIDS) in which nobody keeps masks
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
    files : masks, labels, T1-weighted images and B1 maps anywhere in its folders
    masks : further images of any format that are called masks, in its folders or loose in a dataset
    astray : likewise, in folders where nothing is looked for
    aside : files as `files`, by dataset of another pipeline
    datasets : where all this was looked for
    raw_b1 : B1 maps in the raw dataset
    """

    files: list[str]
    masks: list[str]
    astray: list[str]
    aside: dict[Path, list[str]]
    datasets: Derivatives
    raw_b1: list[str]


class Astray(NamedTuple):
    """Where masks may lie for which nobody looks, and what lies beside the subjects' folders; each folder is read once.

    Parameters
    ----------
    raw : the raw dataset
    folders : of each subject, by its name, in folders that may hold such
    loose : masks beside these
    beside : the same of the derivative datasets, images of any kind by dataset
    """

    raw: Path
    folders: Mapping[str, tuple[Path, ...]]
    loose: tuple[str, ...]
    beside: Mapping[Path, tuple[str, ...]]

    def of(self, subject: str) -> list[str]:
        """The images of a subject that are called masks; not those beside its raw echoes, as `unused` looks there."""
        raw = os.path.join(self.raw, subject)
        inside = [file for folder in self.folders.get(subject, ()) for file in _images_below(folder)]
        found = [*_beginning(subject, self.loose), *inside]
        return [file for file in found if is_called_mask(file) and not _beside_echoes(file, raw)]


def _beginning(subject: str, files: Iterable[str]) -> list[str]:
    """Those whose names begin with that of a subject."""
    return [file for file in files if os.path.basename(file).startswith((f"{subject}_", f"{subject}."))]


def _beside_echoes(file: str, raw: str) -> bool:
    folder, inside = os.path.split(os.path.dirname(file))
    return inside == "anat" and raw in (folder, os.path.dirname(folder))


def astray_in(bids_dir: Path, datasets: Derivatives) -> Astray:
    """The raw dataset, the folders in it and in its derivatives, and those in them, unless something is taken there.

    Those of BIDS for the scanner's files and for programs are left out, as are hidden ones.
    """
    entries = cache(_entries)

    def subfolders(folder: Path) -> list[Path]:
        """Folders in a folder that are no subject's."""
        names = [entry.name for entry in entries(folder) if not entry.name.startswith((".", "sub-"))]
        return [folder / name for name in names if os.path.isdir(folder / name)]  # no error where a link leads nowhere

    beside = [folder for folder in subfolders(bids_dir) if folder.name not in NO_MASKS]
    deeper = [folder for inside in beside if inside.name == "derivatives" for folder in subfolders(inside)]
    inner = [folder for outer in (*beside, *deeper) for folder in subfolders(outer)]
    places = list(dict.fromkeys((*beside, *inner)))
    known = {*datasets.taken, *datasets.aside, *(folder for folder in places if OWN & set(_makers(folder)))}
    folders = (bids_dir, *(folder for folder in places if not known & {folder, *folder.parents}))
    of_subjects: dict[str, tuple[Path, ...]] = {}
    loose: list[str] = []
    for folder in folders:
        for entry in entries(folder):
            if is_image(entry.name) and entry.name.startswith("sub-") and is_called_mask(entry.name):
                loose.append(entry.path)
            elif entry.name.startswith("sub-"):
                of_subjects[entry.name] = (*of_subjects.get(entry.name, ()), folder / entry.name)
    images = {
        dataset: tuple(entry.path for entry in entries(dataset) if is_image(entry.name) and os.path.isfile(entry.path))
        for dataset in (*datasets.taken, *datasets.aside)
    }
    return Astray(bids_dir, of_subjects, tuple(loose), images)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it cannot be read."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def offered_files(datasets: Derivatives, subject: str, astray: Astray) -> Offered:
    """Look for a subject's files in derivative datasets, and for its masks astray."""

    def images(dataset: Path) -> list[str]:
        """Those in a subject's folder of a dataset, and those beside it that begin with its name."""
        return sorted([*_beginning(subject, astray.beside[dataset]), *_images_below(dataset / subject)])

    taken = [image for dataset in datasets.taken for image in images(dataset)]
    files = list(filter(_is_of_a_kind, taken))
    aside = {dataset: list(filter(_is_of_a_kind, images(dataset))) for dataset in datasets.aside}
    masks = [image for image in taken if is_called_mask(image) and image not in files]
    return Offered(files, masks, astray.of(subject), aside, datasets, _raw_b1(astray.raw / subject))


def _raw_b1(folder: Path) -> list[str]:
    """The B1 maps of a subject in the raw dataset, where scanners' own ones lie (BIDS: `fmap/…_TB1map`)."""
    found = (file for place in ("fmap", "ses-*/fmap") for file in folder.glob(f"{place}/*_TB1map.nii*"))
    return sorted(str(file) for file in found if file.name.endswith(IMAGES) and not file.name.startswith("."))


def _images_below(folder: Path) -> list[str]:
    inside = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
    return sorted(filter(is_image, inside))


def is_image(file: str) -> bool:
    """Whether a file's name is that of an image, be it of a format that is not read; hidden ones are none."""
    return file.casefold().endswith((*IMAGES, *UNREAD)) and not os.path.basename(file).startswith(".")


def in_subject_folder(image: str) -> bool:
    """Whether an image lies in the folder of a subject and not beside it."""
    return f"{os.sep}sub-" in os.path.dirname(image)


def _is_of_a_kind(image: str) -> bool:
    return image.endswith(IMAGES) and in_subject_folder(image) and any(says(entities(image)) for says in KINDS.values())


def is_called_mask(image: str) -> bool:
    """Whether a file's name, BIDS or not, says that it is a mask, be it of a brain or of a lesion."""
    return "mask" in os.path.basename(image).casefold() or is_called_lesion(image)


def is_called_lesion(image: str) -> bool:
    """Whether a file's name, BIDS or not, says that it is of a lesion, or a region of interest."""
    name = os.path.basename(image).casefold()
    return "lesion" in name or "_roi" in name


def of_visit(names: dict[str, str], scan: dict[str, str | None]) -> bool:
    """Whether the entities of a file's name are those of a scan's subject and session."""
    return all(names.get(key) == scan.get(key) for key in ("sub", "ses"))


def of_another(names: dict[str, str], scan: dict[str, str | None]) -> bool:
    """Whether a file's name and a scan's tell another session or another run, as of two of the subject's scans."""
    said = canonical({key: label for key, label in scan.items() if label is not None})
    return any(key in said and label != said[key] for key, label in canonical(names).items() if key in ("ses", "run"))
