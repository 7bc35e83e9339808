"""Batched augmentation: the operations and distributions of the pipeline of albumentations."""

import math
from dataclasses import replace

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from albumentations.augmentations.geometric import functional as reference
from scipy.stats import ks_2samp, kstest

from qnet.images.augment import augment, pipeline
from qnet.images.augment_batch import (
    Draws,
    augment_batch,
    change,
    distortion_maps,
    draw,
    keys_of,
    normal,
    numbers,
    uniform,
)
from tests.qnet.settings import OFF, PAPER, QUANTITATIVE

SIZE = 32


@pytest.fixture(scope="module")
def images():
    """Noise: every pixel matters."""
    return np.random.default_rng(0).random((40, 3, SIZE, SIZE), dtype=np.float32)


@pytest.fixture(scope="module")
def smooth():
    """One image whose linear interpolation is nearly exact, without symmetry."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    channels = [np.sin(3 * x + 2 * y), np.cos(4 * x * y + x), np.exp(-4 * ((x - 0.4) ** 2 + (y - 0.6) ** 2))]
    return np.stack([0.5 + channel / 2.5 for channel in channels])[None].astype(np.float32)


def neutral(**values) -> Draws:
    """Nothing but `values` happens to one image."""
    draws = {
        "flip": [False, False],
        "contrast": 1.0,
        "brightness": 0.0,
        "gamma": 1.0,
        "maps": [list(map(float, range(SIZE)))] * 2,
        "shift": [0.0, 0.0],
        "scale": 1.0,
        "rotate": 0.0,
        "corner": [0.0, 0.0],
        "noise_sd": 0.0,
    }
    return Draws(**{name: torch.tensor(value)[None] for name, value in (draws | values).items()})


def changed(image, side=SIZE, **values):
    return change(torch.from_numpy(image), neutral(**values), side).numpy()


def by_albumentations(transform, image):
    return A.Compose([transform])(image=image[0].transpose(1, 2, 0).copy())["image"].transpose(2, 0, 1)[None]


def batch(images, params, seed=0, epoch=0):
    return augment_batch(torch.from_numpy(images), torch.arange(len(images)), seed, epoch, params).numpy()


# one change with fixed parameters, against albumentations


def test_nothing_drawn_changes_nothing(images):
    np.testing.assert_array_equal(changed(images[:1]), images[:1])


@pytest.mark.parametrize(("flip", "axis"), [([True, False], 3), ([False, True], 2)])
def test_flips_are_exact(images, flip, axis):
    np.testing.assert_array_equal(changed(images[:1], flip=flip), np.flip(images[:1], axis))


def test_crop_is_exact(images):
    np.testing.assert_array_equal(changed(images[:1], side=28, corner=[3.0, 1.0]), images[:1, :, 1:29, 3:31])


@pytest.mark.parametrize(("contrast", "brightness"), [(1.2, 0.1), (0.8, -0.2), (1.1, 0.2)])
def test_brightness_and_contrast_are_exact(images, contrast, brightness):
    expected = by_albumentations(
        A.RandomBrightnessContrast((brightness, brightness), (contrast - 1, contrast - 1), p=1), images[:1]
    )
    np.testing.assert_allclose(changed(images[:1], contrast=contrast, brightness=brightness), expected, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.8, 1.2])
def test_gamma_is_exact(images, gamma):
    expected = by_albumentations(A.RandomGamma((100 * gamma, 100 * gamma), p=1), images[:1])
    np.testing.assert_allclose(changed(images[:1], gamma=gamma), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("rotate_deg", "scale", "shift"), [(30.0, 1.0, (0, 0)), (0.0, 0.9, (0, 0)), (0.0, 1.0, (2, -1)), (-45, 1.1, (1, 2))]
)
def test_shift_scale_rotate_agrees(smooth, rotate_deg, scale, shift):
    transform = A.Affine(
        translate_px=dict(zip("xy", shift, strict=True)),
        scale=(scale, scale),
        rotate=(rotate_deg, rotate_deg),
        border_mode=cv2.BORDER_REFLECT_101,
        p=1,
    )
    out = changed(smooth, rotate=math.radians(rotate_deg), scale=scale, shift=[float(step) for step in shift])
    np.testing.assert_allclose(out, by_albumentations(transform, smooth), atol=0.01)


@pytest.mark.parametrize("size", [SIZE, 40, 64, 224])
def test_distortion_maps_agree(size):
    steps = np.random.default_rng(1).uniform(0.7, 1.3, (2, 6)).astype(np.float32)
    scaled = reference.normalize_grid_distortion_steps((size, size), 5, *steps.tolist())
    expected_x, expected_y = reference.generate_grid((size, size), scaled["steps_x"], scaled["steps_y"], 5)
    out = distortion_maps(torch.from_numpy(steps), size).numpy()
    np.testing.assert_allclose(out, [expected_x[0], expected_y[:, 0]], atol=1e-4)


def test_grid_distortion_then_rotation_after_a_flip_agree(smooth):
    maps = distortion_maps(torch.tensor([[0.8, 1.2, 1.0, 0.7, 1.3, 1.0], [1.3, 0.7, 1.0, 1.1, 0.9, 0.8]]), SIZE)
    x, y = np.meshgrid(*maps.numpy())
    image = np.ascontiguousarray(smooth[0].transpose(1, 2, 0)[:, ::-1])
    distorted = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    rotation = A.Affine(rotate=(20, 20), border_mode=cv2.BORDER_REFLECT_101, p=1)
    expected = by_albumentations(rotation, distorted.transpose(2, 0, 1)[None])
    out = changed(smooth, flip=[True, False], maps=maps.tolist(), rotate=math.radians(20))
    np.testing.assert_allclose(out, expected, atol=0.03)  # twice interpolated across the kinks of the maps
    assert np.abs(out - expected).mean() < 0.002


# draws


def test_a_draw_depends_on_seed_epoch_and_index_alone(images):
    params = replace(PAPER, noise=0.5)
    whole = batch(images, params, 3, 5)
    some = augment_batch(torch.from_numpy(images[[7, 2]]), torch.tensor([7, 2]), 3, 5, params).numpy()
    np.testing.assert_array_equal(some, whole[[7, 2]])


@pytest.mark.parametrize("keys", [(4, 5), (3, 6)])
def test_other_seed_or_epoch_gives_another_image(images, keys):
    assert (batch(images, PAPER, 3, 5) != batch(images, PAPER, *keys)).any((1, 2, 3)).mean() > 0.9


def test_equal_images_at_other_indices_change_differently(images):
    out = batch(np.repeat(images[:1], 20, axis=0), PAPER)
    assert len(np.unique(out.reshape(20, -1), axis=0)) > 15


def test_streams_of_neighbouring_keys_are_uniform_and_unrelated():
    u = uniform(numbers(keys_of(torch.arange(2000), 0, 0), 20)).numpy()
    assert kstest(u.ravel(), "uniform").pvalue > 0.01
    for related in (np.corrcoef(u.T), np.corrcoef(u[:-1].ravel(), u[1:].ravel())):  # numbers, neighbours
        assert np.abs(related - np.eye(len(related))).max() < 0.1


def test_noise_is_normal():
    noise = normal(keys_of(torch.arange(20), 0, 0), 1001).numpy()
    assert noise.shape == (20, 1001)
    assert kstest(noise.ravel(), "norm").pvalue > 0.01


def test_probabilities_and_ranges_are_those_asked_for():
    d = draw(keys_of(torch.arange(4000), 0, 0), 64, replace(PAPER, noise=0.4))
    straight = torch.arange(64)
    happened = {
        "horizontal_flip": d.flip[:, 0],
        "vertical_flip": d.flip[:, 1],
        "brightness_contrast": d.contrast != 1,
        "gamma": d.gamma != 1,
        "grid_distortion": (d.maps != straight).flatten(1).any(1),
        "shift_scale_rotate": d.rotate != 0,
        "noise": d.noise_sd > 0,
    }
    rates = [float(value.float().mean()) for value in happened.values()]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.7, 0.3, 0.25, 0.5, 0.4], atol=0.03)
    limits = {"contrast": (0.8, 1.2), "brightness": (-0.2, 0.2), "gamma": (0.8, 1.2), "scale": (0.9, 1.1)}
    limits |= {"rotate": (-math.pi / 4, math.pi / 4), "shift": (-3, 3), "corner": (0, 8), "maps": (0, 64)}
    for name, (low, high) in limits.items():
        values = getattr(d, name)
        margin = 0.02 * (high - low)
        assert low - 1e-6 <= values.min() <= low + margin, name
        assert high - margin <= values.max() <= high + 1e-4, name


# all together


@pytest.mark.parametrize("params", [PAPER, replace(QUANTITATIVE, noise_sd=0.05)], ids=["paper", "quantitative"])
def test_whole_augmentation_agrees_in_distribution(smooth, params):
    """Moments of brightness and of position over many draws of one image, by Kolmogorov and Smirnov."""
    many = np.repeat(smooth, 1500, axis=0)
    ours, theirs = batch(many, params), augment(many, range(1500), 0, 0, pipeline(SIZE, params))

    def moments(out):
        x = np.linspace(-1, 1, out.shape[-1])
        weight = out / out.sum((2, 3), keepdims=True)
        detail = np.diff(out, 2, axis=3).std((2, 3))
        return np.stack([out.mean((2, 3)), out.std((2, 3)), (weight * x).sum((2, 3)),
                         (weight * x[:, None]).sum((2, 3)), detail])  # fmt: skip

    a, b = moments(ours), moments(theirs)  # (5, N, 3)
    jitter = 0.01 * a.std(1, keepdims=True) * np.random.default_rng(0).normal(size=(2, *a.shape))  # no ties
    tests = [ks_2samp((a + jitter[0])[i, :, c], (b + jitter[1])[i, :, c]) for i in range(4) for c in range(3)]
    assert min(test.pvalue for test in tests) > 0.001
    np.testing.assert_allclose(a[4].mean(0), b[4].mean(0), rtol=0.1)  # OpenCV rounds positions to 1/32 pixel
    np.testing.assert_allclose(ours.mean(0), theirs.mean(0), atol=6 * ours.std(0).max() * math.sqrt(2 / 1500))


def test_range_shape_and_input_untouched(images):
    everything = replace(PAPER, brightness_contrast=1.0, gamma=1.0, grid_distortion=1.0, noise=1.0, noise_sd=0.1)
    before = images.copy()
    out = batch(images, everything)
    assert out.shape == (40, 3, 28, 28)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1
    np.testing.assert_array_equal(images, before)


def test_no_value_is_invented_beyond_the_border(images):
    params = replace(OFF, grid_distortion=1.0, shift_scale_rotate=1.0)
    out = batch(0.2 + 0.1 * images, params)
    assert out.min() >= 0.2 - 1e-6
    assert out.max() <= 0.3 + 1e-6


def test_images_kept_as_float16_will_do(images):
    out = batch(images.astype(np.float16), PAPER)
    np.testing.assert_allclose(out, batch(images, PAPER), atol=2e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_agrees_with_cpu(images):
    params, index = replace(PAPER, noise=0.5), torch.arange(40)
    out = augment_batch(torch.from_numpy(images).cuda(), index, 1, 2, params).cpu().numpy()
    np.testing.assert_allclose(out, batch(images, params, 1, 2), atol=1e-3)
