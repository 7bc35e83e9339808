"""What the user brings along is taken as it is, or refused; nothing of this project's own output is taken."""

import os

import nibabel as nib
import numpy as np
import pytest

from recon.files.io import read_volume, write_json
from recon.intake.index import index
from tests.recon.intake.raw_files import AFFINE, write_nifti, write_series

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
    ],
)
def test_files_in_a_derivative_dataset(dataset, name, field):
    path = add(dataset, f"{MINE}_{name}")
    scan = index(dataset)[0]["sub-01"]
    assert {key: getattr(scan, key) for key in ("mask", "nuclei", "t1w", "b1")} == {
        "mask": None, "nuclei": None, "t1w": None, "b1": None, field: path,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["desc-gm_mask", "label-WM_mask", "space-MNI152_desc-brain_mask", "space-T1w_dseg"])
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


@pytest.mark.parametrize(
    "description", [{"GeneratedBy": "me"}, {}, {"GeneratedBy": [{"Name": "Manual"}, 3]}, {"GeneratedBy": [{"Name": 3}]}]
)
def test_other_descriptions_do_no_harm(dataset, description):
    path = add(dataset, f"{MINE}_desc-brain_mask.nii.gz")
    write_json(dataset / "derivatives/mine/dataset_description.json", description)
    assert index(dataset)[0]["sub-01"].mask == path


def fmriprep(dataset, description=None) -> list[str]:
    """A dataset of another pipeline: its brain mask and T1w image lie on a grid of their own."""
    folder = dataset / "derivatives/fmriprep"
    names = ("desc-brain_mask", "desc-preproc_T1w", "space-MNI152NLin2009cAsym_desc-preproc_T1w", "dseg")
    files = [add(folder, f"sub-01/anat/sub-01_{name}.nii.gz", shape=(9, 9, 9)) for name in names]
    content = description or {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1"}]}
    write_json(folder / "dataset_description.json", content)
    return files


@pytest.mark.parametrize(
    "description", [None, {"PipelineDescription": {"Name": "fMRIPrep"}}, {"GeneratedBy": [{"Name": "FreeSurfer"}]}]
)
def test_another_pipeline_s_dataset_is_left_aside_with_a_note(dataset, description):
    fmriprep(dataset, description)
    scans, problems = index(dataset)
    assert problems == {}
    scan = scans["sub-01"]
    assert (scan.mask, scan.nuclei, scan.t1w) == (None, None, None)
    (note,) = scan.notes
    maker = "FreeSurfer" if description and "GeneratedBy" in description else "fMRIPrep"
    folder = dataset / "derivatives/fmriprep"
    assert note.startswith(f"{folder} was made by {maker} (GeneratedBy) and is left aside")
    assert f'--config "derivatives={{fmriprep: {folder}}}"' in note


def test_the_line_that_names_another_pipeline_keeps_the_user_s_own_folders(dataset):
    fmriprep(dataset)
    path = add(dataset, f"{MINE}_desc-brain_mask.nii.gz")
    scan = index(dataset)[0]["sub-01"]
    assert scan.mask == path
    place = dataset / "derivatives"
    assert f'"derivatives={{fmriprep: {place}/fmriprep, mine: {place}/mine}}"' in scan.notes[0]


def test_another_pipeline_s_dataset_is_used_where_it_is_named(dataset):
    mask, t1w, *_ = fmriprep(dataset)
    folder = dataset / "derivatives/fmriprep"
    assert f"{mask}: expected the grid of" in told(dataset, derivatives=[folder])
    (folder / "sub-01/anat/sub-01_desc-brain_mask.nii.gz").unlink()
    scan = index(dataset, derivatives=[folder])[0]["sub-01"]
    assert scan.t1w == t1w
    assert index(dataset, derivatives=[folder.parent])[0]["sub-01"].t1w is None  # only what is named itself


UNUSED = {  # an image that is no own mask by its name or place: why
    f"{MINE}_mask.nii.gz": "sub-01_mask.nii.gz (neither desc-brain_mask nor label-brain_mask in its name)",
    f"{MINE}_brainmask.nii": "sub-01_brainmask.nii (neither desc-brain_mask nor label-brain_mask in its name)",
    "derivatives/mine/sub-01/BETmask.nii.gz": "BETmask.nii.gz (neither desc-brain_mask",
    "derivatives/mine/sub-01_mask.nii.gz": "sub-01_mask.nii.gz (neither desc-brain_mask",
    "derivatives/mine/sub-01_desc-brain_mask.nii.gz": "(it lies outside of sub-01/)",
    f"{MINE}_space-T1w_desc-brain_mask.nii.gz": "(space-T1w in its name: it lies in another space)",
    f"{MINE}_acq-x_desc-brain_mask.nii.gz": "(acq-x in its name is not the series')",
    f"{MINE}_space-T1w_desc-nuclei_dseg.nii.gz": "(space-T1w in its name: it lies in another space)",
    "sub-01/anat/sub-01_desc-brain_mask.nii.gz": "sub-01_desc-brain_mask.nii.gz (it lies among the raw images)",
    "sub-01/anat/sub-01_mask.nii.gz": "sub-01_mask.nii.gz (it lies among the raw images)",
}


@pytest.mark.parametrize("end", ["img", "mgz", "nrrd", "mha"])
def test_masks_of_other_formats_are_noted(dataset, end):
    path = dataset / f"{MINE}_desc-brain_mask.{end}"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"an image")
    (note,) = index(dataset)[0]["sub-01"].notes
    assert note.startswith(f"not used: sub-01_desc-brain_mask.{end} (no NIfTI file, .nii or .nii.gz)")


