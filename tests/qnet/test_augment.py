"""Augmentation: seeded per sample, in [0, 1], by the paper's probabilities; a test phase without chance."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import yaml

from qnet.augment import Augmentation, augment, crop_size, pipeline, prepare_images, seed_of
from qnet.data import stretch
from tests.qnet.settings import PAPER

OFF = Augmentation(
    stretch_percentiles=(0.5, 99.5),
    horizontal_flip=0.0,
    vertical_flip=0.0,
    brightness_contrast=0.0,
    gamma=0.0,
    grid_distortion=0.0,
    shift_scale_rotate=0.0,
    crop_fraction=1.0,
)
ON = replace(OFF, **{name: 1.0 for name in asdict(OFF) if name not in ("stretch_percentiles", "crop_fraction")})


@pytest.fixture(scope="module")
def images():
    return stretch(np.random.default_rng(0).normal(size=(40, 3, 32, 32)), (0.5, 99.5))


@pytest.fixture(scope="module")
def transform():
    return pipeline(32, PAPER)


def test_config_is_the_paper(repository):
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    shipped = Augmentation(**config["train_image_model"]["augmentation"])
    assert replace(shipped, stretch_percentiles=(0.5, 99.5), crop_fraction=0.875) == PAPER


def test_same_seed_epoch_and_index_give_the_same_image(images, transform):
    whole = augment(images, range(40), 3, 5, transform)
    np.testing.assert_array_equal(augment(images, [7, 2], 3, 5, pipeline(32, PAPER)), whole[[7, 2]])


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


def test_nothing_switched_on_changes_nothing(images):
    np.testing.assert_array_equal(augment(images, range(40), 0, 0, pipeline(32, OFF)), images)


@pytest.mark.parametrize(("name", "axis"), [("horizontal_flip", 3), ("vertical_flip", 2)])
def test_flips_and_their_probability(images, name, axis):
    out = augment(images, range(40), 0, 0, pipeline(32, replace(OFF, **{name: 0.5})))
    flipped = (out == np.flip(images, axis)).all((1, 2, 3))
    assert ((out == images).all((1, 2, 3)) ^ flipped).all()
    assert 10 <= flipped.sum() <= 30  # 20 expected, three standard deviations are 9.5


@pytest.mark.parametrize("name", ["brightness_contrast", "gamma", "grid_distortion", "shift_scale_rotate"])
def test_each_change_acts(images, name):
    out = augment(images, range(40), 0, 0, pipeline(32, replace(OFF, **{name: 1.0})))
    assert (out != images).any((1, 2, 3)).all()


def test_scaling_keeps_the_shape_of_a_disc():
    x = np.linspace(-1, 1, 64)
    disc = ((x[:, None] ** 2 + x**2) < 0.3).astype(np.float32) * np.ones((30, 3, 1, 1), np.float32)
    out = augment(disc, range(30), 0, 0, pipeline(64, replace(OFF, shift_scale_rotate=1.0)))[:, 0]
    height, width = (out.max(2) > 0.5).sum(1), (out.max(1) > 0.5).sum(1)
    assert np.abs(height - width).max() <= 2
    assert np.ptp(height) > 3


def test_random_crop_is_a_window_of_the_image(images):
    out = augment(images[:8], range(8), 0, 0, pipeline(32, replace(OFF, crop_fraction=0.875)))
    starts = set()
    for image, crop in zip(images, out, strict=False):
        windows = np.lib.stride_tricks.sliding_window_view(image, (28, 28), axis=(1, 2))
        hit = np.argwhere((windows == crop[:, None, None]).all((0, 3, 4)))
        starts.add(tuple(hit[0]))
    assert len(starts) > 3


def test_test_phase_stretches_and_crops_about_the_centre():
    raw = 40 * np.random.default_rng(1).normal(size=(2, 3, 32, 32))
    out = prepare_images(raw, PAPER)
    np.testing.assert_array_equal(out, stretch(raw, (0.5, 99.5))[..., 2:30, 2:30])
    np.testing.assert_array_equal(out, prepare_images(raw, PAPER))
    assert out.shape[-1] == crop_size(32, PAPER)


def test_seeds_mix_all_keys():
    seeds = {seed_of(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**32 for seed in seeds)
