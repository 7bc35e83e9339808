"""Synthetic multi-echo series as enhanced DICOM, many frames a file: as Philips and as Siemens (XA) store them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, generate_uid

from tests.recon.intake.synthetic_dicom import SECRET, Protocol, header, nothing, place, private_tag

CLASSIC = "EchoTrainLength FlipAngle RepetitionTime ScanningSequence SequenceVariant"  # stand elsewhere
STACK, ECHO, PART = (0x00209057, 0x00209111), (0x00189082, 0x00189114), (0x00089208, 0x00189226)  # of frames, in order


PARTS = "MAGNITUDE", "PHASE", "REAL", "IMAGINARY"


class Frame(NamedTuple):
    """One slice of (X, Y) values at index `k` of echo `echo`, both from 0, and what it does not share."""

    values: np.ndarray
    echo: int
    k: int
    part: str
    slope: str = "1"
    intercept: str = "0"
    private: Callable[[Dataset], None] = nothing


def write_philips_enhanced(folder: Path, echoes: np.ndarray, protocol: Protocol, parts: str = "mag phase") -> None:
    """One file of all echoes and the parts named; ImageType does not tell them apart, only the frames do."""
    phase = np.round((np.angle(echoes) + np.pi) * 4095 / (2 * np.pi))
    scale = partial(private_tag, 0x2005, "Philips MR Imaging DD 001", 0x0E, "FL")
    scaling, plain = (f"{6284 / 4095:.10g}", "-3142", _nested(scale(651.74))), ("1", "0", _nested(scale(1.0)))
    rules: dict[str, tuple[np.ndarray, str, tuple]] = {
        "mag": (np.abs(echoes), "MAGNITUDE", ()),
        "phase": (phase, "PHASE", scaling),
        "real": (np.real(echoes), "REAL", plain),
        "imag": (np.imag(echoes), "IMAGINARY", plain),
    }
    frames = [frame for part in parts.split() for raw, name, own in [rules[part]] for frame in _frames(raw, name, *own)]
    tags = {"Manufacturer": "Philips", "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}
    _save(folder / f"{SECRET}.dcm", frames, protocol, tags | {"SeriesInstanceUID": generate_uid()})


def write_siemens_enhanced(folder: Path, echoes: np.ndarray, protocol: Protocol, together: bool = False) -> None:
    """Two series, magnitude and phase; a file an echo, or one of all echoes, which the converter cannot part."""
    phase = np.round((np.angle(echoes) + np.pi) * 4096 / (2 * np.pi)) % 4096
    parts = (np.abs(echoes), "MAGNITUDE", "1", "0"), (phase, "PHASE", "2", "-4096")
    for step, (raw, part, *scaling) in enumerate(parts):
        tags = {"Manufacturer": "SIEMENS", "ImageType": ["ORIGINAL", "PRIMARY", part[0], "NONE"]}
        tags |= {"ComplexImageComponent": part, "SeriesInstanceUID": generate_uid()}
        tags |= {"PulseSequenceName": f"*fl3d{len(protocol.te_s)}_ns"}
        frames = _frames(raw, part, *scaling)
        for echo in range(1 if together else len(raw)):
            inside = [frame for frame in frames if together or frame.echo == echo]
            _save(folder / f"{SECRET}_{part}_{echo}.dcm", inside, protocol.later(step), tags)


def _nested(private: Callable[[Dataset], None]) -> Callable[[Dataset], None]:
    """Philips' private sequence, which holds the private tags of a frame."""
    item = Dataset()
    private(item)
    return private_tag(0x2005, "Philips MR Imaging DD 005", 0x0F, "SQ", [item])


def _frames(raw: np.ndarray, part: str, *scaling) -> list[Frame]:
    """Frames of (echo, X, Y, Z) values, rounded to int16, echo by echo."""
    stored = np.round(raw).astype(np.int16)
    return [
        Frame(stored[echo, :, :, k], echo, k, part, *scaling)
        for echo in range(len(stored))
        for k in range(stored.shape[3])
    ]


def _save(path: Path, frames: Sequence[Frame], protocol: Protocol, tags: dict) -> None:
    """Write one file."""
    file = header(protocol, signed=any(frame.values.min() < 0 for frame in frames))
    for name in CLASSIC.split():
        delattr(file, name)
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = EnhancedMRImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.InstanceNumber, file.NumberOfFrames = 1 + frames[0].echo, len(frames)
    for name, value in tags.items():
        setattr(file, name, value)
    timing = _dataset(FlipAngle=protocol.flip_deg, RepetitionTime=1000 * protocol.tr_s)
    file.SharedFunctionalGroupsSequence = [_dataset(MRTimingAndRelatedParametersSequence=[timing])]
    file.DimensionIndexSequence = [
        _dataset(DimensionIndexPointer=tag, FunctionalGroupPointer=group) for tag, group in (STACK, ECHO, PART)
    ]
    file.PerFrameFunctionalGroupsSequence = [_groups(frame, protocol) for frame in frames]
    file.Columns, file.Rows = frames[0].values.shape
    file.PixelData = b"".join(np.ascontiguousarray(frame.values.T).tobytes() for frame in frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def _groups(frame: Frame, protocol: Protocol) -> Dataset:
    """What belongs to one frame alone."""
    at = Dataset()
    place(at, frame.k, protocol.affine)
    index = [frame.k + 1, frame.echo + 1, 1 + PARTS.index(frame.part)]
    pixel = _dataset(
        PixelSpacing=at.PixelSpacing, SliceThickness=at.SliceThickness, SpacingBetweenSlices=at.SpacingBetweenSlices
    )
    scaling = _dataset(RescaleSlope=frame.slope, RescaleIntercept=frame.intercept, RescaleType="US")
    content = _dataset(StackID="1", InStackPositionNumber=frame.k + 1, DimensionIndexValues=index)
    groups = _dataset(
        FrameContentSequence=[content],
        PlanePositionSequence=[_dataset(ImagePositionPatient=at.ImagePositionPatient)],
        PlaneOrientationSequence=[_dataset(ImageOrientationPatient=at.ImageOrientationPatient)],
        PixelMeasuresSequence=[pixel],
        MREchoSequence=[_dataset(EffectiveEchoTime=1000 * protocol.te_s[frame.echo])],
        MRImageFrameTypeSequence=[_dataset(ComplexImageComponent=frame.part)],
        PixelValueTransformationSequence=[scaling],
    )
    frame.private(groups)
    return groups


def _dataset(**tags) -> Dataset:
    """Tags as a dataset."""
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made
