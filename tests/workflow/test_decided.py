from dataclasses import asdict

import numpy as np
import pytest

from recon.files.io import read_json, write_json
from recon.intake.decide import decide
from tests.recon.intake import echo_files as ef
from workflow.lib.jobs.checksums import sha256
from workflow.lib.study.decided import decided, kept
from workflow.scripts import prepare_echoes

CODE = {"workflow/scripts/prepare_echoes.py": "0123"}
CFG = asdict(ef.AUTO)
OUTPUTS = ("magnitude.nii", "phase.nii", "acquisition.json")


@pytest.fixture
def files(tmp_path):
    (folder := tmp_path / "sub-01").mkdir()
    series = ef.polar_files(folder, ef.echoes(), ef.siemens, Manufacturer="Siemens")
    return series, {file: sha256(file) for file in series.files}


@pytest.fixture
def check(files, tmp_path):
    series, sums = files
    write_json(tmp_path / "check.json", {"decided": kept(decide(series, ef.AUTO), sums, CFG, CODE)})
    return tmp_path / "check.json"


def test_what_the_check_kept_is_what_it_decided(files, check):
    series, sums = files
    assert decided(check, sums, CFG, CODE) == decide(series, ef.AUTO)


def test_other_files_settings_or_code_are_decided_anew(files, check, tmp_path):
    _, sums = files
    first = next(iter(sums))
    assert decided(check, sums | {first: "0" * 64}, CFG, CODE) is None
    assert decided(check, sums, CFG | {"phase_sign": -1}, CODE) is None
    assert decided(check, sums, CFG, {**CODE, "recon/intake/decide.py": "4567"}) is None
    assert decided(tmp_path / "none.json", sums, CFG, CODE) is None


def test_decisions_that_were_edited_are_not_believed(files, check):
    content = read_json(check)
    content["decided"]["phase_sign"] *= -1
    write_json(check, content)
    assert decided(check, files[1], CFG, CODE) is None


def test_echoes_are_the_same_whether_the_check_has_decided_or_the_job(files, check, tmp_path, monkeypatch):
    series, sums = files
    monkeypatch.setattr(prepare_echoes, "series_of", lambda images, sidecars: series)
    written = []
    for known in (None, decided(check, sums, CFG, CODE)):
        paths = [str(tmp_path / name) for name in OUTPUTS]
        prepare_echoes.main([], [], *paths, CFG, known)
        written.append([sha256(path) for path in paths])
    assert known is not None
    assert written[0] == written[1]
    assert np.unique(written[0]).size == len(OUTPUTS)
