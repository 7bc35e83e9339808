"""Orientation, proportions and overlays of pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from recon.check.pictures import axial_views, canonical, mosaic, orthogonal_views, robust_window, section
from recon.files.io import Volume

SHAPE = (6, 8, 4)
RAS = np.diag([2.0, 1.0, 3.0, 1.0])
# voxel axes towards posterior, left, superior
TURNED = np.array([[0, -2, 0, 0], [-1, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]], float)


def picture(volume: Volume, **options) -> np.ndarray:
    stream = io.BytesIO()
    views = orthogonal_views(np.ones(volume.data.shape, bool), volume.affine)
    mosaic(stream, volume, views, (0.0, 1.0), "ppm", **options)
    return np.asarray(Image.open(stream).convert("RGB"))


def test_the_same_anatomy_looks_the_same_from_any_voxel_order():
    anatomy = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    turned = anatomy[::-1, ::-1].transpose(1, 0, 2)  # stored (y, x, z), posterior and left first
    data, size_mm = canonical(turned, TURNED)
    np.testing.assert_array_equal(data, anatomy)
    np.testing.assert_array_equal(size_mm, [2, 1, 3])


def test_a_slight_tilt_keeps_the_axes():
    angle = np.deg2rad(20)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    anatomy = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    np.testing.assert_array_equal(canonical(anatomy, tilt @ RAS)[0], anatomy)


@pytest.mark.parametrize(
    "plane, voxel, place",
    [
        ("axial", (5, 7, 0), (-1, 0)),  # right anterior: left, top
        ("axial", (0, 0, 0), (0, -1)),  # left posterior: right, bottom
        ("coronal", (5, 0, 3), (-1, 0)),  # right superior: left, top
        ("sagittal", (0, 7, 3), (-1, 0)),  # anterior superior: left, top
    ],
)
def test_sides_agree_with_the_letters(plane, voxel, place):
    data = np.zeros(SHAPE)
    data[voxel] = 1
    index = voxel[{"sagittal": 0, "coronal": 1, "axial": 2}[plane]]
    shown = section(data, plane, index, [(0, count) for count in SHAPE])
    assert shown[place] == 1 and shown.sum() == 1


def test_proportions_follow_the_voxel_size():
    """Sagittal 8 x 12 mm, coronal 12 x 12 mm, axial 12 x 8 mm: as wide as their sum plus gaps and bar."""
    data = np.ones((60, 80, 40), np.float32)
    shown = picture(Volume(data=data, affine=RAS))
    height, width = shown.shape[:2]
    scale = height / 120.0  # pixels per mm; the tallest plane is 40 x 3 mm
    bar_and_gaps = (0.9 + 3 * 0.04) * 120
    assert width == pytest.approx(scale * (80 + 120 + 120) + bar_and_gaps, abs=3)


def test_a_frame_cuts_away_the_surroundings():
    volume = Volume(data=np.ones((90, 90, 90), np.float32), affine=np.diag([4, 4, 4, 1]))
    frame = np.zeros((90, 90, 90), bool)
    frame[30:60, 30:60, 30:60] = True
    height = [picture(volume, **options).shape[0] for options in ({}, {"frame": frame})]
    assert height[1] / height[0] == pytest.approx(140 / 360, abs=0.03)  # 120 mm and 10 mm on both sides


def test_a_small_field_of_view_is_enlarged():
    small, large = (Volume(data=np.ones((20, 20, 20), np.float32), affine=np.diag([v, v, v, 1])) for v in (1, 7))
    widths = [picture(volume).shape[1] for volume in (small, large)]
    assert widths[0] >= 4 * 120
    assert widths[1] == pytest.approx(widths[0], abs=60)


def test_overlays_add_colour_to_a_grey_picture():
    volume = Volume(data=np.full((30, 30, 30), 0.5, np.float32), affine=np.eye(4))
    inside = np.zeros((30, 30, 30), bool)
    inside[8:22, 8:22, 8:22] = True
    coloured = [np.ptp(shown.astype(int), axis=2).max() for shown in (
        picture(volume), picture(volume, contours=(inside,)), picture(volume, regions=inside.astype(np.uint8))
    )]  # fmt: skip
    assert coloured[0] == 0 and min(coloured[1:]) > 50


def test_only_labelled_voxels_are_filled():
    volume = Volume(data=np.full((30, 30, 30), 0.5, np.float32), affine=np.eye(4))
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[13:17, 13:17, 13:17] = 9
    coloured = np.ptp(picture(volume, regions=labels).astype(int), axis=2) > 50
    assert 0 < coloured.mean() < 0.05


def test_views_lie_in_the_mask():
    mask = np.zeros((20, 20, 20), bool)
    mask[4:9, 10:15, 6:17] = True
    assert dict(orthogonal_views(mask, np.eye(4))) == {"sagittal": 6, "coronal": 12, "axial": 11}
    slices = [index for _, index in axial_views(mask, np.eye(4), 5)]
    assert slices == sorted(set(slices)) and slices[0] >= 6 and slices[-1] <= 16


def test_window_of_a_constant_map_is_not_empty():
    low, high = robust_window(np.ones((2, 2, 2)), np.ones((2, 2, 2), bool))
    assert high > low


def test_inputs_are_not_written():
    data = np.random.default_rng(1).random((10, 10, 10)).astype(np.float32)
    before = data.copy()
    picture(Volume(data=data, affine=TURNED), contours=(data > 0.5,))
    np.testing.assert_array_equal(data, before)


def test_wrong_shapes_are_refused():
    volume = Volume(data=np.zeros((4, 4, 4), np.float32), affine=np.eye(4))
    with pytest.raises(ValueError, match="expected the shape of the map"):
        picture(volume, contours=(np.zeros((4, 4, 5), bool),))
    with pytest.raises(ValueError, match="expected a 3-D map"):
        mosaic(io.BytesIO(), Volume(data=np.zeros((4, 4, 4, 2)), affine=np.eye(4)), [("axial", 0)], (0, 1), "ppm")
