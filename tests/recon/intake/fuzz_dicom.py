"""DICOM exams drawn at random, whose signal is known: `python -m tests.recon.intake.fuzz_dicom --draws 2000 --seed 1`.

An exam is a vendor's multi-echo scan, classic or enhanced, in one transfer syntax, with its frames in one order; files
of it are then lost, doubled, cut or mixed, and an anonymiser takes facts away. Whatever is left, the conversion gives
the true signal of some run at the echo times that it tells, or it refuses.
"""

import argparse
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from recon.files.bids import entities
from recon.files.io import read_json, read_volume, sidecar_path
from recon.intake.dicom.convert import convert
from tests.recon.intake.synthetic_dicom import (
    Protocol,
    oblique_affine,
    signal,
    write_ge,
    write_philips,
    write_siemens,
)
from tests.recon.intake.synthetic_enhanced import write_philips_enhanced, write_siemens_enhanced

SHAPE, TE_S = (5, 4, 3), (0.004, 0.0085, 0.013)
TIMES = ("101500.000000", "103000.000000")  # of the runs
RAD = {"siemens": np.pi / 4096, "philips": 1e-3, "ge": 1e-3}  # of a converted phase, where its sidecar does not say rad
WRITERS: dict[str, tuple[str, Callable]] = {
    "siemens": ("siemens", write_siemens),
    "siemens enhanced": ("siemens", write_siemens_enhanced),
    "philips": ("philips", write_philips),
    "philips enhanced": ("philips", write_philips_enhanced),
    "ge real imag": ("ge", write_ge),
    "ge mag phase": ("ge", lambda folder, echoes, protocol: write_ge(folder, echoes, protocol, "mag phase")),
    "siemens field map": ("siemens", lambda folder, echoes, protocol: write_field_map(folder, echoes, protocol)),
    "siemens apart": ("siemens", lambda folder, echoes, protocol: write_apart(folder, echoes, protocol)),
}  # fmt: skip
SYNTAXES = {
    "plain": None, "implicit": ImplicitVRLittleEndian, "deflated": DeflatedExplicitVRLittleEndian, "RLE": RLELossless,
    "JPEG": JPEGLosslessSV1, "JPEG 2000": JPEG2000Lossless,
}  # fmt: skip
HARMS = (
    "nothing",
    "lose file",
    "lose image",
    "lose part",
    "lose slice",
    "double file",
    "cut file",
    "mix runs",
    "lossy",
)
REMOVALS = ("nothing", "times", "private tags", "echo numbers", "acquisition numbers", "all of these")


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