@pytest.mark.parametrize("name", UNUSED)
def test_own_files_under_other_names_are_noted_with_the_reason(dataset, name):
    add(dataset, name)
    scans, problems = index(dataset)
    assert problems == {}
    (note,) = scans["sub-01"].notes
    assert f"not used: {UNUSED[name]}" in note or UNUSED[name] in note
    kind = "desc-nuclei_dseg" if "nuclei" in name else "desc-brain_mask"
    assert f"name it derivatives/NAME/sub-01/anat/sub-01_{kind}.nii.gz" in note


def test_a_mask_without_session_is_noted_for_each_session(tmp_path):
    for session in "12":
        write_series(tmp_path, f"sub-01/ses-{session}/anat/sub-01_ses-{session}")
    add(tmp_path, f"{MINE}_desc-brain_mask.nii.gz")
    notes = {name: scan.notes for name, scan in index(tmp_path)[0].items()}
    assert "(no ses-1 in its name)" in notes["sub-01_ses-1"][0]
    assert "derivatives/NAME/sub-01/ses-2/anat/sub-01_ses-2_desc-brain_mask.nii.gz" in notes["sub-01_ses-2"][0]


def test_other_masks_are_not_noted_beside_the_own_one(dataset):
    add(dataset, f"{MINE}_desc-brain_mask.nii.gz")
    add(dataset, f"{MINE}_desc-gm_mask.nii.gz")
    assert index(dataset)[0]["sub-01"].notes == ()


def test_many_masks_are_one_note(dataset):
    for tissue in ("gm", "wm", "csf", "bone", "air"):
        add(dataset, f"{MINE}_desc-{tissue}_mask.nii.gz")
    (note,) = index(dataset)[0]["sub-01"].notes
    assert " and 2 more; where it is meant for this scan" in note


def t1w_of_forms(dataset, qform, sform, codes) -> str:
    path = add(dataset, f"{MINE}_T1w.nii.gz")
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), None)
    image.header.set_qform(qform, codes[0])
    image.header.set_sform(sform, codes[1])
    nib.save(image, path)
    return path


FAR = AFFINE + np.array([[0, 0, 0, 0], [0, 0, 0, 30], [0, 0, 0, 0], [0, 0, 0, 0.0]])


@pytest.mark.parametrize(
    ("qform", "sform", "codes"), [(AFFINE, FAR, (1, 4)), (FAR, AFFINE, (4, 1)), (AFFINE, FAR, (2, 5))]
)
def test_a_template_s_form_does_not_move_the_t1w(dataset, qform, sform, codes):
    path = t1w_of_forms(dataset, qform, sform, codes)
    scan = index(dataset)[0]["sub-01"]
    np.testing.assert_allclose(read_volume(path).affine, AFFINE)
    (note,) = scan.notes
    used = "sform" if codes == (4, 1) else "qform"
    assert f"sub-01_T1w.nii.gz: placed by its {used} (code" in note
    assert "up to 30 mm away, is not used" in note


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1)])
def test_a_t1w_that_two_forms_place_differently_is_refused(dataset, codes):
    path = t1w_of_forms(dataset, AFFINE, FAR, codes)
    assert f"{path}: expected one place of the voxels from qform and sform, found" in told(dataset)
    assert "with corners up to 15.0 voxels apart" in told(dataset)


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


