"""Scans of a BIDS dataset, and why some of it cannot be used: told by names, sidecars and headers."""

import os
import re
from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from recon.files.bids import canonical, entities
from recon.intake.candidates import SUFFIXES, echo_images, name_problems, other_echoes, others
from recon.intake.choose import by_series, choice, choice_problems, paired
from recon.intake.derivatives import Astray, Derivatives, Offered, astray_in, derivatives_in, offered_files
from recon.intake.facts import is_number, shown
from recon.intake.headers import checked_header, grid_problems
from recon.intake.layout import lost_notes
from recon.intake.scan import Scan, Series
from recon.intake.select import EVERYTHING, Select
from recon.intake.series import condensed, series_of
from recon.intake.user_files import user_files
from recon.problems import IntakeError, Problem, config_line

SIDECAR = re.compile(rf"(?:[A-Za-z0-9]+-[A-Za-z0-9+]+_)*(?:{'|'.join(SUFFIXES)})\.json")
PREFIX = re.compile("sub[-_ ]?", re.IGNORECASE)
SAFE = re.compile("(?:sub|ses)-[A-Za-z0-9]+")
B1_MEASURED = re.compile(r"_TB1(DAM|EPI|AFI|TFL|RFM|SRGE)\.nii(\.gz)?$")  # suffixes of BIDS
TE_TOLERANCE_S = 1e-4  # between the first echoes of two flip angles, whose ratio is taken
Problems = dict[str, list[Problem]]


class Visit(NamedTuple):
    """What one session of a subject holds; `name` is `sub-01` or `sub-01_ses-02`, `others` see `other_echoes`."""

    name: str
    folder: str
    images: list[str]
    others: list[str]
    sidecars: list[str]


def index(
    bids_dir: Path, derivatives: Sequence[Path] | None = None, select: Select = EVERYTHING
) -> tuple[dict[str, Scan], Problems]:
    """Find the scans of a dataset.

    A scan is a run of a session of a subject: images in `anat/` of the first suffix of `SUFFIXES` that there is, of one
    series or of two (told apart by `acq-` or `flip-`) that differ in FlipAngle.

    Parameters
    ----------
    bids_dir : folder of the dataset
    derivatives : folders with the user's masks, labels and T1-weighted images, each a dataset or a folder of datasets;
        `derivatives` in bids_dir where None
    select : the participants, sessions and images that count

    Returns
    -------
    scans : the good ones by name
    problems : of the others by name; by subject or visit where no scan can be told; under "" those of the dataset
    """
    bids_dir = Path(bids_dir)
    try:
        folders, sidecars = _dataset(bids_dir, select)
        datasets = _datasets(bids_dir, derivatives)
        astray = astray_in(bids_dir, datasets)
    except IntakeError as error:
        return {}, {"": list(error.problems)}
    scans: dict[str, Scan] = {}
    problems: Problems = {}
    for folder in folders:
        found, wrong = _subject(folder, sidecars, datasets, astray, select)
        scans |= found
        problems |= wrong
    return scans, problems


def _dataset(bids_dir: Path, select: Select) -> tuple[list[str], list[str]]:
    """The wanted subjects' folders, and the sidecars that apply to all of them."""
    if not bids_dir.is_dir():
        raise IntakeError([Problem(str(bids_dir), "a BIDS folder (config bids_dir)", "none")])
    names = _names(bids_dir)
    folders = [p for name in names if name.startswith("sub-") and os.path.isdir(p := os.path.join(bids_dir, name))]
    unnamed = [name for name in names if not name.startswith("sub-") and (found := _anat(os.path.join(bids_dir, name)))
               and (not folders or (_are_of(name, found) and select.takes_subject(name)))]  # fmt: skip
    if not folders or unnamed:
        instead = _without_prefix(unnamed) or _elsewhere(bids_dir) or "none"
        raise IntakeError([Problem(str(bids_dir), "sub-* folders", instead)])
    wanted = [folder for folder in folders if select.takes_subject(os.path.basename(folder))]
    sessions = _sessions(wanted) if select.sessions else []
    select.check(bids_dir, map(os.path.basename, folders), sessions)
    return wanted, _sidecars(str(bids_dir), names)


def _anat(folder: str) -> list[str]:
    """The anat folders of what looks like a subject or its sessions, whatever its name."""
    try:
        inside = [folder, *(entry.path for entry in os.scandir(folder) if entry.name.startswith("ses-"))]
    except OSError:
        return []
    return [anat for place in inside if os.path.isdir(anat := os.path.join(place, "anat"))]


def _are_of(subject: str, folders: Iterable[str]) -> bool:
    """Whether files in some folders are named after the folder of the subject: it was not put aside under this name."""
    beginnings = (f"{subject}_", f"sub-{subject}_")
    return any(name.startswith(beginnings) for folder in folders for name in os.listdir(folder))


def _without_prefix(names: Sequence[str]) -> str:
    """`01, 02 without sub-: …`; nothing where there are no such folders."""
    if not names:
        return ""
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    label = PREFIX.sub("", names[0])
    return f"{listed} without sub-: rename them and their files, {names[0]} to sub-{label}"


