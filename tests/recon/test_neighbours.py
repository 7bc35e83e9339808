import numpy as np
import pytest

from recon.background import spikes
from recon.background.spikes import without_spikes
from recon.maths.neighbours import beside, filled, laplacian_weights, neighbour_mean, neighbour_mean_at

SHAPE, VOXEL_SIZE_MM = (24, 19, 13), (1.0, 1.0, 2.0)
WEIGHTS = laplacian_weights(VOXEL_SIZE_MM).astype(np.float32)


@pytest.fixture
def volume():
    rng = np.random.default_rng(0)
    field = rng.normal(0, 0.05, SHAPE).astype(np.float32)
    mask = np.zeros(SHAPE, bool)
    mask[2:-1, 1:, 1:-1] = rng.random((21, 18, 11)) > 0.05
    return np.asfortranarray(field), np.asfortranarray(mask)


def everywhere(field, good):
    return neighbour_mean(np.where(good, field, 0), good, WEIGHTS)


def test_means_at_places_are_those_of_the_whole_volume(volume):
    field, good = volume
    at = np.argwhere(np.random.default_rng(1).random(SHAPE) < 0.2)
    mean, known = everywhere(field, good)
    for whole, there in zip((mean, known), neighbour_mean_at(at, field, good, WEIGHTS), strict=True):
        np.testing.assert_array_equal(there, whole[tuple(at.T)])


def test_a_voxel_at_the_edge_has_fewer_beside_it():
    assert beside(np.array([[0, 0, 0], [1, 0, 0]]), (3, 1, 2)).tolist() == [
        [0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1], [2, 0, 0]
    ]  # fmt: skip


def test_a_hole_is_filled_from_its_rim_inwards(volume):
    mask = np.ones(SHAPE, bool)
    good = mask.copy()
    good[5:12, 5:12, 4:9] = False
    ramp = np.broadcast_to(np.arange(SHAPE[0], dtype=np.float32)[:, None, None], SHAPE)
    found = filled(ramp, mask, good, VOXEL_SIZE_MM)
    assert (found[good] == ramp[good]).all()
    assert np.abs(found - ramp)[~good].max() < 3.5  # half the hole
    assert found[8, 8, 6] == pytest.approx(8, abs=0.5)


@pytest.mark.parametrize("dropped", [0, 0.01, 1])
def test_only_what_a_spike_touches_is_looked_at_again(volume, dropped):
    """Every round as one that computes all means anew, to the last bit."""
    field, mask = volume
    rng = np.random.default_rng(2)
    field = np.where(rng.random(SHAPE) < 0.02, field + 3, field)
    field[rng.random(SHAPE) < dropped] = np.nan
    finite = good = mask & np.isfinite(field)
    shown = np.where(finite, field, 0)
    for _ in range(spikes.ROUNDS):
        mean, known = everywhere(shown, good)
        distance = np.abs(shown - mean)
        trusted = distance[good & known]
        if trusted.size == 0:
            break
        far = max(spikes.SPIKE_PPM, spikes.SPIKE_DEVIATIONS * np.median(trusted) / 0.6745)
        good = finite & np.where(known, distance <= far, good)
    expected = filled(shown, mask, good, VOXEL_SIZE_MM)
    np.testing.assert_array_equal(without_spikes(field, mask, VOXEL_SIZE_MM), expected)
