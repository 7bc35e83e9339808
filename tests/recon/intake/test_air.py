"""Noise in the air around a head tells magnitudes that are not linear, and echoes that were scaled each by itself."""

import numpy as np
import pytest
from scipy import ndimage

from recon.intake.air import air_notes, corners, look, look_at_parts

SHAPE = (48, 48, 32)
NAMES = ["mag1.nii", "mag2.nii"]


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """(echo, X, Y, Z) complex: a ball of magnitude 1000 and 600, noise of 20 everywhere."""
    rng = np.random.default_rng(0)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    ball = (x**2 + y**2 + z**2 < 0.5) * np.exp(4j * (x + y * z))
    noise = 20 * (rng.standard_normal((2, *SHAPE)) + 1j * rng.standard_normal((2, *SHAPE)))
    return np.array([1000, 600]).reshape(2, 1, 1, 1) * ball + noise


def notes(magnitude, phase, **bandwidth):
    at = corners(SHAPE)
    echoes = [look(m, p, at) for m, p in zip(magnitude, phase, strict=True)]
    return air_notes(NAMES, echoes, [{}, bandwidth])


def smoothed(head):
    parts = [ndimage.gaussian_filter(part, (0, 0.6, 0.6, 0.6)) for part in (head.real, head.imag)]
    return parts[0] + 1j * parts[1]


@pytest.mark.parametrize("change", [np.array, smoothed, lambda z: z * (np.abs(z) > 100), lambda z: np.round(z)])
def test_true_magnitudes_have_no_note(head, change):
    changed = change(head)
    assert notes(np.abs(changed), np.angle(changed)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (np.square, "that of squared magnitudes"),
        (lambda m: np.log1p(m), "skewed to small values"),
        (lambda m: m / m.max(axis=(1, 2, 3), keepdims=True), "times the noise of the first echo"),
    ],
)
@pytest.mark.parametrize("unit", [1, 4096 / (2 * np.pi)])
def test_magnitudes_that_are_not_the_signal_s_are_noted(head, change, told, unit):
    (note,) = notes(change(np.abs(head)), unit * np.angle(head))
    assert told in note and note.startswith("mag")


def test_another_bandwidth_has_another_noise(head):
    changed = head * np.array([1, 1.4]).reshape(2, 1, 1, 1)
    assert notes(np.abs(changed), np.angle(changed), PixelBandwidth=200) == []


def test_real_and_imaginary_parts_that_were_scaled_each_by_itself_are_noted(head):
    at = corners(SHAPE)
    echoes = [look_at_parts(scale * z.real, scale * z.imag, at) for scale, z in zip((1, 1.4), head, strict=True)]
    (note,) = air_notes(NAMES, echoes, [{}, {}])
    assert note.startswith("mag2.nii: 1.")


def of_coils(z):
    """Sum of squares over eight coils that see the same, each with its own noise."""
    noise = np.random.default_rng(2).normal(0, 20, (2, 8, *z.shape))
    return (np.abs(z + noise[0] + 1j * noise[1]) ** 2).sum(axis=0)


@pytest.mark.parametrize("change", [
    of_coils, lambda z: np.where(np.abs(z) > 100, np.abs(z) ** 2, 0), lambda z: np.sqrt(np.abs(z)),
    lambda z: np.where(np.abs(z) > 100, np.log1p(np.abs(z)), 0),
], ids=["sum of squares", "masked squares", "square root", "masked logarithm"])  # fmt: skip
def test_what_noise_does_not_tell_has_no_note(head, change):
    assert notes(change(head), np.angle(head)) == []


def test_too_little_air_tells_nothing(head, monkeypatch):
    squared = np.abs(head) ** 2
    assert notes(squared, np.angle(head))
    monkeypatch.setattr("recon.intake.air.LEAST", len(corners(SHAPE)) + 1)
    assert notes(squared, np.angle(head)) == []


def test_an_image_thinner_than_a_block_tells_nothing(head):
    thin = head[:, :, :, :3]
    at = corners(thin.shape[1:])
    assert air_notes(NAMES, [look(np.abs(echo), np.angle(echo), at) for echo in thin], [{}, {}]) == []
