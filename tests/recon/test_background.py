import numpy as np
import pytest

from recon.background import LocalField, local_field
from tests.recon.physics import VOXEL_SIZE_MM, ball, field_of, grid_mm, nuclei, slope

PARAMS = LocalField(method="sharp", radius_mm=6.0, threshold=0.05)


@pytest.fixture(scope="module")
def brain():
    return ball(40)


def test_constant_and_harmonic_fields_vanish(brain):
    x, y, z = grid_mm()
    harmonic = (0.7 + 0.01 * x - 0.02 * z + 2e-4 * (x**2 - y**2)).astype(np.float32)
    local, eroded = local_field(harmonic, brain, VOXEL_SIZE_MM, PARAMS)
    assert np.abs(local[eroded]).max() < 5e-3 * np.ptp(harmonic[brain])


def test_source_outside_is_removed_and_source_inside_stays(brain):
    inside = field_of(nuclei())
    outside = field_of(9.4 * ball(6, (0, 52, -20)).astype(np.float32))
    local, eroded = local_field(inside + outside, brain, VOXEL_SIZE_MM, PARAMS)
    assert slope(local, inside, eroded) == pytest.approx(1, abs=0.05)
    alone, _ = local_field(inside, brain, VOXEL_SIZE_MM, PARAMS)
    # what is left of the background is under 1 % of it
    assert (local - alone)[eroded].std() < 0.01 * outside[eroded].std()


def test_mask_loses_the_radius_of_the_sphere(brain):
    _, eroded = local_field(np.zeros(brain.shape, np.float32), brain, VOXEL_SIZE_MM, PARAMS)
    assert not (eroded & ~ball(36)).any()
    assert eroded[ball(32)].all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_voxel_does_not_spread(brain, bad):
    field = field_of(nuclei())
    spoiled = field.copy()
    spoiled[0, 0, 0] = spoiled[32, 36, 24] = bad
    local, eroded = local_field(spoiled, brain, VOXEL_SIZE_MM, PARAMS)
    clean, _ = local_field(field, brain, VOXEL_SIZE_MM, PARAMS)
    assert np.isfinite(local).all()
    far = eroded & ~ball(14)
    assert np.abs(local - clean)[far].max() < 0.1 * np.abs(clean[eroded]).max()


def test_echoes_are_treated_alike_and_nothing_stands_outside_the_mask(brain):
    field = field_of(nuclei())
    stack = np.stack([field, 2 * field], -1)
    local, eroded = local_field(stack, brain, VOXEL_SIZE_MM, PARAMS)
    np.testing.assert_allclose(local[..., 1], 2 * local[..., 0], atol=1e-6)
    assert not local[~eroded].any()


def test_mask_without_room_for_a_sphere_is_refused():
    with pytest.raises(ValueError, match="holds a sphere of 6.0 mm"):
        local_field(np.zeros((64, 72, 48), np.float32), ball(4), VOXEL_SIZE_MM, PARAMS)
