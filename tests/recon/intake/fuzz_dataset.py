"""Tiny BIDS datasets whose complex signal is known, and the judge of what the intake makes of them once broken."""

import gzip
import io
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

from recon.files.io import write_stored
from recon.intake.echoes import PrepareEchoes, prepare_echoes
from recon.intake.index import index
from recon.intake.scan import CARTESIAN, POLAR, Series
from recon.intake.vendors import VENDORS, Vendor
from recon.phantom.vendor import VARIANTS, encode
from recon.problems import IntakeError

SHAPE = (20, 22, 18)
TE_S = (0.005, 0.013, 0.021)
B0_TESLA = 3.0
AUTO = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
SIGNAL = 300.0  # of 1000 in the first echo; below, rounding and noise are too large to compare phases
PHASE_ERROR_RAD = 0.02
MAGNITUDE_ERROR = 0.01
B0_ERROR_DEG = 1.01  # the intake's tolerance between the forms of a header, and rounding
FOLDER = "sub-01/anat"
IN_THE_SCANNER = (1, 2)  # codes of NIfTI's forms


class Case(NamedTuple):
    """How a good dataset is stored; `label` stands in the names, before the part."""

    vendor: str
    parts: tuple[str, str]
    one_file: bool
    packed: bool
    oblique: bool = False
    label: str = ""
    suffix: str = "MEGRE"


CASES = (
    Case("siemens", POLAR, False, False),
    Case("siemens", POLAR, True, True, oblique=True),
    Case("siemens without rescale", POLAR, False, True),
    Case("siemens", CARTESIAN, False, False),
    Case("philips", POLAR, False, False, oblique=True),
    Case("philips for display", POLAR, True, False),
    Case("philips", CARTESIAN, True, True),
    Case("ge", CARTESIAN, False, False, oblique=True),
    Case("ge", CARTESIAN, True, False),
    Case("ge", POLAR, False, False),
    Case("none", POLAR, False, False),
    Case("none", POLAR, True, False, oblique=True),
    Case("none", CARTESIAN, False, False),
    Case("siemens", POLAR, True, False, label="_echo-1"),
    Case("ge", CARTESIAN, False, True, oblique=True, label="_acq-hr_rec-norm"),
    Case("philips", POLAR, False, False, label="_ce-gd", suffix="T2starw"),
    Case("untold", POLAR, False, True, oblique=True),
    Case("untold", POLAR, True, False, label="_mt-off", suffix="MPM"),
)
UNTOLD = ("none", "untold")  # no Manufacturer; the latter no Units either


@cache
def echo_signal(echo: int) -> np.ndarray:
    """Complex (X, Y, Z) echo of a ball in a smooth field, magnitude about 1000, with noise around it."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = 1 / (1 + np.exp(20 * (np.sqrt(x**2 + y**2 + z**2) - 0.8)))
    field_hz = 60 * x + 50 * y * z + 40 * z**2 - 30
    rng = np.random.default_rng([7, echo])
    noise = 10 * (rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE))
    te_s = TE_S[echo]
    return (1000 * inside * np.exp(-25 * te_s + 2j * np.pi * field_hz * te_s) + noise).astype(np.complex64)


def affine(oblique: bool) -> np.ndarray:
    """Axial, or turned by 25 degrees with the first axis to the left."""
    turn = Rotation.from_rotvec([0.4, 0.15, 0.0]).as_matrix() if oblique else np.eye(3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn * [-2, 2, 2.5]
    matrix[:3, 3] = 20, -22, -18
    return matrix


def vendor_of(case: Case) -> Vendor:
    return (VENDORS | VARIANTS)["reference" if case.vendor in UNTOLD else case.vendor]


def facts(case: Case, part: str, te_s: float | list[float]) -> dict:
    """The sidecar of one file."""
    vendor = vendor_of(case)
    told = {
        "EchoTime": te_s,
        "MagneticFieldStrength": B0_TESLA,
        "ImagingFrequency": 127.7,
        "FlipAngle": 15,
        "RepetitionTime": 0.04,
        "Units": vendor.units if part == "phase" else "arbitrary",
        **vendor.pixels(part).facts,
    }
    if case.vendor == "untold":
        del told["Units"]
    return told if case.vendor in UNTOLD else told | {"Manufacturer": vendor.name}


@cache
def good_files(case: Case, folder: Path) -> dict[str, bytes]:
    """Content of each file of the good dataset by its path; `folder` is a place to write it."""
    for part in case.parts:
        vendor = vendor_of(case)
        stored, end = vendor.pixels(part), ".nii.gz" if case.packed else ".nii"
        pixels = np.stack([encode(echo_signal(echo), vendor, part) for echo in range(len(TE_S))], axis=-1)
        images = {f"_echo-{e + 1}": (pixels[..., e], te_s) for e, te_s in enumerate(TE_S)}
        for echo, (data, te_s) in ({"": (pixels, list(TE_S))} if case.one_file else images).items():
            path = folder / FOLDER / f"sub-01{case.label}{echo}_part-{part}_{case.suffix}{end}"
            write_stored(path, data, affine(case.oblique), stored.slope, stored.intercept, facts(case, part, te_s))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@dataclass(kw_only=True)
class Dataset:
    """Files that mutations change, and what these changes take from the truth.

    Parameters
    ----------
    case : Case
    files : content by path; instead of bytes, "folder", "loop", "dangling" or "fifo"
    free : what no reader could tell any more: "sign", "constant" (of the phase), "phase", "magnitude"; the phase, too,
        where it was "masked" and "rescaled"
    spoiled : (X, Y, Z) bool, voxels whose stored values were changed
    """

    case: Case
    files: dict[str, bytes | str]
    free: set[str] = field(default_factory=set)
    spoiled: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, bool))

    def write(self, folder: Path) -> None:
        """Put the files into an empty folder; none below what another mutation made something else than a folder."""
        for path, content in self.files.items():
            with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                _write(os.path.join(folder, path), content)


def _write(target: str, content: bytes | str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if isinstance(content, bytes):
        Path(target).write_bytes(content)
    else:
        SPECIAL[content](target)


SPECIAL = {
    "folder": os.mkdir,
    "loop": lambda target: os.symlink(os.path.basename(target), target),
    "dangling": lambda target: os.symlink("nowhere", target),
    "fifo": os.mkfifo,
}


def taken_in(folder: Path) -> tuple[list[tuple], list[str]]:
    """What `prepare_echoes` makes of every accepted series, and every refusal. Nothing may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scans, problems = index(folder)
        refusals = [str(problem) for told in problems.values() for problem in told]
        assert all(problems.values()), "a scan is left out without a reason"
        accepted = []
        for scan in scans.values():
            try:
                accepted.append((scan.series, *prepare_echoes(scan.series, AUTO)))
            except IntakeError as error:
                refusals += map(str, error.problems)
    return accepted, refusals


