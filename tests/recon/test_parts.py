import numpy as np

from recon.maths.parts import largest_part


def test_the_largest_part_stays_alone():
    mask = np.zeros((8, 8, 8), bool)
    mask[:3, :3, :3] = mask[5:7, 5:7, 5:7] = mask[3, 3, 3] = True  # the last touches both by a corner only
    expected = np.zeros_like(mask)
    expected[:3, :3, :3] = True
    np.testing.assert_array_equal(largest_part(mask), expected)


def test_nothing_is_part_of_nothing():
    assert not largest_part(np.zeros((4, 4, 4), bool)).any()
