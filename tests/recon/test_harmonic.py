import numpy as np
import pytest
from scipy import ndimage

from recon.background.harmonic import harmonic_extension
from recon.maths.neighbours import CROSS, CUBE, compact_laplacian, laplacian_weights
from tests.recon.physics import ball, grid_mm

SHAPE = (40, 44, 36)
VOXELS = [(1.0, 1.0, 1.0), (1.5, 1.5, 2.0), (0.6, 0.6, 2.0)]
TOLERANCE = 5e-3  # of the largest value; the solver stops at a small residual, not at zero
POLYNOMIALS = {
    "constant": lambda x, y, z: 1 + 0 * x,
    "linear": lambda x, y, z: 0.3 + x - 2 * z,
    "xy": lambda x, y, z: x * y,
    "z2": lambda x, y, z: z**2 - (x**2 + y**2) / 2,
    "cubic": lambda x, y, z: x**3 - 3 * x * y**2,
}


def on_a_ball(voxel_size_mm, polynomial):
    """Values of a harmonic polynomial, and the ball that just fits into the grid."""
    radius_mm = min(0.45 * n * v for n, v in zip(SHAPE, voxel_size_mm, strict=True))
    x, y, z = (c / radius_mm for c in grid_mm(SHAPE, voxel_size_mm))
    return POLYNOMIALS[polynomial](x, y, z).astype(np.float32), ball(radius_mm, (0, 0, 0), SHAPE, voxel_size_mm)


def surface_of(mask):
    return mask & ~ndimage.binary_erosion(mask, CROSS)


@pytest.fixture(scope="module")
def rough():
    """White noise, the roughest rim."""
    return np.random.default_rng(0).uniform(-1, 1, SHAPE).astype(np.float32)


@pytest.mark.parametrize("voxel_size_mm", VOXELS)
def test_weights_of_all_six_neighbours_sum_to_one_and_near_ones_count_more(voxel_size_mm):
    w = laplacian_weights(np.array(voxel_size_mm))
    assert 2 * w.sum() == pytest.approx(1)
    np.testing.assert_allclose(w * np.square(voxel_size_mm), w[0] * voxel_size_mm[0] ** 2)


@pytest.mark.parametrize("voxel_size_mm", VOXELS)
@pytest.mark.parametrize("polynomial", POLYNOMIALS)
def test_harmonic_polynomials_are_recovered_from_the_surface(voxel_size_mm, polynomial):
    truth, mask = on_a_ball(voxel_size_mm, polynomial)
    values = np.where(surface_of(mask), truth, 0)
    extension = harmonic_extension(values, mask, np.array(voxel_size_mm))
    np.testing.assert_allclose(extension[mask], truth[mask], atol=TOLERANCE * np.abs(truth[mask]).max())


