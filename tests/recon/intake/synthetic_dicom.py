"""Synthetic multi-echo series as DICOM, one slice a file: each vendor's way to store phase, a person in every tag.

Sources of the vendors' ways: the public threads rordenlab/dcm2niix #406 (Siemens), #359 and GE/README.md (GE), and the
header of a real Philips series (rescale slope 1.53455, intercept -3142, scale slope 651.74).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SECRET = "Zzsecret"  # stands in every text that could tell who was scanned, where, or by whom
SECRET_DATE, SECRET_TIME, SECRET_SERIAL = "19291231", "135757.170000", "777123"
SECRETS = (SECRET, SECRET_DATE, "1929-12-31", "135757", "13:57:57", SECRET_SERIAL, "077Y", "123.45")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What the scanner was told; `number` is that of the first series, `person` whether headers tell of one."""

    affine: np.ndarray
    te_s: tuple[float, ...] = (0.004, 0.0085, 0.013)
    flip_deg: float = 15.0
    tr_s: float = 0.03
    number: int = 5
    sequence: str = "GR"
    study: str = "study"
    first_echo: int = 1
    person: bool = True

    def later(self, step: int) -> "Protocol":
        """The same protocol as a later series."""
        return replace(self, number=self.number + step)


def oblique_affine() -> np.ndarray:
    """A grid tilted by 17° about x and turned by 9° about z; voxels of 1.5×1×2 mm."""
    a, b = np.deg2rad([17, 9])
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag([1.5, 1.0, 2.0])
    affine[:3, 3] = -20, 12, -31
    return affine


def signal(shape: tuple[int, int, int] = (12, 10, 8), te_s: tuple[float, ...] = (0.004, 0.0085, 0.013)) -> np.ndarray:
    """(echo, X, Y, Z) complex64: an asymmetric blob that decays, with a field that differs from voxel to voxel."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    amplitude = 800 * np.exp(-(x**2) - 2 * y**2 - z**2) + 200 * (x > 0.3)
    field_hz = 60 * x - 35 * y + 20 * z * x
    te = np.reshape(te_s, (-1, 1, 1, 1))
    return (amplitude * np.exp(-30 * te + 2j * np.pi * field_hz * te)).astype(np.complex64)


def write_siemens(folder: Path, echoes: np.ndarray, protocol: Protocol, parts: str = "mag phase") -> None:
    """A series for each part named, phase as 0..4095 with rescale slope 2 and intercept -4096."""
    phase = np.round((np.angle(echoes) + np.pi) * 4096 / (2 * np.pi)) % 4096
    rescaled = {"RescaleSlope": 2, "RescaleIntercept": -4096}
    rules: dict[str, tuple[str, np.ndarray, dict]] = {
        "mag": ("M", np.abs(echoes), {}),
        "phase": ("P", phase, rescaled),
        "real": ("R", np.real(echoes), {}),
        "imag": ("I", np.imag(echoes), {}),
    }
    for step, part in enumerate(parts.split()):
        letter, raw, tags = rules[part]
        tags |= {"Manufacturer": "SIEMENS", "ManufacturerModelName": "Prisma"}
        _write(folder, raw, protocol.later(step), tags | {"ImageType": ["ORIGINAL", "PRIMARY", letter, "ND"]})


def write_philips(
    folder: Path,
    echoes: np.ndarray,
    protocol: Protocol,
    scale_slope: float | None = 651.74,
    parts: str = "mag phase",
) -> None:
    """One series: phase as 0..4095, display scaling in milliradian, and the private scale slope to true values."""
    phase = np.round((np.angle(echoes) + np.pi) * 4095 / (2 * np.pi))
    common = {"Manufacturer": "Philips", "ManufacturerModelName": "Ingenia", "SeriesInstanceUID": generate_uid()}
    plain = {"RescaleSlope": 1, "RescaleIntercept": 0}
    display = {"RescaleSlope": 6284 / 4095, "RescaleIntercept": -3142, "RescaleType": "mrad"}
    rules: dict[str, tuple[str, str, np.ndarray, dict, float | None]] = {
        "mag": ("M_FFE", "M", np.abs(echoes), plain, 1.0),
        "phase": ("PHASE MAP", "P", phase, display, scale_slope),
        "real": ("R_FFE", "R", np.real(echoes), plain, 1.0),
        "imag": ("I_FFE", "I", np.imag(echoes), plain, 1.0),
    }
    for part in parts.split():
        kind, letter, raw, tags, scale = rules[part]
        tags |= {"ImageType": ["ORIGINAL", "PRIMARY", kind, letter, "FFE"]}
        private = private_tag(0x2005, "Philips MR Imaging DD 001", 0x0E, "FL", scale) if scale is not None else nothing
        _write(folder, raw, protocol, common | tags, private=private)


def write_ge(folder: Path, echoes: np.ndarray, protocol: Protocol, parts: str = "real imag") -> None:
    """One series: the parts named, told apart by the private tag (0043,102F) alone; phase in milliradian."""
    rules: dict[str, tuple[int, Callable]] = {
        "mag": (0, np.abs),
        "phase": (1, lambda signal: np.angle(signal) * 1000),
        "real": (2, np.real),
        "imag": (3, np.imag),
    }
    series = generate_uid()
    for part in parts.split():
        code, raw = rules[part]
        tags = {"Manufacturer": "GE MEDICAL SYSTEMS", "ManufacturerModelName": "SIGNA", "SeriesInstanceUID": series}
        tags |= {"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}
        _write(folder, raw(echoes), protocol, tags, private=private_tag(0x0043, "GEMS_PARM_01", 0x2F, "SS", code))


def private_tag(group: int, creator: str, element: int, vr: str, value: float) -> Callable[[Dataset], None]:
    """A private tag of a vendor."""
    return lambda slice_: slice_.private_block(group, creator, create=True).add_new(element, vr, value)


def nothing(slice_: Dataset) -> None:
    """No private tag."""


def _write(folder: Path, raw: np.ndarray, protocol: Protocol, tags: dict, private: Callable = nothing) -> None:
    """Write (echo, X, Y, Z) values, rounded to int16, as one file a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = np.round(raw).astype(np.int16)
    slice_ = header(protocol, signed=bool(stored.min() < 0))
    for name, value in ({"SeriesInstanceUID": generate_uid()} | tags).items():
        setattr(slice_, name, value)
    private(slice_)
    before = len(list(folder.iterdir()))
    for number, (echo, k) in enumerate(product(range(len(stored)), range(stored.shape[3])), before + 1):
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID = generate_uid()
        slice_.EchoTime, slice_.EchoNumbers = f"{1000 * protocol.te_s[echo]:g}", protocol.first_echo + echo
        slice_.InstanceNumber = number
        place(slice_, k, protocol.affine)
        slice_.PixelData = np.ascontiguousarray(stored[echo, :, :, k].T).tobytes()
        slice_.Columns, slice_.Rows = stored.shape[1:3]
        slice_.save_as(folder / f"{SECRET}_{number:05d}.dcm", enforce_file_format=True)


