"""Localisation: the template, moved in a known way, is found again; boxes and statistics."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from recon.files.io import read_json, read_volume
from recon.regions.localize import (
    box_around,
    box_mask,
    read_boxes,
    region_statistics,
    subject_labels,
    white_matter,
)
from recon.regions.nuclei import nucleus_labels, template_labels
from recon.regions.registration import register
from recon.regions.template import read_template

BASAL_GANGLIA = ("caudate", "putamen", "pallidum", "thalamus")

VOXEL_SIZE_MM = np.array([2.0, 2.0, 3.0])


def moved_template(rotation_deg, scale, shift_mm, shape=(96, 112, 60), flips=(1, 1, 1), order=(0, 1, 2)):
    """The template as a subject's image: data, affine, mask, true subject_to_mni."""
    to_mni = np.eye(4)
    to_mni[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix() @ np.diag(scale)
    to_mni[:3, 3] = shift_mm
    affine = np.eye(4)
    affine[:3, :3] = np.diag(VOXEL_SIZE_MM * flips)
    centre_mm = (np.linalg.inv(to_mni) @ [0, -18, 8, 1])[:3]  # the middle of the head is the middle of the grid
    affine[:3, 3] = centre_mm - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    template = read_template()
    pull = np.linalg.inv(template.affine) @ to_mni @ affine
    data = ndimage.affine_transform(template.data, pull[:3, :3], pull[:3, 3], output_shape=shape, order=1)
    data += np.random.default_rng(0).normal(scale=0.02 * data.max(), size=shape)
    mask = data > 0.1 * data.max()
    mask = ndimage.binary_fill_holes(ndimage.binary_opening(mask))
    columns = np.eye(4)[:, [*order, 3]]
    return data.transpose(order), affine @ columns, mask.transpose(order), to_mni


def centres_mm(labels, affine):
    """Label → centre in the space of the affine, mm."""
    present = np.unique(labels[labels > 0])
    index = np.array(ndimage.center_of_mass(labels > 0, labels, present))
    return dict(zip(present.tolist(), index @ affine[:3, :3].T + affine[:3, 3], strict=True))


def apply(matrix, points_mm):
    return points_mm @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize(
    "how",
    [
        dict(rotation_deg=(12, -5, 8), scale=(1.1, 0.95, 1.05), shift_mm=(10, -20, 30)),
        dict(rotation_deg=(-15, 6, 4), scale=(0.9, 0.92, 0.9), shift_mm=(-15, 40, 5), flips=(-1, -1, 1)),
        dict(rotation_deg=(5, 5, -12), scale=(1, 1, 1), shift_mm=(0, 5, 0), flips=(1, -1, -1), order=(2, 0, 1)),
        dict(rotation_deg=(30, 5, 0), scale=(1.05, 1, 0.95), shift_mm=(0, 10, 5)),
        dict(rotation_deg=(8, 3, -5), scale=(1.05, 0.95, 1), shift_mm=(3, 2, 30), shape=(96, 112, 34)),
    ],
    ids=["moved", "flipped", "permuted", "bowed", "slab"],
)
def test_nuclei_of_a_moved_template_are_found(how):
    data, affine, mask, to_mni = moved_template(**how)
    fit = register(data, affine, mask)
    found = centres_mm(subject_labels(mask, affine, fit.subject_to_mni), affine)
    true = centres_mm(subject_labels(mask, affine, to_mni), affine)
    assert set(found) == set(true)
    error_mm = [np.linalg.norm(found[label] - true[label]) for label in true]
    assert max(error_mm) < 3
    assert fit.plausible
    assert fit.correlation > 0.9


@pytest.fixture(scope="module")
def subject():
    parts = moved_template(rotation_deg=(6, 2, -3), scale=(1.05, 1, 0.95), shift_mm=(4, 10, -8))
    for part in parts:
        part.flags.writeable = False
    return parts


@pytest.fixture(scope="module")
def subject_to_mni(subject):
    """As registration finds it."""
    return register(*subject[:3]).subject_to_mni


def test_inverted_contrast_is_found_as_well(subject):
    data, affine, mask, to_mni = subject
    inverted = np.where(mask, data.max() - 0.7 * data, 0)
    fit = register(inverted, affine, mask)
    points_mm = np.array([[-12.0, 12, 8], [25, 2, 0], [5, -19, -9]])
    back = apply(fit.subject_to_mni, apply(np.linalg.inv(to_mni), points_mm))
    assert np.linalg.norm(back - points_mm, axis=1).max() < 3
    assert fit.correlation < 0


def test_registration_repeats_exactly_and_writes_no_input(subject, subject_to_mni):
    data, affine, mask, _ = subject
    copies = [part.copy() for part in (data, affine, mask)]
    np.testing.assert_array_equal(register(data, affine, mask).subject_to_mni, subject_to_mni)
    for part, copy in zip((data, affine, mask), copies, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_intensity_scale_and_broken_voxels_hardly_matter(subject, subject_to_mni):
    data, affine, mask, _ = subject
    broken = 1e-3 * data
    broken[mask & (np.random.default_rng(1).random(mask.shape) < 0.001)] = np.nan
    points_mm = np.array([[-12.0, 12, 8], [25, 2, 0], [5, -19, -9]])
    found = register(broken, affine, mask).subject_to_mni
    assert np.linalg.norm(apply(found, points_mm) - apply(subject_to_mni, points_mm), axis=1).max() < 1


def test_empty_mask_is_refused(subject):
    data, affine, mask, _ = subject
    with pytest.raises(ValueError, match="expected a brain mask with measured voxels, found none"):
        register(data, affine, np.zeros_like(mask))


def test_labels_stay_inside_the_mask(subject):
    _, affine, mask, to_mni = subject
    half = mask.copy()
    half[: mask.shape[0] // 2] = False
    labels = subject_labels(half, affine, to_mni)
    assert labels.any()
    assert not labels[~half].any()


def test_labels_in_template_space_are_the_template_labels():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-60, -90, -60]
    shape = (60, 70, 50)
    labels = subject_labels(np.ones(shape, bool), affine, np.eye(4))
    np.testing.assert_array_equal(labels, template_labels(shape, affine))


def test_white_matter_of_a_moved_template_is_found(subject, subject_to_mni):
    _, affine, mask, to_mni = subject
    found = white_matter(mask, affine, subject_to_mni)
    litres = found.sum() * VOXEL_SIZE_MM.prod() / 1e6
    assert 0.1 < litres < 0.2
    assert not found[~mask].any()
    template = read_template("wm")
    index = np.rint(apply(np.linalg.inv(template.affine) @ to_mni @ affine, np.argwhere(found))).astype(int)
    probability = template.data[tuple(index.T)] / template.data.max()
    assert np.mean(probability > 0.5) > 0.98, "a misregistration of 3 mm must not leave white matter"


def test_a_brain_far_from_the_template_has_no_white_matter(subject):
    _, affine, mask, _ = subject
    far = np.eye(4)
    far[:3, 3] = 400
    assert not white_matter(mask, affine, far).any()


BIGBRAIN = {
    "caudate": ["caudate"],
    "putamen": ["putamen"],
    "pallidum": ["globus-pallidus-externa", "globus-pallidus-interna"],
    "thalamus": ["thalamus"],
    "red_nucleus": ["red-nucleus"],
    "substantia_nigra": ["substantia-nigra"],
}


def test_nuclei_found_lie_where_bigbrain_draws_them(subject, subject_to_mni, shared_data):
    _, affine, mask, to_mni = subject
    found = centres_mm(subject_labels(mask, affine, subject_to_mni), affine)
    atlas = read_volume(shared_data / "deep_gray_labels" / "bigbrain.nii.gz")
    drawn = np.argwhere(atlas.data)
    labels = atlas.data[tuple(drawn.T)]
    names = read_json(shared_data / "deep_gray_labels" / "bigbrain.json")["labels"]
    for label, (name, side) in nucleus_labels().items():
        if name not in BIGBRAIN:
            continue
        prefix = {"L": "Left-", "R": "Right-"}[side]
        wanted = np.isin(labels, [names.index(prefix + part) for part in BIGBRAIN[name]])
        true_mni = apply(atlas.affine, drawn[wanted].mean(axis=0))
        distance_mm = np.linalg.norm(apply(to_mni, found[label]) - true_mni)
        assert distance_mm < 4, f"{name} {side}"


@pytest.fixture
def labels():
    labels = np.zeros((40, 40, 20), np.uint8)
    labels[10:14, 12:20, 6:9] = 1  # caudate L
    labels[25:28, 15:18, 8:12] = 8  # thalamus R
    labels[18:20, 5:7, 1:3] = 9  # red nucleus L, no part of the box
    return labels


def test_box_holds_the_basal_ganglia_with_a_margin_in_plane(labels):
    box = box_around(labels, BASAL_GANGLIA, 4.0, (1, 2, 3))
    assert box == (slice(6, 32), slice(10, 22), slice(6, 12))


def test_box_stays_inside_the_image(labels):
    box = box_around(labels, BASAL_GANGLIA, 500.0, (1, 1, 3))
    assert box == (slice(0, 40), slice(0, 40), slice(6, 12))


def test_box_holds_whatever_nuclei_are_asked_for(labels):
    assert box_around(labels, ("red_nucleus",), 0.0, (1, 2, 3)) == (slice(18, 20), slice(5, 7), slice(1, 3))


def test_box_without_its_nuclei_is_refused():
    with pytest.raises(ValueError, match="expected caudate"):
        box_around(np.full((5, 5, 5), 9, np.uint8), BASAL_GANGLIA, 1.0, (1, 1, 1))


def test_box_mask_is_the_box():
    mask = box_mask((9, 8, 7), (slice(1, 3), slice(2, 6), slice(0, 7)))
    assert mask.sum() == 2 * 4 * 7
    assert mask[1:3, 2:6].all()


@pytest.fixture
def boxes(tmp_path):
    path = tmp_path / "boxes.tsv"
    path.write_text("participant_id\tx0\tx1\ty0\ty1\tz0\tz1\nsub-01\t2\t9\t3\t8\t0\t5\nsub-02\t2\t2\t3\t8\t0\t5\n")
    return path


@pytest.mark.parametrize("name", ["sub-01", "sub-01_ses-02_run-1"])
def test_expert_box_is_read(boxes, name):
    assert read_boxes(boxes).box_of(name, (9, 9, 9)) == (slice(2, 9), slice(3, 8), slice(0, 5))


def test_expert_box_of_a_visit_goes_before_that_of_the_subject(boxes):
    boxes.write_text(boxes.read_text() + "sub-01_ses-02\t1\t2\t3\t4\t5\t6\n")
    assert read_boxes(boxes).box_of("sub-01_ses-02", (9, 9, 9)) == (slice(1, 2), slice(3, 4), slice(5, 6))
    assert read_boxes(boxes).box_of("sub-01_ses-03", (9, 9, 9)) == (slice(2, 9), slice(3, 8), slice(0, 5))


def test_participant_without_expert_box_has_none(boxes):
    assert read_boxes(boxes).box_of("sub-07", (9, 9, 9)) is None


@pytest.mark.parametrize(("name", "shape"), [("sub-02", (9, 9, 9)), ("sub-01", (8, 9, 9))], ids=["empty", "outside"])
def test_impossible_expert_box_is_refused(boxes, name, shape):
    with pytest.raises(ValueError, match=rf"boxes.tsv: expected whole voxels .* for {name}"):
        read_boxes(boxes).box_of(name, shape)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("participant_id\tx0\nsub-01\t1\n", "expected the columns"),
        ("participant_id\tx0\tx1\ty0\ty1\tz0\tz1\n01\t0\t1\t0\t1\t0\t1\n", "begin with sub-"),
        ("participant_id\tx0\tx1\ty0\ty1\tz0\tz1\n" + "sub-01\t0\t1\t0\t1\t0\t1\n" * 2, "expected one row"),
        ("participant_id\tx0\tx1\ty0\ty1\tz0\tz1\nsub-01\t0\tn/a\t0\t1\t0\t1\n", "expected whole voxels"),
    ],
    ids=["columns", "prefix", "twice", "missing"],
)
def test_broken_table_of_boxes_is_refused(tmp_path, text, message):
    path = tmp_path / "boxes.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"boxes.tsv: .*{message}"):
        read_boxes(path).box_of("sub-01", (9, 9, 9))


