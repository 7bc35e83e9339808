"""DICOM exams drawn at random, whose signal is known: `python -m tests.recon.intake.fuzz_dicom --draws 2000 --seed 1`.

An exam is a vendor's multi-echo scan, classic or enhanced, in one transfer syntax, with its frames in one order; files
of it are then lost, doubled, cut or mixed, and an anonymiser takes facts away. The conversion gives the true signal of
every echo that is left, each run once, and names what it skips; or it refuses, though no exam of which nothing is lost.
With `--tally FILE` many draws are made in parts: the file holds how many were made and what came of them, and the same
command goes on where it was stopped.
"""

import argparse
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from recon.files.atomic import atomic
from recon.files.bids import entities
from recon.files.io import read_json, read_volume, sidecar_path
from recon.intake.dicom.convert import Conversion, convert
from tests.recon.intake.spliced_dicom import Spliced, read, scratch
from tests.recon.intake.synthetic_dicom import (
    Protocol,
    oblique_affine,
    signal,
    write_ge,
    write_philips,
    write_siemens,
)
from tests.recon.intake.synthetic_enhanced import write_philips_enhanced, write_siemens_enhanced

SHAPE, TE_S = (6, 4, 3), (0.004, 0.0085, 0.013)
SLICES = {1: 4, 2: 2, 3: 2}  # of a drawn exam, by its number of echoes: fewer files are read sooner
TIMES = ("101500.000000", "103000.000000")  # of the runs
MAGNITUDES = "M", "M_FFE", "0", "MAGNITUDE"  # as a label calls them
FIELD_MAP = "siemens field map"
COILS = "siemens coils"  # of which no combined image is there
PREAMBLE_BYTES = 132  # with the letters behind it
TURN = 4096  # stored values of Siemens that make 2 pi
HARMS = (
    "nothing", "nothing", "nothing", "lose file", "lose image", "lose part", "lose slice", "double file", "cut file",
    "lose echo", "mix runs", "one file", "lossy", "stray image", "half magnitude", "number of frames",
    "one series number", "identifier of each file", "scale of one file", "no preamble",
)  # fmt: skip
REMOVALS = {
    "nothing": (),
    "times": ("AcquisitionTime", "ContentTime", "SeriesTime"),
    "private tags": (),
    "echo numbers": ("EchoNumbers",),
    "acquisition numbers": ("AcquisitionNumber",),
    "instance numbers": ("InstanceNumber",),
    "series numbers": ("SeriesNumber",),
    "rescale": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "series identifiers": ("SeriesInstanceUID",),
    "manufacturer": ("Manufacturer",),
    "positions": ("ImagePositionPatient",),
    "image type": ("ImageType", "ComplexImageComponent"),
    "echo time": ("EchoTime",),
    "flip angle": ("FlipAngle",),
    "sequence names": ("SequenceName", "PulseSequenceName"),
}
# an exam with no other harm, which lacks no more than this, must be read: no proof of a pair or a part is lost
HARMLESS = "nothing", "no preamble"
UNNEEDED = "nothing", "times", "acquisition numbers", "instance numbers", "series numbers"
# where the frames of an enhanced file tell the same
OF_FRAMES = {
    "ImageType": "MRImageFrameTypeSequence",
    "EchoTime": "MREchoSequence",
    "ImagePositionPatient": "PlanePositionSequence",
}
KEPT = "positions", "manufacturer", "image type", "echo time", "flip angle"
REMOVALS["all but these"] = tuple(name for kind, names in REMOVALS.items() if kind not in KEPT for name in names)
SYNTAXES = {
    "plain": None, "implicit": ImplicitVRLittleEndian, "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian, "RLE": RLELossless, "JPEG": JPEGLosslessSV1,
    "JPEG 2000": JPEG2000Lossless, "JPEG-LS": JPEGLSLossless,
}  # fmt: skip
OFTEN = *["plain"] * 4, "implicit"  # drawn more often than the others: what need not be unpacked is ready sooner
# what else than the scan itself an exam may hold: single coils, and what the scanner corrected for distortion
VARIANTS: dict[str, complex] = {"": 1, "coil1": 0.7 + 0.5j, "coil2": -0.4 + 0.3j, "corrected": 0.9 + 0.1j}
CHUNK = 25  # exams that one call converts


