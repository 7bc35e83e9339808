"""Brain extraction on a head of ellipsoids whose brain is known."""

import numpy as np
import pytest

from recon.mask.bet import bet
from recon.mask.surface import edges_of, icosphere, subdivide, surface_mask

THRESHOLD = 0.2


def ellipsoid(shape, voxel_size_mm, centre_mm, semi_axes_mm):
    grid_mm = np.stack(np.indices(shape), axis=-1) * np.asarray(voxel_size_mm)
    return (((grid_mm - centre_mm) / semi_axes_mm) ** 2).sum(axis=-1) < 1


def head(voxel_size_mm):
    """Brain 70 x 85 x 60 mm in a dark skull of 8 mm and a scalp of 6 mm: magnitude, true brain."""
    field_of_view_mm = np.array([200.0, 230.0, 170.0])
    shape = tuple(np.rint(field_of_view_mm / voxel_size_mm).astype(int))
    centre_mm, brain_mm = field_of_view_mm / 2 + [2, -3, 1], np.array([70.0, 85.0, 60.0])
    brain = ellipsoid(shape, voxel_size_mm, centre_mm, brain_mm)
    magnitude = np.zeros(shape, np.float32)
    magnitude[ellipsoid(shape, voxel_size_mm, centre_mm, brain_mm + 14)] = 600
    magnitude[ellipsoid(shape, voxel_size_mm, centre_mm, brain_mm + 8)] = 60
    magnitude[brain] = 1000
    noise = np.random.default_rng(0).normal(scale=25, size=(2, *shape))
    return np.hypot(magnitude + noise[0], noise[1]).astype(np.float32), brain


def head_on_a_neck():
    """A head on 100 mm of neck, 100 mm wide, that is twice as bright as the brain: magnitude, true brain."""
    brain_mm = np.array([66.0, 82.0, 60.0])
    shape, size, centre_mm = (67, 77, 83), (3, 3, 3), np.array([100.0, 115.0, 165.0])
    brain = ellipsoid(shape, size, centre_mm, brain_mm)
    magnitude = np.zeros(shape, np.float32)
    magnitude[ellipsoid(shape, size, centre_mm - [0, 10, 150], [50, 60, 140])] = 2000
    magnitude[ellipsoid(shape, size, centre_mm, brain_mm + 16)] = 900
    magnitude[ellipsoid(shape, size, centre_mm, brain_mm + 9)] = 60
    magnitude[brain] = 1000
    noise = np.random.default_rng(0).normal(scale=25, size=(2, *shape))
    return np.hypot(magnitude + noise[0], noise[1]).astype(np.float32), brain


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module")
def coarse():
    magnitude, brain = head((3.0, 3.0, 3.0))
    return magnitude, brain, bet(magnitude, (3, 3, 3), threshold=THRESHOLD)


def test_finds_the_brain_on_isotropic_voxels(coarse):
    _, brain, mask = coarse
    assert dice(mask, brain) > 0.96


@pytest.mark.parametrize("voxel_size_mm", [(1.5, 1.5, 4.0), (5.0, 2.0, 1.5)])
def test_finds_the_brain_on_anisotropic_voxels(voxel_size_mm):
    magnitude, brain = head(voxel_size_mm)
    assert dice(bet(magnitude, voxel_size_mm, threshold=THRESHOLD), brain) > 0.96


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_a_bright_neck_stays_outside(threshold):
    magnitude, brain = head_on_a_neck()
    assert dice(bet(magnitude, (3, 3, 3), threshold=threshold), brain) > 0.95


def test_any_axis_may_run_from_head_to_foot():
    magnitude, _ = head_on_a_neck()
    upright = bet(magnitude, (3, 3, 3), threshold=THRESHOLD)
    lying = bet(magnitude.transpose(2, 0, 1)[::-1, :, ::-1], (3, 3, 3), threshold=THRESHOLD)
    assert dice(lying[::-1, :, ::-1].transpose(1, 2, 0), upright) > 0.98


def test_a_few_very_bright_voxels_do_no_harm(coarse):
    magnitude, _, mask = coarse
    spiked = magnitude.copy()
    spiked.ravel()[::20011] = 1e7
    assert dice(bet(spiked, (3, 3, 3), threshold=THRESHOLD), mask) > 0.98


