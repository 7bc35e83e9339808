import numpy as np
import pytest
from scipy import ndimage

from recon.background import local_field
from recon.background.rim import continuable, plausible
from tests.recon.physics import GRID, SHAPE, VOXEL_SIZE_MM, ball, field_of, grid_mm

BRAIN = ball(36)
OUTER = field_of(9.4 * ball(6, (0, 52, -20)).astype(np.float32))
SINUS = ball(5, (0, 0, 36))  # reaches into the brain
NOISE_PPM = 0.0012


def noisy(field_ppm, sd_ppm=NOISE_PPM):
    return (field_ppm + sd_ppm * np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)


def peeled(field_ppm, mask=BRAIN):
    return continuable(field_ppm, mask, VOXEL_SIZE_MM)


def within_mm(centre_mm, radius_mm):
    return sum((c - o) ** 2 for c, o in zip(grid_mm(), centre_mm, strict=True)) < radius_mm**2


@pytest.mark.parametrize("sd_ppm", [0.0, NOISE_PPM, 0.01])
def test_a_smooth_field_costs_no_voxel(sd_ppm):
    np.testing.assert_array_equal(peeled(noisy(OUTER, sd_ppm)), BRAIN)


def test_the_rim_beside_a_strong_source_goes_and_no_other():
    dropped = BRAIN & ~peeled(noisy(OUTER + field_of(0.4 * SINUS.astype(np.float32))))
    assert dropped.any()
    assert not (dropped & ~within_mm((0, 0, 37), 12)).any()


def test_a_strong_source_in_the_depth_stays():
    vein = field_of(0.3 * ball(3, (10, 0, 0)).astype(np.float32))
    np.testing.assert_array_equal(peeled(noisy(OUTER + vein)), BRAIN)


def test_what_is_not_finite_at_the_rim_goes():
    rim = np.argwhere(BRAIN & ~ndimage.binary_erosion(BRAIN))
    x, y, z = rim[len(rim) // 2]
    field = noisy(OUTER)
    field[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2] = np.nan
    kept = peeled(field)
    assert not kept[x, y, z]
    assert kept.sum() > 0.98 * BRAIN.sum()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_what_lies_outside_is_not_read(value):
    field = noisy(OUTER + field_of(0.4 * SINUS.astype(np.float32)))
    np.testing.assert_array_equal(peeled(np.where(BRAIN, field, value)), peeled(field))


@pytest.mark.parametrize("thickness", [1, 2])
def test_a_mask_of_a_few_voxels_stays(thickness):
    mask = np.zeros(SHAPE, bool)
    mask[30 : 30 + thickness, 30 : 30 + thickness, 20 : 20 + thickness] = True
    np.testing.assert_array_equal(peeled(noisy(OUTER, 1.0), mask), mask)


def test_nothing_steep_ends_in_the_brain_itself():
    """What is left is in one piece, without holes, within the mask."""
    kept = peeled(noisy(OUTER + field_of(0.4 * SINUS.astype(np.float32))))
    assert ndimage.label(kept)[1] == 1
    np.testing.assert_array_equal(ndimage.binary_fill_holes(kept), kept)
    assert not (kept & ~BRAIN).any()


def test_a_hole_of_the_mask_stays_a_hole():
    hollow = BRAIN & ~ball(6)
    kept = peeled(noisy(OUTER + field_of(0.4 * SINUS.astype(np.float32))), hollow)
    assert (hollow & ~kept).any()
    assert not (kept & ~hollow).any()


RIM = BRAIN & ~ndimage.binary_erosion(BRAIN)
TISSUE = field_of(0.1 * ball(8, (10, 0, 0)).astype(np.float32))


def test_tissue_and_its_noise_cost_no_voxel_at_the_rim():
    np.testing.assert_array_equal(plausible(noisy(TISSUE), BRAIN, VOXEL_SIZE_MM), BRAIN)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_field_stronger_than_tissue_goes_at_the_rim_and_stays_in_the_depth(sign):
    wrong = np.zeros(SHAPE, bool)
    wrong[tuple(np.argwhere(RIM)[[0, 500, 1000]].T)] = True
    deep = ball(4, (-10, 0, 0))
    kept = plausible(noisy(TISSUE + sign * 0.2 * (wrong | deep)), BRAIN, VOXEL_SIZE_MM)
    np.testing.assert_array_equal(kept, BRAIN & ~wrong)


def test_what_counts_as_strong_at_the_rim_grows_with_noise():
    kept = plausible(noisy(TISSUE, 0.03), BRAIN, VOXEL_SIZE_MM)
    assert kept.sum() > 0.999 * BRAIN.sum()


def test_without_magnitude_a_stretch_of_rim_measured_wrongly_is_left_out_and_no_other():
    field = noisy(OUTER + TISSUE + 0.3 * (RIM & within_mm((0, 0, 36), 8)))
    shown = np.ones((*SHAPE, 2), np.float32)
    local_ppm, alone = local_field(field, BRAIN, GRID, method="lbv_sources")
    _, told = local_field(field, BRAIN, GRID, method="lbv_sources", magnitude=shown)
    dropped = told & ~alone
    assert dropped.any()
    assert not (dropped & ~within_mm((0, 0, 36), 12)).any()
    assert not local_ppm[~alone].any()
