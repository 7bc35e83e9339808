"""The user's own DICOM of the scan that a map was made from: found, proven to be it, and referred to.

A file's name may be a person's, and so may every text of its header: no message shows either.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from pydicom import Dataset, dcmread

from recon.export.series import ADMINISTRATIVE, Reference
from recon.export.slices import Slices, slices_of
from recon.intake.dicom.bytes import sources
from recon.intake.dicom.decode import decoded
from recon.intake.dicom.frames import BrokenHeader, File, Frame, read_file
from recon.maths.affine import SAME_GRID
from recon.problems import Problem, ProblemError

COPIED = (*ADMINISTRATIVE, "IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "StudyDescription")
HEADER = ["SOPClassUID", "SOPInstanceUID", "FrameOfReferenceUID", "Rows", "Columns", *COPIED]
SAME_HEAD = 0.98  # least correlation of the first echo with the map; that of one scan differs from 1 by rounding only
SHOWN = 3  # series that a refusal describes


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an export takes from the user's DICOM.

    Parameters
    ----------
    slices : of the map's grid, along those of the source
    study, frame_of_reference : their UIDs; the latter empty where the source has none
    series : numbers of the series referred to
    references : source images of each slice
    patient : elements of patient and study by keyword, text
    correlation : of the first echo with the map; None where they cannot be compared
    """

    slices: Slices
    study: str
    frame_of_reference: str
    series: tuple[int, ...]
    references: tuple[tuple[Reference, ...], ...]
    patient: dict[str, str]
    correlation: float | None


class Placed(NamedTuple):
    """A frame at its slice of the map, with the header of its file."""

    frame: Frame
    header: Dataset
    slice: int


def source_of(
    folder: Path,
    scan: str,
    affine: np.ndarray,
    shape: tuple[int, ...],
    first_echo: np.ndarray | None,
    flip_deg: float | None,
    others: Iterable[str],
) -> Source:
    """Find in a folder the echoes that a map was made from.

    Parameters
    ----------
    folder : DICOM files of one examination
    scan : name of the scan, for messages and to tell its subject
    affine, shape : of the map
    first_echo : (X, Y, Z) magnitude of the first echo up to a factor, zero where it is not known; None without one
    flip_deg : flip angle of the echoes [degree]; None where it is not told
    others : labels of the other subjects

    Raises
    ------
    ProblemError
        Where the folder holds no echoes on the grid of the map, several sets of them, or those of somebody else.
    """
    if not folder.is_dir():
        raise ProblemError([Problem(str(folder), "a folder with the DICOM files of the scan", "no folder")])
    with TemporaryDirectory() as unpacked:
        series = _series(folder, Path(unpacked))
        if not series:
            expected = "DICOM files of magnitude, phase, real or imaginary images, all with their places"
            raise ProblemError([Problem(str(folder), expected, "none")])
        slices, placed = _on_grid(folder, scan, series, affine, shape)
        placed = [p for p in placed if flip_deg is None or p.frame.flip_deg in (None, flip_deg)]
        problems = [*_mixed(folder, placed), *_repeated(folder, placed), *_of_another(folder, scan, placed, others)]
        if problems:
            raise ProblemError(problems)
        correlation = None if first_echo is None else _correlation(placed, slices, first_echo)
    if correlation is not None and not correlation >= SAME_HEAD:
        expected = f"the head of {scan}: a first echo that correlates with its T1w map by at least {SAME_HEAD:g}"
        raise ProblemError([Problem(str(folder), expected, f"{correlation:.3f}")])
    header = placed[0].header
    return Source(
        slices=slices,
        study=placed[0].frame.file.study,
        frame_of_reference=str(header.get("FrameOfReferenceUID") or ""),
        series=tuple(sorted({p.frame.file.number for p in placed})),
        references=tuple(tuple(_references(p for p in placed if p.slice == k)) for k in range(slices.shape[0])),
        patient={name: str(header[name].value) for name in COPIED if header.get(name) not in (None, "")},
        correlation=correlation,
    )