ASTRAY = {
    "sub-01/sub-01_mask.nii.gz": "it lies in {}/sub-01, where none is looked for",
    "sub-01_brain_mask.nii": "it lies in {}, where none is looked for",
    "masks/sub-01_desc-brain_mask.nii.gz": "it lies in {}/masks, where none is looked for",
    "Derivatives/mine/sub-01/anat/sub-01_desc-brain_mask.nii.gz": "it lies in {}/Derivatives/mine/sub-01/anat, where",
    "derivatives/a/b/sub-01/anat/sub-01_desc-brain_mask.nii.gz": "it lies in {}/derivatives/a/b/sub-01/anat, where",
    f"{MINE}_run-1_desc-brain_mask.nii.gz": "run-1 in its name is not the scan's",
    f"{MINE}_ses-1_desc-brain_mask.nii.gz": "ses-1 in its name is not the scan's",
    "derivatives/mine/sub-01/anat/sub-1_desc-brain_mask.nii.gz": "sub-1 in its name is not the scan's",
    "derivatives/mine/sub-01/anat/desc-brain_mask.nii.gz": "no sub-01 in its name",
    f"{MINE}_desc-brain_mask.NII": "no NIfTI file, .nii or .nii.gz",
}


@pytest.mark.parametrize("name", ASTRAY)
def test_masks_of_one_s_own_are_never_passed_over_in_silence(dataset, name):
    (dataset / name).parent.mkdir(parents=True, exist_ok=True)
    (dataset / name).write_bytes(b"")
    scans, problems = index(dataset)
    assert problems == {}
    assert scans["sub-01"].mask is None
    (note,) = scans["sub-01"].notes
    assert f"not used: {name.split('/')[-1]} ({ASTRAY[name].format(dataset)}" in note


def test_masks_of_another_scan_or_another_program_s_results_are_not_noted(dataset):
    write_series(dataset, "sub-02/ses-1/anat/sub-02_ses-1")
    write_series(dataset, "sub-02/ses-2/anat/sub-02_ses-2")
    path = add(dataset, "derivatives/mine/sub-02/ses-2/anat/sub-02_ses-2_desc-brain_mask.nii.gz")
    add(dataset, "results/sub-01/anat/sub-01_desc-brain_mask.nii.gz")
    write_json(dataset / "results/dataset_description.json", {"GeneratedBy": [{"Name": "Q-Net"}]})
    scans, _ = index(dataset)
    assert [scan.notes for scan in scans.values()] == [(), (), ()]
    assert scans["sub-02_ses-2"].mask == path


def test_a_mask_s_run_means_its_number(tmp_path):
    write_series(tmp_path, "sub-01/anat/sub-01_run-01")
    path = add(tmp_path, f"{MINE}_run-1_desc-brain_mask.nii.gz")
    assert index(tmp_path)[0]["sub-01_run-01"].mask == path


def test_the_reason_for_a_misnamed_mask_is_no_other_spelling_of_the_run(tmp_path):
    write_series(tmp_path, "sub-01/anat/sub-01_run-01")
    add(tmp_path, f"{MINE}_run-1_acq-hr_desc-brain_mask.nii.gz")
    (note,) = index(tmp_path)[0]["sub-01_run-01"].notes
    assert "(acq-hr in its name is not the series')" in note


@pytest.mark.parametrize("name", ["label-lesion_roi", "lesion_mask", "lesions"])
def test_a_lesion_under_another_name_is_not_called_a_brain(dataset, name):
    add(dataset, f"{MINE}_{name}.nii.gz")
    (note,) = index(dataset)[0]["sub-01"].notes
    assert f"sub-01_{name}.nii.gz (neither desc-lesion_mask nor label-lesion_mask in its name)" in note
    assert note.endswith("name it derivatives/NAME/sub-01/anat/sub-01_label-lesion_mask.nii.gz")


