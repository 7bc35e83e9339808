import numpy as np
import pytest

from recon.maths.tissue_rule import tissue_factors

SHAPE = (40, 40, 20)
MASK = np.ones(SHAPE, bool)
FACTORS = np.array([-0.045, 0.02])


@pytest.fixture
def contrasts():
    rng = np.random.default_rng(0)
    c = (rng.random((2, *SHAPE)) > 0.5).astype(np.float32)
    return c - c.mean((1, 2, 3), keepdims=True)


def chi_of(contrasts, noise_ppm=0.005):
    noise = noise_ppm * np.random.default_rng(1).standard_normal(SHAPE)
    return (0.3 + np.tensordot(FACTORS, contrasts, 1) + noise).astype(np.float32)


def test_factors_are_found_whatever_the_reference(contrasts):
    assert tissue_factors(chi_of(contrasts), contrasts, MASK) == pytest.approx(FACTORS, abs=0.001)


def test_nuclei_that_follow_another_rule_have_no_say(contrasts):
    chi = chi_of(contrasts)
    nucleus = (contrasts[0] > 0) & (np.arange(SHAPE[0]) < 6)[:, None, None]  # 15 % of the bright voxels
    chi[nucleus] += 0.15
    assert tissue_factors(chi, contrasts, MASK) == pytest.approx(FACTORS, abs=0.003)


def test_a_slow_error_does_not_enter(contrasts):
    slow = np.linspace(-0.03, 0.03, SHAPE[0])[:, None, None]
    assert tissue_factors(chi_of(contrasts) + slow, contrasts, MASK) == pytest.approx(FACTORS, abs=0.002)


def test_a_contrast_that_says_nothing_gets_nothing(contrasts):
    unrelated = 0.005 * np.random.default_rng(2).standard_normal(SHAPE).astype(np.float32)
    assert np.abs(tissue_factors(unrelated, contrasts, MASK)).max() < 0.0005


@pytest.mark.parametrize("chi_ppm", [0.0, 0.1])
def test_a_constant_map_and_a_constant_contrast_are_harmless(contrasts, chi_ppm):
    flat = np.full(SHAPE, chi_ppm, np.float32)
    assert tissue_factors(flat, contrasts * [[[[1]]], [[[0]]]], MASK) == pytest.approx([0, 0], abs=1e-6)


def test_only_the_mask_is_read(contrasts):
    mask = MASK.copy()
    mask[:10] = False
    chi = np.where(mask, chi_of(contrasts), np.nan)
    assert tissue_factors(chi, contrasts, mask) == pytest.approx(FACTORS, abs=0.001)
