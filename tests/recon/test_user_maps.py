"""The user's own mask, labels and T1-weighted image: taken as they are, or refused by name."""

import re
from pathlib import Path

import numpy as np
import pytest

from recon.files.io import Volume, read_volume, write_volume
from recon.regions.shapes import LABELS
from recon.regions.user_maps import user_b1, user_labels, user_mask, user_t1w

SHAPE = (12, 14, 10)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
GRID = Volume(data=np.zeros((*SHAPE, 3), np.float32), affine=AFFINE)


@pytest.fixture
def saved(tmp_path):
    """Write an array and return its path."""

    def save(data, affine=AFFINE):
        path = tmp_path / "user.nii.gz"
        write_volume(path, np.asarray(data), Volume(data=data, affine=affine))
        return str(path)

    return save


def test_a_mask_stays_as_it_is_with_islands_and_holes(saved):
    mask = np.random.default_rng(0).random(SHAPE) > 0.5
    np.testing.assert_array_equal(user_mask(saved(mask), GRID), mask)


@pytest.mark.parametrize("read", [user_mask, user_labels])
def test_a_fourth_axis_counts_only_where_it_is_longer_than_one(saved, read):
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:8, 4:8, 4:6] = next(iter(LABELS))
    np.testing.assert_array_equal(read(saved(labels[..., None]), GRID), labels)
    with pytest.raises(ValueError, match=r"expected a 3-D image, found shape \(12, 14, 10, 2\)"):
        read(saved(np.stack([labels, labels], axis=-1)), GRID)


@pytest.mark.parametrize("read", [user_mask, user_labels])
@pytest.mark.parametrize(
    ("shape", "affine", "found"),
    [((12, 14, 9), AFFINE, r"found \(12, 14, 9\)"), (SHAPE, np.diag([2.0, 2.0, 2.5, 1.0]), "another affine")],
)
def test_another_grid_is_refused(saved, read, shape, affine, found):
    path = saved(np.ones(shape, np.uint8), affine)
    with pytest.raises(ValueError, match=rf"user\.nii\.gz: expected the grid of the echoes \(12, 14, 10\), .*{found}"):
        read(path, GRID)


def test_labels_stay_as_they_are(saved):
    labels = np.random.default_rng(0).integers(0, max(LABELS) + 1, SHAPE).astype(np.uint8)
    np.testing.assert_array_equal(user_labels(saved(labels), GRID), labels)


@pytest.mark.parametrize(("label", "found"), [(77, "77"), (1.5, "1.5"), (0, "0")])
def test_labels_that_are_no_nuclei_are_refused(saved, label, found):
    data = np.zeros(SHAPE, np.float32)
    data[3] = label
    with pytest.raises(
        ValueError, match=rf"user\.nii\.gz: expected labels .* of resources/nuclei_shapes\.tsv, found {found}$"
    ):
        user_labels(saved(data), GRID)


def test_an_image_on_the_grid_keeps_its_voxels_inside_the_brain(saved):
    data = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    brain = np.zeros(SHAPE, bool)
    brain[3:8] = True
    image, resampled = user_t1w(saved(data), GRID, brain)
    assert not resampled
    np.testing.assert_array_equal(image, data * brain)


def test_an_image_on_a_finer_grid_is_resampled(saved):
    fine = np.ones((24, 28, 30), np.float32) * np.arange(30, dtype=np.float32)  # 1 mm: the value is z [mm]
    brain = np.ones(SHAPE, bool)
    image, resampled = user_t1w(saved(fine, np.eye(4)), GRID, brain)
    assert resampled
    np.testing.assert_allclose(image[:, :, :9], np.broadcast_to(3.0 * np.arange(9), (12, 14, 9)), atol=1e-4)


def test_an_image_elsewhere_is_refused(saved):
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] = 500
    path = saved(np.ones(SHAPE, np.float32), elsewhere)
    with pytest.raises(ValueError, match=r"user\.nii\.gz: expected an image of the brain in scanner coordinates"):
        user_t1w(path, GRID, np.ones(SHAPE, bool))
    assert read_volume(path).data.all()


@pytest.mark.parametrize("unit", [1, 100])
def test_a_b1_map_in_fractions_or_percent_is_the_same_factor(saved, unit):
    b1 = np.random.default_rng(0).uniform(0.6, 1.3, SHAPE).astype(np.float32)
    np.testing.assert_allclose(user_b1(saved(b1 * unit), GRID).factor, b1, rtol=1e-6)


def test_a_coarse_b1_map_is_moved_to_the_echoes(saved):
    coarse = np.full((8, 8, 8), 0.9, np.float32)
    moved = user_b1(saved(coarse, np.diag([4.0, 4.0, 4.0, 1.0])), GRID).factor
    np.testing.assert_allclose(moved[1:-1, 1:-1, 1:8], 0.9, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 9.0, 1200.0])