def statistics(labels, chi_ppm, r2star_hz, white=None, voxel_size_mm=(1, 1, 3)):
    white = np.zeros(labels.shape, bool) if white is None else white
    maps = {"chi_ppm": chi_ppm, "r2star_hz": r2star_hz}
    return region_statistics(labels, white, maps, voxel_size_mm).set_index("index")


def test_statistics_of_a_nucleus(labels):
    chi_ppm = np.where(labels == 1, 0.05, 0.01).astype(np.float32)
    chi_ppm[10, 12:20, 6:9] = 0.09
    chi_ppm[11, 12, 6] = np.nan
    r2star_hz = np.where(labels == 1, 25, 0).astype(np.float32)
    caudate = statistics(labels, chi_ppm, r2star_hz).loc[1]
    values = np.array([0.09] * 24 + [0.05] * 71)
    assert (caudate["name"], caudate.hemisphere, caudate.voxels, caudate.volume_mm3) == (
        "caudate",
        "L",
        96,
        288,
    )
    assert caudate.chi_ppm_mean == pytest.approx(values.mean(), rel=1e-5)
    assert caudate.chi_ppm_sd == pytest.approx(values.std(ddof=1), rel=1e-5)
    assert caudate.chi_ppm_median == pytest.approx(0.05, rel=1e-5)
    assert caudate.r2star_hz_mean == pytest.approx(25)