def _elsewhere(folder: Path) -> str:
    """Where subjects are, if the folder is one of theirs or theirs is below; empty where neither is so."""
    places = [folder.absolute().parent] if folder.name.startswith("sub-") else []
    places += sorted(
        found.parent for depth in ("*", "*/*") for found in folder.glob(f"{depth}/sub-*") if os.path.isdir(found)
    )
    places = [place for place in dict.fromkeys(places) if "derivatives" not in place.parts]
    return f"none, but there are some in {places[0]}: {config_line(f'bids_dir={places[0]}')}" if places else ""


def _sessions(folders: Iterable[str]) -> list[str]:
    """The sessions that any of some subjects has."""
    return [name for folder in folders for name in _names(folder) if name.startswith("ses-")]


def _datasets(bids_dir: Path, derivatives: Sequence[Path] | None) -> Derivatives:
    """The derivative datasets in the named folders, or in that of the raw dataset, which need not be there."""
    if derivatives is None:
        folder = bids_dir / "derivatives"
        return _datasets_in(folder, named=False) if folder.is_dir() else Derivatives()
    found = (_datasets_in(Path(folder), named=True) for folder in derivatives)
    return reduce(Derivatives.and_more, found, Derivatives())


def _datasets_in(folder: Path, named: bool) -> Derivatives:
    if not folder.is_dir():
        raise IntakeError([Problem(str(folder), "the folder of the user's derivatives", "none")])
    try:
        return derivatives_in(folder, named)
    except OSError as error:
        raise IntakeError([Problem(str(folder), "a folder that can be read", str(error.strerror))]) from None


def _names(folder: str | Path) -> list[str]:
    """Sorted names in a folder, without hidden ones; IntakeError where it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise IntakeError([Problem(str(folder), "a folder that can be read", str(error.strerror))]) from None


def _sidecars(folder: str, names: Iterable[str]) -> list[str]:
    return [os.path.join(folder, name) for name in names if SIDECAR.fullmatch(name)]


def _subject(
    folder: str, sidecars: list[str], datasets: Derivatives, astray: Astray, select: Select
) -> tuple[dict[str, Scan], Problems]:
    """Scans and problems of one subject's folder."""
    subject = os.path.basename(folder)
    if not SAFE.fullmatch(subject):
        return {}, {subject: [Problem(folder, "a subject label of letters and digits", repr(subject))]}
    try:
        visits = _visits(folder, sidecars, select)
        if not any(visit.images for visit in visits):
            return {}, {subject: [_nothing(folder, select)]}
    except IntakeError as error:
        return {}, {subject: list(error.problems)}
    offered = offered_files(datasets, subject, astray)
    scans: dict[str, Scan] = {}
    problems: Problems = {}
    for visit in visits:
        by_run, wrong = _by_run(visit)
        problems |= wrong
        for name, images in by_run.items():
            try:
                scans[name] = _scan(name, images, visit, offered)
            except IntakeError as error:
                problems[name] = [*problems.get(name, []), *error.problems]
    return {name: scan for name, scan in scans.items() if name not in problems}, problems


def _nothing(folder: str, select: Select) -> Problem:
    """The problem of a subject without echoes, or without those that `select` asks for: then what there is instead."""
    expected = "images anat/*_MEGRE.nii.gz (or *_VFA.nii.gz)"
    if not select.asked:
        return Problem(folder, expected, others(folder))
    every = _visits(folder, [], EVERYTHING)
    images = [os.path.join(visit.folder, name) for visit in every for name in (*visit.images, *visit.others)]
    found = f"none, but {select.found(images)}" if images else others(folder)
    return Problem(folder, f"{expected} with {select.asked} (config select)", found)


def _visits(folder: str, inherited: list[str], select: Select) -> list[Visit]:
    """The wanted sessions of a subject, and the subject itself where it has images outside of sessions."""
    names, subject = _names(folder), os.path.basename(folder)
    sidecars = inherited + _sidecars(folder, names)
    outside = "anat" in names and select.takes_session(None)
    visits = [_visit(subject, folder, names, sidecars, select)] if outside else []
    for session in (name for name in names if name.startswith("ses-") and select.takes_session(name)):
        inside = os.path.join(folder, session)
        if not SAFE.fullmatch(session):
            raise IntakeError([Problem(inside, "a session label of letters and digits", repr(session))])
        names_inside = _names(inside)
        if "anat" in names_inside:
            more = sidecars + _sidecars(inside, names_inside)
            visits.append(_visit(f"{subject}_{session}", inside, names_inside, more, select))
    return visits


def _visit(name: str, folder: str, names: Iterable[str], inherited: list[str], select: Select) -> Visit:
    anat = os.path.join(folder, "anat")
    names = _names(anat)
    images, others = echo_images(anat, names, select), other_echoes(anat, names, select)
    return Visit(name, anat, images, others, inherited + _sidecars(anat, names))


