"""DICOM to BIDS: the signal survives, the person does not; what is broken is refused and leaves nothing behind."""

import errno
import gzip
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from recon.files.bids import entities
from recon.files.io import read_json, read_volume, sidecar_path
from recon.intake.dicom import convert as dicom
from recon.intake.dicom import converter as dicom_converter
from recon.intake.dicom.convert import Conversion, convert, main
from recon.intake.index import index
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
from tests.recon.intake.synthetic_enhanced import write_philips_enhanced, write_siemens_enhanced

PROTOCOL = Protocol(affine=oblique_affine())
THREE_ECHOES = signal(shape=(8, 7, 5), te_s=PROTOCOL.te_s)
SMALL = signal(shape=(6, 5, 4))
RAD = {"philips": 1.0, "philipsEnhanced": 1.0, "gepolar": 1e-3}  # [rad] per converted value, Siemens aside
UID_ROOT = "1.2.826"


def write_ge_polar(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    write_ge(folder / "deep" / "er", echoes, protocol, "mag phase")


def write_one_echo(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    write_siemens(folder, echoes[:1], protocol)


def write_each_echo_apart(folder: Path, echoes: np.ndarray, protocol: Protocol) -> None:
    """Magnitude of echo 1 is series 5, its phase 6, magnitude of echo 2 series 7 and so on."""
    for echo, te_s in enumerate(protocol.te_s):
        apart = replace(protocol, te_s=(te_s,), first_echo=echo + 1, number=protocol.number + 2 * echo)
        write_siemens(folder / f"echo {echo}", echoes[echo : echo + 1], apart)


WRITERS = {
    "siemens": write_siemens,
    "siemensXA": write_siemens_enhanced,
    "philips": write_philips,
    "philipsEnhanced": write_philips_enhanced,
    "gecomplex": write_ge,
    "gepolar": write_ge_polar,
    "oneEcho": write_one_echo,
    "apart": write_each_echo_apart,
}


@pytest.fixture(scope="module")
def vendors(tmp_path_factory) -> Path:
    """BIDS dataset converted from one subject a writer; its path holds a space and letters beyond ASCII."""
    root = tmp_path_factory.mktemp("Zürich study")
    for label, write in WRITERS.items():
        write(root / "dicom" / label, THREE_ECHOES, replace(PROTOCOL, study=label))
    convert(root / "dicom", root / "bids")
    return root / "bids"


def one(folder: Path, tmp_path: Path) -> Conversion:
    """Convert one folder of DICOM files into `tmp_path/bids`."""
    (conversion,) = convert(folder, tmp_path / "bids")
    return conversion


def images(folder: Path) -> list[Path]:
    """All images below a folder."""
    return sorted(folder.rglob("*.nii.gz"))


def files(folder: Path) -> list[Path]:
    """The DICOM files of a folder, in the order of writing."""
    return sorted(folder.glob("*.dcm"))


def edit(folder: Path, **tags) -> None:
    """Change tags of every DICOM file below a folder; None removes one."""
    for path in folder.rglob("*.dcm"):
        slice_ = pydicom.dcmread(path)
        for name, value in tags.items():
            delattr(slice_, name) if value is None else setattr(slice_, name, value)
        slice_.save_as(path)


def make_implicit(folder: Path) -> None:
    """Write every DICOM file below a folder anew, without types of values."""
    for path in folder.rglob("*.dcm"):
        content = pydicom.dcmread(path)
        content.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        pydicom.dcmwrite(path, content, implicit_vr=True, little_endian=True)


def at_voxels_of(image: Path, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The converted values, and the truth at the same places in the scanner; fails where the grids differ."""
    volume = read_volume(image)
    index = np.linalg.inv(oblique_affine()) @ volume.affine
    np.testing.assert_allclose(index, np.rint(index), atol=1e-3)
    voxels = np.einsum("ij,jxyz->ixyz", index[:3, :3], np.indices(volume.data.shape)) + index[:3, 3, None, None, None]
    return volume.data, truth[tuple(np.rint(voxels).astype(int))]


def all_bytes(folder: Path) -> bytes:
    """Names and content of everything below a folder, images unpacked."""
    content = [str(path.relative_to(folder)).encode() for path in folder.rglob("*")]
    for path in (p for p in folder.rglob("*") if p.is_file()):
        content.append(path.read_bytes())
        if path.suffix == ".gz":
            content.append(gzip.decompress(path.read_bytes()))
    return b"\n".join(content).lower()


def assert_tells_nobody(told: str) -> None:
    """No secret in a text of lower case, less its hashes and times of files [ns], in which chance writes any digits."""
    told = re.sub(r"\b([0-9a-f]{16}|[0-9a-f]{64}|1[0-9]{18})\b", "", told)
    assert [s for s in (*SECRETS, UID_ROOT) if s.lower() in told] == []


def assert_nothing_written(bids: Path) -> None:
    """No subject, no rest of one, no description of an empty dataset."""
    assert not bids.exists() or not list(bids.iterdir())


@pytest.mark.parametrize("label", WRITERS)
def test_the_complex_signal_and_its_place_survive(vendors, label):
    found = images(vendors / f"sub-{label}" / "anat")
    for echo in range(1 if label == "oneEcho" else 3):
        first, second = (path for path in found if entities(path)["echo"] == str(echo + 1))
        values, truth = at_voxels_of(first, THREE_ECHOES[echo])
        others = at_voxels_of(second, truth)[0]
        if entities(first)["part"] == "imag":
            np.testing.assert_allclose(others + 1j * values, truth, atol=1)
        else:
            np.testing.assert_allclose(values, abs(truth), atol=1)
            # half a step of 2π/4096, and 0.4 mrad because dcm2niix writes Philips' slope to four digits
            turn = np.exp(1j * RAD.get(label, np.pi / 4096) * others) / truth
            assert np.abs(np.angle(turn)).max() < 1.25e-3


@pytest.mark.parametrize(
    ("label", "manufacturer", "units"),
    [
        ("siemens", "Siemens", "arbitrary"),
        ("siemensXA", "Siemens", "arbitrary"),
        ("apart", "Siemens", "arbitrary"),
        ("philips", "Philips", "rad"),
        ("philipsEnhanced", "Philips", "rad"),
        ("gepolar", "GE", "arbitrary"),
        ("gecomplex", "GE", None),
    ],
)
def test_sidecars_tell_what_the_reconstruction_needs(vendors, label, manufacturer, units):
    anat = vendors / f"sub-{label}" / "anat"
    last = [p for p in images(anat) if entities(p)["part"] in ("phase", "imag")]
    sidecars = [read_json(sidecar_path(p)) for p in last]
    assert [s["EchoTime"] for s in sidecars] == list(PROTOCOL.te_s)
    facts = {key: sidecars[0].get(key) for key in ("MagneticFieldStrength", "FlipAngle", "RepetitionTime", "Units")}
    assert facts == {"MagneticFieldStrength": 3, "FlipAngle": 15, "RepetitionTime": 0.03, "Units": units}
    assert sidecars[0]["Manufacturer"] == manufacturer
    kept = {key: sidecars[0].get(key) for key in ("ImagingFrequency", "MRAcquisitionType", "SliceThickness")}
    assert kept == {"ImagingFrequency": 123.2, "MRAcquisitionType": "3D", "SliceThickness": 2}


@pytest.mark.parametrize("scale_slope", [None, 1.0, 1303.48])
def test_philips_phase_without_true_values_is_not_called_rad(tmp_path, scale_slope):
    write_philips(tmp_path / "dicom", SMALL, PROTOCOL, scale_slope)
    assert one(tmp_path / "dicom", tmp_path).series[0].units == "arbitrary"
    phase = next(p for p in images(tmp_path / "bids") if entities(p)["part"] == "phase")
    assert read_json(sidecar_path(phase))["Units"] == "arbitrary"


def test_the_dataset_is_valid_bids(vendors):
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed")
    result = subprocess.run([validator, str(vendors)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_every_converted_subject_is_a_scan(vendors):
    scans, problems = index(vendors)
    assert problems == {}
    assert {name: len(scan.series.te_s) for name, scan in scans.items()} == {
        f"sub-{label}": 1 if label == "oneEcho" else 3 for label in WRITERS
    }


def test_no_file_tells_who_was_scanned(vendors):
    assert_tells_nobody(all_bytes(vendors).decode("latin-1"))


def several_scans(folder: Path) -> None:
    write_ge(folder, SMALL, PROTOCOL)
    write_ge(folder / "more", SMALL[:1], PROTOCOL.later(3))


def one_echo(folder: Path) -> None:
    write_one_echo(folder, SMALL, PROTOCOL)


def a_cut_file(folder: Path) -> None:
    write_ge(folder, SMALL, PROTOCOL)
    cut_file(folder)


def echoes_of_unclear_scans(folder: Path) -> None:
    for step, echo in enumerate((0, 0, 1)):
        write_siemens(folder, SMALL[:1], replace(PROTOCOL, te_s=PROTOCOL.te_s[echo : echo + 1]).later(2 * step))


def echoes_in_one_file(folder: Path) -> None:
    write_siemens_enhanced(folder, SMALL, PROTOCOL, together=True)


def implicit_echoes_in_one_file(folder: Path) -> None:
    echoes_in_one_file(folder)
    make_implicit(folder)


@pytest.mark.parametrize(
    ("write", "outcome"),
    [
        (several_scans, "1 series"),
        (one_echo, "1 series\n  sub-p1: one echo (qsm without r2*)"),
        (a_cut_file, "refused"),
        (echoes_of_unclear_scans, "refused\n  p1, series 5, 7 and 9 (mag): expected the echoes of a scan"),
        (echoes_in_one_file, "1 series"),
        (implicit_echoes_in_one_file, "1 series"),
    ],
)
def test_no_message_tells_who_was_scanned(tmp_path, capfd, write, outcome):
    write(tmp_path / "dicom" / "p1")
    assert main([str(tmp_path / "dicom"), str(tmp_path / "bids")]) == int("refused" in outcome)
    told = "".join(capfd.readouterr()).lower()
    assert f"sub-p1 (folder p1): {outcome}" in told
    assert_tells_nobody(told)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_subjects_own_folder_is_refused(tmp_path, capfd, implicit):
    write_each_echo_apart(tmp_path / "dicom", SMALL, PROTOCOL)
    if implicit:
        make_implicit(tmp_path / "dicom")
    assert main([str(tmp_path / "dicom"), str(tmp_path / "bids")]) == 1
    told = "".join(capfd.readouterr()).lower()
    assert "expected one folder per subject, with all its series inside (dicom_dir/subject/series)" in told
    assert "found one examination in 3 folders: echo 0, echo 1, echo 2" in told
    assert_tells_nobody(told)
    assert_nothing_written(tmp_path / "bids")


def test_two_flip_angles_are_told_apart(tmp_path):
    write_siemens(tmp_path / "dicom", SMALL, Protocol(affine=oblique_affine(), flip_deg=24))
    write_siemens(tmp_path / "dicom", SMALL, Protocol(affine=oblique_affine(), flip_deg=6, number=7))
    found = one(tmp_path / "dicom", tmp_path).series
    assert [(s.name, s.numbers, s.flip_deg) for s in found] == [
        ("sub-01_acq-fa24", (5, 6), 24),
        ("sub-01_acq-fa06", (7, 8), 6),
    ]
    assert {entities(p)["acq"] for p in images(tmp_path / "bids")} == {"fa06", "fa24"}


def test_repeated_series_are_runs_each_with_its_own_phase(tmp_path):
    write_siemens(tmp_path / "dicom", SMALL.conj(), PROTOCOL.later(2))
    for path in (tmp_path / "dicom").iterdir():
        content = pydicom.dcmread(path)
        content.AcquisitionTime = "151500.000000"  # two runs at one time are none: single coils
        content.save_as(path)
    write_siemens(tmp_path / "dicom", SMALL, PROTOCOL)
    found = one(tmp_path / "dicom", tmp_path).series
    assert [(s.name, s.numbers) for s in found] == [("sub-01_run-1", (5, 6)), ("sub-01_run-2", (7, 8))]
    first, second = (p for p in images(tmp_path / "bids") if "echo-3_part-phase" in p.name)
    np.testing.assert_allclose(read_volume(first).data, -read_volume(second).data, atol=4)


def test_echoes_are_counted_by_time_beyond_nine(tmp_path):
    te_s = tuple((0.003 + 0.002 * np.arange(11)).round(4))
    write_ge(tmp_path / "dicom", signal((4, 4, 3), te_s), Protocol(affine=oblique_affine(), te_s=te_s))
    assert one(tmp_path / "dicom", tmp_path).series[0].te_s == te_s
    last = tmp_path / "bids" / "sub-01" / "anat" / "sub-01_echo-11_part-real_MEGRE.json"
    assert read_json(last)["EchoTime"] == te_s[-1]


def test_real_and_imaginary_are_preferred_to_magnitude_and_phase(tmp_path):
    write_ge(tmp_path / "dicom", SMALL, PROTOCOL, "mag phase real imag")
    conversion = one(tmp_path / "dicom", tmp_path)
    assert [s.parts for s in conversion.series] == [("real", "imag")]
    assert "mag and phase" in conversion.skipped[0].reason


def test_other_series_are_listed_with_the_reason(tmp_path):
    root, affine = tmp_path / "dicom", oblique_affine()
    write_ge(root / "qsm", SMALL, PROTOCOL)
    write_siemens(root / "localiser", SMALL[:1], Protocol(affine=affine, number=1, tr_s=0.01))
    write_siemens(root / "t1w", SMALL, Protocol(affine=affine, number=10, sequence=["GR", "IR"], tr_s=2))
    write_siemens(root / "bold", SMALL, Protocol(affine=affine, number=12, sequence=["EP", "GR"], tr_s=1))
    write_ge(root / "lonely", SMALL, Protocol(affine=affine, number=20, tr_s=0.05), "mag")
    coarse = affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    write_ge(root / "fieldmap", SMALL[:2], Protocol(affine=coarse, number=21, flip_deg=60))
    study = root.parent / "study"
    study.mkdir()
    root.rename(study / "p1")
    conversion = one(study, tmp_path)
    assert [s.name for s in conversion.series] == ["sub-p1"]
    reasons = {series.number: series.reason for series in conversion.skipped}
    assert reasons[1] == reasons[2] == "one echo"
    assert reasons[10] == "inversion recovery"
    assert reasons[12] == "echo planar"
    assert reasons[20] == "mag without its other part"
    assert "fewer echoes" in reasons[21]


def test_sessions_become_sessions(tmp_path):
    for session, study in (("ses-baseline", "a"), ("ses-2", "b")):
        write_ge(tmp_path / "dicom" / "p 1" / session, SMALL, Protocol(affine=oblique_affine(), study=study))
    (conversion,) = convert(tmp_path / "dicom", tmp_path / "bids")
    assert [s.name for s in conversion.series] == ["sub-p1_ses-2", "sub-p1_ses-baseline"]
    folders = {p.parent.relative_to(tmp_path / "bids").as_posix() for p in images(tmp_path / "bids")}
    assert folders == {"sub-p1/ses-2/anat", "sub-p1/ses-baseline/anat"}


def test_two_examinations_in_one_folder_are_refused(tmp_path):
    for number, study in ((5, "a"), (9, "b")):
        write_ge(tmp_path / "dicom", SMALL, Protocol(affine=oblique_affine(), study=study, number=number))
    problem = str(one(tmp_path / "dicom", tmp_path).problems[0])
    assert problem == "dicom: expected one examination (more of them: one ses-* folder each), found 2 examinations"


def test_files_that_are_no_dicom_are_ignored(tmp_path):
    write_ge(tmp_path / "dicom", SMALL, PROTOCOL)
    for name in ("notes.txt", "image.dcm", ".DS_Store"):
        (tmp_path / "dicom" / name).write_bytes(b"not an image" * 40)
    assert len(one(tmp_path / "dicom", tmp_path).series) == 1


def cut_file(folder: Path) -> None:
    path = files(folder)[5]
    path.write_bytes(path.read_bytes()[:-20])


def drop_slice_of_one_echo(folder: Path) -> None:
    files(folder)[0].unlink()


def drop_slice_of_every_echo(folder: Path) -> None:
    for path in files(folder)[1::4]:
        path.unlink()


def drop_last_echo_of_imaginary(folder: Path) -> None:
    for path in files(folder)[-4:]:
        path.unlink()


def give_all_echoes_one_time(folder: Path) -> None:
    edit(folder, EchoTime="4")


def give_all_echoes_one_time_and_number(folder: Path) -> None:
    edit(folder, EchoTime="4", EchoNumbers=1)


def remove_echo_times(folder: Path) -> None:
    edit(folder, EchoTime=None)


def remove_private_tags(folder: Path) -> None:
    for path in files(folder):
        slice_ = pydicom.dcmread(path)
        slice_.remove_private_tags()
        slice_.save_as(path)


def remove_everything(folder: Path) -> None:
    for path in files(folder):
        path.unlink()


@pytest.mark.parametrize(
    ("harm", "expected", "found"),
    [
        (cut_file, "every DICOM file complete", "of 24 converted"),
        (drop_slice_of_one_echo, "every image on the grid of echo 1 real, 6×5×3", "6×5×4"),
        (drop_slice_of_every_echo, "evenly spaced slices", "uneven spacing"),
        (drop_last_echo_of_imaginary, "the same echoes as real, 0.004, 0.0085, 0.013 s, in imag", "0.004, 0.0085 s"),
        (give_all_echoes_one_time, "an EchoTime for every echo", "3 volumes with echo times 0.004, 0.004, 0.004 s"),
        (give_all_echoes_one_time_and_number, "an EchoTime for every echo", "3 volumes with echo times 0.004 s"),
        (remove_echo_times, "an EchoTime for every echo", "3 volumes with echo times 0, 0, 0 s"),
        (remove_private_tags, "a gradient echo with magnitude and phase", "series 5 (neither magnitude, phase, real"),
        (remove_everything, "DICOM files", "none"),
    ],
)
def test_a_broken_subject_is_refused_and_leaves_nothing_behind(tmp_path, harm, expected, found):
    write_ge(tmp_path / "dicom" / "p1", SMALL, PROTOCOL)
    harm(tmp_path / "dicom" / "p1")
    (conversion,) = convert(tmp_path / "dicom", tmp_path / "bids")
    problem = conversion.problems[0]
    assert problem.file.startswith("p1")
    assert expected in problem.expected
    assert found in problem.found
    assert conversion.series == ()
    assert_nothing_written(tmp_path / "bids")


def test_a_broken_subject_does_not_stop_the_others(tmp_path):
    for label in ("a", "b", "c"):
        write_ge(tmp_path / "dicom" / label, SMALL, replace(PROTOCOL, study=label))
    cut_file(tmp_path / "dicom" / "b")
    told = []
    convert(tmp_path / "dicom", tmp_path / "bids", progress=told.append)
    assert [(c.subject, bool(c.problems)) for c in told] == [("sub-a", False), ("sub-b", True), ("sub-c", False)]
    assert (tmp_path / "bids" / "participants.tsv").read_text() == "participant_id\nsub-a\nsub-c\n"


def test_an_error_on_the_way_leaves_nothing_behind(tmp_path, monkeypatch):
    write_ge(tmp_path / "dicom", SMALL, PROTOCOL)
    copied = []

    def full_disk(source, target):
        copied.append(shutil.copy(source, target))
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(dicom, "copy_without_texts", full_disk)
    problem = str(one(tmp_path / "dicom", tmp_path).problems[0])
    assert problem == "dicom: expected files that can be read and written, found No space left on device"
    assert_nothing_written(tmp_path / "bids")


def test_a_subject_that_is_there_is_left_alone(tmp_path):
    write_ge(tmp_path / "dicom" / "p1", SMALL, PROTOCOL)
    (tmp_path / "bids" / "sub-p1").mkdir(parents=True)
    (conversion,) = convert(tmp_path / "dicom", tmp_path / "bids")
    assert conversion.already_there
    assert list((tmp_path / "bids" / "sub-p1").iterdir()) == []


def test_the_users_table_of_participants_is_left_alone(tmp_path):
    write_ge(tmp_path / "dicom", SMALL, PROTOCOL)
    (tmp_path / "bids").mkdir()
    table = tmp_path / "bids" / "participants.tsv"
    table.write_text("participant_id\tgroup\nsub-01\tHC\n")
    one(tmp_path / "dicom", tmp_path)
    assert table.read_text() == "participant_id\tgroup\nsub-01\tHC\n"


@pytest.mark.parametrize(
    ("names", "message"),
    [(("a-1", "a1"), "a-1, a1: expected a name"), (("A1", "a1"), "A1, a1: expected a name"), (("--",), "--: expected")],
)
def test_folders_that_cannot_be_told_apart_are_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / "dicom" / name).mkdir(parents=True)
    if len(list((tmp_path / "dicom").iterdir())) < len(names):
        pytest.skip("names that differ in case are one folder on this disk")
    with pytest.raises(IntakeError, match=message):
        convert(tmp_path / "dicom", tmp_path / "bids")
    assert_nothing_written(tmp_path / "bids")


def test_an_empty_dicom_folder_is_refused(tmp_path, capsys):
    (tmp_path / "dicom").mkdir()
    assert main([str(tmp_path / "dicom"), str(tmp_path / "bids")]) == 1
    assert "expected one folder per subject, or DICOM files of one subject, found neither" in capsys.readouterr().err


def test_output_inside_the_input_is_refused(tmp_path):
    write_ge(tmp_path / "p1", SMALL[:1], PROTOCOL)
    with pytest.raises(IntakeError, match="expected a folder outside the DICOM folder"):
        convert(tmp_path, tmp_path / "bids")


def test_an_absent_converter_is_named(tmp_path, monkeypatch):
    write_ge(tmp_path / "dicom", SMALL[:1], PROTOCOL)
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    monkeypatch.setattr(dicom_converter.shutil, "which", lambda name: None)
    with pytest.raises(IntakeError, match=r"dcm2niix: expected the converter \(pip install dcm2niix\)"):
        convert(tmp_path / "dicom", tmp_path / "bids")


def test_a_real_philips_series_equals_its_known_conversion(shared_data, tmp_path):
    folder = shared_data / "philips_2echo"
    conversion = one(folder / "dicom", tmp_path)
    assert [(s.te_s, s.parts, s.units) for s in conversion.series] == [((0.0023, 0.0046), ("mag", "phase"), "rad")]
    for echo, (part, suffix) in ((e, p) for e in (1, 2) for p in (("mag", ""), ("phase", "_ph"))):
        known = read_volume(folder / f"2001_WIP_fcMRI_Field_Mapping_cl_e{echo}{suffix}.nii.gz")
        image = read_volume(tmp_path / "bids" / "sub-01" / "anat" / f"sub-01_echo-{echo}_part-{part}_MEGRE.nii.gz")
        np.testing.assert_array_equal(image.data, known.data)
        np.testing.assert_allclose(image.affine, known.affine, atol=1e-5)
    assert b"d2n_philips" not in all_bytes(tmp_path / "bids")
