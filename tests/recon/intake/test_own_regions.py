"""The user's own label images and masks of lesions: which belong to a scan, and what is refused before any job."""

import numpy as np
import pytest

from recon.files.io import Volume, write_json, write_volume
from recon.intake.index import index
from recon.problems import IntakeError
from recon.regions.user_maps import user_regions
from tests.recon.intake.raw_files import write_nifti, write_series

MINE = "derivatives/mine/sub-01/anat/sub-01"
SHAPE = (4, 5, 6)
GRID = Volume(data=np.zeros(SHAPE, np.float32), affine=np.diag([2.0, 2, 2, 1]))
NAMES = "index\tname\n1\tcortex\n2\tpons\n"


@pytest.fixture
def dataset(tmp_path):
    write_series(tmp_path, "sub-01/anat/sub-01")
    return tmp_path


def add(folder, name, text=None, **image) -> str:
    """An image, or a table where there is a text."""
    path = folder / name
    if text is None:
        return write_nifti(path, **image)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def told(folder) -> str:
    scans, problems = index(folder)
    assert "sub-01" not in scans
    return "\n".join(map(str, problems["sub-01"]))


@pytest.mark.parametrize(
    "place", [f"{MINE}_desc-atlas_dseg.tsv", "derivatives/mine/desc-atlas_dseg.tsv", "derivatives/mine/dseg.tsv"]
)
def test_labels_with_names_belong_to_the_scan(dataset, place):
    image = add(dataset, f"{MINE}_desc-atlas_dseg.nii.gz")
    table = add(dataset, place, NAMES)
    scan = index(dataset)[0]["sub-01"]
    assert [tuple(region) for region in scan.regions] == [("desc-atlas_dseg", image, table)]
    assert scan.nuclei is None and scan.notes == ()


@pytest.mark.parametrize(
    "name", ["label-lesion_mask", "label-L_mask", "desc-lesion2_mask", "label-Lesion_desc-manual_mask"]
)
def test_masks_of_lesions_need_no_table(dataset, name):
    image = add(dataset, f"{MINE}_{name}.nii.gz")
    scan = index(dataset)[0]["sub-01"]
    assert [tuple(region) for region in scan.regions] == [(name, image, None)]
    assert scan.mask is None and scan.notes == ()


def test_labels_without_names_are_left_aside_with_a_note(dataset):
    add(dataset, f"{MINE}_desc-atlas_dseg.nii.gz")
    scan = index(dataset)[0]["sub-01"]
    (note,) = scan.notes
    assert not scan.regions
    assert note.startswith("not used: sub-01_desc-atlas_dseg.nii.gz (no sub-01_desc-atlas_dseg.tsv beside it")


@pytest.mark.parametrize("name", ["desc-atlas_dseg", "label-lesion_mask"])
def test_another_grid_is_refused_with_both_names(dataset, name):
    image = add(dataset, f"{MINE}_{name}.nii.gz", shape=(4, 5, 7))
    add(dataset, f"{MINE}_{name}.tsv", NAMES)
    echo = dataset / "sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz"
    assert f"{image}: expected the grid of {echo}, (4, 5, 6) voxels of [2, 2, 2] mm, found (4, 5, 7)" in told(dataset)


def test_two_masks_of_one_name_are_both_named(dataset):
    one, other = (add(dataset, f"{MINE}_label-lesion_mask.{end}") for end in ("nii", "nii.gz"))
    assert f"{one}: expected one image label-lesion_mask of the scan, found also {other}: leave one" in told(dataset)


def test_labels_in_another_space_are_noted(dataset):
    add(dataset, f"{MINE}_space-MNI_label-lesion_mask.nii.gz", shape=(9, 9, 9))
    (note,) = index(dataset)[0]["sub-01"].notes
    assert "space-MNI in its name: it lies in another space" in note


def test_unfit_labels_of_a_pipeline_that_is_named_for_its_images_are_noted(dataset):
    folder = dataset / "derivatives/fmriprep"
    image = add(folder, "sub-01/anat/sub-01_dseg.nii.gz", shape=(9, 9, 9))
    write_json(folder / "dataset_description.json", {"GeneratedBy": [{"Name": "fMRIPrep"}]})
    scans, problems = index(dataset, derivatives=[folder])
    assert problems == {} and scans["sub-01"].regions == ()
    assert any(f"not used, as fMRIPrep made it and not for these echoes: {image}" in n for n in scans["sub-01"].notes)


def test_a_lesion_that_is_misnamed_is_told_beside_an_atlas_that_is_used(dataset):
    add(dataset, f"{MINE}_desc-atlas_dseg.nii.gz")
    add(dataset, f"{MINE}_desc-atlas_dseg.tsv", NAMES)
    add(dataset, f"{MINE}_lesions.nii.gz")
    scan = index(dataset)[0]["sub-01"]
    (note,) = scan.notes
    assert len(scan.regions) == 1 and note.startswith("not used: sub-01_lesions.nii.gz (neither desc-lesion_mask nor")


def image_of(tmp_path, values, name="desc-atlas_dseg", table=NAMES):
    data = np.zeros(SHAPE, np.float32)
    data.flat[: len(values)] = values
    path = tmp_path / f"sub-01_{name}.nii.gz"
    write_volume(path, data, GRID)
    names = tmp_path / f"sub-01_{name}.tsv"
    names.write_text(table)
    return str(path), str(names)


def test_labels_come_with_their_own_names(tmp_path):
    path, table = image_of(tmp_path, [1, 1, 2])
    labels, names = user_regions(path, GRID, table)
    assert names == {1: "cortex", 2: "pons"} and np.bincount(labels.ravel())[1:].tolist() == [2, 1]


def test_a_mask_is_named_by_its_label(tmp_path):
    path, _ = image_of(tmp_path, [0.2, 0.9, 1], "label-lesion_mask")
    labels, names = user_regions(path, GRID, None)
    assert names == {1: "lesion"} and labels.sum() == 2


@pytest.mark.parametrize(
    ("values", "table", "message"),
    [
        ([], NAMES, "expected labels above 0, found an image that is zero everywhere"),
        ([1, 3, 7], NAMES, "_dseg.tsv names, found 3, 7"),
        ([1.5], NAMES, "expected labels that are whole numbers from 0 on, found 1.5"),
        ([-1], NAMES, "expected labels that are whole numbers from 0 on, found -1"),
        ([np.nan], NAMES, "expected labels that are whole numbers from 0 on, found nan"),
        ([1], "label\tname\n1\tcortex\n", "expected the columns index and name, found label, name"),
        ([1], "index\tname\n", "expected the columns index and name, found no rows"),
        ([1], "index\tname\n1\t\n", "expected a whole number and a name in each line, found line 2"),
        ([1], "index\tname\n1\ta\n1\tb\n", "expected each index and each name once, found line 3"),
        ([1], "index\tname\n1\ta\n2\ta\n", "expected each index and each name once, found line 3"),
    ],
)
def test_labels_that_cannot_be_told_are_refused(tmp_path, values, table, message):
    path, names = image_of(tmp_path, values, table=table)
    with pytest.raises(IntakeError) as error:
        user_regions(path, GRID, names)
    assert message in str(error.value)


def test_an_empty_lesion_is_refused(tmp_path):
    path, _ = image_of(tmp_path, [], "label-lesion_mask")
    with pytest.raises(IntakeError, match="expected a mask of a lesion that is not empty, found no voxel above 0.5"):
        user_regions(path, GRID, None)
