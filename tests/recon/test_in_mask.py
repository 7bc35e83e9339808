"""Voxels of a mask in the order of files."""

import numpy as np
import pytest

from recon.maths.in_mask import in_mask, put_in_mask


@pytest.mark.parametrize("order", ["F", "C"])
def test_voxels_come_in_the_order_of_files_and_go_back(order):
    images = np.asarray(np.random.default_rng(0).random((4, 5, 6, 3)), np.float32, order=order)
    mask = np.asarray(images[..., 0] > 0.4, order=order)
    x, y, z = np.nonzero(mask)
    as_in_files = np.lexsort((x, y, z))  # x runs fastest
    values = in_mask(images, mask)
    np.testing.assert_array_equal(values, images[mask][as_in_files])
    np.testing.assert_array_equal(in_mask(images[..., 1], mask), values[:, 1])
    back = np.zeros(mask.shape, np.float32, order=order)
    put_in_mask(back, mask, values[:, 1])
    np.testing.assert_array_equal(back, np.where(mask, images[..., 1], 0))


def test_a_part_of_an_image_and_an_empty_mask_are_taken_as_they_are():
    images = np.arange(240).reshape(8, 6, 5)[::2, 1:]  # neither order, whole numbers
    mask = images % 3 == 0
    assert sorted(in_mask(images, mask)) == sorted(images[mask])
    assert in_mask(images, np.zeros_like(mask)).shape == (0,)