def judge(dataset: Dataset, folder: Path) -> int:
    """Assert that the written dataset is refused with reasons, or taken in as it is; the number of accepted series."""
    dataset.write(folder)
    accepted, refusals = taken_in(folder)
    assert accepted or refusals, "neither accepted nor refused"
    for refusal in refusals:
        refusal.encode("utf-8")
        where, _, rest = refusal.partition(": expected ")
        assert where.startswith(str(folder)), refusal
        assert len(rest.partition(", found ")[2]) > 0, refusal
        assert len(refusal) < 2000, refusal
    for series, *found in accepted:
        _judge_series(dataset, series, *found)
    return len(accepted)


def _judge_series(dataset: Dataset, series: Series, magnitude, phase_rad, acquisition, grid) -> None:
    """Assert that magnitude, phase and acquisition are the truth, but for what was freed."""
    assert magnitude.shape == phase_rad.shape == (*SHAPE, len(series.te_s)), "other voxels than were stored"
    assert np.isfinite(magnitude).all()
    assert np.isfinite(phase_rad).all()
    assert np.abs(phase_rad).max() <= np.pi + 1e-3
    places = [int(np.argmin(np.abs(np.subtract(TE_S, te_s)))) for te_s in acquisition.te_s]
    np.testing.assert_allclose(acquisition.te_s, [TE_S[p] for p in places], atol=2e-6, err_msg="echo times [s]")
    assert abs(acquisition.b0_tesla / B0_TESLA - 1) < 0.11, "main field [T]"
    assert acquisition.tr_s is None or 0 < acquisition.tr_s <= 10
    assert acquisition.flip_angle_deg is None or 0 < acquisition.flip_angle_deg <= 180
    _judge_geometry(series.images[0][0].path, acquisition, grid)
    truth = np.stack([echo_signal(place) for place in places], axis=-1)
    use = (np.abs(truth) > SIGNAL).all(-1) & ~dataset.spoiled
    if use.sum() < 50:
        return
    if "magnitude" not in dataset.free:
        _judge_magnitude(magnitude[use], np.abs(truth[use]))
    if "phase" not in dataset.free and not dataset.free >= {"masked", "rescaled"}:
        _judge_phase(phase_rad[use], truth[use], dataset.free)


def _judge_geometry(path: str, acquisition, grid) -> None:
    """The direction of B0 and the voxel size are those that an independent reader finds in the header on disk."""
    affine = _placed(nib.load(path))
    voxel_size_mm = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / voxel_size_mm
    np.testing.assert_allclose(acquisition.voxel_size_mm, voxel_size_mm, rtol=0.01, err_msg="voxel size [mm]")
    cosine = np.clip(abs(axes[2] @ acquisition.b0_dir) / np.linalg.norm(axes[2]), 0, 1)
    assert np.degrees(np.arccos(cosine)) < B0_ERROR_DEG, "direction of B0"
    corner = np.array([*np.subtract(SHAPE, 1), 1])
    assert np.abs((grid.affine - affine) @ corner).max() < 1e-2, "place in the scanner [mm]"
    assert np.linalg.det(grid.affine[:3, :3]) * np.linalg.det(affine[:3, :3]) > 0, "left for right"


def _placed(image: nib.Nifti1Image) -> np.ndarray:
    """The affine of the form whose code is the scanner's; else, as the reader has it, of the sform before the qform."""
    for affine, code in (image.header.get_sform(coded=True), image.header.get_qform(coded=True)):
        if code in IN_THE_SCANNER:
            return affine
    return image.affine


def _judge_magnitude(found: np.ndarray, truth: np.ndarray) -> None:
    ratio = found / truth
    assert np.abs(ratio / np.median(ratio) - 1).max() < MAGNITUDE_ERROR, "magnitude is not proportional to the signal"


def _judge_phase(found_rad: np.ndarray, truth: np.ndarray, free: set[str]) -> None:
    errors = []
    for sign in (1, -1) if "sign" in free else (1,):
        unlike = np.exp(1j * sign * found_rad) * (truth / np.abs(truth)).conj()
        if "constant" in free:
            unlike *= np.exp(-1j * np.angle(unlike.sum()))
        errors.append(float(np.abs(np.angle(unlike)).max()))
    assert min(errors) < PHASE_ERROR_RAD, f"phase is wrong by up to {min(errors):.3f} rad"


def values(content: bytes, path: str) -> np.ndarray:
    """Real values of a NIfTI file in memory."""
    raw = gzip.decompress(content) if path.endswith(".gz") else content
    return np.asarray(nib.Nifti1Image.from_stream(io.BytesIO(raw)).dataobj)