def test_every_nucleus_has_a_row_and_what_is_missing_is_marked(labels):
    table = statistics(labels, labels.astype(float), np.zeros(labels.shape))
    assert list(table.index) == [*nucleus_labels(), 0]
    assert table.loc[2, "voxels"] == 0
    assert pd.isna(table.loc[2, "chi_ppm_mean"])
    assert pd.isna(table.loc[1, "r2star_hz_mean"])


def test_white_matter_has_the_last_row_and_leaves_out_what_is_labelled(labels):
    white = np.zeros(labels.shape, bool)
    white[10:14, 12:22, 6:9] = True  # the caudate and two voxels beyond
    row = statistics(labels, np.where(labels == 0, -0.02, 0.1), labels + 1.0, white).iloc[-1]
    assert (row["name"], row.voxels) == ("white_matter", 4 * 2 * 3)
    assert row.chi_ppm_mean == pytest.approx(-0.02)


def test_a_reference_of_its_own_and_the_whole_brain_have_rows(labels):
    chi_ppm, region = np.where(labels == 1, 0.1, -0.02), labels == 1
    chi_ppm[0] = 0  # not known there
    table = region_statistics(labels, labels > 9, {"chi_ppm": chi_ppm}, (1.0, 1.0, 3.0), reference=region)
    assert list(table["name"])[-3:] == ["white_matter", "reference", "whole_brain"]
    assert table.iloc[-2].chi_ppm_mean == pytest.approx(0.1)
    assert table.iloc[-1].voxels == np.count_nonzero(chi_ppm)