def test_a_small_head_is_found():
    magnitude, brain = head((3.0, 3.0, 3.0))
    assert dice(bet(magnitude, (2.4, 2.4, 2.4), threshold=THRESHOLD), brain) > 0.95


def test_a_skull_stripped_image_is_kept(coarse):
    magnitude, brain, _ = coarse
    assert dice(bet(magnitude * brain, (3, 3, 3), threshold=THRESHOLD), brain) > 0.95


def test_intensity_scale_is_free(coarse):
    magnitude, _, mask = coarse
    assert dice(bet(magnitude * 1e-5, (3, 3, 3), threshold=THRESHOLD), mask) > 0.995


def test_values_that_are_not_finite_count_as_zero(coarse):
    magnitude, brain, _ = coarse
    broken = magnitude.copy()
    broken[0], broken[-1], broken[30, 38, 28] = np.nan, np.inf, np.nan
    assert dice(bet(broken, (3, 3, 3), threshold=THRESHOLD), brain) > 0.95


def test_input_stays_as_it_is(coarse):
    magnitude, _, _ = coarse
    before = magnitude.copy()
    bet(magnitude, (3, 3, 3), threshold=THRESHOLD)
    np.testing.assert_array_equal(magnitude, before)


def test_a_larger_threshold_gives_a_smaller_brain(coarse):
    magnitude, _, mask = coarse
    assert bet(magnitude, (3, 3, 3), threshold=0.8).sum() < mask.sum()


def test_a_slab_that_cuts_the_head_is_filled_to_its_end(coarse):
    magnitude, brain, _ = coarse
    slab = slice(18, 40)
    assert dice(bet(magnitude[..., slab], (3, 3, 3), threshold=THRESHOLD), brain[..., slab]) > 0.93


def test_a_crop_without_air_is_all_brain():
    crop = np.random.default_rng(0).normal(loc=100, scale=10, size=(20, 20, 20))
    assert bet(crop, (1, 1, 1), threshold=THRESHOLD).all()


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_an_empty_image_is_refused(value):
    with pytest.raises(ValueError, match="magnitude: expected a head"):
        bet(np.full((10, 10, 10), value), (1, 1, 1), threshold=THRESHOLD)


def test_real_head_has_the_volume_of_a_brain(shared_data):
    from recon.files.io import read_volume

    volume = read_volume(shared_data / "philips_2echo" / "2001_WIP_fcMRI_Field_Mapping_cl_e2.nii.gz")
    mask = bet(volume.data, volume.voxel_size_mm, threshold=THRESHOLD)
    assert 1.0 < mask.sum() * 27e-6 < 1.9


def test_icosphere_is_closed_and_wound_outward():
    vertices, faces = icosphere(4)
    volume = np.linalg.det(vertices[faces]).sum() / 6
    assert len(vertices) == 2562
    assert volume == pytest.approx(4 * np.pi / 3, rel=0.01)


def test_subdivided_icosphere_has_the_vertices_of_the_next():
    vertices, faces = icosphere(2)
    finer = subdivide(vertices, edges_of(faces))
    np.testing.assert_allclose(finer / np.linalg.norm(finer, axis=1, keepdims=True), icosphere(3)[0], atol=1e-6)


def test_surface_mask_is_the_ellipsoid():
    vertices, faces = icosphere(4)
    semi_axes, centre = np.array([20.0, 18.0, 7.0]), np.array([25.0, 22.0, 10.3])
    mask = surface_mask(vertices * semi_axes + centre, faces, (50, 44, 20))
    assert dice(mask, ellipsoid((50, 44, 20), (1, 1, 1), centre, semi_axes)) > 0.995


def test_surface_mask_is_cut_at_the_field_of_view():
    vertices, faces = icosphere(4)
    mask = surface_mask(vertices * 8 + [0, 5, 9], faces, (10, 10, 10))
    truth = ellipsoid((10, 10, 10), (1, 1, 1), np.array([0, 5, 9]), np.array([8, 8, 8]))
    assert dice(mask, truth) > 0.97
