import numpy as np
import pytest
from scipy import ndimage

from recon.maths.tissue_rule import evidence, tissue_factors

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


VOXEL_SIZE_MM = (1.0, 1.0, 2.0)


@pytest.fixture
def tissue():
    """Tissue in pieces of some voxels."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(SHAPE), 1.5)
    return np.where(smooth > 0, 0.02, -0.02).astype(np.float32)


def noise(seed, sd_ppm=0.004):
    return (sd_ppm * np.random.default_rng(seed).standard_normal(SHAPE)).astype(np.float32)


def strength(chi, tissue):
    return evidence(chi, tissue, MASK, VOXEL_SIZE_MM).strength


@pytest.mark.parametrize("sign", [1, -1])
def test_a_rule_that_holds_counts_in_full(tissue, sign):
    assert strength(sign * tissue + noise(4), sign * tissue) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_rule_of_another_head_counts_for_nothing(tissue, seed):
    other = np.roll(tissue, (7, 11, 5), axis=(0, 1, 2))
    assert strength(other + noise(seed), tissue) < 0.03


def test_a_rule_that_only_a_few_nuclei_follow_counts_for_nothing(tissue):
    chi = np.roll(tissue, (7, 11, 5), axis=(0, 1, 2))
    chi[10:16, 10:16, 4:8] = 5 * tissue[10:16, 10:16, 4:8]
    assert strength(chi + noise(5), tissue) < 0.03


def test_a_rule_that_turns_round_within_the_head_counts_for_nothing(tissue):
    side = np.where(np.arange(SHAPE[0]) < SHAPE[0] // 2, 1, -1)[:, None, None]
    assert strength(side * tissue + noise(6), tissue) < 0.1


def test_texture_that_only_magnitude_has_lowers_the_scale(tissue):
    chi = tissue + noise(7)
    textured = strength(chi, tissue + noise(8, 0.03))
    assert 0 < textured < 0.5 * strength(chi, tissue)


def test_a_rule_of_which_the_field_confirms_a_third_counts_for_less_than_a_tenth(tissue):
    chi = tissue + noise(7, 0.001)
    found = evidence(chi, 3 * tissue, MASK, VOXEL_SIZE_MM)
    assert found.scale == pytest.approx(1 / 3, abs=0.03)
    assert found.strength < 0.1 * evidence(chi, tissue, MASK, VOXEL_SIZE_MM).strength


def test_flat_maps_and_a_mask_of_one_voxel_are_no_evidence(tissue):
    flat, one = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, bool)
    one[20, 20, 10] = True
    for chi, rule, mask in ((flat, tissue, MASK), (tissue, flat, MASK), (tissue, tissue, one)):
        assert evidence(chi, rule, mask, VOXEL_SIZE_MM) == (0, 0)


def test_evidence_reads_only_the_mask(tissue):
    mask = MASK.copy()
    mask[:10] = False
    chi = tissue + noise(9)
    assert evidence(np.where(mask, chi, np.nan), np.where(mask, tissue, np.nan), mask, VOXEL_SIZE_MM) == evidence(
        chi, tissue, mask, VOXEL_SIZE_MM
    )