def test_statistics_know_only_the_maps_there_are(labels):
    table = region_statistics(labels, labels == 0, {"chi_ppm": labels + 0.5}, (1, 1, 1))
    assert not [column for column in table if column.startswith("r2star")]


MM = [(np.arange(n) - (n - 1) / 2) * 3 for n in (54, 64, 46)]  # of a voxel, along each axis
X, Y, Z = np.meshgrid(*MM, indexing="ij")
BALL = (X / 68) ** 2 + (Y / 85) ** 2 + (Z / 62) ** 2
CYLINDER = np.maximum((X**2 + Y**2) / 70**2, (Z / 60) ** 4)
VIALS = np.hypot((X + 135) % 45 - 22.5, (Y + 135) % 45 - 22.5) < 9


@pytest.mark.parametrize(
    ("outline", "signal"),
    [(BALL, np.exp(-1.5 * BALL)), (BALL, np.where(BALL < 0.1, 0.4, 1.3 - 0.5 * (BALL > 0.6))), (CYLINDER, 1 + VIALS)],
    ids=["shaded", "layered", "vials"],
)
def test_a_phantom_of_the_size_of_a_brain_is_none(outline, signal):
    noise = np.random.default_rng(0).normal(0, 0.02, BALL.shape)
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = [axis[0] for axis in MM]
    fit = register(np.where(outline < 1, signal + noise, 0), affine, outline < 1)
    assert 0.5 < fit.determinant < 2, "its size must not be what tells it"
    assert not fit.plausible
    assert "turned over" in fit.found()


def test_a_brain_too_thin_to_tell_is_said(subject):
    data, affine, mask, _ = subject
    thin = mask & (np.abs(np.arange(mask.shape[2]) - mask.shape[2] // 2) < 2)
    fit = register(data, affine, thin)
    assert not fit.plausible and "too little of the image" in fit.found()
