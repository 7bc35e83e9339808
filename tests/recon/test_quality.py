"""Quality: a map with the wrong sign never passes, one with the right sign always does."""

import numpy as np
import pytest

from recon.check.quality import iron_contrast, quality
from recon.regions.localize import region_statistics, white_matter
from recon.regions.nuclei import template_labels

VOXEL_SIZE_MM = (3.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def brain():
    """Labels and white matter of the template's brain at 3 mm, and an ellipsoid for its mask."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-75, -105, -66]
    shape = (51, 63, 48)
    index = np.indices(shape).reshape(3, -1).T
    position_mm = (index @ affine[:3, :3] + affine[:3, 3]).reshape(*shape, 3)
    mask = np.linalg.norm((position_mm - [0, -18, 8]) / [68, 84, 62], axis=-1) < 1
    return mask, template_labels(shape, affine) * mask, white_matter(mask, affine, np.eye(4))


def check(brain, nuclei_ppm, white_ppm, noise_ppm=0.02, offset_ppm=0.0):
    """Facts and warnings for a map with the given means."""
    mask, labels, white = brain
    chi_ppm = np.random.default_rng(0).normal(offset_ppm, noise_ppm, mask.shape)
    chi_ppm += nuclei_ppm * (labels > 0) + white_ppm * white
    chi_ppm = np.where(mask, chi_ppm, 0).astype(np.float32)
    stats = region_statistics(labels, white, {"chi_ppm": chi_ppm}, VOXEL_SIZE_MM)
    return quality(mask, VOXEL_SIZE_MM, chi_ppm, stats)


@pytest.mark.parametrize("offset_ppm", [-0.3, 0.0, 0.3], ids=["low", "zero", "high"])
def test_right_sign_raises_no_warning_whatever_the_reference(brain, offset_ppm):
    assert check(brain, 0.08, -0.02, offset_ppm=offset_ppm)[1] == []


def test_wrong_sign_is_told_with_both_means_and_what_to_set(brain):
    facts, warnings = check(brain, -0.08, 0.02)
    assert len(warnings) == 1
    assert warnings[0].startswith("Phase sign: expected")
    assert "found -0.081 ± 0.001 ppm" in warnings[0] and "against +0.020 ppm" in warnings[0]
    assert "prepare_echoes.phase_sign" in warnings[0]
    assert facts["mean χ of white matter [ppm]"] == pytest.approx(0.02, abs=0.003)


def test_wrong_sign_is_told_where_nuclei_are_above_the_rest_but_below_white_matter(brain):
    assert check(brain, 0.01, 0.05)[1][0].startswith("Phase sign: expected")


def test_a_map_of_noise_confirms_no_sign(brain):
    _, warnings = check(brain, 0.0, 0.0, noise_ppm=0.2)
    assert [warning.split(":")[0] for warning in warnings] == ["Phase sign not confirmed"]


@pytest.mark.parametrize("absent", [1, 2], ids=["nuclei", "white matter"])
def test_without_nuclei_or_white_matter_the_sign_cannot_be_checked(brain, absent):
    regions = [part * (i != absent) for i, part in enumerate(brain)]
    _, warnings = check(regions, 0.08, -0.02)
    assert len(warnings) == 1 and "cannot be checked" in warnings[0]


def test_each_nucleus_counts_once_and_iron_poor_ones_do_not(brain):
    _, labels, white = brain
    chi_ppm = np.where(labels > 0, labels / 100, -0.01)
    stats = region_statistics(labels, white, {"chi_ppm": chi_ppm}, VOXEL_SIZE_MM)
    iron = {1, 2, 3, 4, 5, 6, 9, 10, 11, 12}  # neither thalamus nor dentate
    assert iron_contrast(stats).nuclei_ppm == pytest.approx(np.mean([label / 100 for label in iron]))


def test_implausible_brain_and_broken_voxels_are_told(brain):
    mask, labels, white = brain
    small = mask & (np.indices(mask.shape)[2] < 25)
    chi_ppm = np.where(labels > 0, 0.1, -0.01)
    chi_ppm[0, 0, 0] = np.nan
    stats = region_statistics(labels, white, {"chi_ppm": chi_ppm}, VOXEL_SIZE_MM)
    _, warnings = quality(small, VOXEL_SIZE_MM, chi_ppm, stats)
    assert warnings[0].startswith("Brain mask: expected 900 to 2000 ml, found")
    assert "not finite in 1 voxels" in warnings[1]
