"""Quality: a map with the wrong sign never passes, one with the right sign always does."""

import numpy as np
import pytest

from recon.check.quality import GROWTH, IronContrast, Voids, iron_contrast, quality, sign_warnings, size_warnings
from recon.grid import Grid
from recon.regions.coverage import THIN_MM, coverage_mm
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
    found = quality(mask, VOXEL_SIZE_MM, chi_ppm, stats)
    return found.facts, found.warnings[len(found.broken) :]


@pytest.mark.parametrize("offset_ppm", [-0.3, 0.0, 0.3], ids=["low", "zero", "high"])
def test_right_sign_raises_no_warning_whatever_the_reference(brain, offset_ppm):
    assert check(brain, 0.08, -0.02, offset_ppm=offset_ppm)[1] == []


def test_wrong_sign_is_told_with_both_means_and_what_to_set(brain):
    facts, warnings = check(brain, -0.08, 0.02)
    assert len(warnings) == 1
    assert warnings[0].startswith("Phase sign: expected")
    assert "found -0.081 ± 0.001 ppm" in warnings[0] and "against +0.020 ppm" in warnings[0]
    assert (
        'turn it: --config "prepare_echoes={phase_sign: 1}" or --config "prepare_echoes={phase_sign: -1}".'
        in warnings[0]
    )
    assert facts["mean χ of white matter [ppm]"] == pytest.approx(0.02, abs=0.003)


def test_nuclei_laid_into_a_phantom_give_no_advice_to_turn_the_sign():
    (warning,) = sign_warnings(IronContrast(-0.018, -0.005, 0.003), spread_ppm=0.086)
    assert warning.startswith("Phase sign not confirmed") and "--config" not in warning


def test_less_than_any_newborn_has_is_no_child_s_brain():
    assert "A child's brain is smaller" in size_warnings(500.0, None)[0]
    assert "child" not in size_warnings(210.0, None)[0] + size_warnings(2500.0, None)[0] + size_warnings(500.0, 30.0)[0]


def test_a_known_sign_is_turned_to_the_other():
    warning = sign_warnings(IronContrast(-0.08, 0.02, 0.001), phase_sign=1)[0]
    assert warning.endswith('turn it: --config "prepare_echoes={phase_sign: -1}".')


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
    warnings = quality(small, VOXEL_SIZE_MM, chi_ppm, stats).warnings
    assert warnings[0].startswith("Brain mask: expected 900 to 2000 ml, found")
    assert "not finite in 1 voxels" in warnings[1]


def maps_of(brain, share=1.0, spread_ppm=0.02, white_ppm=-0.02):
    """Mask, a map with nuclei above white matter, and its statistics."""
    mask, labels, white = brain
    known = mask & (np.random.default_rng(1).random(mask.shape) < share)
    chi_ppm = np.random.default_rng(0).normal(0, spread_ppm, mask.shape) + 0.08 * (labels > 0) + white_ppm * white
    chi_ppm = np.where(known, chi_ppm, 0).astype(np.float32)
    return mask, chi_ppm, region_statistics(labels, white, {"chi_ppm": chi_ppm}, VOXEL_SIZE_MM)


@pytest.mark.parametrize(
    ("change", "residual_ppm", "named"),
    [
        ({"share": 0.087}, 0.002, "share of the mask with χ"),
        ({"spread_ppm": 0.26}, 0.002, "SD of χ"),
        ({"white_ppm": -0.17}, 0.002, "mean χ of white matter"),
        ({}, 0.05, "residual of the field"),
    ],
)
def test_a_broken_map_is_told_before_all_else_with_what_was_expected_and_found(brain, change, residual_ppm, named):
    mask, chi_ppm, stats = maps_of(brain, **change)
    found = quality(mask, VOXEL_SIZE_MM, chi_ppm, stats, residual_ppm=residual_ppm)
    assert found.broken and found.warnings[: len(found.broken)] == found.broken
    assert any(text.startswith(f"Broken map, {named}: expected") and "found" in text for text in found.broken)


