"""What the user brings along is taken as it is, or refused; nothing of this project's own output is taken."""

import numpy as np
import pytest

from recon.files.io import write_json
from recon.intake.index import index
from tests.recon.intake.raw_files import write_nifti, write_series

MINE = "derivatives/mine/sub-01/anat/sub-01"


@pytest.fixture
def dataset(tmp_path):
    write_series(tmp_path, "sub-01/anat/sub-01")
    return tmp_path


def add(folder, name, **image) -> str:
    return write_nifti(folder / name, **image)


def told(folder, name="sub-01", **keywords) -> str:
    scans, problems = index(folder, **keywords)
    assert name not in scans
    return "\n".join(map(str, problems[name]))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("desc-brain_mask.nii.gz", "mask"),
        ("desc-brain_mask.nii", "mask"),
        ("label-brain_mask.nii.gz", "mask"),
        ("desc-nuclei_dseg.nii.gz", "nuclei"),
        ("T1w.nii.gz", "t1w"),
        ("desc-preproc_T1w.nii.gz", "t1w"),
        ("TB1map.nii.gz", "b1"),
        ("acq-famp_TB1map.nii", "b1"),
    ],
)
def test_files_in_a_derivative_dataset(dataset, name, field):
    path = add(dataset, f"{MINE}_{name}")
    scan = index(dataset)[0]["sub-01"]
    assert {key: getattr(scan, key) for key in ("mask", "nuclei", "t1w", "b1")} == {
        "mask": None, "nuclei": None, "t1w": None, "b1": None, field: path,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["desc-gm_mask", "label-WM_mask", "space-MNI152_desc-brain_mask", "desc-aseg_dseg"])
def test_other_files_are_left_aside(dataset, name):
    add(dataset, f"{MINE}_{name}.nii.gz", shape=(9, 9, 9))
    scans, problems = index(dataset)
    assert problems == {}
    assert scans["sub-01"].mask is None


@pytest.mark.parametrize("place", ["own", "own/mine"])
def test_another_folder_may_be_named(dataset, tmp_path_factory, place):
    add(dataset, f"{MINE}_desc-brain_mask.nii.gz", shape=(9, 9, 9))  # not looked at
    folder = tmp_path_factory.mktemp("elsewhere")
    path = add(folder, f"{place}/sub-01/sub-01_desc-brain_mask.nii.gz")
    assert index(dataset, derivatives=[folder / "own"])[0]["sub-01"].mask == path


def test_a_named_folder_must_exist(dataset):
    message = "nowhere: expected the folder of the user's derivatives, found none"
    assert message in told(dataset, "", derivatives=[dataset / "nowhere"])


@pytest.mark.parametrize("author", ["Q-Net", "recon.phantom"])
def test_results_of_this_project_are_left_aside(dataset, author):
    add(dataset, f"{MINE}_desc-brain_mask.nii.gz", shape=(9, 9, 9))
    write_json(dataset / "derivatives/mine/dataset_description.json", {"GeneratedBy": [{"Name": author}]})
    assert index(dataset)[0]["sub-01"].mask is None


@pytest.mark.parametrize("description", [{"GeneratedBy": "me"}, {}, {"GeneratedBy": [{"Name": "FSL"}, 3]}])
def test_other_descriptions_do_no_harm(dataset, description):
    path = add(dataset, f"{MINE}_desc-brain_mask.nii.gz")
    write_json(dataset / "derivatives/mine/dataset_description.json", description)
    assert index(dataset)[0]["sub-01"].mask == path


def test_each_visit_has_its_own(tmp_path):
    paths = {}
    for session in ("1", "2"):
        stem = f"sub-01/ses-{session}/anat/sub-01_ses-{session}"
        write_series(tmp_path, f"{stem}_run-1")
        paths[session] = add(tmp_path, f"derivatives/mine/{stem}_run-1_desc-brain_mask.nii.gz")
    add(tmp_path, "derivatives/mine/sub-01/ses-1/anat/sub-01_ses-1_run-2_desc-brain_mask.nii.gz")
    scans, _ = index(tmp_path)
    assert {name[11]: scan.mask for name, scan in scans.items()} == paths


def test_the_mask_of_the_reconstructed_series_is_taken(tmp_path):
    for acq, flip in (("pd", 6), ("t1", 24)):
        write_series(
            tmp_path, f"sub-01/anat/sub-01_acq-{acq}", sidecar={"FlipAngle": flip, "RepetitionTimeExcitation": 0.036}
        )
        add(tmp_path, f"{MINE}_acq-{acq}_desc-brain_mask.nii.gz")
    assert "acq-t1_desc-brain_mask" in index(tmp_path)[0]["sub-01"].mask


def test_a_raw_t1w_is_left_aside(dataset):
    add(dataset, "sub-01/anat/sub-01_T1w.nii.gz", shape=(9, 9, 9))
    assert index(dataset)[0]["sub-01"].t1w is None


def test_the_t1w_of_the_run_is_taken_where_there_are_several(tmp_path):
    for run in (1, 2):
        write_series(tmp_path, f"sub-01/anat/sub-01_run-{run}")
        add(tmp_path, f"{MINE}_run-{run}_T1w.nii.gz")
    assert [scan.t1w[-16:-11] for scan in index(tmp_path)[0].values()] == ["run-1", "run-2"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((f"{MINE}_desc-brain_mask.nii.gz", f"{MINE}_label-brain_mask.nii.gz"), "one brain mask of the scan"),
        ((f"{MINE}_desc-brain_mask.nii", f"{MINE}_desc-brain_mask.nii.gz"), "one brain mask of the scan"),
        ((f"{MINE}_desc-nuclei_dseg.nii", f"{MINE}_desc-nuclei_dseg.nii.gz"), "one image of labels"),
        ((f"{MINE}_acq-a_T1w.nii", f"{MINE}_acq-b_T1w.nii"), "one T1w image of the scan"),
    ],
)
def test_two_candidates_are_both_named(dataset, names, expected):
    one, other = (add(dataset, name) for name in names)
    assert f"{one}: expected {expected}" in told(dataset)
    assert f"found also {other}" in told(dataset)


@pytest.mark.parametrize("name", ["desc-brain_mask", "desc-nuclei_dseg"])
@pytest.mark.parametrize(
    ("image", "found"),
    [
        ({"shape": (4, 5, 7)}, "found (4, 5, 7) of [2, 2, 2] mm"),
        ({"affine": np.diag([-2.0, 2, 2, 1])}, "found another affine"),
    ],
)
def test_another_grid_is_refused_with_both_names(dataset, name, image, found):
    path = add(dataset, f"{MINE}_{name}.nii.gz", **image)
    echo = dataset / "sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz"
    assert f"{path}: expected the grid of {echo}, (4, 5, 6) voxels of [2, 2, 2] mm, found" in told(dataset)
    assert found in told(dataset)


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        (
            "T1w.nii",
            {"codes": (0, 0)},
            "expected scanner coordinates (qform or sform, code 1 or 2), found qform_code 0",
        ),
        ("desc-brain_mask.nii", {"shape": (4, 5, 6, 2)}, "expected a 3-D image, found shape (4, 5, 6, 2)"),
        ("desc-brain_mask.nii", {"pixdim": (1, -2)}, "expected voxel edges from 0.05 to 20 mm (pixdim)"),
    ],
)
def test_broken_files_are_refused(dataset, name, image, message):
    path = add(dataset, f"{MINE}_{name}", **image)
    assert f"{path}: {message}" in told(dataset)
