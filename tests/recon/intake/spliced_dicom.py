"""DICOM files held as encoded elements, so that thousands of variants of a file cost neither parsing nor encoding.

pydicom writes the files that variants are made of, and encodes every element of them once, with the kind of each value
and without; a variant replaces or drops elements, permutes frames, and is put together from bytes.
"""

import io
import os
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_dataset
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

MEMORY = Path("/dev/shm")  # files in memory, where the system has them: those of many exams are made in less time
FRAMES, PIXELS = 0x52009230, 0x7FE00010
ITEM, END = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
FACTS = (
    "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "ImageType", "ComplexImageComponent", "EchoTime",
    "ImagePositionPatient", "PixelSpacing", "InstanceNumber", "SeriesNumber",
)  # fmt: skip
PART_OF_GE = (0x0043, 0x102F)
PRIVATE = "private"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)


class Form(NamedTuple):
    """How elements are encoded."""

    implicit: bool = False
    little: bool = True

    def pack(self, kinds: str, *numbers: int) -> bytes:
        """Numbers in the order of bytes of this form."""
        return struct.pack(("<" if self.little else ">") + kinds, *numbers)


FORMS = {ImplicitVRLittleEndian: Form(implicit=True), ExplicitVRBigEndian: Form(little=False)}


class Part:
    """An element or an item of a sequence, encoded by pydicom, in each form once and not before it is needed."""

    def __init__(self, content: pydicom.DataElement | pydicom.Dataset) -> None:
        self.content = content
        self._encoded: dict[Form, bytes] = {}
        self._without: dict[str, Part] = {}

    def encoded(self, form: Form) -> bytes:
        """The bytes."""
        if form not in self._encoded:
            buffer = DicomBytesIO()
            buffer.is_little_endian, buffer.is_implicit_VR = form.little, form.implicit
            write = write_dataset if isinstance(self.content, pydicom.Dataset) else write_data_element
            write(buffer, self.content)
            self._encoded[form] = buffer.getvalue()
        return self._encoded[form]

    def without(self, name: str) -> "Part":
        """The item without one of its elements, or without its private ones."""
        if name not in self._without:
            content = deepcopy(self.content)
            if name == PRIVATE:
                content.remove_private_tags()
            elif name in content:
                del content[name]
            self._without[name] = Part(content)
        return self._without[name]


class Label(NamedTuple):
    """What a frame truly is."""

    part: str
    te_ms: float
    place: tuple[float, ...]
    scan: tuple[int, str] = (0, "")


@dataclass(kw_only=True)
class Spliced:
    """One DICOM file.

    Parameters
    ----------
    path : below the folder of the exam
    elements : by tag, without the frames and the pixels
    frames : items of the functional groups of an enhanced file
    pixels : (rows, columns) of every frame
    labels : what every frame truly is, whatever its header tells later
    facts : a few values of the header; the others are known as bytes alone
    """

    path: str
    elements: dict[int, Part]
    frames: list[Part]
    pixels: list[np.ndarray]
    labels: list[Label]
    facts: dict[str, object]

    def copy(self) -> "Spliced":
        """Another file, whose changes do not reach this one."""
        own = {"frames": list(self.frames), "pixels": list(self.pixels), "labels": list(self.labels)}
        return replace(self, elements=dict(self.elements), facts=dict(self.facts), **own)

    def set(self, **values: object) -> None:
        """Replace elements by keyword; None removes one."""
        for name, value in values.items():
            tag = tag_for_keyword(name)
            self.facts[name] = value
            self.elements.pop(tag, None)
            if value is not None:
                self.elements[tag] = _element(tag, dictionary_VR(tag), str(value))

    def remove_private_tags(self) -> None:
        """As an anonymiser does."""
        self.elements = {tag: both for tag, both in self.elements.items() if not (tag >> 16) % 2}
        self.frames = [frame.without(PRIVATE) for frame in self.frames]
        self.facts["private"] = None

    def permute(self, order: Sequence[int]) -> None:
        """Put the frames of an enhanced file into another order."""
        self.frames, self.pixels = [self.frames[i] for i in order], [self.pixels[i] for i in order]
        self.labels = [self.labels[i] for i in order]

    def append(self, other: "Spliced") -> None:
        """Add the frames of another enhanced file."""
        self.frames += other.frames
        self.pixels += other.pixels
        self.labels += other.labels
        self.set(NumberOfFrames=len(self.pixels))

    def content(self, syntax: str | None) -> bytes:
        """The file in a transfer syntax; None is explicit little endian."""
        form = FORMS.get(syntax, Form())
        # JPEG 2000 of negative numbers is written in two ways; GDCM packs no 2×3 voxels as JPEG-LS
        signed = min(frame.min() for frame in self.pixels) < 0
        if (syntax == JPEG2000Lossless and signed) or (syntax == JPEGLSLossless and self.pixels[0].size < 8):
            syntax = JPEGLosslessSV1
        elements = [(tag, part.encoded(form)) for tag, part in self.elements.items()]
        if self.frames:
            elements.append((FRAMES, _sequence(self.frames, form)))
        body = b"".join(encoded for _, encoded in sorted(elements)) + self._pixel_data(syntax, form)
        if syntax == DeflatedExplicitVRLittleEndian:
            deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
            body = deflater.compress(body) + deflater.flush()
        return bytes(128) + b"DICM" + self._meta(syntax or ExplicitVRLittleEndian) + body

    def _meta(self, syntax: str) -> bytes:
        uids = {0x00020002: self.facts["SOPClassUID"], 0x00020003: self.facts["SOPInstanceUID"],
                0x00020010: syntax, 0x00020012: "1.2.3"}  # fmt: skip
        version = struct.pack("<HH2sHIH", 2, 1, b"OB", 0, 2, 256)
        rest = version + b"".join(_element(tag, "UI", str(uid)).encoded(Form()) for tag, uid in uids.items())
        return struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(rest)) + rest

    def _pixel_data(self, syntax: str | None, form: Form) -> bytes:
        tag = form.pack("HH", PIXELS >> 16, PIXELS & 0xFFFF)
        raw = [(frame if form.little else frame.byteswap()).tobytes() for frame in self.pixels]
        if syntax in ENCODERS:
            frames = [_encoded(frame, *image.shape, image.dtype.str, syntax)
                      for frame, image in zip(raw, self.pixels, strict=True)]  # fmt: skip
            items = b"".join(ITEM + struct.pack("<I", len(frame)) + frame for frame in (b"", *frames))
            return tag + b"OB\0\0" + struct.pack("<I", 0xFFFFFFFF) + items + END
        length = form.pack("I", sum(map(len, raw)))
        return tag + (b"" if form.implicit else b"OW\0\0") + length + b"".join(raw)