def test_it_equals_the_values_on_the_surface_and_zero_outside(rough):
    mask = ball(17, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    extension = harmonic_extension(rough, mask, np.ones(3))
    np.testing.assert_array_equal(extension[surface_of(mask)], rough[surface_of(mask)])
    assert not extension[~mask].any()
    assert extension.dtype == np.float32


@pytest.mark.parametrize("voxel_size_mm", VOXELS)
def test_inside_every_voxel_is_the_mean_of_its_neighbours(rough, voxel_size_mm):
    mask = ball(12, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    smooth = ndimage.gaussian_filter(rough, 2)
    extension = harmonic_extension(smooth, mask, np.array(voxel_size_mm))
    stencil = compact_laplacian(np.array(voxel_size_mm))
    stencil /= stencil[1, 1, 1]
    rest = ndimage.correlate(extension, stencil)[ndimage.binary_erosion(mask, CUBE)]
    assert np.abs(rest).max() < 0.02 * smooth[mask].std()


@pytest.mark.parametrize("voxel_size_mm", [*VOXELS, (0.6, 0.6, 1.2)])
def test_the_stencil_vanishes_for_harmonic_polynomials_of_fifth_order(voxel_size_mm):
    x, y, z = (c / 10 for c in grid_mm((7, 7, 7), voxel_size_mm))
    stencil = compact_laplacian(np.array(voxel_size_mm))
    for polynomial in (x**4 - 6 * x**2 * z**2 + z**4, x**3 * y - x * y**3, y**5 - 10 * y**3 * z**2 + 5 * y * z**4):
        scale = np.abs(ndimage.correlate(np.abs(polynomial), np.abs(stencil)))[3, 3, 3] + np.abs(polynomial).max()
        assert abs(ndimage.correlate(polynomial, stencil.astype(float))[3, 3, 3]) < 1e-6 * scale


@pytest.mark.parametrize("voxel_size_mm", VOXELS)
def test_the_field_of_a_source_close_to_the_rim_is_continued(voxel_size_mm):
    """To a quarter of the error of the seven-point stencil, or less."""
    x, y, z = grid_mm(SHAPE, voxel_size_mm)
    edge_mm = 0.45 * min(n * v for n, v in zip(SHAPE, voxel_size_mm, strict=True))
    gap_mm = 3 * max(voxel_size_mm)
    potential = 1 / np.sqrt((x - edge_mm - gap_mm) ** 2 + y**2 + (z - 1) ** 2)
    mask = ball(edge_mm, (0, 0, 0), SHAPE, voxel_size_mm)
    error = (harmonic_extension(potential, mask, np.array(voxel_size_mm)) - potential)[mask]
    assert error.std() < 2e-3 * potential[mask].std()


def test_extremes_lie_on_the_surface(rough):
    mask = ball(17, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    values = rough[surface_of(mask)]
    extension = harmonic_extension(rough, mask, np.ones(3))[mask]
    assert values.min() - TOLERANCE <= extension.min()
    assert extension.max() <= values.max() + TOLERANCE


def test_values_inside_and_outside_do_not_matter(rough):
    mask = ball(15, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    other = np.where(surface_of(mask), rough, np.nan)
    np.testing.assert_array_equal(
        harmonic_extension(other, mask, np.ones(3)), harmonic_extension(rough, mask, np.ones(3))
    )


@pytest.mark.parametrize("box", [np.s_[20:21, 20:21, 18:19], np.s_[10:30, 10:30, 18:19], np.s_[10:30, 20:21, 18:20]])
def test_a_mask_that_is_all_surface_keeps_its_values(rough, box):
    mask = np.zeros(SHAPE, bool)
    mask[box] = True
    np.testing.assert_array_equal(harmonic_extension(rough, mask, np.ones(3)), np.where(mask, rough, 0))


def test_parts_of_a_mask_do_not_know_of_each_other():
    left, right = (ball(7, (x, 0, 0), SHAPE, (1, 1, 1)) for x in (-10, 10))
    extension = harmonic_extension(2.0 * left - 3.0 * right, left | right, np.ones(3))
    np.testing.assert_allclose(extension[left], 2, atol=0.01)
    np.testing.assert_allclose(extension[right], -3, atol=0.01)


def test_a_hole_is_a_surface_too():
    mask = ball(15, shape=SHAPE, voxel_size_mm=(1, 1, 1)) & ~ball(4, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    hole = ball(6, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    extension = harmonic_extension(np.where(hole, 1.0, 0.0), mask, np.ones(3))
    between = mask & ~surface_of(mask)
    assert extension[between].min() > -TOLERANCE
    x, y, z = grid_mm(SHAPE, (1, 1, 1))
    r = np.sqrt(x**2 + y**2 + z**2)
    means = [extension[(r > a) & (r < a + 1) & between].mean() for a in range(5, 13)]
    assert means == sorted(means, reverse=True)


def test_inputs_stay(rough):
    values, mask = rough.copy(), ball(10, shape=SHAPE, voxel_size_mm=(1, 1, 1))
    values.flags.writeable = mask.flags.writeable = False
    harmonic_extension(values, mask, np.ones(3))
