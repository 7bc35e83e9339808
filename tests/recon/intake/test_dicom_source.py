"""A DICOM folder that changes after its conversion is converted anew or refused, and nothing of the user is lost."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from recon.files.io import read_json
from recon.intake.dicom import convert as dicom
from recon.intake.dicom.convert import Conversion, convert, vanished
from recon.intake.dicom.source import record_path
from tests.recon.intake.synthetic_dicom import SECRET, Protocol, oblique_affine, signal, write_ge, write_siemens

PROTOCOL = Protocol(affine=oblique_affine())
SMALL = signal(shape=(6, 5, 4))


class Study:
    """A DICOM folder of one subject, and the dataset that it became."""

    def __init__(self, root: Path) -> None:
        self.dicom, self.bids = root / "dicom", root / "bids"
        self.subject = self.bids / "sub-01"

    def convert(self, **options: str) -> Conversion:
        return convert(self.dicom, self.bids, **options)[0]

    def images(self) -> dict[str, int]:
        """Times of the images [ns] by name."""
        return {path.name: path.stat().st_mtime_ns for path in self.subject.rglob("*.nii.gz")}

    def files(self) -> list[Path]:
        return sorted(path for path in self.dicom.rglob("*") if path.is_file())


@pytest.fixture
def study(tmp_path) -> Study:
    """Converted once, from a session."""
    made = Study(tmp_path)
    write_siemens(made.dicom / "01" / "ses-1", SMALL, PROTOCOL)
    assert len(made.convert().series) == 1
    return made


@pytest.fixture
def no_conversion(monkeypatch):
    """Any conversion fails the test."""
    monkeypatch.setattr(dicom, "_convert_whole", lambda *_: pytest.fail("converted again"))


def test_the_same_folder_is_left_alone(study, no_conversion):
    assert study.convert().already_there and study.convert().note == ""


def test_new_times_alone_change_nothing(study, no_conversion):
    for path in study.files():
        path.touch()
    assert study.convert().already_there


def test_a_second_visit_is_added_and_the_first_keeps_its_times(study):
    before = study.images()
    write_siemens(study.dicom / "01" / "ses-2", SMALL, replace(PROTOCOL, study="second"))
    conversion = study.convert()
    assert re.fullmatch(r"converted anew: DICOM files: \d+ new", conversion.note)
    assert len(conversion.series) == 2 and "converted anew" in str(conversion)
    assert study.images().items() > before.items()
    assert study.convert().already_there


def test_a_replaced_series_is_followed(study):
    shutil.rmtree(study.dicom / "01")
    write_ge(study.dicom / "01", SMALL, PROTOCOL)
    assert re.search(r"\d+ new, \d+ gone", study.convert().note)
    assert {"real" in name or "imag" in name for name in study.images()} == {True}
    assert not (study.subject / "ses-1").exists()


def test_other_content_under_the_same_name_size_and_time_is_noticed(study):
    path = study.files()[0]
    content, about = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1  # of the last pixel
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert "1 changed" in study.convert().note


def test_files_that_vanish_are_refused_and_the_conversion_stays(study):
    before = study.images()
    study.files()[0].unlink()
    (problem,) = study.convert().problems
    assert re.fullmatch(
        r"01: expected all (\d+) files that sub-01 was converted from, "
        rf"found 1 gone: put them back, or to convert anew: rm -r {study.subject}",
        str(problem),
    )
    assert study.images() == before


def test_what_a_user_edited_is_not_overwritten(study):
    sidecar = next(study.subject.rglob("*.json"))
    sidecar.write_text("{}")
    write_siemens(study.dicom / "01" / "ses-2", SMALL, replace(PROTOCOL, study="second"))
    (problem,) = study.convert().problems
    assert "1 edited by hand, as ses-1/anat/" in str(problem) and f"rm -r {study.subject}" in str(problem)
    assert sidecar.read_text() == "{}"


def test_a_change_that_cannot_be_converted_is_refused_and_asked_again(study):
    for path in study.files():
        path.write_bytes(path.read_bytes()[:200])
    assert study.convert().problems and study.convert().problems


@pytest.mark.parametrize("change", ["converter", "code"])
def test_another_converter_or_code_converts_anew_to_the_same_files(study, monkeypatch, change):
    study.convert(code="one")
    before = study.images()
    if change == "converter":
        monkeypatch.setattr(dicom, "converter_version", lambda _: "v9")
    conversion = study.convert(code="two" if change == "code" else "one")
    assert ("now v9" if change == "converter" else "code of the conversion") in conversion.note
    assert study.images() == before


def test_a_conversion_that_nobody_asked_for_its_code_keeps_the_known_one(study):
    study.convert(code="one")
    assert study.convert().note == "" and study.convert(code="one").note == ""


def test_what_a_user_edited_survives_another_converter(study, monkeypatch):
    next(study.subject.rglob("*.json")).write_text("{}")
    monkeypatch.setattr(dicom, "converter_version", lambda _: "v9")
    conversion = study.convert()
    assert conversion.already_there and "edited by hand, so not converted anew" in str(conversion)


def test_a_subject_without_a_record_is_left_alone_and_told(study):
    record_path(study.bids, "sub-01").unlink()
    conversion = study.convert()
    assert conversion.already_there
    assert str(conversion).endswith(f"(no record of its DICOM files; to convert anew: rm -r {study.subject})")


def test_the_record_names_nobody(tmp_path):
    made = Study(tmp_path)
    write_siemens(made.dicom / "01" / "Mustermann Max", SMALL, PROTOCOL)
    made.convert()
    record = record_path(made.bids, "sub-01")
    assert "Muster" not in record.read_text() and SECRET not in record.read_text()
    assert len(read_json(record)["source"]["files"]) == len(made.files())


def test_a_subject_whose_folder_is_gone_is_refused_until_it_is_removed(study):
    (study.dicom / "01").rename(study.dicom / "02")
    (conversion,) = vanished(study.dicom, study.bids)
    assert conversion.subject == "sub-01"
    assert f"to go on without it: rm -r {study.subject}" in str(conversion.problems[0])
    shutil.rmtree(study.subject)
    assert vanished(study.dicom, study.bids) == ()