@lru_cache(maxsize=4096)
def _element(tag: int, kind: str, value: str) -> Part:
    """An element of text, or of one short number."""
    content = int(value) if kind == "US" else value
    return Part(pydicom.DataElement(tag, kind, content, validation_mode=pydicom.config.IGNORE))


def _sequence(items: Iterable[Part], form: Form) -> bytes:
    encoded = (item.encoded(form) for item in items)
    content = b"".join(form.pack("HHI", 0xFFFE, 0xE000, len(item)) + item for item in encoded)
    start = form.pack("HH", FRAMES >> 16, FRAMES & 0xFFFF) + (b"" if form.implicit else b"SQ\0\0")
    return start + form.pack("I", len(content)) + content


def read(folder: Path) -> list[Spliced]:
    """The DICOM files below a folder, by name."""
    return [_read(path, str(path.relative_to(folder))) for path in sorted(folder.rglob("*.dcm"))]


def _read(path: Path, name: str) -> Spliced:
    content = pydicom.dcmread(path)
    pixels = content.pixel_array.reshape(-1, content.Rows, content.Columns)
    facts = {key: content.get(key) for key in FACTS}
    facts["private"] = content[PART_OF_GE].value if PART_OF_GE in content else None
    items = content.get("PerFrameFunctionalGroupsSequence") or []
    elements = {int(element.tag): Part(element) for element in content if element.tag not in (FRAMES, PIXELS)}
    labels = [_label_of_frame(item) for item in items] or [_label(content)]
    return Spliced(path=name, elements=elements, frames=[Part(item) for item in items], labels=labels,
                   pixels=list(np.ascontiguousarray(pixels)), facts=facts)  # fmt: skip


def _label(content: pydicom.Dataset) -> Label:
    part = content[PART_OF_GE].value if PART_OF_GE in content else content.ImageType[2]
    return Label(str(part), float(content.EchoTime), tuple(content.ImagePositionPatient))


def _label_of_frame(item: pydicom.Dataset) -> Label:
    part = item.MRImageFrameTypeSequence[0].ComplexImageComponent
    place = item.PlanePositionSequence[0].ImagePositionPatient
    return Label(part, float(item.MREchoSequence[0].EffectiveEchoTime), tuple(place))


@cache
def _encoded(frame: bytes, rows: int, columns: int, dtype: str, syntax: str) -> bytes:
    """One frame compressed without loss, of an even number of bytes."""
    packed = ENCODERS[syntax](np.frombuffer(frame, dtype).reshape(rows, columns))
    return packed + bytes(len(packed) % 2)


# each form by another program than decodes it, where there is one
def _rle(frame: np.ndarray) -> bytes:
    about = {"rows": frame.shape[0], "columns": frame.shape[1], "samples_per_pixel": 1, "number_of_frames": 1}
    about |= {"bits_allocated": 16, "bits_stored": 16, "photometric_interpretation": "MONOCHROME2"}
    about["pixel_representation"] = int(frame.dtype.kind == "i")
    return RLELosslessEncoder.encode(frame.tobytes(), encoding_plugin="pydicom", **about)


def _jpeg_2000(frame: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "JPEG2000", irreversible=False, no_jp2=True)
    return content.getvalue()


def _jpeg(frame: np.ndarray) -> bytes:
    writer = sitk.ImageFileWriter()
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    with scratch() as folder:
        writer.SetFileName(folder / "frame.dcm")
        writer.Execute(sitk.GetImageFromArray(frame[None]))
        return _first_frame(folder / "frame.dcm")


def _jpeg_ls(frame: np.ndarray) -> bytes:
    with scratch() as folder:
        plain, packed = folder / "plain.dcm", folder / "packed.dcm"
        sitk.WriteImage(sitk.GetImageFromArray(frame[None]), plain)
        pack_as_jpeg_ls(plain, packed)
        return _first_frame(packed)


def pack_as_jpeg_ls(plain: Path, packed: Path, *options: str) -> None:
    """Compress the pixels of a DICOM file by GDCM's program; its module must not meet SimpleITK's in one process."""
    found = find_spec("_gdcm")
    assert found
    assert found.origin
    subprocess.run([Path(found.origin).with_name("gdcmconv"), "--jpegls", *options, plain, packed], check=True)


def _first_frame(path: Path) -> bytes:
    return next(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))


ENCODERS = {RLELossless: _rle, JPEG2000Lossless: _jpeg_2000, JPEGLosslessSV1: _jpeg, JPEGLSLossless: _jpeg_ls}
