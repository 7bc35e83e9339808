import numpy as np
import pytest

from recon.background.spikes import without_spikes
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, field_of, grid_mm

MASK = ball(40)
STEEP = field_of(9.4 * ball(6, (0, 52, -20)).astype(np.float32))  # ppm, 8 mm from the mask
CENTRE = (32, 36, 24)
RIM = tuple(np.argwhere(MASK)[0])


def repaired(field_ppm, mask=MASK):
    return without_spikes(field_ppm, mask, VOXEL_SIZE_MM)


@pytest.mark.parametrize(
    "value",
    [0.4, np.nan, np.inf, -np.inf, 1.57, -1.57, 30.0],
)
@pytest.mark.parametrize("voxel", [CENTRE, RIM], ids=["centre", "rim"])
def test_a_spike_is_replaced_by_its_neighbours_and_nothing_else_changes(value, voxel):
    spoilt = STEEP.copy()
    spoilt[voxel] += value
    result = repaired(spoilt)
    assert result[voxel] == pytest.approx(STEEP[voxel], abs=0.05)
    rest = MASK.copy()
    rest[voxel] = False
    np.testing.assert_array_equal(result[rest], STEEP[rest])


def test_two_spikes_side_by_side_are_both_found():
    spoilt = STEEP.copy()
    spoilt[32:34, 36, 24] += (2.0, -2.0)
    np.testing.assert_allclose(repaired(spoilt)[MASK], STEEP[MASK], atol=0.02)


def test_a_cluster_that_is_not_finite_is_filled_from_its_rim():
    spoilt = STEEP.copy()
    spoilt[30:35, 34:39, 22:27] = np.nan
    np.testing.assert_allclose(repaired(spoilt)[MASK], STEEP[MASK], atol=0.05)


def test_a_steep_harmonic_field_stays_bit_for_bit():
    np.testing.assert_array_equal(repaired(STEEP)[MASK], STEEP[MASK])
    x, y, _ = grid_mm()
    saddle = (x * y / 600).astype(np.float32)  # up to 0.1 ppm from voxel to voxel
    np.testing.assert_array_equal(repaired(saddle)[MASK], saddle[MASK])


@pytest.mark.parametrize("sd", [0.01, 0.04, 1.0])
def test_noise_stays_bit_for_bit(sd):
    noise = sd * np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    np.testing.assert_array_equal(repaired(noise)[MASK], noise[MASK])


def test_the_wall_of_a_vein_is_no_spike():
    x, _, z = grid_mm()
    vein = field_of((0.3 * (np.hypot(x, z) < 2)).astype(np.float32))
    np.testing.assert_array_equal(repaired(vein)[MASK], vein[MASK])


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_what_lies_outside_the_mask_is_not_read(value):
    result = repaired(np.where(MASK, STEEP, value))
    np.testing.assert_array_equal(result, np.where(MASK, STEEP, 0))
    assert result.dtype == np.float32


def test_nothing_finite_gives_zero():
    assert not repaired(np.full(SHAPE, np.nan)).any()


def test_a_lone_voxel_keeps_its_value():
    mask = np.zeros(SHAPE, bool)
    mask[CENTRE] = True
    assert repaired(np.full(SHAPE, 3.0), mask)[CENTRE] == 3


def test_inputs_stay():
    field, mask = STEEP.copy(), MASK.copy()
    field[CENTRE] = np.nan
    field.flags.writeable = mask.flags.writeable = False
    repaired(field, mask)
