"""What the header of a DICOM file says of each of its slices. It is read apart from the converter, which it checks."""

import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, Sequence, dcmread
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from recon.intake.dicom.bytes import Source, begins_as_dicom, has_preamble, head_of
from recon.intake.kinds import part_of_private_tag, part_of_words
from recon.intake.proof import LOSSY_FLAG
from recon.intake.vendors import Vendor, vendor_of

PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
_JPEG = "1.2.840.10008.1.2.4."
# JPEG baseline and extended, and what progressive and hierarchical forms there were of them: each loses information
LOSING = tuple(f"{_JPEG}{end}" for end in (*range(50, 57), *range(59, 65)))
# near-lossless JPEG-LS, JPEG 2000 and its high-throughput form: each may lose nothing (PS3.5, A.4.3 and A.4.4)
MAY_LOSE = tuple(f"{_JPEG}{end}" for end in (81, 91, 93, 203))
NOTHING_LOST = "00"  # LossyImageCompression
TAIL_BYTES = 2**20
PIXELS, FLOATING = (0x7FE0, 0x0010), ((0x7FE0, 0x0008), (0x7FE0, 0x0009))
WHOLE_BYTES = (8, 16, 32, 64)  # bits of one value
UNKNOWN_LENGTH = 0xFFFFFFFF  # of pixels that are compressed
TRUNCATED = "truncated"
PART_OF_GE = 0x0043102F
# Siemens: name of the coil, and the indices of the reconstruction's loops, of which the first is the coil's or X
# (rordenlab/dcm2niix issue 631); the sequence that holds those of a frame
COIL_OF_SIEMENS, LOOPS_OF_SIEMENS, OWN_OF_SIEMENS = 0x0051100F, 0x00211106, 0x002111FE
COIL_SOURCES = "name of Siemens", "loop of Siemens", "ReceiveCoilName", "elements used", "SeriesDescription"
COIL_IN_TEXT = re.compile(r"(?:^|[^a-z])(?:coil|channel|chan|ch|element)s?[ _#:-]*(\d+)(?!\d)", re.IGNORECASE)
SINGLE_COILS = (
    "images of single coils, which are not combined: export the combined images with their phase, or combine the coils "
    "(MCPC-3D-S, for instance by mcpc3ds of mritools) and give the result as a BIDS folder"
)
SCALE_OF_PHILIPS, OWN_OF_PHILIPS = 0x2005100E, 0x2005140F  # the latter holds the former of each frame
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
OF_CONVERTED = ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence")
WORDS = """
StudyInstanceUID SeriesInstanceUID SeriesNumber Manufacturer Modality
ImageType ComplexImageComponent EchoTime EchoNumbers FlipAngle MRAcquisitionType SequenceName PulseSequenceName
EchoPlanarPulseSequence
AcquisitionTime AcquisitionDateTime AcquisitionNumber TemporalPositionIdentifier ReceiveCoilName SeriesDescription
ImagePositionPatient ImageOrientationPatient PixelSpacing RescaleSlope RescaleIntercept
Rows Columns SamplesPerPixel BitsAllocated PixelRepresentation NumberOfFrames LossyImageCompression
"""
OF_FRAMES = """
FrameType FrameAcquisitionNumber FrameAcquisitionDateTime TemporalPositionIndex EffectiveEchoTime
MultiCoilDefinitionSequence
"""
NAMES: list[Any] = [*WORDS.split(), *GROUPS, COIL_OF_SIEMENS, LOOPS_OF_SIEMENS, PART_OF_GE, SCALE_OF_PHILIPS]
TAGS = list(map(Tag, NAMES))
READ: dict[int, Any] = {Tag(name): name for name in (*NAMES, *OF_FRAMES.split())}  # others may be broken, unseen
Facts = dict[str | int, Any]  # values of a header by keyword, private ones by tag


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One slice as its header describes it.

    Parameters
    ----------
    part : `mag`, `phase`, `real` or `imag`; None where no header tells
    te_s : echo time [s]; None where no header tells
    echo : number of the echo, of classic files and those that were converted from them
    flip_deg : flip angle [degree]
    place : ImagePositionPatient and the steps along a row and along a column [mm], (3, 3); None where it is not told
    acquisition : what repetitions differ in: number, temporal position and time of the acquisition
    coil : what each of COIL_SOURCES tells of the receive coil
    rescale : slope and intercept by which stored values become those that are meant; None where it is not told
    scale_slope : of Philips, which makes true values of them
    file, index : the file that holds it, and its place in there
    """

    part: str | None
    te_s: float | None
    echo: int | None
    flip_deg: float | None
    place: np.ndarray | None
    acquisition: tuple[str, str, str]
    coil: tuple[str, ...]
    rescale: tuple[float, float] | None
    scale_slope: float | None
    file: "File"
    index: int

    @property
    def image(self) -> tuple:
        """What all slices of one volume share."""
        return self.part, self.te_s, self.echo, self.flip_deg

    @property
    def height_mm(self) -> float:
        """Position along the normal of the slice."""
        if self.place is None:
            return 0.0
        normal = np.cross(self.place[1], self.place[2])
        return float(np.dot(self.place[0], normal / (np.linalg.norm(normal) or 1)).round(3))


@dataclass(kw_only=True, eq=False)
class File:
    """One DICOM file with an image.

    Parameters
    ----------
    source : where it lies
    uid, study, number : SeriesInstanceUID, StudyInstanceUID, SeriesNumber
    syntax : UID of the transfer syntax
    bare : without the preamble of the file format, which the converter wants
    enhanced : many slices in one file
    lossy : compressed with loss, now or ever
    volumetric : a 3-D acquisition
    vendor : who built the scanner, where it is one of VENDORS
    sequence : name of the pulse sequence
    planar : what an enhanced file tells of its readout, EchoPlanarPulseSequence; empty where it tells nothing
    broken : why its pixels cannot be used; empty where they can
    told : number of frames that NumberOfFrames tells
    frames : its slices
    """

    source: Source
    uid: str
    study: str
    number: int
    syntax: UID
    bare: bool
    enhanced: bool
    lossy: bool
    volumetric: bool
    vendor: Vendor | None
    sequence: str
    planar: str
    broken: str
    told: int
    frames: tuple[Frame, ...] = field(default=(), repr=False)


class BrokenHeader(ValueError):
    """A DICOM file whose header ends or breaks before the pixels; the message is fit to be shown."""


def read_file(source: Source) -> File | None:
    """Read the header of a file; None where it holds no image, or no DICOM.

    Raises
    ------
    BrokenHeader
    """
    head = head_of(source.path)
    if not begins_as_dicom(head):
        return None
    try:
        with source.path.open("rb") as opened:
            content = dcmread(opened, stop_before_pixels=True, specific_tags=TAGS, force=True)
            broken = _broken(content, opened, source.path)
        return None if broken is None else _file(source, content, broken, bare=not has_preamble(head))
    except BrokenHeader:
        raise
    except Exception as error:  # pydicom's own text may hold a value of the header
        raise BrokenHeader("a header that cannot be read") from error


def _broken(content: Dataset, opened: Any, path: Path) -> str | None:
    """Why the pixels of an image cannot be used, else an empty text; None for what is no image."""
    syntax = _syntax(content)
    if "Rows" not in content:
        if content.get("Modality") == "MR" and opened.tell() >= path.stat().st_size and not syntax.is_deflated:
            raise BrokenHeader("truncated in its header")
        return None
    if not content.get("SeriesInstanceUID") and content.get("Modality", "MR") != "MR":
        raise BrokenHeader("an image of another modality without SeriesInstanceUID (0020,000E)")
    if (bits := int(content.get("BitsAllocated") or 16)) not in WHOLE_BYTES:
        return f"BitsAllocated (0028,0100) is {bits}, which is not read"
    if fault := _fault_of_number(content, syntax.is_deflated or syntax.is_compressed):
        return fault
    if syntax.is_deflated:
        return ""  # what inflates has its own checksum
    wide = 12 if not syntax.is_implicit_VR else 8
    start = opened.read(wide)
    order = "<" if syntax.is_little_endian else ">"
    if len(start) < wide:
        raise BrokenHeader("truncated before its pixels")
    tag = struct.unpack(f"{order}2H", start[:4])
    if tag in FLOATING:
        raise BrokenHeader("pixels of floating-point numbers, which are not read")
    if tag != PIXELS:
        return None  # no pixels that an MR image could have
    (length,) = struct.unpack(f"{order}I", start[-4:])
    if syntax.is_compressed:
        return "" if _ends(path) else TRUNCATED
    if length == UNKNOWN_LENGTH:
        raise BrokenHeader("compressed in a way that its header does not tell (0002,0010)")
    there = min(length, path.stat().st_size - opened.tell())
    described = len(content.get(GROUPS[1]) or []) or _number_of_frames(content)
    if there < described * bytes_of_frame(content):
        return TRUNCATED
    return _fault_of_number(content, there // bytes_of_frame(content) != described)


def _fault_of_number(content: Dataset, doubtful: bool) -> str:
    """What is wrong with NumberOfFrames, which programs that cut or join files forget.

    Of fewer descriptions than frames nobody knows which is whose; not `doubtful` are as many as the pixels make.
    """
    frames, described = _number_of_frames(content), len(content.get(GROUPS[1]) or [])
    if not described or frames == described or not doubtful:
        return ""
    return f"{described} frames are described, and NumberOfFrames (0028,0008) is {frames}"


def _ends(path: Path) -> bool:
    """Whether the end of encapsulated pixels, the sequence delimiter, stands near the end of the file."""
    with path.open("rb") as file:
        file.seek(-min(TAIL_BYTES, path.stat().st_size), os.SEEK_END)
        return b"\xfe\xff\xdd\xe0" in file.read()


def bytes_of_frame(content: Dataset) -> int:
    """Bytes of the pixels of one frame by the header."""
    samples, bits = int(content.get("SamplesPerPixel") or 1), int(content.get("BitsAllocated") or 16)
    return int(content.Rows) * int(content.Columns) * samples * bits // 8


def _number_of_frames(content: Dataset) -> int:
    return int(content.get("NumberOfFrames") or 1)


def _syntax(content: Dataset) -> UID:
    """The transfer syntax; of a file that does not tell, the one by which its elements could be read."""
    meta = getattr(content, "file_meta", Dataset())
    implicit, little_endian = content.original_encoding
    read_as = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
    return UID(str(meta.get("TransferSyntaxUID", read_as)))


def facts_of(content: Dataset) -> Facts:
    """The values of a data set that are wanted."""
    return {READ[tag]: content[tag].value for tag in content.keys() & READ.keys()}


def _whole(name: str, value: Any) -> int:
    """A whole number, also written as 3.0; BrokenHeader names the field."""
    try:
        number = float(value)
        if number.is_integer():
            return int(number)
    except (TypeError, ValueError):
        pass
    raise BrokenHeader(f"a header whose {name} is no whole number")


def _file(source: Source, dataset: Dataset, broken: str, bare: bool) -> File:
    """The facts of a file and of its frames."""
    syntax, content = _syntax(dataset), facts_of(dataset)
    file = File(
        source=source,
        uid=str(content.get("SeriesInstanceUID") or ""),
        study=str(content.get("StudyInstanceUID") or ""),
        number=_whole("SeriesNumber", content.get("SeriesNumber") or 0),
        syntax=syntax,
        bare=bare,
        enhanced=GROUPS[1] in content,
        lossy=_loses(syntax, str(content.get("LossyImageCompression") or "")),
        volumetric=content.get("MRAcquisitionType") == "3D",
        vendor=vendor_of({"Manufacturer": str(content.get("Manufacturer") or "")}),
        sequence=str(content.get("PulseSequenceName") or content.get("SequenceName") or ""),
        planar=str(content.get("EchoPlanarPulseSequence") or ""),
        broken=broken,
        told=_number_of_frames(dataset),
    )
    file.frames = tuple(_enhanced_frames(content, file) if file.enhanced else [_classic_frame(content, file)])
    return file


def _loses(syntax: UID, flag: str) -> bool:
    """Whether pixels lost information; LossyImageCompression 00 counts where the transfer syntax may lose nothing."""
    return flag == LOSSY_FLAG or syntax in LOSING or (syntax in MAY_LOSE and flag != NOTHING_LOST)


def _classic_frame(content: Facts, file: File) -> Frame:
    return Frame(
        part=_part(content, content.get("ImageType") or (), content.get("ComplexImageComponent")),
        te_s=_seconds(content.get("EchoTime")),
        echo=_int(content.get("EchoNumbers")),
        flip_deg=_float(content.get("FlipAngle")),
        place=_place(
            content.get("ImagePositionPatient"), content.get("ImageOrientationPatient"), content.get("PixelSpacing")
        ),
        acquisition=(
            str(content.get("AcquisitionNumber") or ""),
            str(content.get("TemporalPositionIdentifier") or ""),
            _digits(content.get("AcquisitionTime")) or _time_of(content.get("AcquisitionDateTime")),
        ),
        coil=_coil(content, content, content),
        rescale=_rescale(content),
        scale_slope=_scale_slope(content),
        file=file,
        index=0,
    )


def _coil(content: Facts, coil: Facts, own: Facts) -> tuple[str, ...]:
    """What tells the receive coil, by COIL_SOURCES; of the description of a series only the number of a coil in it.

    Parameters
    ----------
    content, coil, own : what all frames share, what tells of the coil, and Siemens' private tags of a frame
    """
    elements = coil.get("MultiCoilDefinitionSequence") or ()
    used = [str(e.get("MultiCoilElementName")) for e in elements if e.get("MultiCoilElementUsed") == "YES"]
    described = COIL_IN_TEXT.search(str(content.get("SeriesDescription") or ""))
    return (
        _text(content, COIL_OF_SIEMENS),
        _text(own, LOOPS_OF_SIEMENS).partition("_")[0],
        str(coil.get("ReceiveCoilName") or ""),
        ";".join(used),
        described[1] if described else "",
    )


def _text(content: Facts, tag: int) -> str:
    """Text of a private tag, which is bytes where the file does not tell its kind."""
    value = content.get(tag, "")
    return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else str(value)


def _enhanced_frames(content: Facts, file: File) -> Iterable[Frame]:
    shared, per_frame = (content.get(name) or [] for name in GROUPS)
    words = content.get("ImageType") or ()
    for index, own in enumerate(per_frame):
        groups = _Groups(own, *shared)
        kind = groups.of("MRImageFrameTypeSequence")
        frame_content, timing = groups.of("FrameContentSequence"), groups.of("MRTimingAndRelatedParametersSequence")
        plane = groups.of("PlanePositionSequence").get("ImagePositionPatient")
        yield Frame(
            part=_part(
                content,
                kind.get("FrameType") or words,
                kind.get("ComplexImageComponent") or content.get("ComplexImageComponent"),
            ),
            te_s=_seconds(groups.of("MREchoSequence").get("EffectiveEchoTime") or groups.converted("EchoTime")),
            echo=_int(groups.converted("EchoNumbers")),
            flip_deg=_float(timing.get("FlipAngle") or groups.converted("FlipAngle")),
            place=_place(
                plane,
                groups.of("PlaneOrientationSequence").get("ImageOrientationPatient"),
                groups.of("PixelMeasuresSequence").get("PixelSpacing"),
            ),
            acquisition=(
                str(frame_content.get("FrameAcquisitionNumber") or ""),
                str(frame_content.get("TemporalPositionIndex") or ""),
                _time_of(frame_content.get("FrameAcquisitionDateTime") or content.get("AcquisitionDateTime"))
                or _digits(content.get("AcquisitionTime")),
            ),
            coil=_coil(content, groups.of("MRReceiveCoilSequence"), groups.of(OWN_OF_SIEMENS)),
            rescale=_rescale(groups.of("PixelValueTransformationSequence")),
            scale_slope=_scale_slope(groups.of(OWN_OF_PHILIPS)),
            file=file,
            index=index,
        )


_tag = cache(Tag)


class _Groups:
    """Functional groups of a frame: its own, else those that all frames share, in this order."""

    def __init__(self, *groups: Dataset) -> None:
        self.groups = groups

    def of(self, name: str | int) -> Facts:
        """What the first item of a sequence tells; nothing where no group has it."""
        tag = _tag(name)
        found = (group[tag].value for group in self.groups if tag in group)
        return next((facts_of(items[0]) for items in found if isinstance(items, Sequence) and items), {})

    def converted(self, name: str) -> Any:
        """What the classic file told that this one was made of, if there was no other place for it; else None."""
        items = (group.get(OF_CONVERTED[i]) for i, group in enumerate(self.groups))
        return next((found[0].get(name) for found in items if found and name in found[0]), None)


def _part(content: Facts, words: Iterable[str], component: str | None) -> str | None:
    """What the slice holds, by the words of its type, else by the private tag of its vendor."""
    if (part := part_of_words({*map(str, words), *([str(component)] if component else [])})) is not None:
        return part
    return part_of_private_tag(content[PART_OF_GE]) if PART_OF_GE in content else None


def _rescale(content: Facts) -> tuple[float, float] | None:
    """Slope and intercept of stored values."""
    slope, intercept = _float(content.get("RescaleSlope")), _float(content.get("RescaleIntercept"))
    return None if slope is None else (slope, intercept or 0.0)


def _scale_slope(content: Facts) -> float | None:
    """Private scale slope of Philips, which is bytes where the file does not tell its kind."""
    value = content.get(SCALE_OF_PHILIPS)
    return _float(struct.unpack("<f", value)[0] if isinstance(value, bytes) and len(value) == 4 else value)


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _digits(time: Any) -> str:
    """`HHMMSS.ffffff`; some anonymisers write it with colons."""
    return str(time or "").replace(":", "").strip()


def _time_of(date_time: Any) -> str:
    """`HHMMSS.ffffff` of a DICOM date with time, whose zone is left out; some anonymisers write it as ISO 8601."""
    plain = re.sub(r"^(\d{4})-?(\d\d)-?(\d\d)[T ]?", r"\1\2\3", str(date_time or "").strip())
    return _digits(re.split("[+-]", plain)[0][8:])


def _seconds(milliseconds: Any) -> float | None:
    value = _float(milliseconds)
    return None if value is None else value / 1000


def _place(position: Any, orientation: Any, spacing: Any) -> np.ndarray | None:
    """Corner and steps [mm], (3, 3); None where one of them is missing."""
    if not (position and orientation and spacing):
        return None
    across, down = np.reshape(np.asarray(orientation, float), (2, 3))
    return np.stack([np.asarray(position, float), across * float(spacing[1]), down * float(spacing[0])])