def _series(folder: Path, unpacked: Path) -> dict[str, list[tuple[File, Dataset]]]:
    """The files with echoes whose parts and places are told, with their headers, by series."""
    found: defaultdict[str, list[tuple[File, Dataset]]] = defaultdict(list)
    for source in sources(folder, unpacked):
        try:
            file = read_file(source)
        except BrokenHeader:
            continue
        if file and not file.broken and all(frame.part and frame.place is not None for frame in file.frames):
            found[file.uid].append((file, dcmread(source.path, force=True, specific_tags=HEADER)))
    return found


def _on_grid(
    folder: Path, scan: str, series: dict[str, list[tuple[File, Dataset]]], affine: np.ndarray, shape: tuple[int, ...]
) -> tuple[Slices, list[Placed]]:
    """The frames of all series that have a slice at every place of the map, and its slices in their direction."""
    fitting: list[Placed] = []
    used: Slices | None = None
    for files in series.values():
        first = files[0][0].frames[0].place
        assert first is not None  # such files were left out
        slices = slices_of(affine, shape, (first[1], first[2]))
        placed = [
            Placed(frame, header, k)
            for file, header in files
            for frame in file.frames
            if (k := _slice(frame, header, slices)) is not None
        ]
        if len({p.slice for p in placed}) == slices.shape[0] and (used is None or used.axes == slices.axes):
            used, fitting = used or slices, fitting + placed
    if used is None:
        expected = f"the grid of {scan}: {slices_of(affine, shape)}"
        raise ProblemError([Problem(str(folder), expected, _told(series))])
    return used, fitting


def _slice(frame: Frame, header: Dataset, slices: Slices) -> int | None:
    """Number of the slice that a frame is, within a twentieth of a voxel at each of its corners; None if it is none."""
    _, rows, columns = slices.shape
    if frame.place is None or (header.get("Rows"), header.get("Columns")) != (rows, columns):
        return None
    corner, across, down = frame.place
    k = int(np.linalg.norm(slices.positions_mm - corner, axis=1).argmin())
    apart = np.array([corner - slices.positions_mm[k], across - slices.across * slices.spacing_mm[2],
                      down - slices.down * slices.spacing_mm[1]])  # fmt: skip
    corners = np.array([[1, 0, 0], [1, columns - 1, 0], [1, 0, rows - 1], [1, columns - 1, rows - 1]]) @ apart
    return k if np.linalg.norm(corners, axis=1).max() <= SAME_GRID * min(slices.spacing_mm) else None


def _told(series: dict[str, list[tuple[File, Dataset]]]) -> str:
    """The grids of the largest series, for a message."""
    largest = sorted(series.values(), key=lambda files: -sum(len(file.frames) for file, _ in files))[:SHOWN]
    lines = []
    for files in largest:
        frames = [frame for file, _ in files for frame in file.frames]
        lowest = min(frames, key=lambda frame: frame.height_mm).place
        assert lowest is not None  # such files were left out
        heights = sorted({frame.height_mm for frame in frames})
        apart = f"×{np.median(np.diff(heights)):.4g}" if len(heights) > 1 else ""
        size = "×".join(f"{np.linalg.norm(step):.4g}" for step in lowest[1:])
        corner = ", ".join(f"{value:.1f}" for value in lowest[0] + 0.0)
        pixels = f"{files[0][1].Columns}×{files[0][1].Rows} pixels, {size}{apart} mm"
        lines.append(f"series {files[0][0].number} of {len(heights)} slices of {pixels}, the first at ({corner}) mm")
    return "; ".join(lines)


