"""DICOM files held as encoded elements, so that thousands of variants of a file cost neither parsing nor encoding.

pydicom writes the files that variants are made of, and encodes every element of them once, with the kind of each value
and without; a variant replaces or drops elements, permutes frames, and is put together from bytes.
"""

import io
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Sequence
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
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

FRAMES, PIXELS = 0x52009230, 0x7FE00010
ITEM, END = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
FACTS = (
    "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "ImageType", "ComplexImageComponent", "EchoTime",
    "ImagePositionPatient", "PixelSpacing", "InstanceNumber",
)  # fmt: skip
PART_OF_GE = (0x0043, 0x102F)


class Both(NamedTuple):
    """An encoded element or item: with the kind of each value, and without."""

    explicit: bytes
    implicit: bytes


@dataclass(kw_only=True)
class Spliced:
    """One DICOM file.

    Parameters
    ----------
    path : below the folder of the exam
    elements : by tag, without the frames and the pixels
    frames, bare_frames : items of the functional groups of an enhanced file, with and without private tags
    pixels : (rows, columns) of every frame
    facts : a few values of the header; the others are known as bytes alone
    """

    path: str
    elements: dict[int, Both]
    frames: list[Both]
    bare_frames: list[Both]
    pixels: list[np.ndarray]
    facts: dict[str, object]

    def copy(self) -> "Spliced":
        """Another file, whose changes do not reach this one."""
        own = {"frames": list(self.frames), "bare_frames": list(self.bare_frames), "pixels": list(self.pixels)}
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
        self.frames = self.bare_frames
        self.facts["private"] = None

    def permute(self, order: Sequence[int]) -> None:
        """Put the frames of an enhanced file into another order."""
        self.frames, self.bare_frames = [self.frames[i] for i in order], [self.bare_frames[i] for i in order]
        self.pixels = [self.pixels[i] for i in order]

    def content(self, syntax: str | None) -> bytes:
        """The file in a transfer syntax; None is explicit little endian."""
        implicit = syntax == ImplicitVRLittleEndian
        # JPEG 2000 of negative numbers is written in two ways; GDCM packs no 2×3 voxels as JPEG-LS
        signed = min(frame.min() for frame in self.pixels) < 0
        if (syntax == JPEG2000Lossless and signed) or (syntax == JPEGLSLossless and self.pixels[0].size < 8):
            syntax = JPEGLosslessSV1
        elements = [(tag, both.implicit if implicit else both.explicit) for tag, both in self.elements.items()]
        if self.frames:
            elements.append((FRAMES, _sequence(self.frames, implicit)))
        body = b"".join(encoded for _, encoded in sorted(elements)) + self._pixel_data(syntax, implicit)
        if syntax == DeflatedExplicitVRLittleEndian:
            deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
            body = deflater.compress(body) + deflater.flush()
        return bytes(128) + b"DICM" + self._meta(syntax or ExplicitVRLittleEndian) + body

    def _meta(self, syntax: str) -> bytes:
        uids = {0x00020002: self.facts["SOPClassUID"], 0x00020003: self.facts["SOPInstanceUID"],
                0x00020010: syntax, 0x00020012: "1.2.3"}  # fmt: skip
        version = struct.pack("<HH2sHIH", 2, 1, b"OB", 0, 2, 256)
        rest = version + b"".join(_element(tag, "UI", str(uid)).explicit for tag, uid in uids.items())
        return struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(rest)) + rest

    def _pixel_data(self, syntax: str | None, implicit: bool) -> bytes:
        tag = struct.pack("<HH", PIXELS >> 16, PIXELS & 0xFFFF)
        raw = [frame.tobytes() for frame in self.pixels]
        if syntax in ENCODERS:
            frames = [_encoded(frame, *image.shape, image.dtype.str, syntax)
                      for frame, image in zip(raw, self.pixels, strict=True)]  # fmt: skip
            items = b"".join(ITEM + struct.pack("<I", len(frame)) + frame for frame in (b"", *frames))
            return tag + b"OB\0\0" + struct.pack("<I", 0xFFFFFFFF) + items + END
        length = struct.pack("<I", sum(map(len, raw)))
        return tag + (b"" if implicit else b"OW\0\0") + length + b"".join(raw)


@lru_cache(maxsize=4096)
def _element(tag: int, kind: str, value: str) -> Both:
    """An element of text, or of one short number."""
    content = struct.pack("<H", int(value)) if kind == "US" else value.encode()
    content += (b"\0" if kind == "UI" else b" ") * (len(content) % 2)
    start = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return Both(start + kind.encode() + struct.pack("<H", len(content)) + content,
                start + struct.pack("<I", len(content)) + content)  # fmt: skip


def _sequence(items: Iterable[Both], implicit: bool) -> bytes:
    content = b"".join(ITEM + struct.pack("<I", len(item[implicit])) + item[implicit] for item in items)
    start = struct.pack("<HH", FRAMES >> 16, FRAMES & 0xFFFF) + (b"" if implicit else b"SQ\0\0")
    return start + struct.pack("<I", len(content)) + content


def read(folder: Path) -> list[Spliced]:
    """The DICOM files below a folder, by name."""
    return [_read(path, str(path.relative_to(folder))) for path in sorted(folder.rglob("*.dcm"))]


def _read(path: Path, name: str) -> Spliced:
    content = pydicom.dcmread(path)
    pixels = content.pixel_array.reshape(-1, content.Rows, content.Columns)
    facts = {key: content.get(key) for key in FACTS}
    facts["private"] = content[PART_OF_GE].value if PART_OF_GE in content else None
    items = content.get("PerFrameFunctionalGroupsSequence") or []
    frames = [_both(item) for item in items]
    for item in items:
        item.remove_private_tags()
    elements = {int(element.tag): _both(element) for element in content if element.tag not in (FRAMES, PIXELS)}
    return Spliced(path=name, elements=elements, frames=frames, bare_frames=[_both(item) for item in items],
                   pixels=list(np.ascontiguousarray(pixels)), facts=facts)  # fmt: skip


def _both(part: pydicom.DataElement | pydicom.Dataset) -> Both:
    """An element, or an item of a sequence, as pydicom encodes it."""
    return Both(*(_by_pydicom(part, implicit) for implicit in (False, True)))


def _by_pydicom(part: pydicom.DataElement | pydicom.Dataset, implicit: bool) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    (write_dataset if isinstance(part, pydicom.Dataset) else write_data_element)(buffer, part)
    return buffer.getvalue()


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
    with tempfile.TemporaryDirectory() as folder:
        writer.SetFileName(f"{folder}/frame.dcm")
        writer.Execute(sitk.GetImageFromArray(frame[None]))
        return _first_frame(Path(folder, "frame.dcm"))


def _jpeg_ls(frame: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
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