def test_a_b1_map_in_other_units_is_refused(saved, value):
    path = saved(np.full(SHAPE, value, np.float32))
    with pytest.raises(ValueError, match=rf"expected actual over nominal flip angle.*found a median of {value:g}"):
        user_b1(path, GRID)


def test_a_b1_map_elsewhere_is_refused(saved):
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] = 500
    with pytest.raises(ValueError, match="expected a B1 map in scanner coordinates where the echoes are"):
        user_b1(saved(np.ones(SHAPE, np.float32), elsewhere), GRID)


def test_a_b1_map_that_is_zero_outside_the_brain_keeps_its_values_at_the_rim(saved):
    coarse = np.zeros((8, 8, 8), np.float32)
    coarse[2:6, 2:6, 1:2] = 0.9
    moved = user_b1(saved(coarse, np.diag([4.0, 4.0, 4.0, 1.0])), GRID).factor
    np.testing.assert_allclose(moved[moved > 0], 0.9, rtol=1e-5)
    assert 0 < np.mean(moved > 0) < 1


@pytest.mark.parametrize(
    ("value", "units", "found"),
    [
        (60.0, None, "a median of 60 (if it is percent, say Units: percent in"),  # degrees of a nominal 60
        (90.0, "degree", "Units: degree in"),
        (0.8, "rad", "Units: rad in"),
        (1.2, "µT", "Units: µT in"),
        (0.9, "1e-6 T", "Units: 1e-6 T in"),
        (60.0, "p.u.", "Units: p.u. in"),
    ],
)
def test_a_b1_map_in_degrees_is_no_map_in_percent(saved, value, units, found):
    path = saved(np.full(SHAPE, value, np.float32))
    if units:
        Path(path.replace(".nii.gz", ".json")).write_text(f'{{"Units": "{units}"}}', encoding="utf-8")
    with pytest.raises(ValueError, match=rf"expected actual over nominal.*found {re.escape(found)}") as refused:
        user_b1(path, GRID)
    of_no_ratio = units in ("degree", "rad", "µT", "1e-6 T")
    assert of_no_ratio == ("keep the quotient as derivatives/NAME/" in str(refused.value))


@pytest.mark.parametrize("units", ["percent", "%", "pct", "per cent", "percent of 60 degrees"])
def test_a_b1_map_in_percent_may_say_so(saved, units):
    path = saved(np.full(SHAPE, 60.0, np.float32))
    sidecar = Path(path.replace(".nii.gz", ".json"))
    sidecar.write_text(f'{{"Units": "{units}"}}')
    assert user_b1(path, GRID).factor.max() == np.float32(0.6)
    found = f"Units: {units} in {sidecar}, a median of 0.95 (if it is a fraction, say Units: arbitrary in {sidecar})"
    with pytest.raises(ValueError, match=f"in percent, about 100, found {re.escape(found)}"):
        user_b1(saved(np.full(SHAPE, 0.95, np.float32)), GRID)


@pytest.mark.parametrize("value", [0.95, 95.0])
@pytest.mark.parametrize("units", ["unit", "no unit", "arbitrary", "arbitrary unit", "per unit", "p.u.", "ratio", "1"])
def test_units_that_leave_it_open_let_the_median_decide(saved, units, value):
    path = saved(np.full(SHAPE, value, np.float32))
    Path(path.replace(".nii.gz", ".json")).write_text(f'{{"Units": "{units}"}}')
    found = user_b1(path, GRID)
    np.testing.assert_allclose(found.factor, 0.95, rtol=1e-6)
    assert str(found.unit) == f"{'percent' if value > 1 else 'fraction'}: Units {units}, a median of {value:g}"
    assert bool(found.unit.notes) == (value > 1)  # degrees may look like percent, nothing looks like a fraction


@pytest.mark.parametrize("angle", ["80", "[60, 120]", "100.0"])
def test_percent_is_not_guessed_where_the_nominal_angle_makes_degrees_as_likely(saved, angle):
    path = saved(np.full(SHAPE, 85.0, np.float32))
    sidecar = Path(path.replace(".nii.gz", ".json"))
    sidecar.write_text(f'{{"FlipAngle": {angle}}}')
    with pytest.raises(ValueError, match=r"a unit: percent \(say so by Units: percent in .* or degrees: divide"):
        user_b1(path, GRID)
    sidecar.write_text(f'{{"FlipAngle": {angle}, "Units": "percent"}}')
    np.testing.assert_allclose(user_b1(path, GRID).factor, 0.85)


def test_percent_without_a_unit_is_told_with_what_to_say(saved):
    path = saved(np.full(SHAPE, 96.0, np.float32))
    Path(path.replace(".nii.gz", ".json")).write_text('{"FlipAngle": 8}')  # of the readout: 96 are no degrees of it
    (note,) = user_b1(path, GRID).unit.notes
    said = "taken for percent, as Units none, a median of 96; say so by Units: percent in user.json, or divide it where"
    assert said in note
