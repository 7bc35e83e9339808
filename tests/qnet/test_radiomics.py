"""First-order, shape and texture features against independent references."""

import numpy as np
import pytest
from scipy import stats
from skimage.feature import graycomatrix, graycoprops

from qnet.baselines.glcm import cooccurrence, grey_levels, texture
from qnet.baselines.radiomics import FIRST_ORDER, SHAPE_UNITS, first_order, shape

RNG = np.random.default_rng(0)


def ball(radius_mm, voxel_size_mm, semi_axes=(1, 1, 1)):
    """Ellipsoid of semi-axes `radius_mm * semi_axes` on a grid."""
    half = [int(np.ceil(radius_mm * a / v)) + 1 for a, v in zip(semi_axes, voxel_size_mm, strict=True)]
    index = np.meshgrid(*[np.arange(-h, h + 1) for h in half], indexing="ij")
    scaled = [i * v / (radius_mm * a) for i, v, a in zip(index, voxel_size_mm, semi_axes, strict=True)]
    return sum(s**2 for s in scaled) <= 1


def test_first_order_agrees_with_scipy():
    values = RNG.gamma(2, 3, 400)
    found = first_order(values)
    iqr, mad = stats.iqr(values), np.abs(values - values.mean()).mean()
    expected = {"mean": values.mean(), "sd": values.std(), "skewness": stats.skew(values), "iqr": iqr}
    expected |= {"kurtosis": stats.kurtosis(values), "median": np.median(values), "absolute_deviation": mad}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_high_mean_is_that_of_the_upper_quarter():
    assert first_order(np.arange(100.0))["high_mean"] == np.arange(75, 100).mean()


def test_equal_values_have_no_spread_and_no_form():
    found = first_order(np.full(20, 0.25, np.float32))
    assert [found[name] for name in ("sd", "skewness", "kurtosis", "iqr")] == [0, 0, 0, 0]


def test_first_order_of_nothing_is_missing():
    found = first_order(np.array([]))
    assert tuple(found) == FIRST_ORDER == tuple(first_order(np.ones(3)))
    assert np.isnan([*found.values()]).all()


@pytest.mark.parametrize("voxel_size_mm", [(1, 1, 1), (0.6, 0.6, 2)])
def test_size_of_a_ball(voxel_size_mm):
    found = shape(ball(12, voxel_size_mm), voxel_size_mm)
    assert found["volume"] == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.02)
    assert [found[f"{axis}_axis"] for axis in ("minor", "middle", "major")] == pytest.approx([24] * 3, rel=0.02)


def test_axes_of_an_ellipsoid_wherever_it_points():
    region = ball(6, (1, 1, 1), semi_axes=(1, 3, 2))
    found = shape(np.moveaxis(region, 0, 2), (1, 1, 1))
    assert [found[f"{axis}_axis"] for axis in ("minor", "middle", "major")] == pytest.approx([12, 24, 36], rel=0.02)


def test_axes_of_a_brick():
    found = shape(np.ones((3, 5, 9), bool), (1.0, 2.0, 0.5))
    # variance of a solid brick of edge L along an axis: L² / 12
    assert found["major_axis"] == pytest.approx(2 * np.sqrt(5 * 10**2 / 12))
    assert found["minor_axis"] == pytest.approx(2 * np.sqrt(5 * 3**2 / 12))


def test_surface_of_a_large_brick():
    found = shape(np.ones((40, 60, 50), bool), (1.0, 1.0, 1.0))
    assert found["surface"] == pytest.approx(2 * (40 * 60 + 60 * 50 + 40 * 50), rel=0.02)


def test_sphericity_falls_with_elongation_whatever_the_size():
    round_, long = (shape(ball(8, (1, 1, 1), (1, 1, a)), (1, 1, 1))["sphericity"] for a in (1, 4))
    large = shape(ball(16, (1, 1, 1)), (1, 1, 1))["sphericity"]
    assert 0.88 < round_ <= 1
    assert large == pytest.approx(round_, abs=0.03)
    assert long < 0.85 * round_


def test_one_voxel_has_a_shape():
    found = shape(np.ones((1, 1, 1), bool), (1.5, 1.5, 3.0))
    assert set(found) == set(SHAPE_UNITS)
    assert np.isfinite([*found.values()]).all()


def test_levels_divide_the_window_and_hold_what_lies_outside():
    found = grey_levels(np.array([-9.0, 0.0, 0.24, 0.26, 0.99, 1.0, 9.0]), (0.0, 1.0), 4)
    assert found.tolist() == [0, 0, 0, 1, 3, 3, 3]


@pytest.fixture(scope="module")
def image():
    return RNG.integers(0, 6, (14, 11)).astype(np.uint8)


def reference(image):
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    return graycomatrix(image, [1], angles, levels=6, symmetric=True).sum((2, 3))


def test_pairs_agree_with_scikit_image(image):
    found = cooccurrence(image[..., None].astype(int), np.ones((*image.shape, 1), bool), 6)
    np.testing.assert_array_equal(found, reference(image))


@pytest.mark.parametrize("feature", ["contrast", "dissimilarity", "homogeneity", "energy", "entropy", "correlation"])
def test_texture_agrees_with_scikit_image(image, feature):
    counts = reference(image)
    expected = graycoprops((counts / counts.sum())[:, :, None, None], feature)[0, 0]
    assert texture(counts)[feature] == pytest.approx(expected)


def test_pairs_stay_inside_the_region(image):
    inside = np.zeros((*image.shape, 1), bool)
    inside[2:7, 3:9] = True
    np.testing.assert_array_equal(cooccurrence(image[..., None].astype(int), inside, 6), reference(image[2:7, 3:9]))


def test_slices_are_counted_together_but_not_across(image):
    stack = np.stack([image, image[::-1]], -1).astype(int)
    found = cooccurrence(stack, np.ones(stack.shape, bool), 6)
    np.testing.assert_array_equal(found, 2 * reference(image))


def test_texture_without_pairs_is_missing():
    assert np.isnan([*texture(np.zeros((4, 4), int)).values()]).all()


def test_correlation_of_one_level_is_missing():
    found = texture(np.diag([0, 8, 0]))
    assert np.isnan(found["correlation"])
    assert found["homogeneity"] == 1