def test_a_sound_map_is_not_broken_and_a_phantom_is_not_judged_as_a_brain(brain):
    mask, chi_ppm, stats = maps_of(brain)
    assert quality(mask, VOXEL_SIZE_MM, chi_ppm, stats, residual_ppm=0.002).warnings == []
    phantom = quality(mask, VOXEL_SIZE_MM, 20 * chi_ppm, None)
    assert phantom.warnings == [] and phantom.broken == []
    assert quality(mask, VOXEL_SIZE_MM, chi_ppm * (mask.cumsum(2) < 4), None).broken


def test_a_void_is_told_with_its_volume_and_the_share_of_r2star_at_its_ceiling(brain):
    mask, chi_ppm, stats = maps_of(brain)
    where = np.zeros(mask.shape, bool)
    where[20:30, 20:30, 20:30] = True
    r2star_hz = np.where(np.indices(mask.shape)[0] < 29, np.float32(200), np.float32(30))
    found = quality(mask, VOXEL_SIZE_MM, chi_ppm, stats, voids=Voids.of(where, r2star_hz, 200.0))
    assert found.facts["signal voids [ml]"] == pytest.approx(27)
    assert found.facts["R2* at its ceiling, share of them [%]"] == pytest.approx(90)
    assert "27.0 ml" in found.warnings[0] and "90 %" in found.warnings[0]
    none = quality(mask, VOXEL_SIZE_MM, chi_ppm, stats, voids=Voids.of(where & False, r2star_hz, 200.0))
    assert none.warnings == []


def test_a_mask_that_holds_much_without_signal_is_told_as_a_mask_that_leaks(brain):
    mask, chi_ppm, stats = maps_of(brain)
    where = mask & (np.cumsum(mask).reshape(mask.shape) < 0.3 * mask.sum())
    found = quality(mask, VOXEL_SIZE_MM, chi_ppm, stats, voids=Voids(where, 0.0))
    assert found.warnings[0].startswith("Brain mask: ") and "reaches into air or bone" in found.warnings[0]
    assert "haemorrhage" not in " ".join(found.warnings)


@pytest.mark.parametrize(("age_years", "volume_ml"), [(0.0, 400), (1.0, 850), (2.0, 980), (8.0, 1400), (40.0, 1400)])
def test_a_brain_of_usual_size_for_its_age_is_not_warned_of(age_years, volume_ml):
    assert size_warnings(volume_ml, age_years) == []
    assert "expected" in size_warnings(0.4 * volume_ml, age_years)[0]


def test_where_the_age_is_unknown_a_small_brain_asks_for_it():
    assert "participants.tsv" in size_warnings(600, None)[0] and "participants.tsv" not in size_warnings(2600, None)[0]
    assert list(GROWTH) == sorted(GROWTH) and list(GROWTH.values()) == sorted(GROWTH.values())


def test_coverage_is_along_the_field_whichever_axis_that_is():
    slab = np.zeros((20, 30, 40), bool)
    slab[4:14, 5:25, 2:38] = True
    assert coverage_mm(slab, Grid((1.0, 2.0, 3.0), (1.0, 0.0, 0.0))) == 10
    assert coverage_mm(slab, Grid((1.0, 2.0, 3.0), (0.0, -1.0, 0.0))) == 40
    assert coverage_mm(slab, Grid((1.0, 2.0, 3.0))) == 108
    assert coverage_mm(slab & False, Grid((1.0, 2.0, 3.0))) == 0


@pytest.mark.parametrize("thick", [True, False])
def test_a_slab_that_is_thin_along_b0_flags_the_statistics(brain, thick):
    mask, labels, white = brain
    slices = int(THIN_MM / 3) + (2 if thick else -2)
    slab = mask & (abs(np.indices(mask.shape)[2] - 24) < slices / 2)
    covered_mm = coverage_mm(slab, Grid(VOXEL_SIZE_MM))
    chi_ppm = np.where(slab, 0.08 * (labels > 0) - 0.02 * white + 0.001, 0)
    stats = region_statistics(labels * slab, white & slab, {"chi_ppm": chi_ppm}, VOXEL_SIZE_MM, covered_mm)
    assert stats["flag"].isna().all() == thick
    assert any(w.startswith("Thin slab") for w in quality(slab, VOXEL_SIZE_MM, chi_ppm, stats).warnings) != thick
