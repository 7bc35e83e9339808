"""The region of zero susceptibility: found from the images, zero on average, refused where it is too small."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from recon.combine import Reference, combine_echoes, described, mean_error, reference_voxels, zero_of
from recon.files.home import HOME
from recon.pipeline import reconstruct
from recon.regions.fluid import LARGEST_R2STAR_HZ, ventricular_fluid
from recon.regions.nuclei import nucleus_labels
from recon.regions.reference import LEAST_VOXELS, checked, region_names
from recon.regions.shapes import LABELS, nucleus
from tests.recon.arms import CONSENSUS
from tests.recon.physics import ball
from tests.recon.test_chain import MASK, scene

SHAPE = (60, 64, 56)
VOXEL_MM = (2.0, 2.0, 2.0)
TE_S = np.arange(1, 7) * 0.005


def at(centre, radius):
    """(X, Y, Z) bool ball around a voxel, radius in voxels."""
    return np.linalg.norm(np.indices(SHAPE) - np.reshape(centre, (3, 1, 1, 1)), axis=0) < radius


BRAIN = at((30, 32, 28), 25)
VENTRICLES = at((25, 32, 28), 4) | at((35, 32, 28), 4)


def head(seed=0, spread_hz=2.0, brain=BRAIN):
    """R2* [1/s] and the last echo of tissue at 20 1/s with two ventricles, a sulcus, a vein and a void."""
    r2star_hz = np.where(VENTRICLES, 2.0, 20.0)
    r2star_hz[at((30, 54, 28), 3)] = 2.0  # fluid below the surface
    r2star_hz[at((30, 38, 20), 2)] = 60.0
    signal = np.exp(-0.03 * r2star_hz)
    void = at((30, 24, 28), 4)
    r2star_hz[void], signal[void] = 0.5, 0.01  # noise does not decay
    noise = np.random.default_rng(seed).normal(0, spread_hz, SHAPE)
    return np.where(brain, np.maximum(r2star_hz + noise, 0), 0), np.where(brain, signal, 0)


@pytest.mark.parametrize("spread_hz", [0.0, 2.0, 5.0])
def test_the_ventricles_are_found_and_nothing_else(spread_hz):
    fluid = ventricular_fluid(*head(spread_hz=spread_hz), BRAIN, BRAIN, VOXEL_MM, 3.0)
    assert not (fluid & ~VENTRICLES).any()
    assert fluid.sum() > 0.5 * VENTRICLES.sum()


def test_the_edge_of_the_field_of_view_is_no_surface():
    slab = (slice(None), slice(None), slice(24, 33))
    arrays = [array[slab] for array in (*head(), BRAIN, BRAIN)]
    fluid = ventricular_fluid(*arrays, VOXEL_MM, 3.0)
    assert fluid.sum() > 0.5 * VENTRICLES[slab].sum() and not (fluid & ~VENTRICLES[slab]).any()


def test_fluid_is_taken_where_susceptibility_is_known_and_a_brain_without_has_none():
    known = BRAIN & (np.arange(SHAPE[0]) < 30)[:, None, None]
    fluid = ventricular_fluid(*head(), BRAIN, known, VOXEL_MM, 3.0)
    assert fluid.any() and not (fluid & ~known).any()
    tissue = np.full(SHAPE, 3 * LARGEST_R2STAR_HZ)
    assert not ventricular_fluid(tissue, np.ones(SHAPE), BRAIN, BRAIN, VOXEL_MM, 3.0).any()
    assert not ventricular_fluid(tissue, np.ones(SHAPE), ~BRAIN & False, BRAIN, VOXEL_MM, 3.0).any()


def test_at_a_higher_field_fluid_and_tissue_decay_faster():
    r2star_hz, signal = head(spread_hz=0.0)
    at_7_tesla = ventricular_fluid(7 / 3 * r2star_hz, signal, BRAIN, BRAIN, VOXEL_MM, 7.0)
    np.testing.assert_array_equal(at_7_tesla, ventricular_fluid(r2star_hz, signal, BRAIN, BRAIN, VOXEL_MM, 3.0))
    assert at_7_tesla.any()


def chi_map(seed=0):
    chi = np.random.default_rng(seed).normal(0.3, 0.1, (*SHAPE, 6)).astype(np.float32)
    return chi, np.ones_like(chi)


@pytest.mark.parametrize("reference", ["csf", "white_matter", "putamen"])
def test_the_mean_of_the_region_becomes_zero(reference):
    combined = combine_echoes(*chi_map(), BRAIN, TE_S, VENTRICLES, reference=reference)
    assert abs(combined[VENTRICLES].mean(dtype=np.float64)) < 1e-7
    assert not combined[~BRAIN].any()


def test_another_reference_shifts_the_map_by_a_constant():
    maps = {
        name: combine_echoes(*chi_map(), BRAIN, TE_S, VENTRICLES, reference=name) for name in ("csf", "whole_brain")
    }
    shift = (maps["csf"] - maps["whole_brain"])[BRAIN]
    assert np.ptp(shift) < 1e-6
    assert shift.mean() == pytest.approx(-maps["whole_brain"][VENTRICLES].mean(), abs=1e-6)


def test_only_the_part_of_the_region_in_the_mask_counts():
    half = BRAIN & (np.arange(SHAPE[0]) < 30)[:, None, None]
    combined = combine_echoes(*chi_map(), half, TE_S, VENTRICLES, reference="csf")
    assert abs(combined[VENTRICLES & half].mean(dtype=np.float64)) < 1e-7


def test_a_region_that_is_missing_or_outside_is_refused():
    with pytest.raises(ValueError, match="csf: expected its region where χ is known, found no region"):
        reference_voxels(BRAIN, None, "csf")
    with pytest.raises(ValueError, match="found none of its voxels there"):
        reference_voxels(BRAIN, ~BRAIN, "csf")


def test_small_regions_are_refused_with_what_was_found_and_the_line_to_type():
    few = np.zeros(SHAPE, bool)
    few[30, 30, 20 : 20 + LEAST_VOXELS - 1] = True
    with pytest.raises(ValueError, match=r"csf: expected 20 voxels and 0.3 ml or more .* found 19 voxels \(0.15 ml\)"):
        checked(few, BRAIN, "csf", VOXEL_MM)
    fine = np.zeros(SHAPE, bool)
    fine[20:40, 20:40, 30] = True
    with pytest.raises(ValueError, match='--config "combine_echoes={reference: whole_brain}"'):
        checked(fine, BRAIN, "csf", (0.5, 0.5, 0.5))
    np.testing.assert_array_equal(checked(VENTRICLES | ~BRAIN, BRAIN, "csf", VOXEL_MM), VENTRICLES)


def test_a_nucleus_is_both_of_its_sides():
    labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(nucleus(np.array([0, 3, 5, 19, 22]), "pallidum"), [False, False, True, True, True])
    found = {nucleus_labels()[label][1] for label in labels[nucleus(labels, "putamen")]}
    assert found == {"L", "R"}


@pytest.mark.parametrize(
    ("name", "values"),
    [("pallidum_external", {19, 20}), ("pallidum_internal", {21, 22}), ("pallidum", {5, 6, 19, 20, 21, 22})],
)
def test_the_reference_may_be_a_part_of_the_pallidum(name, values):
    labels = np.arange(max(LABELS) + 1, dtype=np.uint8)
    assert set(labels[nucleus(labels, name)].tolist()) == values


def test_every_label_of_an_image_may_be_the_reference_and_the_settings_say_so():
    names = region_names()
    assert names == ["csf", "white_matter", *dict.fromkeys(name for name, _ in LABELS.values())]
    schema = yaml.safe_load((HOME / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
    told = schema["properties"]["combine_echoes"]["properties"]["reference"]["enum"]
    assert set(told) == {"whole_brain", *names, "none"}


def test_the_reference_is_described():
    values = np.zeros(BRAIN.sum(), np.float32)
    values[VENTRICLES[BRAIN]] = 0.02
    about = described(values, BRAIN, VENTRICLES, VOXEL_MM, "csf")
    assert about.value_ppm == zero_of(values, BRAIN, VENTRICLES) == pytest.approx(0.02)
    assert about.volume_ml == pytest.approx(VENTRICLES.sum() * 0.008)
    assert about.above_brain_ppm == pytest.approx(0.02 * (1 - VENTRICLES.sum() / BRAIN.sum()), rel=1e-5)
    assert (about.sd_ppm, about.error_ppm) == pytest.approx((0, 0), abs=1e-9)
    assert about.summary()["Reference"] == "csf"
    assert described(values, BRAIN, None, VOXEL_MM, "none").summary() == {"Reference": "none"}
    assert isinstance(about, Reference)


@pytest.mark.parametrize("run", [1, 4])
def test_the_standard_error_is_that_of_means_drawn_again(run):
    """Noise that is alike in runs of voxels, so that far fewer than all of them are independent."""
    rng = np.random.default_rng(0)
    region = ball(10, shape=(40, 40, 40))

    def drawn():
        noise = rng.normal(size=(40 // run,) * 3).repeat(run, 0).repeat(run, 1).repeat(run, 2)
        return noise[region]

    means = np.array([drawn().mean() for _ in range(200)])
    errors = [mean_error(drawn(), region, (2.0, 2.0, 2.0)) for _ in range(20)]
    assert np.mean(errors) == pytest.approx(means.std(), rel=0.3)


def test_a_region_within_one_cube_has_no_standard_error():
    region = np.zeros(SHAPE, bool)
    region[:2, :2, :2] = True
    assert np.isnan(mean_error(np.arange(8.0), region, VOXEL_MM))


def test_the_chain_finds_fluid_and_refuses_before_it_computes():
    phase, magnitude, facts = scene()
    with_fluid = CONSENSUS.changed(combine_echoes={"reference": "csf"})
    with pytest.raises(ValueError, match="csf: expected 20 voxels"):  # that head has none
        reconstruct(phase, magnitude, MASK, facts, with_fluid)
    nowhere = CONSENSUS.changed(combine_echoes={"reference": "putamen"})
    with pytest.raises(ValueError, match="putamen: expected its region where χ is known, found no region"):
        reconstruct(phase, magnitude, MASK, facts, nowhere)
    single = replace(facts, te_s=facts.te_s[:1])
    with pytest.raises(ValueError, match="csf: expected two echoes or more"):
        reconstruct(phase[..., :1], magnitude[..., :1], MASK, single, with_fluid)
