"""Functions of large images in blocks, and pairs of slices as a sample of them."""

import numpy as np
import pytest

from recon.maths import pieces
from recon.maths.pieces import in_blocks, slice_pairs


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_give_what_the_whole_gives(monkeypatch, order):
    monkeypatch.setattr(pieces, "BLOCK", 7)
    a, b = (np.asarray(np.random.default_rng(i).normal(size=(4, 5, 6)), np.float32, order=order) for i in range(2))
    found = in_blocks(np.hypot, a, b)
    np.testing.assert_array_equal(found, np.hypot(a, b))
    assert found.flags.f_contiguous


def test_pairs_of_slices_are_neighbours_and_span_the_image(monkeypatch):
    image = np.broadcast_to(np.arange(40, dtype=np.int16), (3, 2, 40))
    assert slice_pairs(image).shape == (3, 2, 40, 1)
    monkeypatch.setattr(pieces, "SAMPLE", 60)
    pairs = slice_pairs(image)
    assert pairs.shape == (3, 2, 2, 5)
    np.testing.assert_array_equal(pairs[0, 0, 1], pairs[0, 0, 0] + 1)
    assert pairs.min() == 0 and pairs.max() == 39
