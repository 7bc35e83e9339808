"""The guard against leaks, with stand-ins for the extraction that give masks of a wanted volume."""

import numpy as np
import pytest

from recon.mask.leak import extract_without_leak


def extraction(volumes_ml):
    """Threshold → mask whose volume, on voxels of 1 ml, is that of the largest key not above it; and the calls."""
    calls = []

    def extract(threshold):
        calls.append(threshold)
        mask = np.zeros((20, 20, 10), bool)
        mask.ravel()[: volumes_ml[max(key for key in volumes_ml if key <= threshold)]] = True
        return mask

    return extract, calls


def run(volumes_ml, threshold):
    extract, calls = extraction(volumes_ml)
    return extract_without_leak(extract, threshold, (10, 10, 10)), calls


def test_a_stable_mask_keeps_the_threshold_without_a_note():
    found, _ = run({0: 1450, 0.5: 1300}, 0.2)
    assert (found.mask.sum(), found.threshold, found.note) == (1450, 0.2, "")


def test_a_mask_that_shrinks_by_a_fifth_has_leaked():
    found, _ = run({0: 1800, 0.5: 1400}, 0.2)
    assert (found.mask.sum(), found.threshold) == (1400, 0.5)
    assert found.note == "The mask leaked at threshold 0.2 (1800 ml); raised to 0.5 (1400 ml)."


def test_a_mask_larger_than_any_brain_is_raised_until_it_fits():
    found, calls = run({0: 3000, 0.5: 2800, 0.6: 1500}, 0.2)
    assert (found.mask.sum(), found.threshold, calls) == (1500, 0.65, [0.2, 0.5, 0.65])


def test_a_mask_that_never_fits_is_flagged():
    found, calls = run({0: 3000}, 0.2)
    assert calls[-1] == 0.8
    assert "more than any brain" in found.note


def test_the_usual_threshold_is_only_raised_for_its_volume():
    found, calls = run({0: 1450, 0.65: 900}, 0.5)
    assert (found.threshold, calls) == (0.5, [0.5])


def test_the_mask_of_a_slab_is_taken_as_it_is():
    found, calls = run({0: 700, 0.5: 300}, 0.2)
    assert (found.threshold, found.note, calls) == (0.2, "", [0.2])


@pytest.mark.parametrize("collapsed", [0, 300])
def test_a_collapse_at_the_usual_threshold_is_no_leak(collapsed):
    found, _ = run({0: 1450, 0.5: collapsed}, 0.2)
    assert (found.threshold, found.note) == (0.2, "")


def with_decay(decay_ml):
    """A mask of 3000 ml at any threshold, whose head has a decay with masks of these volumes."""
    extract, _ = extraction({0: 3000})
    return extract_without_leak(extract, 0.2, (10, 10, 10), lambda: extraction(decay_ml)[0])


def test_the_decay_shows_a_brain_that_no_threshold_does():
    found = with_decay({0: 1500, 0.5: 1400})
    assert (found.mask.sum(), found.threshold) == (1500, 0.2)
    assert "leaked at threshold 0.2 (3000 ml)" in found.note
    assert "decay between first and last echo instead (1500 ml)" in found.note


@pytest.mark.parametrize("decay_ml", [{0: 1500, 0.5: 1000}, {0: 2500}, {0: 700}])
def test_a_decay_that_shows_no_whole_brain_is_left(decay_ml):
    found = with_decay(decay_ml)
    assert found.mask.sum() == 3000
    assert "more than any brain" in found.note


def test_a_decay_without_a_head_is_left():
    def nothing():
        raise ValueError("magnitude: expected a head, found specks")

    extract, _ = extraction({0: 3000})
    assert extract_without_leak(extract, 0.2, (10, 10, 10), nothing).mask.sum() == 3000


def test_the_decay_is_not_looked_at_where_nothing_leaks():
    def asked():
        raise AssertionError("the decay was looked at")

    extract, _ = extraction({0: 1450})
    assert extract_without_leak(extract, 0.2, (10, 10, 10), asked).note == ""
