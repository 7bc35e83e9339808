"""Normalisation: the paper's stretching loses the scale of iron, fixed windows keep it."""

from dataclasses import replace

import numpy as np
import pytest

from qnet.images.normalise import channel_mask, normalise, stretch
from tests.qnet.settings import STRETCH, WINDOW

METHODS = pytest.mark.parametrize("params", [STRETCH, WINDOW], ids=["stretch", "window"])


@pytest.fixture
def images():
    """Four slices: QSM in ppm, R2* in 1/s, T1W in arbitrary units, all within their windows but some T1W."""
    rng = np.random.default_rng(0)
    low, high = (np.array(limits)[:, None, None] for limits in ([-0.05, 10, 100], [0.15, 40, 900]))
    return rng.uniform(low, high, (4, 3, 16, 16)).astype(np.float32)


@METHODS
def test_images_fill_the_unit_range_and_the_maps_stay_as_they_were(images, params):
    before = images.copy()
    out = normalise(images, params)
    assert out.shape == images.shape
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.max() <= 1
    np.testing.assert_array_equal(images, before)


def test_windows_are_linear_in_ppm_and_hz(images):
    out = normalise(images, WINDOW)
    np.testing.assert_allclose(out[:, 0], (images[:, 0] + 0.1) / 0.35, atol=1e-6)
    np.testing.assert_allclose(out[:, 1], images[:, 1] / 60, atol=1e-6)


def test_beyond_a_window_values_are_clipped(images):
    images[0, 0, 0, :2] = -1, 1
    np.testing.assert_array_equal(normalise(images, WINDOW)[0, 0, 0, :2], [0, 1])


def test_one_amount_of_iron_is_one_value_in_every_slice(images):
    images[:2, 0, 0, 0] = 0.08
    images[1] *= 1.2
    images[1, 0, 0, 0] = 0.08
    window, stretched = normalise(images, WINDOW), normalise(images, STRETCH)
    assert window[0, 0, 0, 0] == window[1, 0, 0, 0]
    assert stretched[0, 0, 0, 0] != stretched[1, 0, 0, 0]


def test_a_uniform_excess_of_iron_shows_in_windows_and_not_after_stretching(images):
    excess = images + np.array([0.05, 10, 0], dtype=np.float32)[:, None, None]  # ppm, 1/s
    np.testing.assert_allclose(normalise(excess, STRETCH), normalise(images, STRETCH), atol=1e-5)
    shift = (normalise(excess, WINDOW) - normalise(images, WINDOW))[:, :2].mean((0, 2, 3))
    np.testing.assert_allclose(shift, [0.05 / 0.35, 10 / 60], rtol=1e-4)


def test_t1w_does_not_depend_on_the_scanner_gain(images):
    gained = images.copy()
    gained[:, 2] *= 17
    np.testing.assert_allclose(normalise(gained, WINDOW), normalise(images, WINDOW), atol=1e-5)


def test_t1w_window_is_that_of_the_tissue_of_the_whole_scan(images):
    masked = images.copy()
    masked[:, 2, 8:] = 0
    out = normalise(masked, WINDOW)[:, 2]
    low, high = np.percentile(masked[:, 2, :8], (1, 99))
    np.testing.assert_allclose(out[:, :8], np.clip((masked[:, 2, :8] - low) / (high - low), 0, 1), atol=1e-5)
    assert not out[:, 8:].any()


def test_stretching_is_linear_between_the_percentiles_of_each_channel():
    images = np.arange(2 * 3 * 101, dtype=np.float32).reshape(2, 3, 101, 1) ** 2
    out = stretch(images, (10, 90))
    low, high = images[:, :, 10:11], images[:, :, 90:91]
    np.testing.assert_allclose(out, np.clip((images - low) / (high - low), 0, 1), atol=1e-6)


@METHODS
def test_an_empty_map_becomes_zero(params):
    assert not normalise(np.zeros((2, 3, 4, 4), np.float32), params)[:, 1:].any()


def test_channel_mask_follows_the_names():
    np.testing.assert_array_equal(channel_mask(replace(WINDOW, channels=("T1w", "QSM"))), [True, False, True])


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="normalise.method: expected one of stretch, window, found 'histogram'"):
        normalise(np.zeros((2, 3, 4, 4)), replace(WINDOW, method="histogram"))
