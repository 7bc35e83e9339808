"""DICOM files as old archives, networks and other programs leave them, and series that are no gradient echo."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from recon.intake.dicom.bytes import Source
from recon.intake.dicom.convert import Conversion, convert
from recon.intake.dicom.frames import read_file
from tests.recon.intake.fuzz_dicom import PREAMBLE_BYTES, SHAPE, SYNTAXES, TE_S, complex_echo, edit, is_signal
from tests.recon.intake.spliced_dicom import read
from tests.recon.intake.synthetic_dicom import Protocol, oblique_affine, signal, write_siemens
from tests.recon.intake.synthetic_enhanced import write_philips_enhanced, write_siemens_enhanced

PROTOCOL = Protocol(affine=oblique_affine(), te_s=TE_S)
ECHOES = signal(SHAPE, TE_S)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Of the one subject."""
    return tmp_path / "dicom" / "p1"


def converted(folder: Path) -> Conversion:
    (done,) = convert(folder.parent, folder.parent.parent / "bids")
    return done


def assert_read(folder: Path, vendor: str = "siemens") -> None:
    """Every echo is the truth."""
    assert len(converted(folder).series) == 1
    bids = folder.parent.parent / "bids"
    found = [path for part in ("mag", "real") for path in sorted(bids.rglob(f"*part-{part}_MEGRE.nii.gz"))]
    assert [is_signal(complex_echo(path, vendor), path, ECHOES[echo]) for echo, path in enumerate(found)] == [True] * 3


def without_meta(content: bytes) -> bytes:
    """The data set of a file alone, as it travels in a network: no preamble, no word of the transfer syntax."""
    length = int.from_bytes(content[PREAMBLE_BYTES + 8 : PREAMBLE_BYTES + 12], "little")
    return content[PREAMBLE_BYTES + 12 + length :]


BARE = {
    "no preamble": (ExplicitVRLittleEndian, lambda content: content[PREAMBLE_BYTES:]),
    "no preamble, compressed": (RLELossless, lambda content: content[PREAMBLE_BYTES:]),
    "explicit": (ExplicitVRLittleEndian, without_meta),
    "implicit": (ImplicitVRLittleEndian, without_meta),
    "big-endian": (ExplicitVRBigEndian, without_meta),
}


def strip(folder: Path, syntax: str, change: Callable[[bytes], bytes], step: int = 1) -> None:
    """Take from every file, or every second one, what stands before its data set."""
    for file in read(folder)[::step]:
        (folder / file.path).write_bytes(change(file.content(syntax)))


@pytest.mark.parametrize("form", BARE)
@pytest.mark.parametrize("write", [write_siemens, write_philips_enhanced])
def test_files_without_a_preamble_are_read(folder, form, write):
    write(folder, ECHOES, PROTOCOL)
    strip(folder, *BARE[form])
    assert_read(folder, "siemens" if write is write_siemens else "philips")


@pytest.mark.parametrize(("form", "write"), [
    *((form, write_siemens_enhanced) for form in ("plain", "deflated", "RLE", "JPEG", "JPEG 2000", "JPEG-LS")),
    ("deflated", write_siemens), ("JPEG 2000", write_siemens),
])  # fmt: skip
def test_every_transfer_syntax_is_read_in_any_order_of_the_frames(folder, form, write):
    write(folder, ECHOES, PROTOCOL)
    for file in read(folder):
        if file.frames:
            file.permute([1, 2, 0])
        content = file.content(SYNTAXES[form])
        assert form == "plain" or SYNTAXES[form].encode() in content  # no other took its place
        (folder / file.path).write_bytes(content)
    assert_read(folder)


@pytest.mark.parametrize("form", ["plain", "RLE"])
def test_real_and_imaginary_frames_of_philips_are_read_slice_by_slice(folder, form):
    write_philips_enhanced(folder, ECHOES, PROTOCOL, parts="real imag")
    (file,) = read(folder)
    file.permute(sorted(range(len(file.labels)), key=lambda i: (file.labels[i].place[2], i)))
    (folder / file.path).write_bytes(file.content(SYNTAXES[form]))
    assert_read(folder, "philips")


def test_files_without_a_preamble_beside_others_are_of_the_same_series(folder):
    write_siemens(folder, ECHOES, PROTOCOL)
    strip(folder, *BARE["implicit"], step=2)
    assert_read(folder)