def test_no_folder_is_searched_for_masks_again_for_each_subject_nor_those_without_masks(dataset, monkeypatch):
    for subject in ("sub-01", "sub-02", "sub-03"):
        write_series(dataset, f"{subject}/anat/{subject}")
        for place in ("sourcedata/{}", ".git/{}", "code/{}", "masks/{}", "derivatives/mine/{}/anat"):
            (dataset / place.format(subject)).mkdir(parents=True)
    read, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": read.append(str(path)) or scandir(path))
    assert len(index(dataset)[0]) == 3
    for place in ("masks", "derivatives/mine", "masks/sub-01", "sub-01"):
        assert read.count(str(dataset / place)) in (1, 2), place  # whether datasets are there is looked for apart
    assert not any(place in path for path in read for place in ("sourcedata/", ".git", "code/"))


def two_flips(folder, visit="sub-01"):
    stem = f"{visit}/anat/{visit.replace('/', '_')}"
    for flip in (6, 24):
        write_series(folder, f"{stem}_acq-fa{flip}", sidecar={"FlipAngle": flip, "RepetitionTimeExcitation": 0.036})


@pytest.mark.parametrize("name", ["TB1map.nii.gz", "acq-famp_TB1map.nii"])
def test_a_b1_map_of_the_scanner_is_taken_from_fmap_unless_there_is_an_own_one(tmp_path, name):
    two_flips(tmp_path)
    raw = add(tmp_path, f"sub-01/fmap/sub-01_{name}", shape=(4, 4, 4))
    add(tmp_path, "sub-02/fmap/sub-02_TB1map.nii.gz")
    add(tmp_path, f"{MINE}_space-MNI152_TB1map.nii.gz")
    assert index(tmp_path)[0]["sub-01"].b1 == raw
    own = add(tmp_path, f"{MINE}_{name}")
    assert index(tmp_path)[0]["sub-01"].b1 == own


def test_an_own_b1_map_of_one_visit_leaves_that_of_the_scanner_to_another(tmp_path):
    for session in ("01", "02"):
        two_flips(tmp_path, f"sub-01/ses-{session}")
    own = add(tmp_path, "derivatives/mine/sub-01/ses-01/anat/sub-01_ses-01_TB1map.nii.gz")
    raw = add(tmp_path, "sub-01/ses-02/fmap/sub-01_ses-02_acq-famp_TB1map.nii.gz")
    assert [scan.b1 for scan in index(tmp_path)[0].values()] == [own, raw]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
RAW_B1 = {  # shapes of the raw B1 maps of a scan of two flip angles, None for a pointer: the note
    "several": (
        {"acq-anat": (4, 4, 4), "acq-famp": (4, 4, 4)},
        "TB1map.nii.gz, as they are several; copy the one of this scan to derivatives/NAME/sub-01/anat/sub-01_TB1map",
    ),
    "4-D": ({"acq-famp": (4, 4, 4, 2)}, "TB1map.nii.gz: expected a 3-D image, found shape (4, 4, 4, 2)"),
    "pointer": ({"acq-famp": None}, "Git LFS"),
}


@pytest.mark.parametrize("case", RAW_B1)
@pytest.mark.parametrize("flips", [1, 2])
def test_raw_b1_maps_that_do_not_fit_are_noted_and_never_refused(tmp_path, case, flips):
    two_flips(tmp_path) if flips == 2 else write_series(tmp_path, "sub-01/anat/sub-01")
    shapes, why = RAW_B1[case]
    (tmp_path / "sub-01/fmap").mkdir()
    add(tmp_path, "sub-01/fmap/sub-01_TB1TFL.nii.gz")  # of which a map was made
    for acq, shape in shapes.items():
        name = f"sub-01/fmap/sub-01_{acq}_TB1map.nii.gz"
        add(tmp_path, name, shape=shape) if shape else (tmp_path / name).write_bytes(POINTER)
    scans, problems = index(tmp_path)
    assert problems == {}
    assert scans["sub-01"].b1 is None
    notes = scans["sub-01"].notes
    assert len(notes) == (len(shapes) if flips == 1 else 1)
    assert f"not used: {tmp_path}/sub-01/fmap/sub-01_acq-" in notes[0]
    assert (why if flips == 2 else "as only T1 needs B1, and T1 needs two flip angles") in notes[0]


def test_an_own_b1_map_beside_one_flip_angle_is_noted(dataset):
    path = add(dataset, f"{MINE}_acq-famp_TB1map.nii.gz")
    scan = index(dataset)[0]["sub-01"]
    assert scan.b1 is None
    assert scan.notes == (f"not used: {path}, as only T1 needs B1, and T1 needs two flip angles",)
