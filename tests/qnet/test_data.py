"""Stacks: orientation, sampling, slice range, refusals."""

import json

import nibabel
import numpy as np
import pytest

from qnet.images.data import (
    SliceStack,
    atomic,
    participant_of,
    pick_slices,
    read_array,
    read_stack,
    slice_stack,
    write_stack,
)
from qnet.images.view import resample_labels, resample_slice, square_view

SHAPE, VOXEL = (40, 48, 12), (2.0, 2.0, 3.0)
PARAMS = SliceStack(slices=5, image_size=32, full_fov_mm=96.0, crop_fov_mm=48.0)
TO_MNI = np.array([[1.1, 0.1, 0, 3], [-0.1, 0.9, 0.2, -5], [0, -0.2, 1.0, 7], [0, 0, 0, 1]])
PARTS = ("", "_nuclei", "_brain", "_to_mni")


def volumes() -> dict[str, np.ndarray]:
    """An egg of a brain that is brighter to the right (χ), to the front (R2*) and upwards (T1W); one labelled block."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    radius = (grid**2).sum(0)
    maps = {
        name: ((2 + ramp) * (radius < 0.8)).astype(np.float32)
        for name, ramp in zip(["chi", "r2star", "t1w"], grid, strict=True)
    }
    box, nuclei = np.zeros((2, *SHAPE), np.float32)
    box[14:28, 20:34, 2:9] = 1
    nuclei[16:19, 28:31, 4:7] = 9
    head = np.where(radius < 0.8, 100.0, 1 + grid[0])  # the brain outshines what surrounds it
    magnitude = np.stack([head, 0 * head], -1).astype(np.float32)
    return maps | {"box": box, "nuclei": nuclei, "mask": (radius < 0.8).astype(np.float32), "magnitude": magnitude}


def save(folder, maps, turn=lambda image: image, affine=None) -> dict[str, str]:
    paths = {}
    if affine is None:
        affine = np.diag([*VOXEL, 1.0])
        affine[:3, 3] = -30
    for name, data in maps.items():
        paths[name] = str(folder / f"{name}.nii.gz")
        nibabel.save(turn(nibabel.Nifti1Image(data, affine)), paths[name])
    (folder / "nuclei.json").write_text(json.dumps({"Registration": {"SubjectToMNI": TO_MNI.tolist()}}))
    return paths


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    return slice_stack(**save(tmp_path_factory.mktemp("maps"), volumes()), params=PARAMS)


def test_shapes_and_types(stack):
    images, labels = ((5, 3, 32, 32), np.float32), ((5, 32, 32), np.uint8)
    brain, to_mni = ((5, 32, 32), bool), ((5, 3, 4), np.float32)
    expected = {f"{view}{part}": kind for view in ("full", "crop")
                for part, kind in zip(PARTS, (images, labels, brain, to_mni), strict=True)}  # fmt: skip
    expected |= {"slice": ((5,), np.int64), "background": ((5, 32, 32), np.float32)}
    assert {name: (value.shape, value.dtype) for name, value in stack.items()} == expected


def oblique() -> np.ndarray:
    """Voxels towards left, posterior, superior, on tilted slices."""
    tilt = np.deg2rad(12)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ np.diag([-2.0, -2.0, 3.0]), (38, 50, -20)
    return affine


@pytest.mark.parametrize(("view", "pixel_mm"), [("full", 3.0), ("crop", 1.5)])
def test_a_labelled_pixel_lies_at_its_place_in_mni_space(tmp_path, view, pixel_mm):
    maps, affine = volumes(), oblique()
    stack = slice_stack(**save(tmp_path, maps, affine=affine), params=PARAMS)
    in_block = [t for t in range(5) if 4 <= stack["slice"][t] <= 6]
    assert in_block
    for t in in_block:
        row, column = np.argwhere(stack[f"{view}_nuclei"][t] == 9).mean(0)
        found_mm = stack[f"{view}_to_mni"][t] @ (column, row, 0, 1)
        expected_mm = (TO_MNI @ affine @ (17, 29, stack["slice"][t], 1))[:3]  # the centre of the block
        assert np.linalg.norm(found_mm - expected_mm) < pixel_mm


def test_third_column_steps_to_the_slice_above(stack):
    below, above = stack["crop_to_mni"][:2]
    steps = stack["slice"][1] - stack["slice"][0]
    np.testing.assert_allclose(below @ (4, 5, steps, 1), above @ (4, 5, 0, 1), atol=1e-4)


def test_background_holds_nothing_of_the_brain(stack, tmp_path):
    maps = volumes()
    assert stack["background"].max() > 0.5
    near = stack["full_brain"] & (stack["background"] > 0)
    assert not near.any()
    maps["magnitude"][maps["mask"] > 0] *= 7  # neither by its pixels nor by the scale
    brighter = slice_stack(**save(tmp_path, maps), params=PARAMS)
    np.testing.assert_array_equal(brighter["background"], stack["background"])


def test_background_is_over_its_99th_percentile(stack):
    background = stack["background"]
    assert np.percentile(background[background > 0], 99) == pytest.approx(1)


def test_missing_registration_is_named(tmp_path):
    paths = save(tmp_path, volumes())
    sidecar = tmp_path / "nuclei.json"
    sidecar.write_text("{}")
    with pytest.raises(ValueError, match=r"nuclei\.json.*Registration\.SubjectToMNI"):
        slice_stack(**paths, params=PARAMS)
    sidecar.unlink()
    with pytest.raises(FileNotFoundError, match=r"nuclei\.json.*Registration\.SubjectToMNI"):
        slice_stack(**paths, params=PARAMS)


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
        np.testing.assert_allclose(turned[name], stack[name], atol=1e-4)


def test_resampling_keeps_a_ramp_and_its_millimetres():
    x, y = np.meshgrid(np.arange(50) * 0.5, np.arange(40) * 2.0, indexing="ij")
    image = resample_slice(3 * x + y, square_view((0.5, 2.0), centre_mm=(12.0, 40.0), fov_mm=8.0, size=8))
    offset = np.arange(8) - 3.5
    np.testing.assert_allclose(image, 3 * (12 - offset)[None] + (40 - offset)[:, None], atol=1e-4)


def test_fine_stripes_do_not_alias():
    stripes = np.tile([1.0, -1.0], (64, 32))
    image = resample_slice(stripes, square_view((1.0, 1.0), centre_mm=(31.5, 31.5), fov_mm=32.0, size=8))
    assert np.abs(image).max() < 0.02


def test_labels_are_never_mixed():
    labels = np.repeat(np.arange(16, dtype=np.uint8), 4)[:, None] * np.ones((1, 64), np.uint8)
    image = resample_labels(labels, square_view((1.0, 1.0), centre_mm=(31.5, 31.5), fov_mm=96.0, size=96))
    assert image[48, 16:80].tolist() == labels[::-1, 0].tolist()
    assert not image[:, :16].any()


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
    np.testing.assert_array_equal(read_array(tmp_path / "sub-01_stack.npz", "crop_brain"), stack["crop_brain"])
    with pytest.raises(ValueError, match="whole"):
        read_stack(tmp_path / "sub-01_stack.npz", "whole")


def test_stack_of_an_older_version(stack, tmp_path):
    path = tmp_path / "sub-01_stack.npz"
    write_stack(path, {name: stack[name] for name in ("full", "crop", "slice")})
    np.testing.assert_array_equal(read_stack(path, "full")[0], stack["full"])
    with pytest.raises(ValueError, match=r"sub-01_stack\.npz.*crop_nuclei.*slice_stack"):
        read_array(path, "crop_nuclei")


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
        ("magnitude", lambda data: data[1:], "grid"),
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