def test_a_folder_of_files_without_a_preamble_is_one_subject(folder, tmp_path):
    write_siemens(folder, ECHOES, PROTOCOL)
    strip(folder, *BARE["explicit"])
    (done,) = convert(folder, tmp_path / "one")
    assert (done.subject, len(done.series)) == ("sub-01", 1)


def test_compressed_files_that_do_not_tell_how_are_called_so(folder):
    write_siemens(folder, ECHOES, PROTOCOL)
    strip(folder, RLELossless, without_meta)
    assert "compressed in a way that its header does not tell (0002,0010)" in converted(folder).problems[0].found


@pytest.mark.parametrize("start", [b"\x08\0", b"\x02\0\0\0", b"\x08\0\x05\0rubbish of some kind"])
def test_what_only_begins_like_dicom_is_none(folder, start):
    folder.mkdir(parents=True)
    (folder / "a.dat2").write_bytes(start)
    assert "none among 1 files" in converted(folder).problems[0].found


@pytest.mark.parametrize("step", [-1, 1])
def test_a_wrong_number_of_frames_is_that_of_the_frames_described_where_the_pixels_are_as_many(folder, step):
    write_siemens_enhanced(folder, ECHOES, PROTOCOL)
    edit(folder, lambda content: setattr(content, "NumberOfFrames", content.NumberOfFrames + step))
    assert_read(folder)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_frames_without_a_description_are_named(folder, syntax):
    write_siemens_enhanced(folder, ECHOES, PROTOCOL)
    for file in read(folder):
        file.frames.pop(1)
        (folder / file.path).write_bytes(file.content(syntax))
    found = converted(folder).problems[0].found
    assert "2 frames are described, and NumberOfFrames (0028,0008) is 3: file 1 of" in found


def test_a_broken_value_that_nobody_reads_harms_nothing(folder):
    write_philips_enhanced(folder, ECHOES, PROTOCOL)
    for file in read(folder):
        broken = b"\x20\x00\x13\x00IS\x04\x00what"  # InstanceNumber
        content = file.content(ExplicitVRLittleEndian)
        at = content.index(b"\x20\x00\x13\x00IS")
        size = int.from_bytes(content[at + 6 : at + 8], "little")
        (folder / file.path).write_bytes(content[:at] + broken + content[at + 8 + size :])
    assert_read(folder, "philips")


