"""A map as a derived DICOM series: one MR image a slice, in real units.

References
----------
DICOM PS3.3 2026: A.4 (MR Image), C.7.6.2 (image plane), C.11.1 (rescale), C.11.2 (window), C.7.6.16.2.11 (real world
values), C.8.3.1 (MR image); UCUM for units.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from recon.export.quantity import LARGEST, Code, Quantity, scaled
from recon.export.slices import Slices

ADMINISTRATIVE = (  # type 2: there, and empty where nothing is known
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
EMPTY = ("PatientPosition", "PositionReferenceIndicator", "ScanOptions", "MRAcquisitionType", "RepetitionTime",
         "EchoTime", "EchoTrainLength")  # fmt: skip
QUANTITY = Code("246205007", "SCT", "Quantity")
UTF_8 = "ISO_IR 192"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A source image: its class, its name, its series, and the numbers of its frames from 1 where it has several."""

    sop_class: str
    sop_instance: str
    series: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the series of a scan share.

    Parameters
    ----------
    study, frame_of_reference : their UIDs
    patient : elements of patient and study by keyword, text
    software : name and version of what made the maps
    comments : ImageComments
    field_tesla : main field; None where it is not told
    references : source images of each slice; none at all where the source is not known
    """

    study: str
    frame_of_reference: str
    patient: dict[str, str]
    software: str
    comments: str
    field_tesla: float | None = None
    references: Sequence[Sequence[Reference]] = field(default_factory=tuple)


def uid(*texts: str | bytes) -> str:
    """The UID that belongs to a content: equal for equal content, different otherwise.

    It is made from the content, not drawn, so that an archive that gets the same export twice keeps it once, and a map
    that has changed in a single voxel becomes another series. It is a UUID of a SHA-256 below 2.25 (PS3.5 B.2).
    """
    digest = sha256()
    for text in texts:
        part = text.encode() if isinstance(text, str) else text
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"2.25.{UUID(bytes=digest.digest()[:16], version=5).int}"


def images(
    volume: np.ndarray, slices: Slices, quantity: Quantity, window: tuple[float, float], about: str, study: Study
) -> Iterator[Dataset]:
    """The images of a series, one a slice.

    Parameters
    ----------
    volume : (X, Y, Z) map in the unit of its file
    slices : of its grid
    quantity : what it is
    window : lowest and highest value shown, in units of the series
    about : DerivationDescription
    study : what it shares with others

    Raises
    ------
    ValueError
        Where a value is not finite.
    """
    pixels, slope = scaled(slices.stack(volume) * quantity.factor)
    shared = _shared(quantity, slope, window, about, study)
    _add_plane(shared, slices)
    places = [f"{position.tolist()} {references}" for position, references in _each(slices, study)]
    series = uid(json.dumps(shared.to_json_dict()), *places, np.ascontiguousarray(pixels).tobytes())
    for number, (position, references) in enumerate(_each(slices, study), 1):
        image = Dataset()
        image.update(shared)
        image.file_meta = _meta(uid(series, str(number)))
        image.SOPInstanceUID, image.SeriesInstanceUID = image.file_meta.MediaStorageSOPInstanceUID, series
        image.InstanceNumber = number
        image.ImagePositionPatient = _decimals(position)
        image.PixelData = np.ascontiguousarray(pixels[number - 1]).astype("<i2").tobytes()
        _add_references(image, references)
        yield image


def _each(slices: Slices, study: Study) -> Iterator[tuple[np.ndarray, Sequence[Reference]]]:
    """Position and source images of every slice."""
    yield from zip(slices.positions_mm, study.references or [()] * slices.shape[0], strict=True)


def _shared(quantity: Quantity, slope: float, window: tuple[float, float], about: str, study: Study) -> Dataset:
    """What all slices of a series have in common."""
    shared = Dataset()
    shared.SpecificCharacterSet, shared.Modality, shared.SOPClassUID = UTF_8, "MR", MRImageStorage
    for name in (*ADMINISTRATIVE, *EMPTY):
        setattr(shared, name, "")
    for name, value in study.patient.items():
        setattr(shared, name, value)
    shared.StudyInstanceUID, shared.FrameOfReferenceUID = study.study, study.frame_of_reference
    shared.SeriesNumber, shared.SeriesDescription = quantity.number, f"{quantity.title} RESEARCH"
    shared.Manufacturer, shared.SoftwareVersions = "Q-Net", study.software
    shared.ImageType = ["DERIVED", "SECONDARY", "OTHER", quantity.kind]
    shared.DerivationDescription, shared.ImageComments = about[:1024], study.comments
    shared.ContentQualification, shared.BurnedInAnnotation, shared.LossyImageCompression = "RESEARCH", "NO", "00"
    shared.ScanningSequence, shared.SequenceVariant = "GR", "NONE"
    if study.field_tesla is not None:
        shared.MagneticFieldStrength = f"{study.field_tesla:.6g}"
    shared.SamplesPerPixel, shared.PhotometricInterpretation = 1, "MONOCHROME2"
    shared.BitsAllocated, shared.BitsStored, shared.HighBit, shared.PixelRepresentation = 16, 16, 15, 1
    shared.RescaleSlope, shared.RescaleIntercept, shared.RescaleType = f"{slope:.8g}", "0", quantity.unit
    low, high = window
    shared.WindowCenter, shared.WindowWidth = _decimals([(low + high) / 2, high - low])
    shared.VOILUTFunction = "LINEAR_EXACT"  # the ends of the window are those of the page, to the last digit
    shared.RealWorldValueMappingSequence = [_real_world(quantity, slope)]
    return shared


def _real_world(quantity: Quantity, slope: float) -> Dataset:
    """How stored values become those of a unit that a program can look up."""
    mapping = Dataset()
    mapping.LUTLabel, mapping.LUTExplanation = quantity.unit, f"{quantity.title}: slope × stored value"
    mapping.add_new("RealWorldValueFirstValueMapped", "SS", -LARGEST - 1)
    mapping.add_new("RealWorldValueLastValueMapped", "SS", LARGEST)
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, 0.0
    mapping.MeasurementUnitsCodeSequence = [_code(quantity.code)]
    if quantity.meaning:
        item = Dataset()
        item.ValueType = "CODE"
        item.ConceptNameCodeSequence, item.ConceptCodeSequence = [_code(QUANTITY)], [_code(quantity.meaning)]
        mapping.QuantityDefinitionSequence = [item]
    return mapping


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def _add_plane(shared: Dataset, slices: Slices) -> None:
    """Orientation and spacing; see `recon.export.slices`."""
    apart, rows, columns = slices.spacing_mm
    _, shared.Rows, shared.Columns = slices.shape
    shared.ImageOrientationPatient = _decimals([*slices.across, *slices.down])
    shared.PixelSpacing = _decimals([rows, columns])
    shared.SliceThickness, shared.SpacingBetweenSlices = _decimals([apart, apart])


def _add_references(image: Dataset, references: Sequence[Reference]) -> None:
    """The images that a slice was made from, one by one and by their series."""
    if not references:
        return
    image.SourceImageSequence = [_reference(reference) for reference in references]
    image.ReferencedSeriesSequence = []
    for series in dict.fromkeys(reference.series for reference in references):
        item = Dataset()
        item.SeriesInstanceUID = series
        item.ReferencedInstanceSequence = [_reference(r) for r in references if r.series == series]
        image.ReferencedSeriesSequence.append(item)


def _reference(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference.sop_class, reference.sop_instance
    if reference.frames:
        item.ReferencedFrameNumber = list(reference.frames)
    return item


def _decimals(values: Sequence[float] | np.ndarray) -> list[DSfloat]:
    """Numbers as decimal strings, as exact as their 16 characters allow."""
    return [DSfloat(float(value) + 0.0, auto_format=True) for value in values]


def _meta(instance: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(instance)
    return meta


def write(folder: Path, made: Iterator[Dataset]) -> int:
    """Write images to a new folder by their number; returns how many."""
    folder.mkdir(parents=True)
    count = 0
    for count, image in enumerate(made, 1):
        image.save_as(folder / f"{count:04d}.dcm", enforce_file_format=True)
    return count