def _mixed(folder: Path, placed: Sequence[Placed]) -> Iterable[Problem]:
    """A problem where the frames are of several examinations or of several people."""
    studies = {p.frame.file.study for p in placed}
    people = {str(p.header.get("PatientID") or "") for p in placed}
    frames = {str(p.header.get("FrameOfReferenceUID") or "") for p in placed}
    names = {"examinations": studies, "patients": people, "frames of reference": frames}
    if found := [f"{len(values)} {name}" for name, values in names.items() if len(values) > 1]:
        yield Problem(str(folder), "echoes of one patient in one examination and frame of reference", ", ".join(found))
    if not all(studies):
        yield Problem(str(folder), "a StudyInstanceUID (0020,000D) in every file", "files without")


def _repeated(folder: Path, placed: Sequence[Placed]) -> Iterable[Problem]:
    """A problem where an image of the same part and echo is there twice: which of them was it?"""
    series: defaultdict[tuple, list[int]] = defaultdict(list)
    for p in placed:
        series[p.frame.part, p.frame.te_s, p.frame.flip_deg, p.slice].append(p.frame.file.number)
    flips = {p.frame.flip_deg for p in placed}
    if len(flips) > 1:
        found = f"{len(flips)} flip angles"
    elif twice := {number for numbers in series.values() if len(numbers) > 1 for number in numbers}:
        found = f"several in series {', '.join(map(str, sorted(twice)))}"
    else:
        return
    expected = "one image of each part, echo and slice (put the series of this scan alone into a folder)"
    yield Problem(str(folder), expected, found)


def _of_another(folder: Path, scan: str, placed: Sequence[Placed], others: Iterable[str]) -> Iterable[Problem]:
    """A problem where the PatientID is the label of another subject of the run."""
    own = _label(scan.split("_")[0])
    if (label := _label(str(placed[0].header.get("PatientID") or ""))) != own and label in {*map(_label, others)}:
        yield Problem(str(folder), f"the scan of sub-{own}", f"the PatientID of sub-{label}")


def _label(text: str) -> str:
    return re.sub("[^A-Za-z0-9]", "", text.removeprefix("sub-"))


def _correlation(placed: Sequence[Placed], slices: Slices, first_echo: np.ndarray) -> float | None:
    """Pearson's r of the magnitude of the first echo with that of the map; None where the source has no magnitude."""
    te_s = min(p.frame.te_s or 0.0 for p in placed)
    parts: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(slices.shape))
    cache: dict[Path, np.ndarray] = {}
    for p in (p for p in placed if (p.frame.te_s or 0.0) == te_s and p.frame.part != "phase"):
        slope, intercept = p.frame.rescale or (1.0, 0.0)
        parts[str(p.frame.part)][p.slice] = slope * _pixels(p.frame, cache) + intercept
    if "mag" in parts:
        magnitude = parts["mag"]
    elif {"real", "imag"} <= parts.keys():
        magnitude = np.hypot(parts["real"], parts["imag"])
    else:
        return None
    inside = first_echo > 0
    return float(np.corrcoef(slices.volume(magnitude)[inside], first_echo[inside])[0, 1])


def _pixels(frame: Frame, cache: dict[Path, np.ndarray]) -> np.ndarray:
    """(rows, columns) stored pixels of a frame; an enhanced file is read once."""
    path, file = frame.file.source.path, frame.file
    if path not in cache:
        cache.clear()
        pixels = decoded(path) if file.syntax.is_compressed else dcmread(path, force=True).pixel_array
        cache[path] = pixels.reshape(-1, *pixels.shape[-2:])
    return cache[path][frame.index].astype(float)


def _references(placed: Iterable[Placed]) -> Iterable[Reference]:
    """Images of a slice, the frames of an enhanced file together."""
    files: defaultdict[int, list[Placed]] = defaultdict(list)
    for p in placed:
        files[id(p.frame.file)].append(p)
    for same in files.values():
        header, file = same[0].header, same[0].frame.file
        yield Reference(
            sop_class=str(header.SOPClassUID),
            sop_instance=str(header.SOPInstanceUID),
            series=file.uid,
            frames=tuple(sorted(p.frame.index + 1 for p in same)) if file.enhanced else (),
        )
