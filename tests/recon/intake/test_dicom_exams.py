"""DICOM exams as they come: compressed, out of order, doubled, lost in part. A wrong signal is never read."""

import gzip
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedMRImageStorage,
    RLELossless,
)

from recon.files.io import read_json, read_volume
from recon.intake.dicom.convert import Conversion, convert
from recon.intake.dicom.converter import run_converter
from tests.recon.intake.fuzz_dicom import (
    SHAPE,
    TE_S,
    WRITERS,
    complex_echo,
    draw,
    is_signal,
    write_corrected_too,
    write_field_map,
    writer_of,
)
from tests.recon.intake.spliced_dicom import pack_as_jpeg_ls, read
from tests.recon.intake.synthetic_dicom import Protocol, oblique_affine, signal, write_ge, write_philips, write_siemens
from tests.recon.intake.synthetic_enhanced import write_philips_enhanced, write_siemens_enhanced

DRAWS = 2000  # drawn exams
HALVES = list(WRITERS)[::2], list(WRITERS)[1::2]  # one process each: files of a scanner are made once in a process
PROTOCOL = Protocol(affine=oblique_affine(), te_s=TE_S)
ECHOES = signal(SHAPE, TE_S)


@pytest.mark.no_cover  # counting lines would double what the draws cost; other tests run them
@pytest.mark.parametrize("writers", [
    pytest.param(writers, marks=pytest.mark.xdist_group(f"exams {number}"), id=f"{number}")
    for number, writers in enumerate(HALVES)
])  # fmt: skip
def test_no_drawn_exam_gives_a_wrong_signal(writers):
    seeds = [seed for seed in range(DRAWS) if writer_of(seed) in writers]
    found = {(exam.seed, str(exam), outcome): faults for exam, outcome, faults in draw(seeds) if faults}
    assert found == {}


def one(tmp_path: Path) -> Conversion:
    """Convert `tmp_path/dicom`, whose one subject is p1."""
    (done,) = convert(tmp_path / "dicom", tmp_path / "bids")
    return done


def of_part(folder: Path, letter: str) -> list[Path]:
    """Files whose ImageType tells a part."""
    return [path for path in sorted(folder.rglob("*.dcm")) if pydicom.dcmread(path).ImageType[2] == letter]


def edit(paths: list[Path], **tags) -> None:
    for path in paths:
        content = pydicom.dcmread(path)
        for name, value in tags.items():
            content[name] = DataElement(name, dictionary_VR(name), value, validation_mode=pydicom.config.IGNORE)
        content.save_as(path)


@pytest.fixture
def subject(tmp_path) -> Path:
    """Folder of a subject with one whole scan of Siemens: magnitude is series 5, phase series 6."""
    folder = tmp_path / "dicom" / "p1"
    write_siemens(folder / "scan", ECHOES, PROTOCOL)
    return folder


def test_a_run_whose_magnitude_is_lost_is_left_out(tmp_path, subject):
    write_siemens(subject / "second", ECHOES.conj(), PROTOCOL.later(2))
    edit(sorted((subject / "second").glob("*.dcm")), AcquisitionTime="151500.000000")
    for path in of_part(subject / "scan", "M"):
        path.unlink()
    done = one(tmp_path)
    assert [series.numbers for series in done.series] == [(7, 8)]
    assert [series.number for series in done.skipped] == [6]


def test_parts_of_other_times_are_no_pair(tmp_path, subject):
    edit(of_part(subject, "P"), AcquisitionTime="151500.000000")
    assert "mag without its other part, as series 6 was acquired at another time" in one(tmp_path).problems[0].found


def test_times_with_colons_tell_runs_apart(tmp_path, subject):
    edit(of_part(subject, "M"), AcquisitionTime="10:15:00.5")
    edit(of_part(subject, "P"), AcquisitionTime="10:35:00.5")
    assert "was acquired at another time" in one(tmp_path).problems[0].found


@pytest.mark.parametrize("form", ["2020-01-02T10:{}:00.5+01:00", "20200102 10{}00.5", "20200102T10{}00"])
def test_dates_with_times_in_other_forms_tell_runs_apart(tmp_path, subject, form):
    for letter, minute in (("M", "15"), ("P", "35")):
        edit(of_part(subject, letter), AcquisitionTime="", AcquisitionDateTime=form.format(minute))
    assert "was acquired at another time" in one(tmp_path).problems[0].found


def test_images_of_which_no_header_tells_the_part_are_called_so_and_not_coils(tmp_path, subject):
    edit(sorted(subject.rglob("*.dcm")), ImageType=["ORIGINAL", "PRIMARY"], AcquisitionTime="101500.000000")
    assert one(tmp_path).problems[0].found == (
        "series 5 and 6 (neither magnitude, phase, real nor imaginary by its ImageType)"
    )


