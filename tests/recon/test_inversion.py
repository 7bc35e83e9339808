from dataclasses import replace

import numpy as np
import pytest

from recon.inversion import DipoleInversion, dipole_inversion, inverse_kernel, structure_mask
from recon.kernels import dipole_kernel
from tests.recon.physics import VOXEL_SIZE_MM, ball, field_of, nuclei, slope

TKD = DipoleInversion(
    method="tkd", threshold=0.1, iterations=4, iteration_threshold=0.1, structure="chi", structure_r2star_hz=25.0
)
ITERATIVE = replace(TKD, method="iterative_tkd")


@pytest.fixture(scope="module")
def brain():
    return ball(40)


def test_inverse_kernel_is_one_over_d_outside_the_cone_and_bounded_inside():
    D = dipole_kernel((24, 24, 24), VOXEL_SIZE_MM, np.array([0, 0, 1]))
    G = inverse_kernel(D, 0.1)
    outside = np.abs(D) > 0.1
    np.testing.assert_allclose((G * D)[outside], 1, rtol=1e-5)
    assert np.abs(G).max() <= 10.0001
    assert G[0, 0, 0] == 0
    assert (np.sign(G) == np.sign(D)).all()


def test_tkd_recovers_most_of_the_susceptibility(brain):
    chi = nuclei()
    estimate = dipole_inversion(field_of(chi), brain, VOXEL_SIZE_MM, (0, 0, 1), TKD)
    assert 0.75 < slope(estimate, chi, brain) < 1


def test_iteration_brings_the_slope_nearer_to_one(brain):
    chi, r2star = nuclei(), 20 + 120 * nuclei()
    field = field_of(chi)
    params = replace(ITERATIVE, structure="r2star_or_chi")
    plain = slope(dipole_inversion(field, brain, VOXEL_SIZE_MM, (0, 0, 1), TKD), chi, brain)
    iterated = slope(dipole_inversion(field, brain, VOXEL_SIZE_MM, (0, 0, 1), params, r2star), chi, brain)
    assert abs(iterated - 1) < abs(plain - 1)
    assert iterated == pytest.approx(1, abs=0.06)


def test_map_does_not_depend_on_how_the_head_lies_in_the_field(brain):
    chi = nuclei()
    tilted = np.array([0, np.sin(0.4), np.cos(0.4)])
    straight = dipole_inversion(field_of(chi), brain, VOXEL_SIZE_MM, (0, 0, 1), TKD)
    oblique = dipole_inversion(field_of(chi, tilted), brain, VOXEL_SIZE_MM, tilted, TKD)
    wrong = dipole_inversion(field_of(chi, tilted), brain, VOXEL_SIZE_MM, (0, 0, 1), TKD)
    core = chi > 0.1
    assert oblique[core].mean() == pytest.approx(straight[core].mean(), rel=0.05)
    assert np.corrcoef(oblique[brain], chi[brain])[0, 1] > np.corrcoef(wrong[brain], chi[brain])[0, 1] + 0.05


def test_a_paramagnetic_nucleus_comes_out_positive(brain):
    chi = nuclei()
    estimate = dipole_inversion(field_of(chi), brain, VOXEL_SIZE_MM, (0, 0, 1), ITERATIVE)
    assert estimate[chi > 0.1].mean() > 0.1


def test_scaling_the_field_scales_tkd(brain):
    field = field_of(nuclei())
    one, two = (dipole_inversion(f, brain, VOXEL_SIZE_MM, (0, 0, 1), TKD) for f in (field, 2 * field))
    np.testing.assert_allclose(two, 2 * one, atol=1e-5)


@pytest.mark.parametrize("params", [TKD, ITERATIVE])
def test_nothing_stands_outside_the_mask_and_inputs_stay(brain, params):
    field = field_of(nuclei())
    field[0, 0, 0] = np.nan
    before = field.copy()
    estimate = dipole_inversion(field, brain, VOXEL_SIZE_MM, (0, 0, 1), params)
    assert not estimate[~brain].any()
    assert np.isfinite(estimate).all()
    np.testing.assert_array_equal(field, before)


def test_structure_follows_r2star_where_iron_is_low_and_drops_islands():
    chi = np.zeros((64, 72, 48), np.float32)
    r2star = 20 + 10 * ball(8).astype(np.float32)
    chi[ball(3, (20, 0, 0))] = 0.3
    mask = np.ones(chi.shape, bool)
    M = structure_mask(chi, mask, r2star, replace(ITERATIVE, structure="r2star_or_chi"))
    assert M[ball(6)].all()
    assert not M[ball(3, (20, 0, 0))].any()
    assert not structure_mask(chi, mask, r2star, ITERATIVE).any()
