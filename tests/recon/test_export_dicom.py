"""Maps as DICOM: read back by pydicom, by the project's own reader and by dcm2niix they are the same, at one place."""

import shutil
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pydicom
import pytest

from recon.export.quantity import LARGEST, scaled
from recon.export.scan import QUANTITIES
from recon.export.slices import slices_of
from recon.files.io import Volume, read_volume, write_json, write_mask, write_volume
from recon.intake.dicom.bytes import Source
from recon.intake.dicom.converter import find_converter, run_converter
from recon.intake.dicom.frames import read_file
from recon.problems import IntakeError
from tests.recon.intake.synthetic_dicom import (
    SECRETS,
    Protocol,
    oblique_affine,
    signal,
    write_ge,
    write_philips,
    write_siemens,
)
from workflow.__main__ import main

SHAPE = (12, 10, 8)
AXIAL = np.array([[-1.5, 0, 0, 9], [0, 1, 0, -5], [0, 0, 2, -7], [0, 0, 0, 1]])
SAGITTAL = np.array([[0, 0, 2, -8], [1.5, 0, 0, -9], [0, 1, 0, -5], [0, 0, 0, 1.0]])  # third axis to the right
AFFINES = {"axial": AXIAL, "sagittal": SAGITTAL, "oblique": oblique_affine()}
LABEL = "derivatives/qnet/sub-01/anat/sub-01"


