"""A subject whose DICOM folder has changed for the worse takes no part in a run, in none of its processes."""

import shutil

import pytest

from recon.files.io import read_json, write_json
from recon.intake.decide import PrepareEchoes
from recon.intake.dicom.source import record_path
from tests.recon.intake.synthetic_dicom import Protocol, oblique_affine, signal, write_siemens
from workflow.lib.study.check_table import text
from workflow.lib.study.intake import take_in, with_problems
from workflow.lib.study.study import from_dicom, refused_before

SMALL = signal(shape=(6, 5, 4))


@pytest.fixture
def study(tmp_path):
    """The DICOM folders of two subjects, one of them with two visits, and the dataset that they became."""
    for place in ("01/ses-1", "01/ses-2", "02"):
        write_siemens(tmp_path / "dicom" / place, SMALL, Protocol(affine=oblique_affine(), study=place))
    assert from_dicom(tmp_path / "dicom", tmp_path / "bids") == {}
    return tmp_path


def test_jobs_refuse_what_the_first_process_refuses(study, capsys):
    shutil.rmtree(study / "dicom/02")
    next((study / "dicom/01").rglob("*.dcm")).unlink()
    refused = from_dicom(study / "dicom", study / "bids")
    assert refused.keys() == {"sub-01", "sub-02"}
    assert refused_before(study / "bids") == refused
    assert "sub-02 (folder none): refused" in capsys.readouterr().err


def test_what_is_mended_is_no_longer_refused(study):
    (study / "dicom/02").rename(study / "away")
    assert from_dicom(study / "dicom", study / "bids").keys() == {"sub-02"}
    (study / "away").rename(study / "dicom/02")
    assert from_dicom(study / "dicom", study / "bids") == refused_before(study / "bids") == {}


def test_what_another_converter_wrote_is_converted_anew(study, capsys):
    images = {path: path.stat().st_mtime_ns for path in (study / "bids").rglob("*.nii.gz")}
    record = record_path(study / "bids", "sub-01")
    told = read_json(record)
    write_json(record, told | {"source": told["source"] | {"converter": "v1.0.20220720"}})
    capsys.readouterr()
    assert from_dicom(study / "dicom", study / "bids") == {}
    assert "sub-01 (folder 01): 2 series (converted anew: converter v1.0.20220720, now v" in capsys.readouterr().err
    assert read_json(record)["source"] == told["source"]
    assert {path: path.stat().st_mtime_ns for path in images} == images  # the images are the same: nothing runs again


def test_every_scan_of_a_refused_subject_leaves_the_run(study):
    shutil.rmtree(study / "dicom/01")
    refused = from_dicom(study / "dicom", study / "bids")
    params = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
    taken = take_in(study / "bids", None, params, study / "check", 1, progress=lambda *_: None)
    left = with_problems(taken, refused)
    assert taken.problems.keys() | taken.scans.keys() == {"sub-01_ses-1", "sub-01_ses-2", "sub-02"}
    assert {"sub-01_ses-1", "sub-01_ses-2"} <= left.problems.keys() and not left.scans.keys() - {"sub-02"}
    assert [record.name for record in left.records] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert text(left.records).count("expected the folder that sub-01 was converted from") == 2
