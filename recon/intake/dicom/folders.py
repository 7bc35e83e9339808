"""The folders of a DICOM directory: one a subject, in it one a session, or nothing but one subject's files."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from recon.intake.dicom.bytes import INDEX, archive_kind, is_dicom, is_zip, study
from recon.problems import IntakeError, Problem

ONE_SUBJECT = "01"


def subject_folders(dicom_dir: Path, bids_dir: Path) -> dict[str, Path]:
    """Folder of every subject label, in order of the labels."""
    if not dicom_dir.is_dir():
        raise IntakeError([Problem(str(dicom_dir), "a folder of DICOM files", "no folder")])
    if bids_dir.exists() and not bids_dir.is_dir():
        raise IntakeError([Problem(str(bids_dir), "a folder to write to", "a file")])
    if bids_dir.resolve().is_relative_to(dicom_dir.resolve()):
        raise IntakeError([Problem(str(bids_dir), "a folder outside the DICOM folder", "one inside it")])
    folders, loose = _subfolders(dicom_dir), _has_dicom(dicom_dir)
    if any(child.name.upper() == INDEX for child in dicom_dir.iterdir()):  # of a CD, which may hold programs as well
        folders = [folder for folder in folders if any(map(_may_hold_images, folder.rglob("*")))]
    if loose and not folders:
        return {ONE_SUBJECT: dicom_dir}
    if loose or not folders:
        found = "DICOM files beside folders" if loose else _archives(dicom_dir) or "neither"
        raise IntakeError([Problem(str(dicom_dir), "one folder per subject, or DICOM files of one subject", found)])
    labelled = _labelled(folders, "sub-")
    if problems := _shared_examinations(dicom_dir, folders):
        raise IntakeError(problems)
    return labelled


def _archives(folder: Path) -> str | None:
    """What is told of archives directly in a folder: nobody knows whose they are."""
    files = [child for child in folder.iterdir() if child.is_file()]
    kinds = [kind for child in files if (kind := "zip" if is_zip(child) else archive_kind(child))]
    count = f"{len(kinds)} archives ({', '.join(sorted(set(kinds)))})"
    return f"{count}: put each zip archive into a folder of its own, and unpack the others there" if kinds else None


def _shared_examinations(dicom_dir: Path, folders: Iterable[Path]) -> list[Problem]:
    """A problem for every examination in several folders: these are one person's series, and no subjects."""
    holders = defaultdict(list)
    for folder in folders:
        for examination in _studies(folder):
            holders[examination].append(folder.name)
    expected = "one folder per subject, with all its series inside (DICOM_DIR/subject/series)"
    shared = dict.fromkeys(tuple(names) for names in holders.values() if len(names) > 1)
    found = [f"one examination in {len(names)} folders: {', '.join(names)}" for names in shared]
    return [Problem(str(dicom_dir), expected, text) for text in found]


def _studies(folder: Path) -> set[str]:
    """Examinations below a folder, told by one file of every folder; never to be shown."""
    studies = set()
    for inside, _, names in os.walk(folder):
        first = next((path for name in sorted(names) if is_dicom(path := Path(inside, name))), None)
        if first and (examination := study(first)):
            studies.add(examination)
    return studies


def _labelled(folders: list[Path], prefix: str) -> dict[str, Path]:
    """Folders by label: their names without `prefix`, letters and digits only."""
    by_label = defaultdict(list)
    for folder in folders:
        by_label[re.sub("[^A-Za-z0-9]", "", folder.name.removeprefix(prefix))].append(folder)
    # labels that differ in case alone are one folder on some disks
    names: defaultdict[str, list[str]] = defaultdict(list)
    for label, same in by_label.items():
        names[label.lower()] += [folder.name for folder in same]
    expected = "a name with letters or digits (A-Z, a-z, 0-9) that differ from every other folder's"
    problems = [
        Problem(", ".join(sorted(same)), expected, f"the label '{label}'")
        for label, same in names.items()
        if not label or len(same) > 1
    ]
    if problems:
        raise IntakeError(problems)
    return {label: by_label[label][0] for label in sorted(by_label)}


def _subfolders(folder: Path) -> list[Path]:
    """Folders inside, hidden ones aside."""
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _has_dicom(folder: Path) -> bool:
    """Whether a DICOM file lies directly in the folder."""
    return any(is_dicom(child) for child in folder.iterdir() if child.is_file())


def _may_hold_images(path: Path) -> bool:
    return path.is_file() and (is_dicom(path) or path.suffix.lower() == ".zip")


def visits(folder: Path) -> dict[str, Path]:
    """Folder of every session by the ending of its names, `_ses-01`; without sessions one folder, ending in nothing."""
    inside = _subfolders(folder)
    sessions = [child for child in inside if child.name.startswith("ses-")]
    if not sessions:
        return {"": folder}
    if len(inside) > len(sessions) or _has_dicom(folder):
        raise IntakeError([Problem(folder.name, "only ses-* folders beside a ses-* folder", "other folders or files")])
    return {f"_ses-{label}": visit for label, visit in _labelled(sessions, "ses-").items()}
