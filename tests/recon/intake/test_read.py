import numpy as np
import pytest

from recon.intake.chop import alternation
from recon.intake.decisions import Decisions, PhaseScale
from recon.intake.read import first_magnitude, load, stacked, stored_echoes
from recon.intake.scan import Image
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef


def decisions(scale=(1.0, 0.0), chop_axis=None, phase_sign=1):
    return Decisions(scale=scale and PhaseScale(*scale), chop_axis=chop_axis, phase_sign=phase_sign, reasons={})


def read_series(series, decisions):
    return stacked(stored_echoes(series), len(series.te_s), decisions)


def angle_between(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b)))).max()


@pytest.fixture(scope="module")
def signals():
    return ef.echoes()


def test_echoes_are_stacked_in_radians(signals, tmp_path):
    series = ef.polar_files(tmp_path, signals, ef.siemens_rescaled)
    magnitude, phase_rad, grid = read_series(series, decisions((np.pi / 4096, 0.0)))
    truth = np.stack(signals, -1)
    np.testing.assert_array_equal(magnitude, np.rint(np.abs(truth)))
    assert angle_between(phase_rad, np.angle(truth)) < 0.002
    assert magnitude.dtype == phase_rad.dtype == np.float32
    assert np.abs(phase_rad).max() <= np.float32(np.pi)
    np.testing.assert_array_equal(grid.affine, ef.AFFINE)


def test_real_and_imaginary_parts_become_magnitude_and_phase(signals, tmp_path):
    magnitude, phase_rad, _ = read_series(ef.cartesian_files(tmp_path, signals), decisions(scale=None))
    found, truth = magnitude * np.exp(1j * phase_rad), np.stack(signals, -1)
    assert np.abs(found - truth).max() < 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_chopping_and_sign_are_undone(signals, tmp_path, axis):
    stored = [(z * alternation(z.shape, axis)).conj() for z in signals]
    _, phase_rad, _ = read_series(ef.polar_files(tmp_path, stored, np.angle), decisions(chop_axis=axis, phase_sign=-1))
    assert angle_between(phase_rad, np.angle(np.stack(signals, -1))) < 1e-5


def test_four_dimensional_files_are_read_echo_by_echo(signals, tmp_path):
    paths = [
        ef.write(tmp_path / f"{part}.nii.gz", np.stack([f(z) for z in signals], -1))
        for part, f in (("mag", np.abs), ("phase", np.angle))
    ]
    series = ef.series(tuple(tuple(Image(path, e) for e in range(3)) for path in paths))
    magnitude, phase_rad, _ = read_series(series, decisions())
    np.testing.assert_allclose(magnitude, np.abs(np.stack(signals, -1)), rtol=1e-6)
    assert angle_between(phase_rad, np.angle(np.stack(signals, -1))) < 1e-5


def test_a_fourth_axis_of_one_image_is_dropped(signals, tmp_path):
    path = ef.write(tmp_path / "a.nii", np.abs(signals[0])[..., None])
    assert load(Image(path)).data.shape == ef.SHAPE


def test_a_four_dimensional_file_without_a_place_is_refused(signals, tmp_path):
    path = ef.write(tmp_path / "a.nii", np.abs(np.stack(signals, -1)))
    with pytest.raises(IntakeError, match=r"a\.nii: expected a 3-D image"):
        load(Image(path))


def test_a_truncated_file_is_named(signals, tmp_path):
    path = ef.write(tmp_path / "a b ü.nii.gz", np.abs(signals[0]))
    whole = (tmp_path / "a b ü.nii.gz").read_bytes()
    (tmp_path / "a b ü.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IntakeError, match=r"a b ü\.nii\.gz: expected a complete gzip file, found"):
        load(Image(path))


def test_first_magnitude_of_either_form(signals, tmp_path):
    (tmp_path / "p").mkdir()
    from_polar = first_magnitude(ef.polar_files(tmp_path / "p", signals, np.angle)).data
    from_cartesian = first_magnitude(ef.cartesian_files(tmp_path, signals)).data
    np.testing.assert_allclose(from_polar, from_cartesian, atol=1.3)


def test_first_magnitude_is_finite(signals, tmp_path):
    spoiled = np.abs(signals[0])
    spoiled[0, 0, :2] = [np.nan, np.inf]
    series = ef.files(tmp_path, [spoiled], [np.angle(signals[0])])
    assert first_magnitude(series).data[0, 0, :2].tolist() == [0, 0]
