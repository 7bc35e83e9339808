import numpy as np
import pytest

from recon.background.sources import background_remainder, factors_of_field
from recon.grid import Grid
from tests.recon.physics import GRID, SHAPE, VOXEL_SIZE_MM, ball, field_of, slope

BRAIN = ball(36)
UP = np.array([0.0, 0.0, 1.0])


def remainder(field_ppm, b0_dir=UP):
    return background_remainder(field_ppm, BRAIN, Grid(VOXEL_SIZE_MM, b0_dir))


def spread(field_ppm):
    """Standard deviation in the brain."""
    return float(field_ppm[BRAIN].std())


def source(chi_ppm, radius_mm, centre_mm):
    return chi_ppm * ball(radius_mm, centre_mm).astype(np.float32)


@pytest.mark.parametrize("centre_mm", [(0, 46, -10), (-44, 0, 5), (0, 0, -42)])
@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), (0.0, 0.28, 0.96)])
def test_the_field_of_a_source_outside_is_found(centre_mm, b0_dir):
    field = field_of(source(0.4, 5, centre_mm), b0_dir)
    found = remainder(field, np.array(b0_dir))
    assert slope(found, field, BRAIN) == pytest.approx(1, abs=0.25)
    assert spread(found - field) < 0.35 * spread(field)


@pytest.mark.parametrize("chi_ppm", [0.03, 0.14])
@pytest.mark.parametrize("centre_mm", [(0, 0, 0), (14, 4, 0), (-5, 20, 8)])
def test_the_field_of_a_compact_source_inside_is_left_alone(chi_ppm, centre_mm):
    field = field_of(source(chi_ppm, 5, centre_mm))
    assert spread(remainder(field)) < 0.2 * spread(field)


def test_background_is_told_from_a_source_inside():
    inside, outside = field_of(source(0.1, 5, (14, 4, 0))), field_of(source(0.4, 5, (0, 0, -42)))
    found = remainder(inside + outside)
    assert spread(found - outside) < 0.5 * spread(inside)
    assert slope(found, outside, BRAIN) == pytest.approx(1, abs=0.3)


def test_it_scales_with_the_field():
    field = field_of(source(0.4, 5, (0, 46, -10)))
    assert spread(remainder(3 * field) - 3 * remainder(field)) < 0.005 * spread(field)


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_constant_is_no_source(value):
    assert np.abs(remainder(np.full(SHAPE, value, np.float32))).max() < 1e-5


def test_it_is_zero_outside_and_values_there_are_not_read():
    field = field_of(source(0.4, 5, (0, 46, -10)))
    found = remainder(field)
    assert found.dtype == np.float32
    assert not found[~BRAIN].any()
    np.testing.assert_array_equal(remainder(np.where(BRAIN, field, np.nan)), found)


def test_inputs_stay():
    field, mask = field_of(source(0.1, 5, (0, 0, 0))), BRAIN.copy()
    field.flags.writeable = mask.flags.writeable = False
    background_remainder(field, mask, GRID)


WIDE = ball(33) & ~ball(26)  # a cortex, whose field is slow


def contrast(shape):
    """A map that shows `shape`, mean zero in the brain."""
    return np.where(BRAIN, shape - shape[BRAIN].mean(), 0).astype(np.float32)[None]


def factor(field_ppm, shown):
    return factors_of_field(field_ppm, BRAIN, GRID, contrasts=shown).item()


@pytest.mark.parametrize("background", [0.0, 9.4])
def test_what_a_contrast_is_worth_is_read_from_the_total_field(background):
    field = field_of(0.03 * WIDE.astype(np.float32) + source(background, 5, (0, 50, -10)))
    assert factor(field, contrast(WIDE)) == pytest.approx(0.03, rel=0.35)


def test_a_contrast_without_susceptibility_is_worth_nothing():
    field = field_of(source(9.4, 5, (0, 50, -10)))
    assert factor(field, contrast(ball(8, (14, 4, 0)))) == pytest.approx(0, abs=0.002)


def test_a_contrast_that_the_field_does_not_follow_is_worth_nothing():
    field = field_of(0.03 * WIDE.astype(np.float32))
    assert factor(field, contrast(np.sin(np.indices(SHAPE)[0] / 3.0))) == pytest.approx(0, abs=1e-4)


def test_a_mask_thinner_than_a_coarse_voxel_says_nothing():
    thin = BRAIN & (np.arange(SHAPE[2]) == 24)
    field = field_of(source(0.4, 5, (0, 46, -10)))
    assert factors_of_field(field, thin, GRID, contrasts=contrast(WIDE)).tolist() == [0]
