"""Volumes on another grid, by their place in the scanner."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.files.io import Volume
from recon.regions.resample import resample, same_grid

SHAPE = (20, 24, 16)


def ramp(shape, affine):
    """A volume whose value is a linear function of the place in the scanner."""
    index = np.stack([*np.indices(shape), np.ones(shape)], axis=-1)
    data = (index @ affine.T) @ [1.0, -2.0, 0.5, 0]
    return Volume(data=data.astype(np.float32), affine=affine)


def oblique(voxel_size_mm, angles_deg, shift_mm):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix() * voxel_size_mm
    affine[:3, 3] = shift_mm
    return affine


@pytest.mark.parametrize(
    "affine",
    [
        oblique([2, 2, 3], [0, 0, 0], [4, 5, 6]),
        oblique([1.5, 1.5, 2], [20, -10, 15], [8, 9, 12]),
        oblique([-2, 2, 2], [0, 5, 0], [30, 4, 6]),
    ],
    ids=["moved", "oblique", "left-handed"],
)
def test_values_stay_at_their_place_in_the_scanner(affine):
    source = ramp((40, 48, 40), np.diag([2.0, 2.0, 2.0, 1.0]))
    wanted = ramp(SHAPE, affine)
    place = np.stack([*np.indices(SHAPE), np.ones(SHAPE)], axis=-1) @ affine.T
    inside = ((place[..., :3] >= 0) & (place[..., :3] <= 2 * (np.array([40, 48, 40]) - 1))).all(-1)
    found = resample(source, wanted)
    assert inside.sum() > 1000
    np.testing.assert_allclose(found[inside], wanted.data[inside], atol=1e-3)


def test_outside_the_field_of_view_is_zero_and_bad_voxels_do_not_spread():
    source = Volume(data=np.ones((6, 6, 6), np.float32), affine=np.eye(4))
    source.data[2, 2, 2] = np.nan
    found = resample(source, Volume(data=np.zeros((12, 6, 6, 3), np.float32), affine=np.eye(4)))
    assert found.shape == (12, 6, 6)
    assert found.dtype == np.float32
    assert not found[7:].any()
    assert found[2, 2, 2] == 0
    assert (found[:6] == 1).sum() == 6**3 - 1


def test_rounded_affines_are_the_same_grid_and_half_a_voxel_is_not():
    volume = Volume(data=np.zeros(SHAPE), affine=oblique([2, 2, 3], [5, 5, 5], [1, 2, 3]))
    rounded = Volume(data=np.zeros((*SHAPE, 4)), affine=volume.affine.round(5))
    shifted = Volume(data=np.zeros(SHAPE), affine=oblique([2, 2, 3], [5, 5, 5], [2, 2, 3]))
    assert same_grid(volume, rounded)
    assert not same_grid(volume, shifted)
    assert not same_grid(volume, Volume(data=np.zeros((20, 24, 17)), affine=volume.affine))