def _by_run(visit: Visit) -> tuple[dict[str, list[str]], Problems]:
    """Images by name of scan, and what is wrong with the names."""
    by_run: dict[str, list[str]] = {}
    problems: Problems = {}
    stems: dict[str, str] = {}
    runs: dict[str | None, str] = {}  # by what its index means: the run as the first name has it
    for image in visit.images:
        names = entities(image)
        run = runs.setdefault(canonical(names).get("run"), names.get("run", ""))
        name = f"{visit.name}_run-{run}" if run.isalnum() and run.isascii() else visit.name
        stem = image.removesuffix(".gz")
        wrong = name_problems(image, visit.name)
        if stem in stems:
            wrong.append(Problem(image, "either .nii or .nii.gz", "both"))
        elif not wrong:
            by_run.setdefault(name, []).append(image)
        stems[stem] = image
        if wrong:
            problems.setdefault(name, []).extend(wrong)
    return by_run, {name: condensed(found) for name, found in problems.items()}


def _scan(name: str, images: list[str], visit: Visit, offered: Offered) -> Scan:
    """Put a scan together; IntakeError with all its problems."""
    groups, of_pairs = paired(by_series(images))
    if unclear := choice_problems(visit.folder, groups):
        raise IntakeError(unclear)
    series = _all_series(groups.values(), visit.sidecars)
    problems: list[Problem] = []
    if len(series) == 2:
        problems = _flip_problems(series, choice(groups)) or _pair_problems(
            *(series := sorted(series, key=_flip_angle_deg))
        )
    files, notes, more = user_files(name, series[-1], offered, len(series) == 2)
    if problems or more:
        raise IntakeError([*problems, *more])
    low_flip = series[0] if len(series) == 2 else None
    of_names = [*of_pairs, *lost_notes(images), *_other_notes(images, visit.others)]
    if low_flip and "b1" not in files:
        of_names += _b1_notes(os.path.join(os.path.dirname(visit.folder), "fmap"))
    return Scan(name=name, series=series[-1], low_flip=low_flip, notes=(*of_names, *notes), **files)


def _b1_notes(fmap: str) -> list[str]:
    """A note on measurements of B1 that no map was made of, so that T1 is not corrected by them."""
    names = os.listdir(fmap) if os.path.isdir(fmap) else []
    found = sorted(name for name in names if B1_MEASURED.search(name))
    if not found or any("_TB1map.nii" in name for name in names):
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    wanted = f"{found[0].rsplit('_', 1)[0]}_TB1map.nii.gz"
    return [f"not used: {os.path.join(fmap, found[0])}{more}, from which no B1 map was made: T1 needs {wanted}"]


def _other_notes(images: Sequence[str], spare: Sequence[str]) -> list[str]:
    """A note on echoes of another suffix than that of the scan's."""
    if not spare:
        return []
    more = f" and {len(spare) - 1} more" if len(spare) > 1 else ""
    return [f"not used: {spare[0]}{more}, as there are images of the suffix {entities(images[0])['suffix']}"]


def _all_series(groups: Iterable[list[str]], sidecars: list[str]) -> list[Series]:
    series: list[Series] = []
    problems: list[Problem] = []
    for group in groups:
        try:
            series.append(series_of(group, sidecars))
        except IntakeError as error:
            problems += error.problems
    if problems:
        raise IntakeError(problems)
    return series


def _flip_angle_deg(series: Series) -> float:
    return series.facts[0]["FlipAngle"]


def _flip_problems(series: Sequence[Series], otherwise: str) -> list[Problem]:
    """Problems where two series do not tell what maps of T1 need; `otherwise` says how to choose one of them."""
    untold = [one for one in series if not is_number(one.facts[0].get("FlipAngle"))]
    if untold:
        expected = "FlipAngle [degree] in its sidecar, as there are two series"
        return condensed(
            Problem(one.files[0], expected, f"{shown(one.facts[0].get('FlipAngle'))}{otherwise}") for one in untold
        )
    if _flip_angle_deg(series[0]) == _flip_angle_deg(series[1]):
        expected = f"another FlipAngle than {series[0].files[0]}, or one series"
        found = f"{_flip_angle_deg(series[1]):g} degrees in both{otherwise}"
        return [Problem(series[1].files[0], expected, found)]
    expected = "RepetitionTimeExcitation [seconds] in its sidecar, as there are two flip angles"
    return condensed(
        Problem(one.files[0], expected, f"none{otherwise}")
        for one in series
        if "RepetitionTimeExcitation" not in one.facts[0] and "RepetitionTime" not in one.facts[0]
    )


def _pair_problems(low: Series, high: Series) -> list[Problem]:
    """Problems where two flip angles cannot be compared voxel by voxel."""
    problems = grid_problems(checked_header(low.files[0]), checked_header(high.files[0]))
    if abs(low.te_s[0] - high.te_s[0]) > TE_TOLERANCE_S:
        expected = f"the first EchoTime of {high.files[0]}, {high.te_s[0]:g} s"
        problems.append(Problem(low.files[0], expected, f"{low.te_s[0]:g} s"))
    return problems