def header(protocol: Protocol, signed: bool) -> Dataset:
    """What all slices of a series share: protocol and maybe a person."""
    slice_ = Dataset()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.file_meta.MediaStorageSOPClassUID = slice_.SOPClassUID = MRImageStorage
    slice_.Modality, slice_.SeriesNumber, slice_.AcquisitionNumber = "MR", protocol.number, 1
    slice_.ScanningSequence, slice_.SequenceVariant, slice_.MRAcquisitionType = protocol.sequence, "SP", "3D"
    slice_.FlipAngle, slice_.RepetitionTime = f"{protocol.flip_deg:g}", f"{1000 * protocol.tr_s:g}"
    slice_.MagneticFieldStrength, slice_.ImagingFrequency = 3, 123.2  # of some scanners of 3 T
    slice_.EchoTrainLength = len(protocol.te_s)
    slice_.StudyInstanceUID = generate_uid(entropy_srcs=[protocol.study])
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, int(signed)
    if protocol.person:
        _person(slice_)
    return slice_


def place(slice_: Dataset, k: int, affine: np.ndarray) -> None:
    """Position and orientation: DICOM counts x to the left and y to the back, the affine to the right and the front."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    size = np.linalg.norm(lps[:3, :3], axis=0)
    across, down = lps[:3, 0] / size[0], lps[:3, 1] / size[1]
    slice_.ImageOrientationPatient = [f"{value:.12g}" for value in (*across, *down)]
    slice_.ImagePositionPatient = [f"{value:.12g}" for value in lps[:3, 3] + k * lps[:3, 2]]
    slice_.PixelSpacing = [f"{size[1]:g}", f"{size[0]:g}"]
    slice_.SliceThickness = slice_.SpacingBetweenSlices = f"{size[2]:g}"


def _person(slice_: Dataset) -> None:
    """Everything that must never reach an output."""
    texts = """PatientName PatientID OtherPatientNames PatientAddress PatientComments AdditionalPatientHistory StudyID
        InstitutionName InstitutionAddress InstitutionalDepartmentName StationName ReferringPhysicianName OperatorsName
        PerformingPhysicianName RequestingPhysician ScheduledPerformingPhysicianName StudyDescription SeriesDescription
        ProtocolName ImageComments AccessionNumber RequestedProcedureDescription PerformedProcedureStepDescription
        ReceiveCoilName SoftwareVersions SequenceName"""
    for name in texts.split():
        setattr(slice_, name, SECRET)
    for name in ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(slice_, name, SECRET_DATE)
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(slice_, name, SECRET_TIME)
    slice_.DeviceSerialNumber, slice_.PatientSex = SECRET_SERIAL, "F"
    slice_.PatientAge, slice_.PatientWeight, slice_.BodyPartExamined = "077Y", "123.45", SECRET.upper()