def write_run(root: Path, affine: np.ndarray, scan: str = "sub-01", seed: int = 0, user_t1w: bool = False) -> Path:
    """A finished run of one scan, made from the signal of the synthetic DICOM files."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 2:-2, 1:-1] = True
    like = Volume(data=mask, affine=affine)
    anat = root / "derivatives/qnet" / scan.replace("_", "/") / "anat"
    write_json(root / "derivatives/qnet/dataset_description.json", {"Name": "Q-Net maps"})
    chi = (0.05 * rng.standard_normal(SHAPE) * mask).astype(np.float32)
    r2star = (mask * (30 + rng.random(SHAPE))).astype(np.float32)
    first = np.abs(signal(SHAPE))[0] if seed == 0 else rng.random(SHAPE)
    about = {"EchoTime": 0.004, "R2starDecayRemoved": True, "FlipAngle": 15.0} | ({"Tool": "user"} if user_t1w else {})
    write_volume(anat / f"{scan}_Chimap.nii.gz", chi, like, {"Units": "ppm", "Reference": "whole_brain"})
    write_volume(anat / f"{scan}_R2starmap.nii.gz", r2star, like, {"Units": "1/s"})
    write_volume(anat / f"{scan}_desc-stage_T1w.nii.gz", first * np.exp(0.004 * r2star) * mask, like, about)
    write_volume(anat / f"{scan}_T2starmap.nii.gz", mask / np.maximum(r2star, 1), like, {"Units": "s"})
    for suffix in ("swi", "minIP", "space-MNI152NLin2009aSym_res-2_Chimap"):  # the last is not exported
        write_volume(anat / f"{scan}_{suffix}.nii.gz", first * mask, like, {"Units": "arbitrary"})
    write_mask(anat / f"{scan}_desc-brain_mask.nii.gz", mask, like)
    return root


def export(run: Path, out: Path, *words: object) -> Path:
    assert main(["export-dicom", str(run), str(out), *map(str, words)]) == 0
    return out


def refusal(capsys, run: Path, out: Path, *words: object) -> str:
    assert main(["export-dicom", str(run), str(out), *map(str, words)]) == 2
    assert not out.exists() and not list(out.parent.glob(".*partial*"))
    return capsys.readouterr().err


def folder_of(out: Path, name: str, scan: str = "sub-01") -> Path:
    return out / scan / f"{QUANTITIES[name].number}_{QUANTITIES[name].suffix}"


def read(out: Path, name: str, scan: str = "sub-01") -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder_of(out, name, scan).glob("*.dcm"))]


def placed(image: pydicom.Dataset, affine: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """The voxels of a NIfTI volume under the pixels of a DICOM image, found by the coordinates that both tell."""
    across, down = np.reshape(np.array(image.ImageOrientationPatient, float), (2, 3))
    rows, columns = np.indices((image.Rows, image.Columns))
    spacing = [float(value) for value in image.PixelSpacing]
    lps = np.array(image.ImagePositionPatient, float) + (
        columns[..., None] * spacing[1] * across + rows[..., None] * spacing[0] * down
    )
    ras = lps * [-1, -1, 1]
    index = (ras - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    np.testing.assert_allclose(index, np.rint(index), atol=1e-4)
    return volume[tuple(np.moveaxis(np.rint(index).astype(int), -1, 0))]


@pytest.fixture(scope="module", params=AFFINES, ids=str)
def exported(request, tmp_path_factory) -> tuple[Path, Path, np.ndarray]:
    """A run, its export, and the affine, for each way that a head may lie in a file."""
    folder = tmp_path_factory.mktemp(request.param)
    run = write_run(folder / "run", AFFINES[request.param])
    return run, export(run, folder / "out"), AFFINES[request.param]


@pytest.mark.parametrize("name", QUANTITIES)
def test_values_and_places_are_those_of_the_map(exported, name):
    run, out, _ = exported
    volume = read_volume(run / f"{LABEL}_{QUANTITIES[name].suffix}.nii.gz")
    images = read(out, name)
    seen = 0
    for image in images:
        slope = float(image.RescaleSlope)
        values = image.pixel_array * slope + float(image.RescaleIntercept)
        truth = placed(image, volume.affine, volume.data) * QUANTITIES[name].factor
        assert np.abs(values - truth).max() <= slope / 2 * (1 + 1e-6)
        assert slope / 2 <= 1e-4 * np.ptp(volume.data * QUANTITIES[name].factor)
        assert not values[truth == 0].any()
        seen += values.size
    assert seen == volume.data.size
    along = np.diff([np.array(image.ImagePositionPatient, float) for image in images], axis=0)
    normal = np.cross(*np.reshape(np.array(images[0].ImageOrientationPatient, float), (2, 3)))
    np.testing.assert_allclose(along, np.tile(normal * 2, (len(along), 1)), atol=1e-6)  # 2 mm apart, upwards
    for image in images:
        assert (float(image.SliceThickness), float(image.SpacingBetweenSlices)) == pytest.approx((2, 2))


def test_pictures_are_turned_as_readers_expect(exported):
    _, out, affine = exported
    across, down = np.reshape(np.array(read(out, "chi")[0].ImageOrientationPatient, float), (2, 3))
    expected = {"sagittal": ((0, 1, 0), (0, 0, -1))}.get(
        next(name for name, one in AFFINES.items() if one is affine), ((1, 0, 0), (0, 1, 0))
    )
    assert across @ expected[0] > 0.9 and down @ expected[1] > 0.9


def test_what_every_image_says(exported):
    _, out, _ = exported
    for name, quantity in QUANTITIES.items():
        images = read(out, name)
        for image in images:
            assert image.SOPClassUID == pydicom.uid.MRImageStorage
            assert list(image.ImageType) == ["DERIVED", "SECONDARY", "OTHER", quantity.kind]
            assert (image.ContentQualification, image.BurnedInAnnotation) == ("RESEARCH", "NO")
            assert image.ImageComments.startswith("Research use only")
            assert image.PatientID == image.PatientName == "sub-01"
            assert image.RescaleType == quantity.unit
            (mapping,) = image.RealWorldValueMappingSequence
            assert mapping.RealWorldValueSlope == float(image.RescaleSlope)
            assert mapping.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator == "UCUM"
            assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == quantity.code.value
            assert (image.StudyDate, image.PatientBirthDate, image.AccessionNumber) == ("", "", "")
            assert "Q-Net" in image.DerivationDescription
        assert len({image.SOPInstanceUID for image in images}) == len(images)
        assert len({image.SeriesInstanceUID for image in images}) == 1
        assert all(pydicom.uid.UID(uid).is_valid for uid in (images[0].SOPInstanceUID, images[0].StudyInstanceUID))
    every = [read(out, name)[0] for name in QUANTITIES]
    assert len({image.StudyInstanceUID for image in every}) == len({i.FrameOfReferenceUID for i in every}) == 1
    assert len({image.SeriesInstanceUID for image in every}) == len(every)


def test_windows_are_those_of_the_page(exported):
    _, out, _ = exported
    windows = {name: (float(i.WindowCenter), float(i.WindowWidth)) for name in QUANTITIES for i in read(out, name)[:1]}
    assert windows["chi"] == (0, 300) and windows["r2star"] == (30, 60)  # ±150 ppb; 0 to 60 1/s
    assert windows["t2star"] == (50, 100)  # 0 to 100 ms
    assert windows["t1w"][0] == pytest.approx(windows["t1w"][1] / 2)


def test_the_projects_own_reader_finds_the_slices_where_the_map_has_them(exported):
    _, out, affine = exported
    frames = [f for p in sorted(folder_of(out, "chi").glob("*")) for f in read_file(Source(1, p)).frames]
    slices = slices_of(affine, SHAPE, (frames[0].place[1], frames[0].place[2]))
    np.testing.assert_allclose([frame.place[0] for frame in frames], slices.positions_mm, atol=1e-6)
    assert all(frame.part is None for frame in frames)  # nobody takes a map for an echo


def test_dcm2niix_makes_the_map_of_it_again(exported, tmp_path):
    try:
        converter = find_converter()
    except IntakeError as error:
        pytest.skip(str(error))
    run, out, _ = exported
    run_converter(converter, folder_of(out, "chi"), tmp_path)
    (path,) = tmp_path.glob("*.nii")
    again, volume = read_volume(path), read_volume(run / f"{LABEL}_Chimap.nii.gz")
    index = np.indices(again.data.shape).reshape(3, -1)
    world = again.affine[:3, :3] @ index + again.affine[:3, 3:]
    at = np.linalg.solve(volume.affine[:3, :3], world - volume.affine[:3, 3:])
    np.testing.assert_allclose(at, np.rint(at), atol=2e-3)
    truth = 1000 * volume.data[tuple(np.rint(at).astype(int))].reshape(again.data.shape)
    assert np.abs(again.data - truth).max() <= np.abs(truth).max() / LARGEST


@pytest.mark.parametrize("order", [*permutations(range(3))])
@pytest.mark.parametrize("signs", [*product((1, -1), repeat=3)])
def test_any_order_of_axes_and_hand_is_cut_right(order, signs):
    affine = np.eye(4)
    affine[:3, :3] = (np.diag([1.0, 2, 3]) * signs)[list(order)]
    affine[:3, 3] = 4, 5, 6
    volume = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    for directions in (None, (np.array([0.1, 0, 1]), np.array([1, 0.1, 0]))):
        slices = slices_of(affine, volume.shape, directions)
        pixels = slices.stack(volume)
        np.testing.assert_array_equal(slices.volume(pixels), volume)
        assert np.linalg.det([slices.across, slices.down, np.diff(slices.positions_mm, axis=0)[0]]) > 0
        k, row, column = 1, 1, 0
        lps = slices.positions_mm[k] + row * slices.spacing_mm[1] * slices.down + column * slices.across
        index = np.linalg.solve(affine[:3, :3], lps * [-1, -1, 1] - affine[:3, 3])
        assert pixels[k, row, column] == volume[tuple(np.rint(index).astype(int))]


@pytest.mark.parametrize("largest", [1e-30, 3e-5, 0.7, 32767.0, 32767.0001, 1e9])
def test_no_value_leaves_the_integers(largest):
    values = np.array([-largest, 0, largest / 3, largest])
    stored, slope = scaled(values)
    assert np.abs(stored * slope - values).max() <= largest / (2 * LARGEST) * (1 + 1e-6)
    assert stored[1] == 0 and len(f"{slope:.8g}") <= 16


def test_the_same_maps_give_the_same_files_and_others_do_not(tmp_path):
    run = write_run(tmp_path / "run", AXIAL)
    one, two = (export(run, tmp_path / name) for name in ("one", "two"))
    files = [sorted(out.rglob("*.dcm")) for out in (one, two)]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
    path = run / f"{LABEL}_Chimap.nii.gz"
    volume = read_volume(path)
    volume.data[5, 5, 5] += 0.01
    write_volume(path, volume.data, volume)
    three = export(run, tmp_path / "three")
    assert read(one, "chi")[0].SeriesInstanceUID != read(three, "chi")[0].SeriesInstanceUID
    assert read(one, "chi")[0].StudyInstanceUID == read(three, "chi")[0].StudyInstanceUID
    assert read(one, "r2star")[0].SeriesInstanceUID == read(three, "r2star")[0].SeriesInstanceUID


def test_all_scans_of_a_run_are_studies_of_their_own(tmp_path):
    run = write_run(write_run(tmp_path / "run", AXIAL), AXIAL, "sub-02_ses-1")
    out = export(run, tmp_path / "out", "--maps", "chi")
    studies = {scan: read(out, "chi", scan)[0] for scan in ("sub-01", "sub-02_ses-1")}
    assert len({image.StudyInstanceUID for image in studies.values()}) == 2
    assert studies["sub-02_ses-1"].PatientID == "sub-02"


# with the user's own DICOM


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The examination of the run, oblique."""
    folder = tmp_path_factory.mktemp("dicom")
    write_siemens(folder, signal(SHAPE), Protocol(affine=oblique_affine()))
    return folder


