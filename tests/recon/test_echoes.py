import json

import numpy as np
import pytest

from recon.acquisition import Acquisition
from recon.files import nifti_header
from recon.intake.echoes import PrepareEchoes, form, prepare_echoes
from recon.intake.scan import Image
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef


@pytest.fixture(scope="module")
def signals():
    return ef.echoes()


def rad_files(folder, signals, **facts):
    return ef.polar_files(folder, signals, np.angle, Units="rad", Manufacturer="Simulated", **facts)


def test_echoes_come_with_the_facts_of_the_acquisition(signals, tmp_path):
    series = rad_files(tmp_path, signals, FlipAngle=24, RepetitionTimeExcitation=0.03, RepetitionTime=9)
    magnitude, phase_rad, acquisition, grid = prepare_echoes(series, ef.AUTO)
    assert magnitude.shape == phase_rad.shape == (*ef.SHAPE, 3)
    assert acquisition.te_s == ef.TE_S
    assert acquisition.b0_dir == (0, 0, 1)
    assert acquisition.voxel_size_mm == (2, 2, 2.5)
    assert (acquisition.b0_tesla, acquisition.flip_angle_deg, acquisition.tr_s) == (3, 24, 0.03)
    np.testing.assert_array_equal(grid.affine, ef.AFFINE)


def test_the_direction_of_the_field_follows_the_affine(signals, tmp_path, monkeypatch):
    monkeypatch.setattr(ef, "AFFINE", np.array([[0, 0, 2.0, 0], [1.5, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, 0, 1]]))
    acquisition = prepare_echoes(rad_files(tmp_path, signals), ef.AUTO)[2]
    assert acquisition.b0_dir == (0, 1, 0)
    assert acquisition.voxel_size_mm == (1.5, 1.5, 2)


def test_a_direction_that_the_sidecar_states_is_taken(signals, tmp_path):
    acquisition = prepare_echoes(rad_files(tmp_path, signals, B0_dir=[0, 0.6, 0.8]), ef.AUTO)[2]
    assert acquisition.b0_dir == pytest.approx((0, 0.6, 0.8))


def test_a_voxel_that_is_bad_in_one_echo_is_empty_in_all(signals, tmp_path):
    phase = [np.angle(z) for z in signals]
    phase[1][9, 9, 9] = np.nan
    series = ef.files(tmp_path, [np.abs(z) for z in signals], phase, Units="rad")
    magnitude, phase_rad, _, _ = prepare_echoes(series, ef.AUTO)
    assert not magnitude[9, 9, 9].any()
    assert not phase_rad[9, 9, 9].any()
    assert np.isfinite(phase_rad).all()


def test_what_was_decided_stays_with_the_acquisition(signals, tmp_path):
    acquisition = prepare_echoes(rad_files(tmp_path, signals), ef.AUTO)[2]
    acquisition.write(tmp_path / "acquisition.json")
    assert Acquisition.read(tmp_path / "acquisition.json") == acquisition
    assert acquisition.decisions["Form"] == "mag + phase, 6 files of 3 echoes"
    assert {"PhaseUnits", "SliceChop", "PhaseSign"} <= acquisition.decisions.keys()
    assert isinstance(hash(acquisition), int)
    json.dumps(acquisition.decisions)


def test_form_of_real_and_imaginary_parts(signals, tmp_path):
    assert form(ef.cartesian_files(tmp_path, signals)) == "real + imag, 6 files of 3 echoes"


def test_the_sign_of_the_config_turns_the_phase(signals, tmp_path):
    series = rad_files(tmp_path, signals)
    turned = prepare_echoes(
        series, PrepareEchoes(phase_sign=-1, phase_range=None, slice_chop="never", phase_filter="refuse")
    )[1]
    np.testing.assert_allclose(turned, -prepare_echoes(series, ef.AUTO)[1])


@pytest.mark.parametrize("one_file", [False, True])
def test_every_file_is_opened_and_unpacked_once(signals, tmp_path, monkeypatch, one_file):
    parts = [[np.rint(np.abs(z)) for z in signals], [np.angle(z) for z in signals]]
    series = ef.files(tmp_path, *parts, Units="rad", Manufacturer="Simulated")
    if one_file:
        paths = [ef.write(tmp_path / f"{i}.nii.gz", np.stack(part, -1)) for i, part in enumerate(parts)]
        images = tuple(tuple(Image(path, echo) for echo in range(len(signals))) for path in paths)
        series = ef.series(images, Units="rad", Manufacturer="Simulated")
    opened, unpack = [], nifti_header.open_packed
    monkeypatch.setattr(nifti_header, "open_packed", lambda path: opened.append(path) or unpack(path))
    prepare_echoes(series, ef.AUTO)
    assert sorted(opened) == sorted(series.files)


def test_doubt_is_refused(signals, tmp_path):
    series = ef.polar_files(tmp_path, signals, ef.siemens)
    with pytest.raises(IntakeError, match=r"phase1\.nii\.gz: expected Units: rad or a known Manufacturer"):
        prepare_echoes(series, ef.AUTO)


def test_phase_offsets_of_slices_are_gone_and_the_echoes_agree(signals, tmp_path):
    offset = np.random.default_rng(3).normal(0, 0.7, ef.SHAPE[2])
    _, clean, _, _ = prepare_echoes(rad_files(tmp_path, signals), ef.AUTO)
    (tmp_path / "cut").mkdir()
    cut = rad_files(tmp_path / "cut", [z * np.exp(1j * offset) for z in signals], MRAcquisitionType="2D")
    magnitude, phase_rad, acquisition, _ = prepare_echoes(cut, ef.AUTO)
    left = np.angle(np.exp(1j * (phase_rad - clean)))[(magnitude > 200).all(-1)]
    steps = np.angle(np.exp(1j * (left - left[0])))
    assert np.abs(steps).max() < 0.5 < np.ptp(offset)  # what stays is the smooth receive phase
    assert acquisition.decisions["SliceOffsets"].startswith("those of the slices along axis 2 removed")


def test_the_field_is_that_of_the_frequency(signals, tmp_path):
    acquisition = prepare_echoes(rad_files(tmp_path, signals, ImagingFrequency=123.19), ef.AUTO)[2]
    assert acquisition.b0_tesla == pytest.approx(2.8934, abs=1e-4)
    assert "MagneticFieldStrength 3 T is nominal" in acquisition.decisions["MainField"]
