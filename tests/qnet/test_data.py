"""Stacks: orientation, sampling, slice range, refusals."""

import nibabel
import numpy as np
import pytest

from qnet.data import (
    SliceStack,
    atomic,
    participant_of,
    pick_slices,
    read_stack,
    resample_slice,
    slice_stack,
    stretch,
    write_stack,
)

SHAPE, VOXEL = (40, 48, 12), (2.0, 2.0, 3.0)
PARAMS = SliceStack(slices=5, image_size=32, full_fov_mm=96.0, crop_fov_mm=48.0)


def volumes() -> dict[str, np.ndarray]:
    """An egg of a brain that is brighter to the right (χ), to the front (R2*) and upwards (T1W)."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    brain = (grid**2).sum(0) < 0.8
    maps = {
        name: ((2 + ramp) * brain).astype(np.float32) for name, ramp in zip(["chi", "r2star", "t1w"], grid, strict=True)
    }
    box = np.zeros(SHAPE, np.float32)
    box[14:28, 20:34, 2:9] = 1
    return maps | {"box": box}


def save(folder, maps, turn=lambda image: image) -> dict[str, str]:
    paths = {}
    for name, data in maps.items():
        paths[name] = str(folder / f"{name}.nii.gz")
        affine = np.diag([*VOXEL, 1.0])
        affine[:3, 3] = -30
        nibabel.save(turn(nibabel.Nifti1Image(data, affine)), paths[name])
    return paths


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    return slice_stack(**save(tmp_path_factory.mktemp("maps"), volumes()), params=PARAMS)


def test_shapes_and_types(stack):
    assert {name: (value.shape, value.dtype.kind) for name, value in stack.items()} == {
        "full": ((5, 3, 32, 32), "f"),
        "crop": ((5, 3, 32, 32), "f"),
        "slice": ((5,), "i"),
    }
    assert stack["full"].dtype == stack["crop"].dtype == np.float32


def test_columns_run_from_right_to_left_and_rows_from_front_to_back(stack):
    qsm, r2star = stack["crop"][2, :2, 8:24, 8:24]  # all inside the brain
    assert (np.diff(qsm, axis=1) < 0).all()
    assert np.ptp(qsm, axis=0).max() < 1e-4
    assert (np.diff(r2star, axis=0) < 0).all()
    assert np.ptp(r2star, axis=1).max() < 1e-4
    assert (np.diff(stack["crop"][:, 2, 16, 16]) > 0).all()  # slices from below upwards


@pytest.mark.parametrize("axes", ["LAS", "RPS", "LPI", "PSR"])
def test_axes_on_disk_do_not_matter(stack, tmp_path, axes):
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    def turn(image):
        return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(axes)))

    turned = slice_stack(**save(tmp_path, volumes(), turn), params=PARAMS)
    for name in stack:
        np.testing.assert_array_equal(turned[name], stack[name])


def test_resampling_keeps_a_ramp_and_its_millimetres():
    x, y = np.meshgrid(np.arange(50) * 0.5, np.arange(40) * 2.0, indexing="ij")
    image = resample_slice(3 * x + y, (0.5, 2.0), centre_mm=(12.0, 40.0), fov_mm=8.0, size=8)
    offset = np.arange(8) - 3.5
    np.testing.assert_allclose(image, 3 * (12 - offset)[None] + (40 - offset)[:, None], atol=1e-4)


def test_fine_stripes_do_not_alias():
    stripes = np.tile([1.0, -1.0], (64, 32))
    image = resample_slice(stripes, (1.0, 1.0), centre_mm=(31.5, 31.5), fov_mm=32.0, size=8)
    assert np.abs(image).max() < 0.02


def test_slices_spread_evenly_over_the_box():
    np.testing.assert_array_equal(pick_slices(10, 18, 9, 30), np.arange(10, 19))
    np.testing.assert_array_equal(pick_slices(0, 14, 5, 30), [1, 4, 7, 10, 13])


@pytest.mark.parametrize(("first", "last", "start"), [(10, 12, 9), (0, 1, 0), (29, 29, 25)])
def test_short_box_is_widened_inside_the_volume(first, last, start):
    np.testing.assert_array_equal(pick_slices(first, last, 5, 30), np.arange(start, start + 5))


def test_round_trip(stack, tmp_path):
    write_stack(tmp_path / "sub-01_stack.npz", stack)
    images, slices = read_stack(tmp_path / "sub-01_stack.npz", "crop")
    np.testing.assert_array_equal(images, stack["crop"])
    np.testing.assert_array_equal(slices, stack["slice"])
    assert [path.name for path in tmp_path.iterdir()] == ["sub-01_stack.npz"]
    with pytest.raises(ValueError, match="whole"):
        read_stack(tmp_path / "sub-01_stack.npz", "whole")


def test_failed_write_leaves_nothing(tmp_path):
    def fail():
        with atomic(tmp_path / "table.tsv") as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_participant_of_file_name():
    assert participant_of("a/b/sub-07_stack.npz") == "sub-07"
    assert participant_of("a/b/sub-07_ses-2_run-1_stack.npz") == "sub-07"
    with pytest.raises(ValueError, match=r"other\.npz"):
        participant_of("a/other.npz")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("r2star", lambda data: data[:-1], "grid"),
        ("box", lambda data: data * 0, "empty"),
        ("t1w", lambda data: data * 0, "brain"),
        ("chi", lambda data: data * np.nan, "finite"),
    ],
)
def test_bad_maps_are_named(tmp_path, name, spoil, message):
    maps = volumes()
    maps[name] = spoil(maps[name])
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        slice_stack(**save(tmp_path, maps), params=PARAMS)


def test_too_few_slices(tmp_path):
    params = SliceStack(slices=13, image_size=8, full_fov_mm=96.0, crop_fov_mm=48.0)
    with pytest.raises(ValueError, match=r"chi\.nii\.gz.*13.*12"):
        slice_stack(**save(tmp_path, volumes()), params=params)


def test_stretch_fills_the_unit_range_per_channel():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3, 32, 32)) * np.array([0.05, 20, 1000])[:, None, None]
    before = images.copy()
    out = stretch(images, (0.5, 99.5))
    assert out.dtype == np.float32
    assert (out.min((2, 3)) == 0).all()
    assert (out.max((2, 3)) == 1).all()
    np.testing.assert_array_equal(images, before)
    np.testing.assert_allclose(stretch(7 + 3 * images, (0.5, 99.5)), out, atol=1e-5)


def test_stretch_of_a_constant_channel_is_zero():
    assert not stretch(np.full((1, 3, 4, 4), 5.0), (0.5, 99.5)).any()
