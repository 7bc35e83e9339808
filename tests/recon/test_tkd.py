import numpy as np
import pytest
from scipy import fft, ndimage

from recon.grid import Grid
from recon.inversion.division import inverse_kernel, iterative_tkd, smoothed, structure_mask, tkd
from recon.maths.kernels import dipole_kernel
from tests.recon.physics import GRID, VOXEL_SIZE_MM, ball, field_of, nuclei, slope

T = 0.1
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def D():
    return dipole_kernel((24, 26, 20), Grid(VOXEL_SIZE_MM, (0, 0.6, 0.8)))


@pytest.mark.parametrize("truncation", ["clamp", "swim", "zero"])
def test_kernel_is_one_over_d_outside_the_cone_bounded_inside_and_zero_at_the_origin(D, truncation):
    G = inverse_kernel(D, T, truncation)
    outside = np.abs(D) > T
    np.testing.assert_allclose((G * D)[outside], 1, rtol=1e-5)
    assert np.abs(G).max() <= 1.0001 / T
    assert G[0, 0, 0] == 0
    assert (G * D >= 0).all()
    assert G.dtype == np.float32


def test_inside_the_cone_clamp_holds_the_bound_and_zero_drops_it(D):
    cone = (np.abs(D) < T) & (D != 0)
    np.testing.assert_allclose(inverse_kernel(D, T, "clamp")[cone], np.sign(D[cone]) / T, rtol=1e-6)
    assert not inverse_kernel(D, T, "zero")[cone].any()


@pytest.mark.parametrize("sign", [1, -1])
def test_alpha_rises_from_nothing_at_d_zero_to_one_at_the_cone(sign):
    D = sign * np.array([1e-6, T * (1 - 1e-5)], np.float32)
    np.testing.assert_allclose(inverse_kernel(D, T, "swim"), [0, sign / T], atol=0.01)


def test_alpha_is_the_distance_along_b0_from_the_surface_of_zero_whatever_the_obliquity():
    across, b0 = 0.37, np.array([0.36, 0.48, 0.8])
    side = np.cross(b0, [0, 0, 1]) / np.linalg.norm(np.cross(b0, [0, 0, 1]))
    k0, k_plus = across / np.sqrt(2), across * np.sqrt((1 - 3 * T) / (2 + 3 * T))
    along = k0 + 0.3 * (k_plus - k0)
    k = along * b0 + across * side
    D = np.array([1 / 3 - (k @ b0) ** 2 / (k @ k)], np.float32)
    assert inverse_kernel(D, T, "swim")[0] == pytest.approx(0.3**2 / T, rel=1e-4)


def test_what_lies_outside_the_cone_is_recovered_exactly():
    mask = np.ones((24, 24, 20), bool)
    chi = np.zeros(mask.shape, np.float32)
    chi[8:14, 8:14, 8:12] = RNG.normal(size=(6, 6, 4))
    # zero-filled far enough and not cropped by a mask, the field holds chi off the cone
    grid = (96, 96, 80)
    D = dipole_kernel(grid, GRID)
    X = fft.rfftn(chi, grid)
    outside = np.abs(D) >= T
    recovered = X * D * inverse_kernel(D, T, "clamp")
    np.testing.assert_allclose(recovered[outside], X[outside], rtol=1e-4, atol=1e-4)


def test_scaling_the_field_scales_the_map():
    brain, field = ball(40), field_of(nuclei())
    one, two = (tkd(f, brain, GRID) for f in (field, 2 * field))
    np.testing.assert_allclose(two, 2 * one, atol=1e-5)


@pytest.mark.parametrize("truncation", ["clamp", "swim"])
def test_iteration_brings_the_slope_nearer_to_one(truncation):
    brain, chi = ball(40), nuclei()
    plain = slope(tkd(field_of(chi), brain, GRID, threshold=T, truncation=truncation), chi, brain)
    settings = {"threshold": T, "truncation": truncation, "structure": "r2star_or_chi", "r2star_hz": 20 + 120 * chi}
    iterated = slope(iterative_tkd(field_of(chi), brain, GRID, **settings), chi, brain)
    assert abs(iterated - 1) < abs(plain - 1)
    assert iterated == pytest.approx(1, abs=0.06)


def test_no_iteration_is_plain_division():
    brain, field = ball(40), field_of(nuclei())
    plain, none = tkd(field, brain, GRID), iterative_tkd(field, brain, GRID, iterations=0)
    np.testing.assert_allclose(none, plain, atol=1e-6)


def test_structures_are_found_in_the_echoes_together():
    brain, chi = ball(40), nuclei()
    noise = 0.02 * RNG.standard_normal((*chi.shape, 1), np.float32)
    echoes = field_of(chi)[..., None] + np.concatenate([noise, 0 * noise], -1)
    together = iterative_tkd(echoes, brain, GRID, structure="chi")
    alone = iterative_tkd(echoes[..., 1], brain, GRID, structure="chi")
    np.testing.assert_allclose(together[..., 1], alone, atol=0.01)  # the noisy echo adds no structure to the clear one


@pytest.mark.parametrize(("normal", "size"), [(2, (3, 3, 1)), (0, (1, 3, 3))])
def test_majority_is_the_median_filter_of_a_slice_before_a_threshold(normal, size):
    x = RNG.normal(size=(11, 13, 5))
    np.testing.assert_array_equal(smoothed(x > 0.1, normal), ndimage.median_filter(x, size, mode="nearest") > 0.1)


def test_structure_follows_r2star_where_iron_is_low_and_drops_islands():
    chi = np.zeros((64, 72, 48), np.float32)
    r2star = 20 + 10 * ball(8).astype(np.float32)
    chi[ball(3, (20, 0, 0))] = 0.3
    mask = np.ones(chi.shape, bool)
    M = structure_mask(chi, mask, 2, r2star_hz=r2star, structure="r2star_or_chi")
    assert M[ball(6)].all()
    assert not M[ball(3, (20, 0, 0))].any()
    assert not structure_mask(chi, mask, 2, r2star_hz=r2star, structure="chi").any()


def test_structure_ignores_r2star_that_is_not_a_number():
    r2star = np.full((32, 32, 16), np.nan, np.float32)
    empty, everywhere = np.zeros(r2star.shape), np.ones(r2star.shape, bool)
    assert not structure_mask(empty, everywhere, 2, r2star_hz=r2star, structure="r2star_or_chi").any()