def test_pixels_behind_the_last_frame_are_left_out_without_a_warning(folder):
    write_philips_enhanced(folder, ECHOES, PROTOCOL)
    edit(folder, lambda content: setattr(content, "PixelData", content.PixelData + bytes(2 * 2 * 24)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_read(folder, "philips")


def test_warnings_of_pydicom_which_may_quote_a_header_reach_nobody(folder, capfd):
    write_siemens(folder, ECHOES, PROTOCOL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # writing it warns, too
        edit(folder, lambda content: content.add_new("StudyInstanceUID", "UI", "1.2.Zzsecret"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        converted(folder)
    assert "Zzsecret" not in "".join([*(str(warning.message) for warning in told), *capfd.readouterr()])


def test_pixels_of_twelve_bits_are_refused_by_that_name(folder):
    write_siemens(folder, ECHOES, PROTOCOL)
    edit(folder, lambda content: setattr(content, "BitsAllocated", 12))
    assert "BitsAllocated (0028,0100) is 12, which is not read: file" in converted(folder).problems[0].found


@pytest.mark.parametrize(("syntax", "flag", "lossy"), [
    ("50", "00", True), ("51", "00", True), ("51", None, True), ("55", "00", True),
    ("81", "00", False), ("81", None, True), ("91", "00", False), ("91", None, True), ("91", "01", True),
    ("203", "00", False), ("203", None, True),
    ("70", None, False), ("80", "00", False), ("90", None, False), ("90", "01", True), ("201", None, False),
])  # fmt: skip
def test_the_flag_of_lossy_compression_counts_where_the_transfer_syntax_may_lose_nothing(folder, syntax, flag, lossy):
    write_siemens(folder, ECHOES[:1, ..., :1], PROTOCOL)
    file, path = read(folder)[0], folder / "compressed.dcm"
    file.set(LossyImageCompression=flag)
    path.write_bytes(file.content(RLELossless))
    content = pydicom.dcmread(path)
    content.file_meta.TransferSyntaxUID = f"1.2.840.10008.1.2.4.{syntax}"
    content.save_as(path)
    found = read_file(Source(1, path))
    assert found and found.lossy == lossy


def as_mosaic(content: pydicom.Dataset) -> None:
    content.ImageType = [*content.ImageType[:3], "MOSAIC"]
    content.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 4)


def test_pixels_of_floating_point_are_called_so(folder):
    write_siemens(folder, ECHOES, PROTOCOL)

    def to_floats(content: pydicom.Dataset) -> None:
        content.FloatPixelData, content.BitsAllocated = content.pixel_array.astype("<f4").tobytes(), 32
        del content.PixelData

    edit(folder, to_floats)
    assert "pixels of floating-point numbers, which are not read" in converted(folder).problems[0].found


def test_fewer_echoes_of_other_times_on_the_same_grid_are_another_protocol(folder):
    dixon = replace(PROTOCOL, number=20, te_s=(0.00123, 0.00246), flip_deg=9)
    write_siemens(folder, ECHOES, PROTOCOL)
    write_siemens(folder / "dixon", ECHOES[:2], dixon)
    done = converted(folder)
    assert [series.numbers for series in done.series] == [(5, 6)]
    assert (20, "another protocol with fewer echoes than series 5 and 6") in [series[:2] for series in done.skipped]


KINDS: dict[str, Callable[[pydicom.Dataset], object]] = {
    "no MR image (Modality CT)": lambda content: setattr(content, "Modality", "CT"),
    "a mosaic, whose slices lie side by side in one image": as_mosaic,
    "a map of B0 that the scanner computed (ImageType B0MAP)": lambda content: content.ImageType.append("B0 MAP"),
    "a difference of two phases, as of a field map": lambda content: content.ImageType.append("PHASEDIFF"),
    "echo planar (SequenceName *epfid)": lambda content: setattr(content, "SequenceName", "*epfid2d1_64"),
    "processed by the scanner (ImageType SECONDARY)": lambda content: setattr(
        content, "ImageType", ["DERIVED", "SECONDARY"]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_series_is_instead_of_a_gradient_echo_is_told(folder, kind):
    write_siemens(folder, ECHOES, PROTOCOL)
    write_siemens(folder / "other", ECHOES[:1, ..., :1], replace(PROTOCOL, number=20))
    edit(folder / "other", KINDS[kind])
    done = converted(folder)
    assert [series.numbers for series in done.series] == [(5, 6)]
    assert {series.number for series in done.skipped if kind in str(series)} == {20, 21}


def test_an_echo_planar_readout_of_enhanced_files_is_told(folder):
    write_siemens_enhanced(folder, ECHOES, PROTOCOL)
    edit(folder, lambda content: setattr(content, "EchoPlanarPulseSequence", "YES"))
    done = converted(folder)
    assert done.problems[0].found == "series 5 and 6 (echo planar)"
    assert done.skipped[0] == (5, "echo planar", "EchoPlanarPulseSequence YES")


@pytest.mark.parametrize(("slices", "outcome"), [(1, "2 series"), (2, "series 7 and 8 of another place: stations")])
def test_scans_of_another_place_are_stations_and_no_runs(folder, slices, outcome):
    affine = PROTOCOL.affine.copy()
    affine[:3, 3] += slices * affine[:3, 2]
    write_siemens(folder / "one", ECHOES, PROTOCOL)
    write_siemens(folder / "two", ECHOES * np.exp(1j), replace(PROTOCOL, affine=affine, number=7))
    assert outcome in str(converted(folder))


@pytest.mark.parametrize("missing", [1, 18])
def test_images_that_tell_no_series_are_refused_by_the_field(folder, missing):
    write_siemens(folder, ECHOES, PROTOCOL)
    for path in sorted(folder.rglob("*.dcm"))[:missing]:
        content = pydicom.dcmread(path)
        del content.SeriesInstanceUID
        content.save_as(path)
    (problem,) = converted(folder).problems
    assert problem.file.startswith("file 1 of the folder p1") and "a SeriesInstanceUID (0020,000E)" in problem.expected
    assert problem.found == f"none; {missing} of 18 files have none"
