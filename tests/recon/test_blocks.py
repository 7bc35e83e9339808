"""Sums over blocks of voxels and the way back."""

import numpy as np
import pytest

from recon.maths.blocks import block_sum, expand

SHAPE = (11, 12, 13)
SIZES = pytest.mark.parametrize("size", [(2, 2, 2), (3, 1, 2), (4, 5, 3), (20, 6, 13)])


def volume():
    return np.random.default_rng(0).standard_normal(SHAPE)


@SIZES
def test_centred_blocks_of_a_turned_volume_are_the_blocks_turned(size):
    turned = np.flip(block_sum(np.flip(volume()), size, centred=True))
    np.testing.assert_allclose(turned, block_sum(volume(), size, centred=True), rtol=1e-12)


@SIZES
@pytest.mark.parametrize("centred", [False, True])
def test_every_voxel_counts_once(size, centred):
    assert block_sum(volume(), size, centred=centred).sum() == pytest.approx(volume().sum())


@pytest.mark.parametrize("centred", [False, True])
def test_a_slope_survives_blocks_and_the_way_back(centred):
    shape, size = (31, 26, 16), (4, 3, 2)
    slope = np.add.outer(np.arange(31), np.add.outer(2.0 * np.arange(26), -np.arange(16)))
    mean = block_sum(slope, size, centred=centred) / block_sum(np.ones(shape), size, centred=centred)
    back = expand(mean, size, shape, centred=centred)
    whole = (slice(6, -6), slice(5, -5), slice(3, -3))  # a block that is cut short has its centre elsewhere
    np.testing.assert_allclose(back[whole], slope[whole], atol=1e-4)
