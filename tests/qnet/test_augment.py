"""Augmentation: seeded per sample, in [0, 1], by the paper's probabilities; a test phase without chance."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from qnet.images.augment import Augmentation, augment, centre_crop, crop_size, pipeline, seed_of
from tests.qnet.settings import OFF, PAPER, QUANTITATIVE

CHANGES = ("brightness_contrast", "gamma", "grid_distortion", "shift_scale_rotate", "noise")
ON = replace(OFF, horizontal_flip=1.0, vertical_flip=1.0, **dict.fromkeys(CHANGES, 1.0))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((40, 3, 32, 32), dtype=np.float32)


@pytest.fixture(scope="module")
def transform():
    return pipeline(32, PAPER)


def augmentation(values: dict) -> Augmentation:
    return Augmentation(**{**values, "gamma_range": tuple(values["gamma_range"])})


def test_config_is_the_paper(repository):
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    assert augmentation(config["train_image_model"]["augmentation"]) == PAPER


def test_quantitative_config_keeps_the_scale_of_values(repository):
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    paper = config["train_image_model"]["augmentation"]
    params = augmentation(paper | config["quantitative"]["train_image_model"]["augmentation"])
    assert params == QUANTITATIVE
    flat = np.full((20, 3, 32, 32), 0.4, np.float32)
    out = augment(flat, range(20), 0, 0, pipeline(32, params))
    np.testing.assert_allclose(out.mean((2, 3)), 0.4, atol=0.002)  # the noise has mean zero


def test_same_seed_epoch_and_index_give_the_same_image(images):
    params = replace(PAPER, noise=0.5)
    whole = augment(images, range(40), 3, 5, pipeline(32, params))
    np.testing.assert_array_equal(augment(images, [7, 2], 3, 5, pipeline(32, params)), whole[[7, 2]])


@pytest.mark.parametrize("keys", [(4, 5), (3, 6)])
def test_other_seed_or_epoch_gives_another_image(images, transform, keys):
    a, b = augment(images, range(40), 3, 5, transform), augment(images, range(40), *keys, transform)
    assert (a != b).any((1, 2, 3)).mean() > 0.9


def test_equal_images_at_other_indices_change_differently(images, transform):
    same = np.repeat(images[:1], 20, axis=0)
    assert len(np.unique(augment(same, range(20), 0, 0, transform).reshape(20, -1), axis=0)) > 15


def test_range_shape_and_input_untouched(images):
    before = images.copy()
    out = augment(images, range(40), 0, 0, pipeline(32, replace(ON, crop_fraction=0.875)))
    assert out.shape == (40, 3, 28, 28)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1
    np.testing.assert_array_equal(images, before)


def test_images_kept_as_float16_will_do(images, transform):
    out = augment(images.astype(np.float16), range(40), 0, 0, transform)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, augment(images, range(40), 0, 0, transform), atol=2e-3)


def test_nothing_switched_on_changes_nothing(images):
    np.testing.assert_array_equal(augment(images, range(40), 0, 0, pipeline(32, OFF)), images)


@pytest.mark.parametrize(("name", "axis"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_flips_and_their_probability(images, name, axis):
    out = augment(images, range(40), 0, 0, pipeline(32, replace(OFF, **{name: 0.5})))
    flipped = (out == np.flip(images, axis)).all((1, 2, 3))
    assert ((out == images).all((1, 2, 3)) ^ flipped).all()
    assert 10 <= flipped.sum() <= 30  # 20 expected, three standard deviations are 9.5


def test_changes_are_drawn_independently(images):
    out = augment(images, range(40), 0, 0, pipeline(32, replace(OFF, horizontal_flip=0.5, vertical_flip=0.5)))
    kinds = [(out == np.flip(images, axes)).all((1, 2, 3)).sum() for axes in ((), (2,), (3,), (2, 3))]
    assert sum(kinds) == 40
    assert min(kinds) >= 3  # 10 expected


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_acts(images, name):
    out = augment(images, range(40), 0, 0, pipeline(32, replace(OFF, **{name: 1.0})))
    assert (out != images).any((1, 2, 3)).all()


@pytest.mark.parametrize("name", ["grid_distortion", "shift_scale_rotate"])
def test_no_value_is_invented_beyond_the_border(images, name):
    out = augment(0.2 + 0.1 * images, range(40), 0, 0, pipeline(32, replace(OFF, **{name: 1.0})))
    assert out.min() >= 0.2
    assert out.max() <= 0.3 + 1e-6


def test_scaling_keeps_the_shape_of_a_disc():
    x = np.linspace(-1, 1, 64)
    disc = ((x[:, None] ** 2 + x**2) < 0.3).astype(np.float32) * np.ones((30, 3, 1, 1), np.float32)
    params = replace(OFF, shift_scale_rotate=1.0, rotate_limit_deg=5.0)  # no mirrored disc in the corners
    out = augment(disc, range(30), 0, 0, pipeline(64, params))[:, 0]
    height, width = (out.max(2) > 0.5).sum(1), (out.max(1) > 0.5).sum(1)
    assert np.abs(height - width).max() <= 2
    assert np.ptp(height) > 3


def test_noise_has_its_standard_deviation_and_is_independent_in_the_channels():
    flat = np.full((10, 3, 64, 64), 0.5, np.float32)
    noise = augment(flat, range(10), 0, 0, pipeline(64, replace(OFF, noise=1.0, noise_sd=0.02))) - 0.5
    np.testing.assert_allclose(noise.std((0, 2, 3)), 0.02, rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(noise.swapaxes(0, 1).reshape(3, -1)), np.eye(3), atol=0.03)


def test_random_crop_is_a_window_of_the_image(images):
    out = augment(images[:8], range(8), 0, 0, pipeline(32, replace(OFF, crop_fraction=0.875)))
    starts = set()
    for image, crop in zip(images, out, strict=False):
        windows = np.lib.stride_tricks.sliding_window_view(image, (28, 28), axis=(1, 2))
        hit = np.argwhere((windows == crop[:, None, None]).all((0, 3, 4)))
        starts.add(tuple(hit[0]))
    assert len(starts) > 3


def test_test_phase_crops_about_the_centre(images):
    out = centre_crop(images, PAPER)
    np.testing.assert_array_equal(out, images[..., 2:30, 2:30])
    assert out.shape[-1] == crop_size(32, PAPER)


def test_seeds_mix_all_keys():
    seeds = {seed_of(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**32 for seed in seeds)
