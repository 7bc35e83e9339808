import numpy as np
import pytest

from recon.echoes import PrepareEchoes, phase_to_rad, prepare_echoes
from recon.io import Volume

RAD = PrepareEchoes(phase_sign=1, phase_range=None)


def wrap(phase):
    return np.mod(phase + np.pi, 2 * np.pi) - np.pi


@pytest.fixture
def phase():
    return wrap(np.linspace(-6, 6, 60).reshape(3, 4, 5)).astype(np.float32)


def test_radians_pass_through(phase):
    np.testing.assert_allclose(phase_to_rad(phase, "rad", "p.nii", RAD), phase, atol=1e-6)


def test_zero_to_two_pi_is_brought_to_minus_pi_to_pi(phase):
    np.testing.assert_allclose(phase_to_rad(phase % (2 * np.pi), "rad", "p.nii", RAD), phase, atol=1e-5)


def test_scanner_units_need_their_range(phase):
    raw = phase / np.pi * 4096
    with pytest.raises(ValueError, match=r"p\.nii: expected Units: rad .* found Units: arbitrary"):
        phase_to_rad(raw, "arbitrary", "p.nii", RAD)
    scaled = phase_to_rad(raw, "arbitrary", "p.nii", PrepareEchoes(phase_sign=1, phase_range=[-4096, 4096]))
    np.testing.assert_allclose(scaled, phase, atol=1e-5)


def test_values_that_contradict_their_unit_are_refused(phase):
    with pytest.raises(ValueError, match=r"p\.nii: expected wrapped phase in rad"):
        phase_to_rad(phase * 1000, "rad", "p.nii", RAD)
    with pytest.raises(ValueError, match=r"p\.nii: expected phase_range"):
        phase_to_rad(phase * 1000, "rad", "p.nii", PrepareEchoes(phase_sign=1, phase_range=[-100, 100]))


def test_sign_is_turned_on_request(phase):
    turned = phase_to_rad(phase, "rad", "p.nii", PrepareEchoes(phase_sign=-1, phase_range=None))
    np.testing.assert_allclose(turned, -phase, atol=1e-5)


def test_echoes_are_ordered_and_bad_voxels_are_emptied(phase):
    affine = np.array([[0, 0, 2.0, 0], [1.5, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, 0, 1]])
    spoiled = phase.copy()
    spoiled[1, 1, 1] = np.nan
    volumes = [Volume(data=spoiled, affine=affine), Volume(data=phase, affine=affine)]
    magnitudes = [Volume(data=np.full((3, 4, 5), v, np.float32), affine=affine) for v in (1.0, 2.0)]
    facts = [{"EchoTime": te, "MagneticFieldStrength": 3, "Units": "rad", "FlipAngle": 24} for te in (0.010, 0.005)]
    magnitude, phase_rad, acquisition = prepare_echoes(magnitudes, volumes, facts, ["a", "b"], RAD)
    assert acquisition.te_s == (0.005, 0.010)
    assert acquisition.b0_dir == (0.0, 1.0, 0.0)
    assert acquisition.voxel_size_mm == (1.5, 1.5, 2.0)
    assert magnitude[0, 0, 0].tolist() == [2.0, 1.0]
    assert not magnitude[1, 1, 1].any()
    assert not phase_rad[1, 1, 1].any()
    assert np.isnan(spoiled[1, 1, 1])