@pytest.mark.parametrize(("number", "reads"), [(b"3.0 ", True), (b"abc ", False)])
def test_a_series_number_that_is_no_whole_number_is_read_or_named(tmp_path, subject, number, reads):
    edit(sorted(subject.rglob("*.dcm")), SeriesNumber=1234)
    for file in subject.rglob("*.dcm"):
        file.write_bytes(file.read_bytes().replace(b"1234", number))
    told = " ".join(problem.found for problem in one(tmp_path).problems)
    assert ("a header whose SeriesNumber is no whole number" in told) != reads


def test_a_phase_before_its_magnitude_needs_a_time_as_proof(tmp_path, subject):
    edit(of_part(subject, "P"), SeriesNumber=4)
    assert len(one(tmp_path).series) == 1
    edit(sorted(subject.rglob("*.dcm")), AcquisitionTime="")
    (done,) = convert(tmp_path / "dicom", tmp_path / "again")
    assert "no time of acquisition proves that both are of one scan" in done.problems[0].found


def test_a_field_map_is_called_so(tmp_path):
    write_field_map(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    assert "series 5 and 6 (a field map: magnitudes of two echoes" in one(tmp_path).problems[0].found


@pytest.mark.parametrize(
    ("tags", "found"),
    [({}, "echo number 2 alone"), ({"EchoNumbers": None}, "no EchoNumbers (0018,0086)"),
     ({"EchoNumbers": 1, "SequenceName": "*fm2d2r"}, "a pulse sequence of 2 echoes")],
)  # fmt: skip
def test_a_difference_of_phases_is_not_the_phase_of_one_echo(tmp_path, tags, found):
    write_siemens(tmp_path / "dicom" / "p1", ECHOES[1:2], replace(PROTOCOL, te_s=TE_S[1:2], first_echo=2))
    edit(sorted((tmp_path / "dicom").rglob("*.dcm")), **tags)
    assert found in one(tmp_path).problems[0].found


@pytest.mark.parametrize("manufacturer", ["SIEMENS", None])
@pytest.mark.parametrize(("name", "found"), [
    ("*fm2d2", "a pulse sequence of 2 echoes"), ("", "no PulseSequenceName (0018,9005)"), ("*fl3d1", ""),
])  # fmt: skip
def test_an_enhanced_single_echo_is_proven_by_its_sequence(tmp_path, name, found, manufacturer):
    write_siemens_enhanced(tmp_path / "dicom" / "p1", ECHOES[:1], replace(PROTOCOL, te_s=TE_S[:1]))
    tags = {"PulseSequenceName": name, "SequenceName": None, "Manufacturer": manufacturer}
    edit(sorted((tmp_path / "dicom").rglob("*.dcm")), **tags)
    done = one(tmp_path)
    assert found in str(done)
    assert len(done.series) == (0 if found else 1)


def test_lossy_phase_is_refused_and_a_lossy_magnitude_is_told(tmp_path, subject):
    edit(of_part(subject, "M"), LossyImageCompression="01")
    assert len(one(tmp_path).series) == 1
    sidecars = sorted((tmp_path / "bids").rglob("*echo-1*.json"))
    assert [read_json(path).get("LossyImageCompression") for path in sidecars] == ["01", None]
    edit(of_part(subject, "P"), LossyImageCompression="01")
    (done,) = convert(tmp_path / "dicom", tmp_path / "again")
    assert "series 6 (phase): expected phase, real and imaginary parts without lossy" in str(done.problems[0])


def test_a_truncated_file_of_another_series_is_named_and_skipped(tmp_path, subject):
    write_siemens(subject / "localizer", ECHOES[:1], replace(PROTOCOL, number=1, tr_s=0.01))
    path = sorted((subject / "localizer").glob("*.dcm"))[1]
    path.write_bytes(path.read_bytes()[:-20])
    done = one(tmp_path)
    assert [series.numbers for series in done.series] == [(5, 6)]
    told = next(series.reason for series in done.skipped if "truncated" in series.reason)
    assert told == (
        "truncated: file 2 of the folder p1 in the order of names (find p1 ! -type d | LC_ALL=C sort | sed -n 2p)"
    )


def test_a_file_of_another_series_that_cannot_be_decoded_is_named_and_skipped(tmp_path, subject):
    write_siemens(subject / "localizer", ECHOES[:1], replace(PROTOCOL, number=1, tr_s=0.01))
    file = read(subject / "localizer")[1]
    file.set(Rows=SHAPE[1] + 1)  # which no decoder finds
    (subject / "localizer" / file.path).write_bytes(file.content(RLELossless))
    done = one(tmp_path)
    assert [series.numbers for series in done.series] == [(5, 6)]
    assert any("cannot be decoded (RLE Lossless): file 2 of" in series.reason for series in done.skipped)


def test_a_phase_at_another_place_is_no_part_of_the_pair(tmp_path, subject):
    for path in of_part(subject, "P"):
        x, y, z = map(float, pydicom.dcmread(path).ImagePositionPatient)
        edit([path], ImagePositionPatient=[x + 3, y, z])
    (problem,) = one(tmp_path).problems
    assert problem.expected.startswith("every image on the grid of echo 1 mag")
    assert problem.found.startswith("echo 1 phase on another one")


def test_two_acquisitions_of_one_series_are_runs(tmp_path, subject):
    second = subject / "second"
    write_siemens(second, ECHOES.conj(), PROTOCOL)
    for letter in "MP":
        uid = pydicom.dcmread(of_part(subject / "scan", letter)[0]).SeriesInstanceUID
        edit(of_part(second, letter), SeriesInstanceUID=uid, AcquisitionNumber=2, AcquisitionTime="151500.000000")
    assert [series.name for series in one(tmp_path).series] == ["sub-p1_run-1", "sub-p1_run-2"]
    first, other = (read_volume(path).data for path in sorted((tmp_path / "bids").rglob("*echo-2_part-phase*.nii.gz")))
    assert abs(first + other).max() <= 4  # steps of the stored phase; 4096 is half a turn


def test_repetitions_in_one_enhanced_file_are_runs(tmp_path):
    files, second = [], 0.8 * ECHOES.conj()
    for run, echoes in enumerate((ECHOES, second), 1):
        write_philips_enhanced(tmp_path / str(run), echoes, PROTOCOL)
        files.append(pydicom.dcmread(next((tmp_path / str(run)).iterdir())))
        for groups in files[-1].PerFrameFunctionalGroupsSequence:
            groups.FrameContentSequence[0].FrameAcquisitionNumber = run
    whole, other = files
    whole.PerFrameFunctionalGroupsSequence.extend(other.PerFrameFunctionalGroupsSequence)
    whole.PixelData += other.PixelData
    whole.NumberOfFrames *= 2
    (tmp_path / "dicom" / "p1").mkdir(parents=True)
    whole.save_as(tmp_path / "dicom" / "p1" / "whole.dcm")
    assert [series.name for series in one(tmp_path).series] == ["sub-p1_run-1", "sub-p1_run-2"]
    for name, truth in (("run-1", ECHOES), ("run-2", second)):
        assert_signal(tmp_path, truth, "philips", f"*{name}*")


@pytest.mark.parametrize("manufacturer", ["SIEMENS", "UIH", "GE MEDICAL SYSTEMS", "Canon Medical Systems"])
def test_all_echoes_in_one_enhanced_file_are_told_apart(tmp_path, manufacturer):
    write_siemens_enhanced(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL, together=True)
    edit(sorted((tmp_path / "dicom" / "p1").iterdir()), Manufacturer=manufacturer)
    assert [series.te_s for series in one(tmp_path).series] == [TE_S]
    assert_signal(tmp_path, ECHOES, "siemens")


def assert_signal(tmp_path: Path, truth: np.ndarray, writer: str, names: str = "*") -> None:
    """Every echo of `sub-p1` is the truth."""
    magnitudes = sorted((tmp_path / "bids").rglob(f"{names}part-mag_MEGRE.nii.gz"))
    assert [is_signal(complex_echo(path, writer), path, truth[echo]) for echo, path in enumerate(magnitudes)] == (
        [True] * len(truth)
    )


def test_a_slice_without_the_scale_of_the_others_is_refused(tmp_path, subject):
    edit(of_part(subject, "P")[4:5], RescaleSlope=None, RescaleIntercept=None)
    problem = one(tmp_path).problems[0]
    assert problem.file == "p1, series 6 (phase)"
    assert problem.expected == "RescaleSlope (0028,1053) in every slice of a part, or in none"
    assert problem.found == "it in 8 of 9"


def philips_with(folder: Path, change: Callable[[pydicom.Dataset], None]) -> None:
    """Write a scan of Philips, and change every second slice of its magnitude."""
    write_philips(folder, ECHOES, PROTOCOL)
    for path in of_part(folder, "M_FFE")[::2]:
        content = pydicom.dcmread(path)
        change(content)
        content.save_as(path)


def test_a_slice_without_the_scale_slope_of_philips_is_refused(tmp_path):
    philips_with(tmp_path / "dicom" / "p1", pydicom.Dataset.remove_private_tags)
    assert "the scale slope of Philips (2005,100E) in every slice of a part, or in none" in str(one(tmp_path))


@pytest.mark.parametrize(("slope", "outcome"), [(0.5, "1 series"), (1, "found several scales")])
def test_scale_slopes_of_philips_that_differ_are_undone_or_refused(tmp_path, slope, outcome):
    def double(content: pydicom.Dataset) -> None:
        content.PixelData = (2 * content.pixel_array).tobytes()
        content[0x2005, 0x100E].value, content.RescaleSlope = 2.0, slope

    philips_with(tmp_path / "dicom" / "p1", double)
    assert outcome in str(one(tmp_path))
    if slope != 1:
        assert_signal(tmp_path, ECHOES, "philips")


def test_slopes_of_philips_that_differ_between_echoes_are_undone_without_scale_slopes(tmp_path):
    write_philips(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    for path in of_part(tmp_path / "dicom" / "p1", "M_FFE"):
        content = pydicom.dcmread(path)
        content.remove_private_tags()
        if content.EchoNumbers == 2:
            content.PixelData, content.RescaleSlope = (2 * content.pixel_array).tobytes(), 0.5
        content.save_as(path)
    assert len(one(tmp_path).series) == 1
    assert_signal(tmp_path, ECHOES, "philips")


def test_scales_that_differ_from_slice_to_slice_are_undone(tmp_path, subject):
    for path in of_part(subject, "P")[::2]:
        content = pydicom.dcmread(path)  # half of the stored values, of twice the slope
        content.PixelData, content.RescaleSlope = (content.pixel_array // 2).tobytes(), 4
        content.save_as(path)
    assert len(one(tmp_path).series) == 1
    assert_signal(tmp_path, ECHOES, "siemens")


def test_a_series_identifier_for_each_image_is_named(tmp_path, subject):
    for path in sorted(subject.rglob("*.dcm")):
        edit([path], SeriesInstanceUID=pydicom.uid.generate_uid())
    first, second = one(tmp_path).problems
    assert (first.file, second.file) == ("p1, series 5", "p1, series 6")
    assert first.expected.startswith("one SeriesInstanceUID (0020,000E) for all images of a series")
    assert first.found == "9 of them, for one image each"


def test_jpeg_ls_is_read_and_refused_for_phase_where_it_may_lose(tmp_path, subject):
    for path in sorted(subject.rglob("*.dcm")):
        packed = path.with_name(f"packed_{path.name}")
        pack_as_jpeg_ls(path, packed)
        path.unlink()
    assert len(one(tmp_path).series) == 1
    assert_signal(tmp_path, ECHOES, "siemens")
    for path in sorted(subject.rglob("*.dcm")):
        content = pydicom.dcmread(path)
        content.file_meta.TransferSyntaxUID = JPEGLSNearLossless
        content.save_as(path)
    (done,) = convert(tmp_path / "dicom", tmp_path / "again")
    assert "series 6 (phase): expected phase, real and imaginary parts without lossy" in str(done.problems[0])


def test_several_images_of_one_echo_that_no_header_tells_apart_are_refused_as_such(tmp_path, subject):
    for path in sorted(subject.rglob("*.dcm")):
        content = pydicom.dcmread(path)
        content.PixelData = content.pixel_array[::-1].tobytes()
        content.save_as(path.with_name(f"other_{path.name}"))
    assert "2 images of one echo, part and place, which no header tells apart" in str(one(tmp_path).problems[0])


def test_slices_that_the_converter_puts_elsewhere_are_refused(tmp_path, subject, monkeypatch):
    def exchange(converter: str, source: Path, target: Path) -> None:
        run_converter(converter, source, target)
        first = sorted(target.glob("*.nii"))[0]
        content = bytearray(first.read_bytes())
        size = 2 * SHAPE[0] * SHAPE[1]  # bytes of a slice
        content[-size:], content[-2 * size : -size] = content[-2 * size : -size], content[-size:]
        first.write_bytes(content)

    monkeypatch.setattr("recon.intake.dicom.convert.run_converter", exchange)
    (problem,) = one(tmp_path).problems
    assert problem.expected.startswith("every slice at the echo and place that its header tells, after conversion")
    assert problem.found == "2 of 9 slices elsewhere, or without a header"


def test_legacy_converted_files_are_read(tmp_path):
    """What classic files tell of echo and protocol stands in sequences of their own, as no converter assigns it."""

    def attributes(**values) -> list[pydicom.Dataset]:
        item = pydicom.Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        return [item]

    write_siemens_enhanced(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    for path in sorted((tmp_path / "dicom" / "p1").iterdir()):
        content = pydicom.dcmread(path)
        content.SOPClassUID = content.file_meta.MediaStorageSOPClassUID = LegacyConvertedEnhancedMRImageStorage
        shared = content.SharedFunctionalGroupsSequence[0]
        shared.UnassignedSharedConvertedAttributesSequence = attributes(FlipAngle=15, RepetitionTime=30)
        del shared.MRTimingAndRelatedParametersSequence, content.ComplexImageComponent
        for groups in content.PerFrameFunctionalGroupsSequence:
            te_ms = groups.MREchoSequence[0].EffectiveEchoTime
            groups.UnassignedPerFrameConvertedAttributesSequence = attributes(EchoTime=te_ms)
            del groups.MREchoSequence, groups.MRImageFrameTypeSequence
        content.save_as(path)
    assert [series.flip_deg for series in one(tmp_path).series] == [15]
    assert_signal(tmp_path, ECHOES, "siemens")


def test_a_repetition_that_cannot_be_decoded_is_no_copy_of_another(tmp_path):
    folder = tmp_path / "dicom" / "p1"
    for run, factor in enumerate((1, 0.7j), 1):
        write_philips_enhanced(tmp_path / str(run), factor * ECHOES, PROTOCOL)
        (file,) = read(tmp_path / str(run))
        file.path = f"{run}.dcm"
        rows = SHAPE[1] + (1 if run == 1 else 0)  # which no decoder finds
        file.set(SeriesInstanceUID="1.2.3", AcquisitionTime=f"10{run}500", Rows=rows)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes(file.content(RLELossless))
    assert "pixels that cannot be decoded (RLE Lossless): file 1" in str(one(tmp_path))


def test_images_of_single_coils_are_refused_by_that_name(tmp_path, subject):
    files = sorted(subject.rglob("*.dcm"))
    edit(files, ReceiveCoilName="H1")
    for path in files:
        content = pydicom.dcmread(path)
        content.ReceiveCoilName, content.PixelData = "H2", bytes(2) + content.PixelData[:-2]
        content.save_as(path.with_name(f"coil_{path.name}"))
    assert "images of single coils, which are not combined" in one(tmp_path).problems[0].found


def write_repeated(
    folder: Path, change: Callable[[pydicom.Dataset, int], None], write: Callable = write_siemens
) -> None:
    """Three scans of one place that differ by a complex factor, each in series of its own."""
    for number, factor in enumerate((1, 0.4 * np.exp(1j), 0.7 * np.exp(-2j)), 1):
        write(folder / str(number), ECHOES * factor, PROTOCOL.later(10 * number))
        for path in sorted((folder / str(number)).iterdir()):
            content = pydicom.dcmread(path)
            content.AcquisitionTime = f"10{number:02d}00.000000"
            change(content, number)
            content.save_as(path)


def siemens_coil(content: pydicom.Dataset, name: str) -> None:
    content.private_block(0x51, "SIEMENS MR HEADER", create=True).add_new(0x0F, "LO", name)


def siemens_loops(content: pydicom.Dataset, number: int) -> None:
    content.private_block(0x21, "SIEMENS MR SDS 01", create=True)  # takes (0021,10xx)
    content.private_block(0x21, "SIEMENS MR SDI 02", create=True).add_new(0x06, "LO", f"{number}_1_1_1_1_1_160")


def elements_of_coil(content: pydicom.Dataset, number: int) -> None:
    coil = pydicom.Dataset()
    coil.ReceiveCoilName, coil.MultiCoilDefinitionSequence = "Head", []
    for element in (1, 2, 3):
        coil.MultiCoilDefinitionSequence.append(pydicom.Dataset())
        coil.MultiCoilDefinitionSequence[-1].MultiCoilElementName = f"E{element}"
        coil.MultiCoilDefinitionSequence[-1].MultiCoilElementUsed = "YES" if element == number else "NO"
    content.SharedFunctionalGroupsSequence[0].MRReceiveCoilSequence = [coil]


COILS = {
    "name of Siemens": (write_siemens, lambda content, number: siemens_coil(content, f"H{number}")),
    "loop of Siemens": (write_siemens, siemens_loops),
    "ReceiveCoilName": (write_ge, lambda content, number: setattr(content, "ReceiveCoilName", f"Head {number}")),
    "elements used": (write_philips_enhanced, elements_of_coil),
    "SeriesDescription": (
        write_philips, lambda content, number: setattr(content, "SeriesDescription", f"ME-GRE_ch{number:02d}"),
    ),
    "one time": (write_siemens, lambda content, _: setattr(content, "AcquisitionTime", "101500.000000")),
    "one time, enhanced": (
        write_siemens_enhanced, lambda content, _: setattr(content, "AcquisitionDateTime", "20200102101500.000000"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("told_by", COILS)
def test_single_coils_of_a_series_each_are_no_runs(tmp_path, told_by):
    write, change = COILS[told_by]
    write_repeated(tmp_path / "dicom" / "p1", change, write)
    (problem,) = one(tmp_path).problems
    assert "single coils, which are not combined" in problem.found


def test_a_lost_part_does_not_pair_two_coils(tmp_path):
    write_repeated(tmp_path / "dicom" / "p1", COILS["name of Siemens"][1])
    for number, part in ((1, "M"), (2, "P"), (3, "M"), (3, "P")):
        for path in of_part(tmp_path / "dicom" / "p1" / str(number), part):
            path.unlink()
    assert "single coils" in one(tmp_path).problems[0].found


def test_of_a_scan_with_and_without_distortion_correction_the_latter_is_used(tmp_path):
    write_corrected_too(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    done = one(tmp_path)
    assert [series.numbers for series in done.series] == [(5, 7)]
    reason = "corrected for distortion; series 5 and 7 is the scan without it"
    assert {series[:2] for series in done.skipped} == {(6, reason), (8, reason)}
    assert_signal(tmp_path, ECHOES, "siemens")


def test_without_times_corrected_series_may_lie_between_the_parts(tmp_path):
    write_corrected_too(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    edit(sorted((tmp_path / "dicom").rglob("*.dcm")), AcquisitionTime="")
    assert [series.numbers for series in one(tmp_path).series] == [(5, 7)]
    assert_signal(tmp_path, ECHOES, "siemens")


def test_without_times_a_series_that_is_lost_may_not(tmp_path, subject):
    edit(of_part(subject, "P"), SeriesNumber=7)
    edit(sorted((tmp_path / "dicom").rglob("*.dcm")), AcquisitionTime="")
    assert "no time of acquisition proves that both are of one scan" in one(tmp_path).problems[0].found


def test_a_corrected_scan_that_has_more_echoes_left_is_no_run(tmp_path):
    write_corrected_too(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    for path in sorted((tmp_path / "dicom" / "p1").glob("[!c]*.dcm")):
        if pydicom.dcmread(path).EchoNumbers == 3:
            path.unlink()
    assert [(series.numbers, series.te_s) for series in one(tmp_path).series] == [((5, 7), TE_S[:2])]


def test_a_corrected_scan_whose_time_is_lost_is_no_run(tmp_path, subject):
    write_siemens(subject / "corrected", ECHOES * 0.9j, PROTOCOL.later(2))
    for path in sorted((subject / "corrected").iterdir()):
        words = [*pydicom.dcmread(path).ImageType[:3], "DIS2D"]
        edit([path], ImageType=words, AcquisitionTime="")
    assert [series.numbers for series in one(tmp_path).series] == [(5, 6)]


def test_scans_with_and_without_distortion_correction_at_other_times_are_runs(tmp_path, subject):
    write_corrected_too(subject, ECHOES, PROTOCOL.later(10))
    edit(sorted(subject.rglob("corrected/*.dcm")), AcquisitionTime="151500.000000")
    edit(sorted((subject / "scan").iterdir()), AcquisitionTime="161500.000000")
    assert [series.numbers for series in one(tmp_path).series] == [(5, 6), (15, 17), (16, 18)]


def test_a_corrected_magnitude_is_the_partner_of_an_uncorrected_phase_where_there_is_no_other(tmp_path, subject):
    edit(of_part(subject, "M"), ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"])
    assert [series.numbers for series in one(tmp_path).series] == [(5, 6)]


def test_repetitions_of_one_series_at_one_time_are_runs(tmp_path):
    for number, factor in enumerate((1, 0.7j), 1):
        folder = tmp_path / "dicom" / "p1" / str(number)
        write_siemens(folder, ECHOES * factor, PROTOCOL)
        for letter in "MP":
            same = {"SeriesInstanceUID": f"1.2.{ord(letter)}", "AcquisitionTime": "101500.000000"}
            edit(of_part(folder, letter), AcquisitionNumber=number, **same)
    assert [series.name for series in one(tmp_path).series] == ["sub-p1_run-1", "sub-p1_run-2"]
    assert_signal(tmp_path, ECHOES, "siemens", "*run-1*")
    assert_signal(tmp_path, ECHOES * 0.7j, "siemens", "*run-2*")


def test_a_time_that_other_protocols_share_tells_of_no_coils(tmp_path):
    folder = tmp_path / "dicom" / "p1"
    write_repeated(folder, lambda content, _: setattr(content, "AcquisitionTime", "101500.000000"))
    write_siemens(folder / "localizer", ECHOES[:1], replace(PROTOCOL, number=1, tr_s=0.01, te_s=TE_S[:1]))
    edit(sorted((folder / "localizer").iterdir()), AcquisitionTime="101500.000000")
    assert [series.numbers for series in one(tmp_path).series] == [(15, 16), (25, 26), (35, 36)]


def test_a_copy_without_the_scale_of_its_values_is_a_copy(tmp_path, subject):
    write_siemens_enhanced(subject / "enhanced", ECHOES, PROTOCOL.later(20))
    edit(of_part(subject / "scan", "P"), RescaleSlope=None, RescaleIntercept=None)
    assert [series.numbers for series in one(tmp_path).series] == [(5, 6)]


def test_combined_images_beside_their_single_coils_are_read(tmp_path, subject):
    for path in sorted((subject / "scan").iterdir()):
        content = pydicom.dcmread(path)
        siemens_coil(content, "HEA;HEP")
        content.save_as(path)
    write_repeated(subject, COILS["name of Siemens"][1])
    edit(sorted(subject.rglob("*.dcm")), AcquisitionTime="101500.000000")
    done = one(tmp_path)
    assert [series.numbers for series in done.series] == [(5, 6)]
    assert {series.number for series in done.skipped if "single coils" in series.reason} == {15, 16, 25, 26, 35, 36}
    assert_signal(tmp_path, ECHOES, "siemens")


def test_runs_with_other_elements_switched_on_are_runs(tmp_path):
    def change(content: pydicom.Dataset, number: int) -> None:
        siemens_coil(content, ("HE1-4", "HE1-3", "HE1-3;NE1")[number - 1])
        content.SeriesDescription = f"32ch QSM run {number}"

    write_repeated(tmp_path / "dicom" / "p1", change)
    assert [series.numbers for series in one(tmp_path).series] == [(15, 16), (25, 26), (35, 36)]


def test_classic_and_enhanced_copies_count_once(tmp_path, subject):
    write_siemens_enhanced(subject / "enhanced", ECHOES, PROTOCOL.later(20))
    assert [series.numbers for series in one(tmp_path).series] == [(5, 6)]


@pytest.mark.parametrize("without", ["classic", "enhanced"])
def test_a_copy_without_the_flip_angle_is_a_copy(tmp_path, subject, without):
    write_siemens_enhanced(subject / "enhanced", ECHOES, PROTOCOL.later(20))
    if without == "classic":
        edit(sorted((subject / "scan").iterdir()), FlipAngle=None)
    else:
        edit(sorted((subject / "enhanced").iterdir()), SharedFunctionalGroupsSequence=[])
    expected = (25, 26) if without == "classic" else (5, 6)
    assert [(series.numbers, series.flip_deg) for series in one(tmp_path).series] == [(expected, 15)]


def test_a_copy_that_lost_an_echo_is_a_copy(tmp_path, subject):
    write_siemens_enhanced(subject / "enhanced", ECHOES, PROTOCOL.later(20))
    for path in sorted((subject / "scan").iterdir()):
        if pydicom.dcmread(path).EchoNumbers == 2:
            path.unlink()
    done = one(tmp_path)
    assert [(series.numbers, series.te_s) for series in done.series] == [((25, 26), TE_S)]
    assert {series[:2] for series in done.skipped} == {(number, "equal to series 25 and 26") for number in (5, 6)}


def test_magnitude_and_phase_without_their_flip_angle_give_way_to_real_and_imaginary_parts(tmp_path, subject):
    write_siemens(subject / "parts", ECHOES, PROTOCOL.later(2), parts="real imag")
    edit(sorted((subject / "scan").iterdir()), FlipAngle=None)
    assert [series.numbers for series in one(tmp_path).series] == [(7, 8)]


def test_equal_files_are_taken_once(tmp_path, subject):
    for path in sorted(subject.rglob("*.dcm")):
        path.with_name(f"copy_{path.name}").write_bytes(path.read_bytes())
    assert len(one(tmp_path).series) == 1


def test_packed_files_are_read(tmp_path, subject):
    files = sorted(subject.rglob("*.dcm"))
    with zipfile.ZipFile(subject / "half.zip", "w") as archive:
        for path in files[::2]:
            archive.write(path, f"inside/{path.name}")
            path.unlink()
    for path in files[1::2]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert [len(series.te_s) for series in one(tmp_path).series] == [3]


def test_files_that_were_packed_four_times_are_refused(tmp_path, subject):
    path = sorted(subject.rglob("*.dcm"))[0]
    content = path.read_bytes()
    for times, reads in ((3, True), (4, False)):
        packed = content
        for _ in range(times):
            packed = gzip.compress(packed)
        path.write_bytes(packed)
        (done,) = convert(tmp_path / "dicom", tmp_path / f"{times} times")
        assert bool(done.series) == reads


def test_files_that_were_packed_twice_are_read(tmp_path, subject):
    with zipfile.ZipFile(subject / "inner.zip", "w") as archive:
        for path in sorted((subject / "scan").iterdir()):
            archive.writestr(f"{path.name}.gz", gzip.compress(path.read_bytes()))
            path.unlink()
    with zipfile.ZipFile(subject / "outer.zip", "w") as archive:
        archive.write(subject / "inner.zip", "inner.zip")
    (subject / "inner.zip").unlink()
    assert [len(series.te_s) for series in one(tmp_path).series] == [3]


@pytest.mark.parametrize(("name", "content", "told"), [
    ("a.dcm.xz", b"\xfd7zXZ\0" + bytes(9), "packed as xz, which is not read: unpack it"),
    ("a.dcm.bz2", b"BZh91AY", "packed as bzip2, which is not read: unpack it"),
    ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(9), "packed as 7z, which is not read: unpack it"),
    ("a.rar", b"Rar!\x1a\x07" + bytes(9), "packed as rar, which is not read: unpack it"),
    ("a.tar", bytes(257) + b"ustar" + bytes(9), "packed as tar, which is not read: unpack it"),
    ("a.zst", b"\x28\xb5\x2f\xfd" + bytes(9), "packed as zstd, which is not read: unpack it"),
    ("a.Z", b"\x1f\x9d" + bytes(9), "packed as compress, which is not read: unpack it"),
    ("meas.dat", bytes(9), "raw data of a scanner, not reconstructed"),
    ("a.nii.gz", gzip.compress(bytes(352), mtime=0), "NIfTI images, which belong into a BIDS folder (config bids_dir)"),
    ("a.PAR", b"# === DATA DESCRIPTION FILE", "PAR and REC files of Philips: export DICOM"),
    ("a.txt", b"a", "none among 2 files"),
], ids=["xz", "bz2", "7z", "rar", "tar", "zstd", "compress", "raw", "NIfTI", "PAR", "text"])  # fmt: skip
def test_what_lies_there_instead_of_dicom_is_told(tmp_path, name, content, told):
    (tmp_path / "dicom" / "p1").mkdir(parents=True)
    for number in (1, 2):
        (tmp_path / "dicom" / "p1" / f"{number}{name}").write_bytes(content)
    (problem,) = one(tmp_path).problems
    assert problem.found.endswith(told)
    assert problem.found.count("the order of names") == (1 if "packed" in told else 0)


@pytest.mark.parametrize("fault", ["damaged", "encrypted"])
def test_an_archive_that_cannot_be_unpacked_is_refused_for_it_may_hold_slices(tmp_path, subject, fault):
    file, packed = sorted(subject.rglob("*.dcm"))[0], subject / "some.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(file, file.name)
    file.unlink()
    content = packed.read_bytes()
    flags = content.index(b"PK\x01\x02") + 8  # of its entry in the directory: the lowest bit says encrypted
    packed.write_bytes(content[:-30] if fault == "damaged" else content[:flags] + b"\x01" + content[flags + 1 :])
    (problem,) = one(tmp_path).problems
    assert "zip archive that can be unpacked" in problem.expected
    assert problem.found == "one that is damaged, encrypted or packed too often"
    assert file.name not in str(problem)


def test_the_index_of_a_cd_is_no_image(tmp_path, subject):
    index = pydicom.dcmread(next(subject.rglob("*.dcm")))
    index.save_as(tmp_path / "dicom" / "DICOMDIR")
    assert len(one(tmp_path).series) == 1


@pytest.mark.parametrize("images", ["DICOM/PAT0", ""])
def test_the_programs_of_a_cd_are_no_subjects(tmp_path, images):
    disc = tmp_path / "dicom"
    write_siemens(disc / images, ECHOES, PROTOCOL)
    (disc / "VIEWER").mkdir()
    with zipfile.ZipFile(disc / "VIEWER" / "viewer.jar", "w") as program:
        program.writestr("a.class", b"a")
    (disc / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert [series.te_s for series in one(tmp_path).series] == [TE_S]


def test_what_an_anonymiser_took_from_ge_is_named(tmp_path):
    write_ge(tmp_path / "dicom" / "p1", ECHOES, PROTOCOL)
    for path in sorted((tmp_path / "dicom").rglob("*.dcm")):
        content = pydicom.dcmread(path)
        content.remove_private_tags()
        content.save_as(path)
    assert "the private tag (0043,102F), by which GE tells them apart, is missing" in one(tmp_path).problems[0].found


@pytest.mark.parametrize("write", [write_siemens, write_philips_enhanced])
def test_big_endian_files_are_read_where_they_have_to_be_written_anew(tmp_path, write):
    files = tmp_path / "dicom" / "p1"
    write(files, ECHOES, PROTOCOL)
    for spliced in read(files):
        if spliced.frames:  # out of order
            spliced.permute(range(len(spliced.pixels))[::-1])
        other = spliced.copy()  # a second acquisition of the series
        other.set(AcquisitionNumber=2, AcquisitionTime="151500.000000", SOPInstanceUID="1.2.3")
        for name, file in (("a", spliced), ("b", other)):
            if name == "a" or not spliced.frames:
                (files / f"{name}_{spliced.path}").write_bytes(file.content(ExplicitVRBigEndian))
        (files / spliced.path).unlink()
    names = [series.name for series in one(tmp_path).series]
    assert names == (["sub-p1_run-1", "sub-p1_run-2"] if write is write_siemens else ["sub-p1"])
    for name in names:
        assert_signal(tmp_path, ECHOES, "siemens" if write is write_siemens else "philips", f"{name}*")


def test_a_file_that_cannot_be_written_anew_refuses_its_series_by_its_place(tmp_path, subject, monkeypatch):
    for path in sorted(subject.rglob("*.dcm")):
        pack_as_jpeg_ls(path, path.with_name(f"packed_{path.name}"))
        path.unlink()

    def fail(*_: object, **__: object) -> None:
        raise TypeError("Zzsecret")

    monkeypatch.setattr("recon.intake.dicom.stage.dcmwrite", fail)
    (problem,) = one(tmp_path).problems
    assert "pixels that cannot be decoded (JPEG-LS Lossless Image Compression): file 1 of the folder p1" in str(problem)
    assert "Zzsecret" not in str(problem)


def test_echo_times_that_an_anonymiser_removed_are_named(tmp_path, subject):
    edit(sorted(subject.rglob("*.dcm")), EchoTime=None)
    (problem,) = one(tmp_path).problems
    assert problem.expected == "an EchoTime for every echo"
    assert problem.found.endswith("an anonymiser may have removed EchoTime (0018,0081)")


def test_a_copy_of_philips_without_private_tags_is_a_copy(tmp_path):
    folder = tmp_path / "dicom" / "p1"
    write_philips(folder, ECHOES, PROTOCOL)
    write_philips_enhanced(folder / "enhanced", ECHOES, PROTOCOL.later(2))
    for path in sorted((folder / "enhanced").iterdir()):
        content = pydicom.dcmread(path)
        content.remove_private_tags()  # radians become milliradians
        content.save_as(path)
    assert [series.numbers for series in one(tmp_path).series] == [(5,)]


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_places_of_slices_that_an_anonymiser_removed_are_named(tmp_path, subject, tag):
    write_siemens(subject, ECHOES, PROTOCOL)
    for path in sorted(subject.rglob("*.dcm")):
        content = pydicom.dcmread(path)
        delattr(content, tag)
        content.save_as(path)
    problem = one(tmp_path).problems[0]
    assert f"{tag} (" in problem.expected
    assert problem.found.startswith("one or more of them missing in ")