def edit(folder: Path, change: Callable[[pydicom.Dataset], object]) -> None:
    """Change every DICOM file below a folder."""
    for path in sorted(folder.rglob("*.dcm")):
        content = pydicom.dcmread(path)
        change(content)
        content.save_as(path)


def write_field_map(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """Magnitudes of the first two echoes, and the difference of their phases at the second echo time."""
    difference = np.abs(echoes[1]) * np.exp(1j * np.angle(echoes[1] * echoes[0].conj()))
    later = replace(protocol, te_s=protocol.te_s[1:2], first_echo=2)
    write_siemens(folder / "difference", difference[None], later)
    for path in (folder / "difference").iterdir():  # its magnitude is that of the series before
        if pydicom.dcmread(path, specific_tags=["ImageType"]).ImageType[2] == "M":
            path.unlink()
    write_siemens(folder / "magnitude", echoes[:2], replace(protocol, te_s=protocol.te_s[:2]))
    for path in (folder / "magnitude").iterdir():
        if pydicom.dcmread(path, specific_tags=["ImageType"]).ImageType[2] == "P":
            path.unlink()


def write_field_map_enhanced(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """As `write_field_map`, a file each; the sequence alone tells that there were two echoes."""
    difference = np.abs(echoes[1]) * np.exp(1j * np.angle(echoes[1] * echoes[0].conj()))
    write_siemens_enhanced(folder / "magnitude", echoes[:2], replace(protocol, te_s=protocol.te_s[:2]))
    write_siemens_enhanced(folder / "difference", difference[None], replace(protocol, te_s=protocol.te_s[1:2]))
    for path in (*folder.glob("magnitude/*PHASE*"), *folder.glob("difference/*MAGNITUDE*")):
        path.unlink()
    edit(folder, lambda content: setattr(content, "PulseSequenceName", "*fm2d2"))


def write_apart(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """A series for each part of each echo."""
    for echo, te_s in enumerate(protocol.te_s):
        own = replace(protocol, te_s=(te_s,), first_echo=echo + 1, number=protocol.number + 2 * echo)
        write_siemens(folder / str(echo), echoes[echo : echo + 1], own)


def write_interleaved(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """Siemens whose images are counted slice by slice, the echoes innermost."""
    write_siemens(folder, echoes, protocol)
    count, slices = len(echoes), echoes.shape[3]

    def renumber(content: pydicom.Dataset) -> None:
        echo, k = divmod((content.InstanceNumber - 1) % (count * slices), slices)
        content.InstanceNumber = k * count + echo + 1

    edit(folder, renumber)


def write_one_series(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """Both parts of Siemens under one SeriesInstanceUID."""
    write_siemens(folder, echoes, protocol)
    edit(folder, lambda content: setattr(content, "SeriesInstanceUID", f"1.2.3.{protocol.number}"))


def write_unevenly_scaled(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """Philips with a scale of its own in every second slice: stored values times the slope are the signal."""
    write_philips(folder, echoes, protocol, scale_slope=None)

    def rescale(content: pydicom.Dataset) -> None:
        if "M" not in content.ImageType:
            return
        content.RescaleSlope = 0.5 if content.InstanceNumber % 2 else 1
        pixels = np.rint(content.pixel_array / content.RescaleSlope).astype(np.int16)
        content.PixelData, content[0x2005, 0x100E].value = pixels.tobytes(), 1 / content.RescaleSlope

    edit(folder, rescale)


def renamed(write: Callable, manufacturer: str) -> Callable:
    """A writer whose files tell another manufacturer."""

    def write_renamed(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
        write(folder, echoes, protocol)
        edit(folder, lambda content: setattr(content, "Manufacturer", manufacturer))

    return write_renamed


def write_coils(folder: Path, echoes: np.ndarray, protocol: Protocol, combined: bool = False) -> None:
    """Siemens of which every receive coil is exported as a scan of its own, maybe beside the combined one."""
    names = {"coil1": "H1", "coil2": "H2"} | ({"": "HEA;HEP"} if combined else {})
    for step, (variant, coil) in enumerate(names.items()):
        write_siemens(folder / variant, echoes * VARIANTS[variant], protocol.later(2 * step))
        for path in sorted((folder / variant).glob("*.dcm")):
            content = pydicom.dcmread(path)
            content.private_block(0x51, "SIEMENS MR HEADER", create=True).add_new(0x0F, "LO", coil)
            content.save_as(path)


def write_corrected_too(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """Siemens with and without correction of its distortion: magnitudes of both, then phases of both."""
    for step, (variant, word) in enumerate({"": "ND", "corrected": "DIS2D"}.items()):
        write_siemens(folder / variant, echoes * VARIANTS[variant], protocol)
        for path in sorted((folder / variant).glob("*.dcm")):
            content = pydicom.dcmread(path)
            letter = content.ImageType[2]
            content.ImageType = ["ORIGINAL", "PRIMARY", letter, word]
            content.SeriesNumber = protocol.number + step + 2 * "MP".index(letter)
            content.save_as(path)


def twice(one: Callable, other: Callable) -> Callable:
    """A writer of one scan in two forms."""

    def write_both(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
        one(folder / "one", echoes, protocol)
        other(folder / "other", echoes, protocol.later(2))

    return write_both


together = partial(write_siemens_enhanced, together=True)
all_parts = "mag phase real imag"
WRITERS: dict[str, Callable] = {
    "siemens": write_siemens,
    "siemens interleaved": write_interleaved,
    "siemens in one series": write_one_series,
    "siemens apart": write_apart,
    "siemens enhanced": write_siemens_enhanced,
    "siemens enhanced together": together,
    "siemens real imag": partial(write_siemens, parts="real imag"),
    "siemens all parts": partial(write_siemens, parts=all_parts),
    "siemens coils": write_coils,
    "siemens coils and combined": partial(write_coils, combined=True),
    "siemens corrected too": write_corrected_too,
    "siemens twice": twice(write_siemens, write_siemens_enhanced),
    "siemens field map": write_field_map,
    "siemens field map enhanced": write_field_map_enhanced,
    "philips": write_philips,
    "philips enhanced": write_philips_enhanced,
    "philips real imag": partial(write_philips, parts="real imag"),
    "philips all parts": partial(write_philips, parts=all_parts),
    "philips enhanced real imag": partial(write_philips_enhanced, parts="real imag"),
    "philips enhanced all parts": partial(write_philips_enhanced, parts=all_parts),
    "philips twice": twice(write_philips, write_philips_enhanced),
    "philips unevenly scaled": write_unevenly_scaled,
    "ge real imag": write_ge,
    "ge mag phase": partial(write_ge, parts="mag phase"),
    "ge all parts": partial(write_ge, parts=all_parts),
    "uih": renamed(write_siemens, "UIH"),
    "canon enhanced": renamed(write_philips_enhanced, "Canon Medical Systems"),
    "bruker enhanced": renamed(together, "Bruker BioSpin MRI GmbH"),
}  # fmt: skip


@cache
def whole(writer: str, echoes: int, run: int) -> list[Spliced]:
    """The files of one run as its scanner writes them."""
    protocol = Protocol(affine=oblique_affine(), te_s=TE_S[:echoes], person=False)
    if run:  # its series follow those of the run before
        protocol = replace(protocol, number=1 + max(_number(file) for file in whole(writer, echoes, run - 1)))
    with scratch() as folder:
        WRITERS[writer](folder, truth(echoes, run), protocol)
        files = read(folder)
    for file in files:
        first = Path(file.path).parts[0]
        scan = run, first if first in VARIANTS else ""
        file.labels = [label._replace(scan=scan) for label in file.labels]
        file.path = f"run{run}/{file.path}"
        file.set(AcquisitionTime=TIMES[run], AcquisitionNumber=run + 1)
        for frame in file.frames:
            frame.content.FrameContentSequence[0].FrameAcquisitionNumber = run + 1
    return files


def _number(file: Spliced) -> int:
    return int(str(file.facts["SeriesNumber"]))


@cache
def truth(echoes: int, run: int) -> np.ndarray:
    """(echo, X, Y, Z) signal of a run; runs differ in a field of their own, which the phase of no other run has."""
    te_s, shape = TE_S[:echoes], (*SHAPE[:2], SLICES[echoes])
    return signal(shape, te_s) * np.exp(2j * np.pi * 25 * run * np.reshape(te_s, (-1, 1, 1, 1))) * (1 + run / 4)


def writer_of(seed: int) -> str:
    """The scanner of a drawn exam."""
    return random.Random(seed).choice(list(WRITERS))


class Exam:
    """One drawn exam."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random = seed, random.Random(seed)
        pick = self.random.choice
        self.writer, self.syntax = pick(list(WRITERS)), pick([*OFTEN, *SYNTAXES])
        self.runs, self.harm, self.removal = pick((1, 1, 1, 2)), pick(HARMS), pick(["nothing"] * 5 + list(REMOVALS))
        self.shuffled, self.echoes = pick((False, True)), pick((1, 2, 2, 3))
        if self.writer.startswith(FIELD_MAP):
            self.echoes = 2
        if self.harm == "one file" and "twice" in self.writer:
            self.harm = "nothing"  # its frames would have one time and their copies another
        if self.writer == "philips unevenly scaled" and "RescaleSlope" in REMOVALS[self.removal]:
            self.removal = "nothing"  # what the slices differ in would be lost, and no reader could tell
        self.files = [file.copy() for run in range(self.runs) for file in whole(self.writer, self.echoes, run)]
        self.scans = sorted({label.scan for file in self.files for label in file.labels})
        for file in self.files:
            file.set(StudyInstanceUID=f"1.2.{1 + seed}")
        self._anonymise()
        self._harm()

    def __str__(self) -> str:
        return (
            f"{self.writer}, {self.syntax}, {self.runs} runs of {self.echoes} echoes, {self.harm}, "
            f"without {self.removal}, {'shuffled' if self.shuffled else 'in order'}"
        )

    @property
    def whole(self) -> bool:
        """Whether it must be read: a scan and no field map, of which nothing is lost that a reader needs."""
        scan = self.writer != COILS and not self.writer.startswith(FIELD_MAP)
        return scan and self.harm in HARMLESS and self.removal in UNNEEDED

    def write(self, folder: Path) -> None:
        """Write the files, in one order of names and frames."""
        folder.mkdir(parents=True)
        contents = {}
        for number, file in enumerate(self.random.sample(self.files, k=len(self.files))):
            if self.shuffled:
                if file.frames:
                    file.permute(self.random.sample(range(len(file.pixels)), k=len(file.pixels)))
                file.path = f"{number:04d}.dcm"
            contents[folder / file.path] = file.content(SYNTAXES[self.syntax])
        if self.harm == "no preamble":
            contents = {path: content[PREAMBLE_BYTES:] for path, content in contents.items()}
        if self.harm == "cut file":
            path = self.random.choice(sorted(contents))
            contents[path] = contents[path][: -self.random.choice((2, 20, 300))]
            self.files = [file for file in self.files if folder / file.path != path]  # the others may be there
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _anonymise(self) -> None:
        for file in self.files:
            if self.removal.startswith(("private", "all")):
                file.remove_private_tags()
            removed = dict.fromkeys(REMOVALS[self.removal])
            if "SeriesInstanceUID" in removed:  # without it a file is no DICOM
                removed["SeriesInstanceUID"] = "1.2.3"
            file.set(**removed)
            for name in OF_FRAMES.keys() & removed.keys():
                file.frames = [frame.without(OF_FRAMES[name]) for frame in file.frames]

    def _harm(self) -> None:
        files, pick = self.files, self.random.choice
        if self.harm == "lose file":
            files.remove(pick(files))
        elif self.harm in LOSSES:
            key = LOSSES[self.harm]
            chosen = key(pick(files))
            self.files = [file for file in files if key(file) != chosen]
        elif self.harm == "double file":
            files += [_renamed(file) for file in self.random.sample(files, k=pick((1, len(files))))]
        elif self.harm == "stray image":  # of the same place and time, but not the same
            stray = _renamed(pick(files))
            stray.pixels = [frame[::-1].copy() for frame in stray.pixels]
            files.append(stray)
        elif self.harm == "mix runs":  # series of both runs become one
            first: dict[tuple, str] = {}
            for file in files:
                kind = file.labels[0].part, len(file.labels)
                uid = first.setdefault(kind, str(file.facts["SeriesInstanceUID"]))
                file.set(SeriesInstanceUID=uid, SeriesNumber=5 + list(first).index(kind))
        elif self.harm == "one file":  # the runs of an enhanced scan
            for other in [file for file in files if file.frames and file.labels[0].scan[0] == 1]:
                kinds = {label[:2] for label in other.labels}
                same = [f for f in files if f.frames and f is not other and {label[:2] for label in f.labels} == kinds]
                if same:
                    same[0].append(other)
                    files.remove(other)
        elif self.harm == "half magnitude":
            for file in (f for f in files if all(label.part in MAGNITUDES for label in f.labels)):
                file.pixels = [np.ascontiguousarray(frame[::2, ::2]) for frame in file.pixels]
                spacing = file.facts["PixelSpacing"] or (1, 1)
                rows, columns = file.pixels[0].shape
                file.set(Rows=rows, Columns=columns, PixelSpacing="\\".join(f"{2 * float(size):g}" for size in spacing))
        elif self.harm == "number of frames":
            for file in (file for file in files if file.frames):
                file.set(NumberOfFrames=len(file.pixels) + pick((-1, 1)))
        elif self.harm == "one series number":
            for file in files:
                file.set(SeriesNumber=5)
        elif self.harm == "identifier of each file":
            for number, file in enumerate(files):
                file.set(SeriesInstanceUID=f"1.2.5.{number}")
        elif self.harm == "scale of one file":
            one = pick(files)
            one.set(RescaleSlope=None, RescaleIntercept=None)
            one.remove_private_tags()  # Philips tells a scale there, too
        elif self.harm == "lossy":
            for file in files:
                file.set(LossyImageCompression="01")


def _renamed(file: Spliced) -> Spliced:
    """A copy under another name, with another number and identifier."""
    copy = file.copy()
    path = Path(file.path)
    copy.path = str(path.with_name(f"copy_{path.name}"))
    copy.set(InstanceNumber=900 + int(str(file.facts["InstanceNumber"] or 0)), SOPInstanceUID="1.2.4")
    return copy


def _image(file: Spliced) -> tuple:
    return file.labels[0].scan, file.labels[0].part, file.labels[0].te_ms, len(file.labels)


def _series(file: Spliced) -> tuple:
    return file.labels[0].scan, file.labels[0].part


def _echo(file: Spliced) -> tuple:
    return file.labels[0].scan, file.labels[0].te_ms


def _slice(file: Spliced) -> tuple:
    return file.labels[0].place, len(file.labels)


LOSSES: dict[str, Callable] = {"lose image": _image, "lose part": _series, "lose echo": _echo, "lose slice": _slice}


def wrong(exam: Exam, done: Conversion, subject: Path) -> list[str]:
    """What of a converted exam is not the signal of its runs, what is twice or must not be there, what is not told."""
    if exam.harm == "lossy" or exam.writer.startswith(FIELD_MAP):
        return ["accepted"]
    faults, found = [], {}
    for first in sorted(path for part in ("mag", "real") for path in subject.glob(f"anat/*part-{part}_MEGRE.nii.gz")):
        values, te_s = complex_echo(first, exam.writer), read_json(sidecar_path(first))["EchoTime"]
        echo = next((e for e, own in enumerate(TE_S[: exam.echoes]) if abs(own - te_s) < 1e-6), None)
        if echo is None:
            faults.append(f"{first.name}: an echo time of {te_s} s")
            continue
        fits = {scan for scan in exam.scans if is_signal(values, first, _signal_of(scan, exam.echoes)[echo])}
        name = first.name.split("_echo")[0]
        before, echoes = found.get(name, (fits, set()))
        found[name] = before & fits, echoes | {echo}
    faults += [f"{name}: no run has this signal" for name, (fits, _) in found.items() if not fits]
    used = [(scan, echoes) for fits, echoes in found.values() for scan in fits]
    return faults or [*_twice(used), *_unwanted(exam, used), *_untold(exam, done, used)]


Used = list[tuple[tuple[int, str], set[int]]]  # scans with their echoes


def _twice(used: Used) -> list[str]:
    count = Counter(scan for scan, _ in used)
    return [f"{scan} {number} times" for scan, number in count.items() if number > 1]


def _unwanted(exam: Exam, used: Used) -> list[str]:
    """Single coils, unless nothing is left that tells them; a corrected scan beside the one that it was made of."""
    scans = {scan for scan, _ in used}
    told = exam.removal not in ("private tags", "times", "all but these")
    left = {label.scan for file in exam.files for label in file.labels if label.scan[1].startswith("coil")}
    coils = [scan for scan in scans & left if told and len(left) > 1]  # one that is left alone has nothing to tell it
    corrected = [scan for scan in scans if scan[1] == "corrected" and (scan[0], "") in scans]
    return [f"{scan} is used" for scan in (*coils, *corrected)]


def _untold(exam: Exam, done: Conversion, used: Used) -> list[str]:
    """Echoes of which files are there that neither are used nor belong to a series that is told to be skipped."""
    taken = {(scan, echo) for scan, echoes in used for echo in echoes}
    skipped = {series.number for series in done.skipped}
    untold = set()
    for file in exam.files:
        number = file.facts["SeriesNumber"]  # where it is lost the converter makes one up
        told = int(str(number)) in skipped if number is not None else bool(skipped)
        for label in file.labels:
            echo = next(e for e, te_s in enumerate(TE_S) if abs(1000 * te_s - label.te_ms) < 1e-3)
            if (label.scan, echo) not in taken and not told:
                untold.add((label.scan, echo))
    return [f"{scan}, echo {echo}: neither used nor told" for scan, echo in sorted(untold)]


def _signal_of(scan: tuple[int, str], echoes: int) -> np.ndarray:
    run, variant = scan
    return truth(echoes, run) * VARIANTS[variant]


def complex_echo(first: Path, writer: str) -> np.ndarray:
    """The signal of one echo, as its files give it."""
    other = {"mag": "phase", "real": "imag"}[entities(first)["part"]]
    second = Path(str(first).replace(f"part-{entities(first)['part']}", f"part-{other}"))
    a, b = (read_volume(path).data for path in (first, second))
    if other == "imag":
        return a + 1j * b
    return a * np.exp(1j * _radians(b, writer, read_json(sidecar_path(second))["Units"]))


def _radians(phase: np.ndarray, writer: str, units: str) -> np.ndarray:
    """Phase [rad] by the convention of the vendor, which the range of the values tells where there are several."""
    if units == "rad":
        return phase
    if writer.startswith(("philips", "canon")):
        if phase.min() >= 0:  # without its rescale slope and intercept; the private scale slope alone makes 2 pi
            return phase - np.pi if phase.max() < 7 else phase * 2 * np.pi / (TURN - 1) - np.pi
        return phase / 1000
    if writer.startswith("ge"):
        return phase / 1000
    return phase * np.pi / TURN if phase.min() < 0 else phase * 2 * np.pi / TURN - np.pi


def is_signal(values: np.ndarray, image: Path, truth: np.ndarray) -> bool:
    """Whether values are the truth at the places that the affine gives; rounding is to a unit of signal."""
    index = np.linalg.inv(oblique_affine()) @ read_volume(image).affine
    voxels = np.einsum("ij,jxyz->ixyz", index[:3, :3], np.indices(values.shape)) + index[:3, 3, None, None, None]
    at = np.rint(voxels).astype(int)
    if np.abs(voxels - at).max() > 0.01 or any(
        a.min() < 0 or a.max() >= n for a, n in zip(at, truth.shape, strict=True)
    ):
        return False
    expected = truth[tuple(at)]
    return bool((np.abs(values - expected) <= 2 + 3e-3 * np.abs(expected)).all())


def draw(seeds: Sequence[int]) -> Iterator[tuple[Exam, str, list[str]]]:
    """Draw, convert and judge exams, each a subject: the exam, the outcome, and what is wrong with it."""
    for start in range(0, len(seeds), CHUNK):
        exams = {f"p{seed}": Exam(seed) for seed in seeds[start : start + CHUNK]}
        with scratch() as root:
            for name, exam in exams.items():
                exam.write(root / "dicom" / name)
            for done in convert(root / "dicom", root / "bids"):
                exam = exams[done.folder]
                if done.problems:
                    yield exam, "refused: " + str(done.problems[0]), []
                else:
                    yield exam, "read", wrong(exam, done, root / "bids" / done.subject)


class Tally:
    """How many exams were drawn, and what came of them; kept in a file where one is named."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        kept = json.loads(path.read_text()) if path and path.exists() else {}
        self.draws, self.wrong, self.cpu_s = kept.get("draws", 0), kept.get("wrong", []), kept.get("cpu_s", 0.0)
        kinds = "outcome", "writer", "syntax", "harm", "without", "refused because"
        self.counts = {kind: Counter(kept.get(kind, {})) for kind in kinds}

    def add(self, exam: Exam, outcome: str, faults: Sequence[str]) -> None:
        """Count one exam."""
        self.draws += 1
        told = {"outcome": "read" if outcome == "read" else "refused", "writer": exam.writer, "syntax": exam.syntax,
                "harm": exam.harm, "without": exam.removal}  # fmt: skip
        if outcome != "read":
            told["refused because"] = _kind(outcome)
        for kind, value in told.items():
            self.counts[kind][value] += 1
        if faults:
            self.wrong.append(f"{exam.seed}: {exam}: {faults}")

    def save(self) -> None:
        """Write the file."""
        if self.path:
            content = {"draws": self.draws, "wrong": self.wrong, "cpu_s": round(self.cpu_s, 1), **self.counts}
            with atomic(self.path) as temporary:
                temporary.write_text(json.dumps(content, indent=1))

    def __str__(self) -> str:
        lines = [f"{kind}: " + ", ".join(f"{value} {count}" for value, count in counts.most_common())
                 for kind, counts in self.counts.items()]  # fmt: skip
        return "\n".join([*lines, f"{self.draws} draws, {len(self.wrong)} wrong, {self.cpu_s:.0f} CPU s"])


def _kind(refusal: str) -> str:
    """The reason of a refusal without what differs from exam to exam."""
    expected, _, found = refusal.partition(": expected ")[2].partition(", found ")
    text = found if expected.startswith("a gradient echo") else expected
    return re.sub(r"\b[\d.×]+(, | and )?", "", re.sub(r"\(find .*?\)|\bp\d+\b", "", text))[:90].strip()


def main(argv: list[str] | None = None) -> int:
    """Command line; 1 where an exam gave a wrong signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.recon.intake.fuzz_dicom", description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first exam; the others count on")
    parser.add_argument("--tally", type=Path, help="file that holds the counts, to go on from")
    parser.add_argument("--tell", action="store_true", help="every outcome, not faults alone")
    arguments = parser.parse_args(argv)
    tally = Tally(arguments.tally)
    seeds = range(arguments.seed + tally.draws, arguments.seed + arguments.draws)
    for start in range(0, len(seeds), CHUNK):
        before = cpu_s()
        for exam, outcome, faults in draw(seeds[start : start + CHUNK]):
            tally.add(exam, outcome, faults)
            if faults or arguments.tell:
                print(f"{exam.seed}: {exam}: {outcome} {faults}", flush=True)
        tally.cpu_s += cpu_s() - before
        tally.save()
    print(tally)
    return int(bool(tally.wrong))


def cpu_s() -> float:
    """CPU time of this process and of those that it waited for [s]."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    sys.exit(main())