@pytest.fixture(scope="module")
def oblique(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("oblique") / "run", oblique_affine())


def texts(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*.dcm")))


def test_a_source_is_joined_and_nothing_of_the_patient_leaks(oblique, source, tmp_path, capsys):
    out = export(oblique, tmp_path / "out", "--source", source)
    assert "first echo and T1w map correlate by 1.0000" in capsys.readouterr().out
    first = pydicom.dcmread(next(source.glob("*.dcm")))
    for image in read(out, "chi"):
        assert image.StudyInstanceUID == first.StudyInstanceUID
        assert image.PatientID == "sub-01"
        own = [pydicom.dcmread(path) for path in source.glob("*.dcm")]
        at = [s for s in own if np.allclose(s.ImagePositionPatient, image.ImagePositionPatient, atol=1e-3)]
        named = {item.ReferencedSOPInstanceUID for item in image.SourceImageSequence}
        assert named == {s.SOPInstanceUID for s in at} and len(named) == 6  # three echoes of two parts
        series = {item.SeriesInstanceUID: item for item in image.ReferencedSeriesSequence}
        assert series.keys() == {s.SeriesInstanceUID for s in at}
        assert image.ImageOrientationPatient == pytest.approx([float(v) for v in first.ImageOrientationPatient])
    assert not [secret for secret in SECRETS if secret.encode() in texts(out)]
    assert "F" not in {image.PatientSex for image in read(out, "chi")}


def test_the_patient_is_copied_on_request(oblique, source, tmp_path):
    out = export(oblique, tmp_path / "out", "--source", source, "--copy-patient")
    image, first = read(out, "chi")[0], pydicom.dcmread(next(source.glob("*.dcm")))
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
        assert image[name].value == first[name].value
    assert "InstitutionName" not in image and "OperatorsName" not in image
    volume = read_volume(oblique / f"{LABEL}_Chimap.nii.gz")
    truth = 1000 * placed(image, volume.affine, volume.data)
    assert np.abs(image.pixel_array * float(image.RescaleSlope) - truth).max() <= float(image.RescaleSlope)


def test_the_frame_of_reference_is_that_of_the_source(oblique, source, tmp_path):
    shutil.copytree(source, tmp_path / "in")
    for path in (tmp_path / "in").glob("*.dcm"):
        content = pydicom.dcmread(path)
        content.FrameOfReferenceUID = "1.2.3.4"
        content.save_as(path)
    out = export(oblique, tmp_path / "out", "--source", tmp_path / "in")
    assert {image.FrameOfReferenceUID for image in read(out, "t1w")} == {"1.2.3.4"}


@pytest.mark.parametrize("write", [write_ge, write_philips], ids=["real and imaginary of GE", "Philips"])
def test_sources_of_other_vendors_are_proven_too(oblique, tmp_path, capsys, write):
    write(tmp_path / "in", signal(SHAPE), Protocol(affine=oblique_affine()))
    export(oblique, tmp_path / "out", "--source", tmp_path / "in")
    assert "correlate by 1.0000" in capsys.readouterr().out


def moved(mm: float) -> np.ndarray:
    affine = oblique_affine()
    affine[0, 3] += mm
    return affine


def turned() -> np.ndarray:
    affine = oblique_affine()
    affine[:3, :3] = np.array([[0.999, -0.045, 0], [0.045, 0.999, 0], [0, 0, 1]]) @ affine[:3, :3]
    return affine


@pytest.mark.parametrize(
    ("shape", "affine"),
    [(SHAPE, moved(0.2)), (SHAPE, turned()), ((12, 10, 7), oblique_affine()), ((12, 8, 8), oblique_affine())],
    ids=["position", "orientation", "slices", "rows"],
)
def test_a_source_on_another_grid_is_refused(oblique, tmp_path, capsys, shape, affine):
    folder = tmp_path / "in"
    write_siemens(folder, signal(shape), Protocol(affine=affine))
    error = refusal(capsys, oblique, tmp_path / "out", "--source", folder)
    assert f"{folder}: expected the grid of sub-01: 8 slices of 12×10 pixels" in error and "found series 5 of" in error
    assert not [secret for secret in SECRETS if secret in error]


def test_a_source_of_another_head_is_refused(tmp_path, source, capsys):
    run = write_run(tmp_path / "run", oblique_affine(), seed=1)
    error = refusal(capsys, run, tmp_path / "out", "--source", source, "--copy-patient")
    assert "expected the head of sub-01: a first echo that correlates with its T1w map by at least 0.98" in error
    assert not [secret for secret in SECRETS if secret in error]


def test_a_source_named_as_another_subject_is_refused(oblique, source, tmp_path, capsys):
    run = write_run(shutil.copytree(oblique, tmp_path / "run"), oblique_affine(), "sub-Zzsecret", user_t1w=True)
    error = refusal(capsys, run, tmp_path / "out", "--source", source, "--scan", "sub-01")
    assert "expected the scan of sub-01, found the PatientID of sub-Zzsecret" in error


def test_two_runs_in_a_source_are_refused(oblique, source, tmp_path, capsys):
    shutil.copytree(source, tmp_path / "in/one")
    write_siemens(tmp_path / "in/two", signal(SHAPE), Protocol(affine=oblique_affine()).later(4))
    error = refusal(capsys, oblique, tmp_path / "out", "--source", tmp_path / "in")
    assert "expected one image of each part, echo and slice" in error and "series 5, 6, 9, 10" in error


def test_two_patients_in_a_source_are_refused(oblique, source, tmp_path, capsys):
    shutil.copytree(source, tmp_path / "in")
    for path in sorted((tmp_path / "in").glob("*.dcm"))[:3]:
        content = pydicom.dcmread(path)
        content.PatientID = "somebody else"
        content.save_as(path)
    assert "found 2 patients" in refusal(capsys, oblique, tmp_path / "out", "--source", tmp_path / "in")


def test_what_cannot_be_done_is_refused_before_anything_is_written(oblique, source, tmp_path, capsys):
    run = write_run(shutil.copytree(oblique, tmp_path / "run"), oblique_affine(), "sub-02")
    out = tmp_path / "out"
    assert "--scan: expected scans of" in refusal(capsys, run, out, "--scan", "sub-03")
    assert "expected one scan (--scan sub-01), found 2" in refusal(capsys, run, out, "--source", source)
    assert "--copy-patient: expected --source DIR" in refusal(capsys, run, out, "--copy-patient")
    assert "none: expected a run with maps" in refusal(capsys, tmp_path / "none", out)
    (tmp_path / "empty").mkdir()
    words = ("--scan", "sub-01", "--source", tmp_path / "empty")
    assert "expected DICOM files of magnitude, phase" in refusal(capsys, run, out, *words)
    bad = run / f"{LABEL}_Chimap.nii.gz"
    volume = read_volume(bad)
    volume.data[0, 0, 0] = np.nan
    write_volume(bad, volume.data, volume)
    assert f"{bad}: expected finite values, found 1 that are not" in refusal(capsys, run, out)
    (run / f"{LABEL}_desc-brain_mask.nii.gz").unlink()
    assert "desc-brain_mask.nii.gz: expected a finished map" in refusal(capsys, run, out)


def test_nothing_is_overwritten(oblique, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert main(["export-dicom", str(oblique), str(tmp_path / "out")]) == 2
    assert "expected a folder that does not exist yet" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
