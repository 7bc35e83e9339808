"""A user's own brain mask, labels of nuclei, T1-weighted image and B1 map of a scan: taken as they are, or refused."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from recon.files.bids import entities
from recon.files.io import read_json
from recon.files.nifti_header import Header
from recon.intake.headers import checked_header, grid_problems
from recon.intake.scan import Series
from recon.problems import IntakeError, Problem

OWN = {"Q-Net", "recon.phantom"}  # datasets that this project wrote: results, and the truth of simulated cohorts
IMAGES = (".nii", ".nii.gz")
KINDS: dict[str, Callable[[dict[str, str]], bool]] = {  # field of Scan: whether the entities of a file's name say so
    "mask": lambda names: names["suffix"] == "mask" and "brain" in (names.get("desc"), names.get("label")),
    "nuclei": lambda names: names["suffix"] == "dseg" and names.get("desc") == "nuclei",
    "t1w": lambda names: names["suffix"] == "T1w",
    "b1": lambda names: names["suffix"] == "TB1map",
}


def derivative_datasets(folder: Path) -> list[Path]:
    """The datasets in a derivatives folder, or the folder itself where it is one; none that this project wrote."""
    candidates = [folder, *sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("sub-"))]
    return [p for p in candidates if any(p.glob("sub-*")) and not _own(p)]


def _own(dataset: Path) -> bool:
    try:
        authors = read_json(dataset / "dataset_description.json").get("GeneratedBy")
    except ValueError:  # a user's folder need not describe itself
        return False
    authors = authors if isinstance(authors, list) else [authors]
    return any(isinstance(author, dict) and author.get("Name") in OWN for author in authors)


def offered_files(datasets: Iterable[Path], subject: str) -> list[str]:
    """Masks, labels, T1-weighted images and B1 maps anywhere in the subject's folders of derivative datasets."""
    walks = (walk for dataset in datasets for walk in os.walk(dataset / subject))
    files = (os.path.join(folder, name) for folder, _, names in walks for name in names if name.endswith(IMAGES))
    return sorted(file for file in files if any(says(entities(file)) for says in KINDS.values()))


def user_files(name: str, series: Series, offered: Iterable[str]) -> tuple[dict[str, str], list[Problem]]:
    """Choose what belongs to a scan.

    A file belongs to the scan where its name has the same subject and session, the same run or none, and the same acq
    or none; the run of a T1-weighted image or a B1 map counts only where the visit has several. A name with `space-`
    lies in another space and is left aside. Raw T1-weighted images are not taken: who wants one puts it among the
    derivatives.

    Parameters
    ----------
    name : of the scan, `sub-01_ses-02_run-1`
    series : the series that is reconstructed
    offered : files of derivative datasets

    Returns
    -------
    files : for each of `mask`, `nuclei`, `t1w` and `b1` that there is, its file
    problems : several candidates, unreadable headers, masks and labels on another grid than the echoes
    """
    scan = dict(label.split("-", 1) for label in name.split("_")) | {"acq": entities(series.files[0]).get("acq")}
    matching = {
        "mask": [f for f in offered if _belongs(f, scan, "mask", ("run", "acq"))],
        "nuclei": [f for f in offered if _belongs(f, scan, "nuclei", ("run", "acq"))],
        "t1w": _of_the_visit("t1w", scan, offered),
        "b1": _of_the_visit("b1", scan, offered),
    }
    files = {kind: found[0] for kind, found in matching.items() if len(found) == 1}
    problems = [_several(kind, found) for kind, found in matching.items() if len(found) > 1]
    return files, problems + [p for kind, file in files.items() for p in _unfit(kind, file, series.files[0])]


def _belongs(file: str, scan: dict[str, str | None], kind: str, where_said: tuple[str, ...]) -> bool:
    names = entities(file)
    same_visit = all(names.get(key) == scan.get(key) for key in ("sub", "ses"))
    agrees = all(names.get(key) in (None, scan.get(key)) for key in where_said)
    return KINDS[kind](names) and same_visit and agrees and "space" not in names


def _of_the_visit(kind: str, scan: dict[str, str | None], offered: Iterable[str]) -> list[str]:
    """The files of a kind of the visit; of several, those of the scan's run."""
    found = [f for f in offered if _belongs(f, scan, kind, ())]
    of_the_run = [f for f in found if entities(f).get("run") == scan.get("run")]
    return of_the_run if len(found) > 1 and of_the_run else found


def _several(kind: str, found: list[str]) -> Problem:
    what = {"mask": "brain mask", "nuclei": "image of labels (desc-nuclei_dseg)", "t1w": "T1w image", "b1": "B1 map"}
    return Problem(found[0], f"one {what[kind]} of the scan", f"also {', '.join(found[1:])}")


def _unfit(kind: str, file: str, echo: str) -> list[Problem]:
    """Problems of one chosen file's header."""
    try:
        header = checked_header(file)
        reference = checked_header(echo)
    except IntakeError as error:
        return list(error.problems)
    if len(header.shape) != 3:
        return [Problem(file, "a 3-D image", f"shape {header.shape}")]
    return _placed(header) if kind in ("t1w", "b1") else grid_problems(header, reference)


def _placed(header: Header) -> list[Problem]:
    """Problem of an image that is to be moved by scanner coordinates but has none."""
    if header.in_the_scanner:
        return []
    codes = f"qform_code {header.qform_code} and sform_code {header.sform_code}"
    return [Problem(header.path, "scanner coordinates (qform or sform, code 1 or 2)", codes)]