def write_apart(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """A series for each part of each echo."""
    for echo, te_s in enumerate(protocol.te_s):
        own = replace(protocol, te_s=(te_s,), first_echo=echo + 1, number=protocol.number + 2 * echo)
        write_siemens(folder / str(echo), echoes[echo : echo + 1], own)


class Exam:
    """One drawn exam in a folder; `told` says what was drawn."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random, self.folder = random.Random(seed), folder
        pick = self.random.choice
        self.writer, self.syntax = pick(list(WRITERS)), pick(list(SYNTAXES))
        self.runs, self.harm, self.removal = pick((1, 1, 2)), pick(HARMS), pick(REMOVALS)
        self.shuffled, self.echoes = pick((False, True)), pick((1, 2, 3, 3))
        if self.writer == "siemens field map":
            self.echoes = 2
        self.vendor, write = WRITERS[self.writer]
        self.told = f"{self.writer}, {self.syntax}, {self.runs} runs of {self.echoes} echoes, {self.harm}, "
        self.told += f"without {self.removal}, {'shuffled' if self.shuffled else 'in order'}"
        te_s = TE_S[: self.echoes]
        base = signal(SHAPE, te_s)
        # runs differ in a field of their own, which the phase of no other run has
        self.truth = [base * np.exp(2j * np.pi * 25 * run * np.reshape(te_s, (-1, 1, 1, 1))) * (1 + run / 4)
                      for run in range(self.runs)]  # fmt: skip
        protocol = Protocol(affine=oblique_affine(), te_s=te_s)
        for run, truth in enumerate(self.truth):
            inside = folder / f"run{run}"
            write(inside, truth, protocol.later(10 * run if self.echoes == 3 else 2 * run))
            self._edit(inside, AcquisitionTime=TIMES[run], AcquisitionNumber=run + 1)
        self._anonymise()
        self._harm()
        self._repack()
        if self.harm == "cut file":
            path = self.random.choice(self.files())
            path.write_bytes(path.read_bytes()[: -self.random.choice((2, 20, 300))])

    def files(self, inside: str = "") -> list[Path]:
        """The DICOM files in a fixed order."""
        return sorted((self.folder / inside).rglob("*.dcm"))

    def _edit(self, folder: Path, **tags: object) -> None:
        for path in sorted(folder.rglob("*.dcm")):
            content = pydicom.dcmread(path)
            for name, value in tags.items():
                setattr(content, name, value)
            content.save_as(path)

    def _anonymise(self) -> None:
        everything = self.removal == "all of these"
        for path in self.files():
            content = pydicom.dcmread(path)
            if everything or self.removal == "times":
                for name in ("AcquisitionTime", "ContentTime", "SeriesTime"):
                    content.pop(name, None) if name in content else None
            if everything or self.removal == "private tags":
                content.remove_private_tags()
            if everything or self.removal == "echo numbers":
                content.pop("EchoNumbers", None)
            if everything or self.removal == "acquisition numbers":
                content.pop("AcquisitionNumber", None)
            content.save_as(path)

    def _harm(self) -> None:
        files, pick = self.files(), self.random.choice
        if self.harm == "lose file":
            pick(files).unlink()
        elif self.harm in ("lose image", "lose part", "lose slice"):
            key = {"lose image": self._image, "lose part": self._series, "lose slice": self._slice}[self.harm]
            chosen = key(pick(files))
            for path in files:
                if key(path) == chosen:
                    path.unlink()
        elif self.harm == "double file":
            for path in self.random.sample(files, k=pick((1, len(files)))):
                (path.parent / f"copy_{path.name}").write_bytes(path.read_bytes())
        elif self.harm == "mix runs":  # series of both runs become one
            first: dict[tuple, str] = {}
            for path in files:
                content = pydicom.dcmread(path)
                kind = tuple(content.ImageType), content.get("ComplexImageComponent")
                content.SeriesInstanceUID = first.setdefault(kind, content.SeriesInstanceUID)
                content.SeriesNumber = 5 + list(first).index(kind)
                content.save_as(path)
        elif self.harm == "lossy":
            self._edit(self.folder, LossyImageCompression="01")

    def _image(self, path: Path) -> tuple:
        content = pydicom.dcmread(path, stop_before_pixels=True)
        private = content[0x0043, 0x102F].value if (0x0043, 0x102F) in content else None
        return content.SeriesInstanceUID, tuple(content.ImageType), content.get("EchoTime"), private

    def _series(self, path: Path) -> tuple:
        uid, kind, _, private = self._image(path)
        return uid, kind, private

    def _slice(self, path: Path) -> tuple:
        return tuple(pydicom.dcmread(path, stop_before_pixels=True).get("ImagePositionPatient") or (str(path),))

    def _repack(self) -> None:
        """The transfer syntax, and the order of frames and files."""
        syntax = SYNTAXES[self.syntax]
        for number, path in enumerate(self.random.sample(self.files(), k=len(self.files()))):
            content = pydicom.dcmread(path)
            pixels = content.pixel_array.reshape(-1, content.Rows, content.Columns)
            if self.shuffled and "PerFrameFunctionalGroupsSequence" in content:
                order = self.random.sample(range(len(pixels)), k=len(pixels))
                groups = content.PerFrameFunctionalGroupsSequence
                content.PerFrameFunctionalGroupsSequence = [groups[i] for i in order]
                pixels = pixels[order]
            self._save(content, pixels, syntax, path)
            if self.shuffled:
                path.rename(path.with_name(f"{number:04d}.dcm"))

    def _save(self, content: pydicom.Dataset, pixels: np.ndarray, syntax: str | None, path: Path) -> None:
        content.PixelData = np.ascontiguousarray(pixels).tobytes()
        if syntax == RLELossless:
            content.compress(syntax, generate_instance_uid=False)
        elif syntax in (JPEGLosslessSV1, JPEG2000Lossless):
            if pixels.min() < 0:  # JPEG 2000 of negative numbers is written in two ways
                syntax = JPEGLosslessSV1
            content.PixelData = encapsulate([_encoded(frame, syntax) for frame in pixels])
            content["PixelData"].VR, content["PixelData"].is_undefined_length = "OB", True
        content.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
        pydicom.dcmwrite(path, content, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)


def _encoded(frame: np.ndarray, syntax: str) -> bytes:
    """One frame, compressed without loss, each form by another program than decodes it where there is one."""
    content = io.BytesIO()
    if syntax == JPEG2000Lossless:
        Image.fromarray(frame).save(content, "JPEG2000", irreversible=False, no_jp2=True)
        return content.getvalue()
    writer = sitk.ImageFileWriter()
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        writer.SetFileName(f"{folder}/frame.dcm")
        writer.Execute(sitk.GetImageFromArray(frame[None]))
        return next(generate_frames(pydicom.dcmread(f"{folder}/frame.dcm").PixelData, number_of_frames=1))


def wrong(exam: Exam, bids: Path) -> list[str]:
    """What of a converted exam is not the signal of one of its runs, and what must not be there at all."""
    anat = bids / "sub-p1" / "anat"
    if exam.harm == "lossy" or exam.writer == "siemens field map":
        return ["accepted"]
    faults, runs = [], {}
    for first in sorted(path for part in ("mag", "real") for path in anat.glob(f"*part-{part}_MEGRE.nii.gz")):
        values, te_s = _complex(first, exam.vendor), read_json(sidecar_path(first))["EchoTime"]
        echo = next((e for e, own in enumerate(TE_S[: exam.echoes]) if abs(own - te_s) < 1e-6), None)
        if echo is None:
            faults.append(f"{first.name}: an echo time of {te_s} s")
            continue
        fits = {run for run, truth in enumerate(exam.truth) if _same(values, first, truth[echo])}
        scan = first.name.split("_echo")[0]
        runs[scan] = runs.get(scan, fits) & fits
    return faults + [f"{scan}: no run has this signal" for scan, fits in runs.items() if not fits]


def _complex(first: Path, vendor: str) -> np.ndarray:
    """The signal of one echo, as its files give it."""
    other = {"mag": "phase", "real": "imag"}[entities(first)["part"]]
    second = Path(str(first).replace(f"part-{entities(first)['part']}", f"part-{other}"))
    a, b = (read_volume(path).data for path in (first, second))
    if other == "imag":
        return a + 1j * b
    rad = 1.0 if read_json(sidecar_path(second))["Units"] == "rad" else RAD[vendor]
    return a * np.exp(1j * rad * b)


def _same(values: np.ndarray, image: Path, truth: np.ndarray) -> bool:
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


def draw(seed: int, root: Path) -> tuple[Exam, str, list[str]]:
    """Draw, convert and judge one exam: the exam, the outcome, and what is wrong."""
    exam = Exam(seed, root / "dicom" / "p1")
    (done,) = convert(root / "dicom", root / "bids")
    if done.problems:
        return exam, "refused: " + str(done.problems[0]), []
    return exam, "read", wrong(exam, root / "bids")


def main(argv: list[str] | None = None) -> int:
    """Command line; 1 where an exam gave a wrong signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.recon.intake.fuzz_dicom", description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first exam; the others count on")
    parser.add_argument("--tell", action="store_true", help="every outcome, not faults alone")
    arguments = parser.parse_args(argv)
    outcomes: Counter[str] = Counter()
    start, faults = time.process_time(), 0
    for seed in range(arguments.seed, arguments.seed + arguments.draws):
        with tempfile.TemporaryDirectory() as folder:
            exam, outcome, found = draw(seed, Path(folder))
        outcomes[outcome.split(":")[0]] += 1
        faults += bool(found)
        if found or arguments.tell:
            print(f"{seed}: {exam.told}: {outcome} {found}", flush=True)
    print(f"{arguments.draws} draws, {dict(outcomes)}, {faults} wrong, {time.process_time() - start:.0f} CPU s")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
