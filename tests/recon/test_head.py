"""Where the cranium is, and what the intensities of a head are."""

import numpy as np
import pytest

from recon.mask.head import coarsen, cranium_centre, find_head


def test_blocks_are_averaged():
    image = np.arange(5 * 4 * 3, dtype=np.float32).reshape(5, 4, 3)
    coarse = coarsen(image, np.array([2, 2, 1]))
    assert coarse.shape == (2, 2, 3)
    assert coarse[1, 0, 2] == image[2:4, 0:2, 2].mean()


def figure(head_radius_mm, neck_radius_mm, shape=(60, 60, 90)):
    """A ball at (60, 60, 130) mm on a cylinder along z that leaves the image, on voxels of 2 mm."""
    x, y, z = np.moveaxis(np.stack(np.indices(shape), axis=-1) * 2.0 - [60, 60, 130], -1, 0)
    neck = (np.hypot(x, y) < neck_radius_mm) & (z < 0)
    return neck | (x**2 + y**2 + z**2 < head_radius_mm**2)


def test_the_centre_is_in_the_ball_and_not_in_its_neck():
    centre_mm = cranium_centre(figure(40, 30), np.full(3, 2.0))
    np.testing.assert_allclose(centre_mm, [60, 60, 130], atol=4)


def test_hollows_and_specks_do_not_move_the_centre():
    head = figure(40, 30)
    head[25:35, 25:35, 60:70] = False  # a ventricle
    head[::9, ::9, ::9] = True  # noise in the air
    np.testing.assert_allclose(cranium_centre(head, np.full(3, 2.0)), [60, 60, 130], atol=6)


def test_a_brain_in_dark_bone_is_its_own_ball():
    """The bone is open to the air at the foot of the image, and the neck is the larger part."""
    head = figure(50, 48)
    bone = figure(44, 12)
    brain = figure(38, 0)
    np.testing.assert_allclose(cranium_centre((head & ~bone) | brain, np.full(3, 2.0)), [60, 60, 130], atol=6)


def test_specks_are_no_head():
    head = np.zeros((20, 20, 20), bool)
    head[::3, ::3, ::3] = True
    with pytest.raises(ValueError, match="expected a head, found specks"):
        cranium_centre(head, np.ones(3))


def test_the_sphere_is_half_as_wide_as_the_head_and_sees_its_median():
    head = find_head(np.where(figure(40, 0), 100.0, 1.0), (2, 2, 2))
    assert head.radius_mm == pytest.approx(20, rel=0.02)
    assert head.median == pytest.approx(100)


def test_voxels_keep_their_place_on_the_coarse_grid():
    fine = np.repeat(np.repeat(figure(40, 0), 3, axis=0), 3, axis=1)
    head = find_head(np.where(fine, 100.0, 1.0), (2 / 3, 2 / 3, 2))
    np.testing.assert_array_equal(head.factor, [3, 3, 1])
    np.testing.assert_allclose(head.centre_mm, [60, 60, 130], atol=2)
