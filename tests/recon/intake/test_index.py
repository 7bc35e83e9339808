"""Scans are found in a dataset; what is wrong is told by scan, and spoils no other scan."""

import os
from pathlib import Path

import numpy as np
import pytest

from recon.files.io import write_json
from recon.intake.candidates import MEANINGS
from recon.intake.index import index
from recon.intake.layout import lost_notes
from tests.recon.intake.raw_files import write_echo, write_nifti, write_series

SINGLE_STEM = "sub-01/anat/sub-01"


@pytest.fixture
def dataset(tmp_path):
    for subject in ("01", "02"):
        write_series(tmp_path, f"sub-{subject}/anat/sub-{subject}")
    return tmp_path


def two_flip_angles(folder, low=6, high=24, stems=("acq-pd", "acq-t1"), suffix="MEGRE", **facts) -> list[list[str]]:
    """Two series of sub-01; FlipAngle and repetition time as given."""
    return [
        write_series(folder, f"{SINGLE_STEM}_{stem}", suffix=suffix,
                     sidecar={"FlipAngle": flip, "RepetitionTimeExcitation": 0.036} | facts)
        for stem, flip in zip(stems, (low, high), strict=True)
    ]  # fmt: skip


def problems(dataset, name, **keywords) -> str:
    """What is told of a scan that is not among the good ones."""
    scans, found = index(dataset, **keywords)
    assert name not in scans
    return "\n".join(map(str, found[name]))


def test_a_good_dataset(dataset):
    scans, found = index(dataset)
    assert found == {}
    assert list(scans) == ["sub-01", "sub-02"]
    scan = scans["sub-01"]
    assert scan.name == scan.subject == scan.folder == "sub-01"
    assert len(scan.series.files) == 4
    assert (scan.low_flip, scan.mask, scan.nuclei, scan.t1w) == (None, None, None, None)


def test_sessions_and_runs(tmp_path):
    for stem in ("ses-1/anat/sub-01_ses-1_run-1", "ses-1/anat/sub-01_ses-1_run-2", "ses-2/anat/sub-01_ses-2"):
        write_series(tmp_path, f"sub-01/{stem}")
    write_nifti(tmp_path / "sub-01/ses-3/anat/sub-01_ses-3_T1w.nii.gz")  # a visit without echoes
    scans, found = index(tmp_path)
    assert found == {}
    assert list(scans) == ["sub-01_ses-1_run-1", "sub-01_ses-1_run-2", "sub-01_ses-2"]
    assert scans["sub-01_ses-1_run-2"].folder == "sub-01/ses-1"
    assert all("run-2" in file for file in scans["sub-01_ses-1_run-2"].series.files)


@pytest.mark.parametrize(
    ("stems", "suffix"), [(("acq-pd", "acq-t1"), "MEGRE"), (("acq-s_flip-1", "acq-s_flip-2"), "VFA")]
)
@pytest.mark.parametrize("flips", [(6, 24), (24, 6)])
def test_the_higher_of_two_flip_angles_is_reconstructed(tmp_path, stems, suffix, flips):
    two_flip_angles(tmp_path, *flips, stems=stems, suffix=suffix)
    scan = index(tmp_path)[0]["sub-01"]
    assert scan.series.facts[0]["FlipAngle"] == 24
    assert scan.low_flip.facts[0]["FlipAngle"] == 6


def test_vfa_images_beside_megre_images_are_left_aside(dataset):
    write_nifti(dataset / "sub-01/anat/sub-01_flip-1_VFA.nii.gz")
    assert index(dataset)[1] == {}


def test_sidecars_are_inherited_from_all_levels(tmp_path):
    write_series(tmp_path, "sub-01/ses-1/anat/sub-01_ses-1", sidecar={"MagneticFieldStrength": None})
    assert "MagneticFieldStrength" in problems(tmp_path, "sub-01_ses-1")
    for place, b0_tesla in (("MEGRE.json", 1.5), ("sub-01/sub-01_MEGRE.json", 3),
                            ("sub-01/ses-1/sub-01_ses-1_part-phase_MEGRE.json", 7)):  # fmt: skip
        write_json(tmp_path / place, {"MagneticFieldStrength": b0_tesla})
    write_json(tmp_path / "sub-01/ses-1/sub-01_ses-1_part-mag_MEGRE.json", {"MagneticFieldStrength": 7})
    assert index(tmp_path)[0]["sub-01_ses-1"].series.facts[0]["MagneticFieldStrength"] == 7


def test_links_spaces_and_letters_of_any_script(tmp_path):
    write_series(tmp_path / "store", SINGLE_STEM)
    folder = tmp_path / "größe 大/sub-01/anat"
    folder.mkdir(parents=True)
    for file in (tmp_path / "store/sub-01/anat").iterdir():
        (folder / file.name).symlink_to(file)
    scans, found = index(folder.parents[1])
    assert found == {}
    assert scans["sub-01"].series.files[0].startswith(str(folder))


def test_hidden_files_are_left_aside(dataset):
    (dataset / "sub-01/anat/._sub-01_echo-1_part-mag_MEGRE.nii.gz").write_bytes(b"a Mac was here")
    assert index(dataset)[1] == {}


def test_a_bad_scan_spoils_no_other(dataset):
    Path(dataset / "sub-02/anat/sub-02_echo-2_part-mag_MEGRE.nii.gz").write_bytes(b"no")
    scans, found = index(dataset)
    assert list(scans) == ["sub-01"]
    assert list(found) == ["sub-02"]
    assert "sub-02_echo-2_part-mag_MEGRE.nii.gz: expected a readable NIfTI image" in str(found["sub-02"][0])


def test_a_bad_run_spoils_no_other(tmp_path):
    for run in (1, 2):
        write_series(tmp_path, f"{SINGLE_STEM}_run-{run}")
    (tmp_path / "sub-01/anat/sub-01_run-1_echo-2_part-phase_MEGRE.nii.gz").unlink()
    scans, found = index(tmp_path)
    assert list(scans) == ["sub-01_run-2"]
    assert "expected its part-phase partner of echo 2" in str(found["sub-01_run-1"][0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "expected sub-* folders, found none"),
        (lambda folder: folder.rmdir(), "expected a BIDS folder (config bids_dir), found none"),
        (lambda folder: (folder / "sub-01").write_text("a file"), "expected sub-* folders, found none"),
    ],
)
def test_a_dataset_without_subjects(tmp_path, make, message):
    folder = tmp_path / "raw"
    folder.mkdir()
    make(folder)
    assert f"{folder}: {message}" in problems(folder, "")


@pytest.mark.parametrize("inside", ["anat", "func", "ses-1/anat"])
def test_a_subject_without_images(dataset, inside):
    (dataset / "sub-03" / inside).mkdir(parents=True)
    assert f"{dataset}/sub-03: expected images anat/*_MEGRE.nii.gz (or *_VFA.nii.gz), found none" in problems(
        dataset, "sub-03"
    )


def test_what_a_subject_has_instead_of_echoes_is_told(dataset):
    for name in ("anat/sub-03_T1w", "anat/sub-03_phase", "func/sub-03_task-rest_bold"):
        write_nifti(dataset / f"sub-03/{name}.nii.gz")
    assert "found none, but anat/*_T1w, anat/*_phase, func/*_bold" in problems(dataset, "sub-03")


@pytest.mark.parametrize(("suffix", "echo"), [("T2starw", ""), ("MEGRE", "_echo-1")])
def test_a_magnitude_without_its_part_is_told_so(tmp_path, suffix, echo):
    write_echo(tmp_path, f"{SINGLE_STEM}{echo}_part-phase", suffix=suffix)
    write_echo(tmp_path, f"{SINGLE_STEM}{echo}", suffix=suffix)
    assert f"{echo}_{suffix}.nii.gz without part-: if it is the magnitude of this echo, say part-mag" in problems(
        tmp_path, "sub-01"
    )


def test_files_without_sub_are_told_once(tmp_path):
    write_series(tmp_path, "sub-01/anat/01")
    (problem,) = index(tmp_path)[1]["sub-01"]
    assert problem.expected == "a name that begins with sub-01_"
    assert problem.found == "one without sub-: rename the file"


@pytest.mark.parametrize("label", ["sub-a b", "sub-01;rm", "sub-ä", "sub-", "sub-01_ses-1", "sub-\udcff"])
def test_unsafe_labels_are_refused(dataset, label):
    write_series(dataset / label, "anat/sub-01")
    assert "expected a subject label of letters and digits, found" in problems(dataset, label)
    assert list(index(dataset)[0]) == ["sub-01", "sub-02"]


BAD_NAMES = {
    "inv-1_echo-1_part-mag": "expected no entities but acq, ce, echo, flip, mt, part, rec, run, ses, sub, task, "
    "found inv-1 (an inversion pulse turns the sign of the signal)",
    "hemi-L_echo-1_part-mag": "expected no entities but acq, ce, echo, flip, mt, part, rec, run, ses, sub, task, "
    "found hemi-L",
    "acq-0.5mm_echo-1_part-mag": "expected a BIDS name",
    "echo-1_echo-2_part-mag": "expected a BIDS name",
    "final_echo-1_part-mag": "expected a BIDS name",
    "ses-2_echo-1_part-mag": "expected sub-01 in its name, as its folder says, found sub-01_ses-2",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_with_more_than_is_understood_are_refused(dataset, name):
    path = write_nifti(dataset / f"{SINGLE_STEM}_{name}_MEGRE.nii.gz")
    assert f"{path}: {BAD_NAMES[name]}" in problems(dataset, "sub-01")


@pytest.mark.parametrize("entity", MEANINGS)
def test_entities_that_no_echo_may_have_are_refused_with_the_reason(dataset, entity):
    write_nifti(dataset / f"{SINGLE_STEM}_{entity}-1_echo-1_part-mag_MEGRE.nii.gz")
    assert f"found {entity}-1 ({MEANINGS[entity]})" in problems(dataset, "sub-01")


def test_an_image_of_somebody_else_is_refused(dataset):
    path = write_echo(dataset, "sub-01/anat/sub-02_echo-3_part-mag")
    assert f"{path}: expected sub-01 in its name, as its folder says, found sub-02" in problems(dataset, "sub-01")


def test_two_forms_of_one_image_are_refused(dataset):
    packed = f"{dataset}/{SINGLE_STEM}_echo-1_part-mag_MEGRE.nii.gz"
    write_nifti(packed.removesuffix(".gz"))
    assert f"{packed}: expected either .nii or .nii.gz, found both" in problems(dataset, "sub-01")


def test_an_index_means_its_number(tmp_path):
    for part, zeros in (("mag", "0"), ("phase", "")):
        write_series(tmp_path, f"{SINGLE_STEM}_run-{zeros}1", parts=[part])
    scans, found = index(tmp_path)
    assert found == {}
    assert list(scans) == ["sub-01_run-01"]  # as the first name has it
    write_echo(tmp_path, f"{SINGLE_STEM}_run-1_echo-2_part-mag")
    assert "run-1_echo-2_part-mag_MEGRE.nii.gz: expected one part-mag image of echo 2" in problems(
        tmp_path, "sub-01_run-01"
    )


def test_a_sidecar_s_index_means_its_number(tmp_path):
    files = write_series(tmp_path, SINGLE_STEM, sidecar={"EchoTime": None})
    for echo in (1, 2):
        write_json(tmp_path / f"echo-0{echo}_MEGRE.json", {"EchoTime": 0.004 * echo})
    scans, found = index(tmp_path)
    assert found == {}
    assert scans["sub-01"].series.te_s == (0.004, 0.008)
    assert len(scans["sub-01"].series.files) == len(files)


@pytest.mark.parametrize(
    ("end", "reason"),
    {
        "MEGRE.NII.GZ": "expected a name that ends in .nii or .nii.gz, found .NII.GZ",
        "MEGRE.mgz": "expected a name that ends in .nii or .nii.gz, found .mgz",
        "MEGRE.nii.bz2": "expected a name that ends in .nii or .nii.gz, found .nii.bz2",
        "megre.nii.gz": "expected the suffix MEGRE in its name, found megre",
    }.items(),
)
def test_no_echo_is_lost_for_its_format_or_capitals(dataset, end, reason):
    for part in ("mag", "phase"):
        (dataset / f"{SINGLE_STEM}_echo-3_part-{part}_{end}").write_bytes(b"")
    assert reason in problems(dataset, "sub-01")


def test_echoes_of_which_numbers_lack_are_noted(tmp_path):
    write_series(tmp_path, SINGLE_STEM, echoes=(1, 4))
    write_series(tmp_path, "sub-02/anat/sub-02", echoes=(1, 2))
    scans, _ = index(tmp_path)
    assert scans["sub-01"].notes[0].startswith("no image is called echoes 2, 3, though one is called echo-4")
    assert scans["sub-02"].notes == ()
    assert lost_notes(["sub-03_echo-4920_MEGRE.nii.gz"]) == []  # names that hold TE


def test_a_link_that_leads_to_itself_ends_no_check(dataset):
    (dataset / "sourcedata").symlink_to("sourcedata")
    assert index(dataset)[0]["sub-01"].notes == ()


def test_echoes_of_another_suffix_are_noted(dataset):
    write_series(dataset, f"{SINGLE_STEM}", echoes=(3,), suffix="T2starw")
    write_nifti(dataset / f"{SINGLE_STEM}_T1w.nii.gz")  # of another kind
    (note,) = index(dataset)[0]["sub-01"].notes
    assert note.startswith("not used: sub-01_echo-3_part-mag_T2starw.nii.gz and 1 more, as there are images of")


@pytest.mark.parametrize("entity", ["rec-norm", "ce-gd", "task-rest", "acq-hr_rec-norm", "mt-off"])
@pytest.mark.parametrize("suffix", ["MEGRE", "MPM", "T2starw"])
def test_a_series_may_have_any_entity_that_tells_series_apart(tmp_path, entity, suffix):
    files = write_series(tmp_path, f"{SINGLE_STEM}_{entity}", suffix=suffix)
    assert sorted(index(tmp_path)[0]["sub-01"].series.files) == sorted(files)


@pytest.mark.parametrize("suffix", ["T2starw", "T1w"])
@pytest.mark.parametrize("parts", [("mag", "phase"), ("real", "imag")])
def test_one_echo_of_an_image_of_any_kind_is_told_by_its_part(tmp_path, suffix, parts):
    for part in parts:
        write_echo(tmp_path, f"{SINGLE_STEM}_part-{part}", suffix=suffix)
    write_nifti(tmp_path / f"{SINGLE_STEM}_{suffix}.nii.gz", shape=(9, 9, 9))  # beside it, as scanners average
    scans, found = index(tmp_path)
    assert found == {}
    assert scans["sub-01"].series.te_s == (0.005,)
    assert len(scans["sub-01"].series.files) == 2


@pytest.mark.parametrize("suffix", ["T2starw", "T1w"])
def test_images_of_any_kind_beside_echoes_are_left_aside(dataset, suffix):
    for part in ("mag", "phase"):
        write_echo(dataset, f"{SINGLE_STEM}_part-{part}", suffix=suffix)
    scans, found = index(dataset)
    assert found == {}
    assert all("MEGRE" in file for file in scans["sub-01"].series.files)


def test_a_magnitude_of_t1_weighting_is_no_echo(dataset):
    write_echo(dataset, "sub-01/ses-2/anat/sub-01_ses-2_part-mag", suffix="T1w")
    assert list(index(dataset)[0]) == ["sub-01", "sub-02"]
    assert index(dataset)[1] == {}


def test_the_phase_of_an_inversion_recovery_is_refused(tmp_path):
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{SINGLE_STEM}_part-{part}", {"InversionTime": 0.9}, suffix="T1w")
    assert "expected a gradient echo without inversion (InversionTime)" in problems(tmp_path, "sub-01")


def test_an_inversion_time_in_words_is_refused(tmp_path):
    for part in ("mag", "phase"):
        write_echo(tmp_path, f"{SINGLE_STEM}_part-{part}", {"InversionTime": "0.9"}, suffix="T1w")
    assert "expected InversionTime in seconds, a number, found '0.9'" in problems(tmp_path, "sub-01")


@pytest.mark.parametrize("end", [".hdr", ".img", ".img.gz"])
def test_pairs_of_header_and_image_are_refused_as_such(tmp_path, end):
    for part in ("mag", "phase"):
        path = tmp_path / f"{SINGLE_STEM}_echo-1_part-{part}_MEGRE{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(348))
    _, found = index(tmp_path)
    (problem,) = found["sub-01"]
    assert problem.expected == "one file with header and voxels, .nii or .nii.gz, as BIDS has it"
    assert problem.found == "a pair of .hdr and .img: convert it"


@pytest.mark.parametrize(
    ("stems", "message"),
    [
        (("rec-a", "rec-b"), '2: rec-a; rec-b: choose one, for example --config "select={rec: a}"'),
        (("ce-gd", ""), '2: ce-gd; no ce: choose one, for example --config "select={ce: gd}"'),
        (("task-x", "task-y"), '2: task-x; task-y: choose one, for example --config "select={task: x}"'),
        (("acq-hr_rec-a", "acq-lr_rec-b"), 'choose one, for example --config "select={acq: hr, rec: a}"'),
        (("acq-a", "acq-b", "acq-c"), '3: acq-a; acq-b; acq-c: choose one, for example --config "select={acq: a}"'),
        (
            ("flip-1_mt-on", "flip-1_mt-off", "flip-2_mt-off"),
            '; mt-off flip-2: choose one, for example --config "select={mt: off, flip: 1}"',
        ),
    ],
)
def test_several_series_are_told_in_one_sentence_with_the_line_to_type(tmp_path, stems, message):
    for stem in stems:
        write_series(tmp_path, "_".join(filter(None, [SINGLE_STEM, stem])), sidecar={"FlipAngle": 20})
    _, found = index(tmp_path)
    (problem,) = found["sub-01"]
    assert problem.file == str(tmp_path / "sub-01/anat")
    assert problem.expected == "one series of echoes or two flip angles"
    assert message in problem.found


def test_two_series_of_one_flip_angle_are_told_with_the_line_to_type(tmp_path):
    two_flip_angles(tmp_path, 24, 24)
    (problem,) = index(tmp_path)[1]["sub-01"]
    assert problem.found == '24 degrees in both: choose one, for example --config "select={acq: pd}"'


@pytest.mark.parametrize("label", ["norm", "NORM", "normalized", "prescannorm", "PURE", "clear"])
@pytest.mark.parametrize("stem", ["", "_acq-hr"])
def test_a_normalised_magnitude_belongs_to_the_phase_without_the_label(tmp_path, stem, label):
    files = write_series(tmp_path, f"{SINGLE_STEM}{stem}_rec-{label}", parts=("mag",))
    files += write_series(tmp_path, f"{SINGLE_STEM}{stem}", parts=("phase",))
    scans, found = index(tmp_path)
    assert found == {}
    assert sorted(scans["sub-01"].series.files) == sorted(files)
    assert [f"the magnitude is rec-{label}" in note for note in scans["sub-01"].notes] == [True]


@pytest.mark.parametrize(
    ("labels", "parts"),
    [
        (("_rec-norm", "_rec-norm", "", ""), ("mag", "phase", "mag", "phase")),
        (("_rec-norm", "_rec-b", ""), ("mag", "mag", "phase")),
        (("_rec-norm", "_rec-b"), ("mag", "phase")),
        (("", "_rec-norm"), ("mag", "phase")),
        (("_rec-norm", "_acq-hr"), ("mag", "phase")),
        (("_rec-dis2d", ""), ("mag", "phase")),
        (("_rec-abnormal", ""), ("mag", "phase")),
    ],
)
def test_no_other_parts_of_unlike_labels_are_put_together(tmp_path, labels, parts):
    for label, part in zip(labels, parts, strict=True):
        write_series(tmp_path, f"{SINGLE_STEM}{label}", parts=(part,))
    assert index(tmp_path)[0] == {}


def test_parts_under_different_labels_are_told_in_one_sentence(tmp_path):
    write_series(tmp_path, f"{SINGLE_STEM}_rec-b", parts=("mag",))
    write_series(tmp_path, SINGLE_STEM, parts=("phase",))
    (problem,) = index(tmp_path)[1]["sub-01"]
    assert "both parts of each under the same rec" in problem.expected
    assert problem.found == "2: no rec (phase alone); rec-b (mag alone)"
    write_series(tmp_path, SINGLE_STEM, parts=("mag",))
    (problem,) = index(tmp_path)[1]["sub-01"]
    assert problem.found.endswith(': choose one, for example --config "select={rec: null}"')


@pytest.mark.parametrize("others", [[], ["sub-01"]])
@pytest.mark.parametrize("inside", ["anat", "ses-1/anat"])
def test_folders_without_sub_are_told_so(tmp_path, others, inside):
    for subject in (*others, "02", "03"):
        write_series(tmp_path / subject / inside, subject)
    (tmp_path / "code").mkdir()
    assert (
        f"{tmp_path}: expected sub-* folders, found 02, 03 without sub-: rename them and their files, 02 to sub-02"
        in (problems(tmp_path, ""))
    )


def test_a_subject_that_was_put_aside_under_another_name_is_none(tmp_path):
    write_series(tmp_path, SINGLE_STEM)
    write_series(tmp_path / "away" / "anat", "sub-02")
    scans, wrong = index(tmp_path)
    assert list(scans) == ["sub-01"] and wrong == {}


def test_more_than_two_series_are_listed(tmp_path):
    for acq in ("a", "b", "c"):
        write_series(tmp_path, f"{SINGLE_STEM}_acq-{acq}")
    assert "expected one series of echoes or two flip angles, found 3: acq-a; acq-b; acq-c" in problems(
        tmp_path, "sub-01"
    )


@pytest.mark.parametrize(
    ("flips", "facts", "message"),
    [
        ((24, 24), {}, "acq-t1_echo-1_part-mag_MEGRE.nii.gz: expected another FlipAngle than"),
        ((None, 24), {}, "acq-pd_echo-1_part-mag_MEGRE.nii.gz: expected FlipAngle [degree] in its sidecar"),
        ((6, 24), {"RepetitionTimeExcitation": None}, "expected RepetitionTimeExcitation [seconds] in its sidecar"),
    ],
)  # fmt: skip
def test_two_series_must_tell_their_flip_angles(tmp_path, flips, facts, message):
    two_flip_angles(tmp_path, *flips, **facts)
    assert message in problems(tmp_path, "sub-01")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"affine": np.diag([2.0, 2, 3, 1])}, "expected the grid of"),
        ({"sidecar": {"FlipAngle": 6, "RepetitionTime": 0.04, "EchoTime": 0.003}}, "expected the first EchoTime of"),
    ],
)
def test_two_flip_angles_must_be_comparable(tmp_path, image, message):
    two_flip_angles(tmp_path)
    facts = {"FlipAngle": 6, "RepetitionTime": 0.04}
    for name in os.listdir(tmp_path / "sub-01/anat"):
        if "acq-pd" in name:
            (tmp_path / "sub-01/anat" / name).unlink()
    low = write_series(tmp_path, f"{SINGLE_STEM}_acq-pd", (1,), **{"sidecar": facts} | image)[0]
    told = problems(tmp_path, "sub-01")
    assert f"{low}: {message}" in told
    assert "acq-t1_echo-1_part-mag" in told


def test_a_folder_that_cannot_be_read(dataset, monkeypatch):
    listdir = os.listdir

    def forbidding(folder):
        if str(folder).endswith("sub-02/anat"):
            raise PermissionError(13, "Permission denied")
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", forbidding)
    assert "sub-02/anat: expected a folder that can be read, found Permission denied" in problems(dataset, "sub-02")
    assert list(index(dataset)[0]) == ["sub-01"]


def test_a_folder_in_the_place_of_an_image(dataset):
    path = dataset / f"{SINGLE_STEM}_echo-2_part-mag_MEGRE.nii.gz"
    path.unlink()
    path.mkdir()
    assert f"{path}: expected a readable NIfTI image, found a folder instead of a file" in problems(dataset, "sub-01")


def test_a_folder_beside_the_dataset_s_is_told_with_what_to_type(tmp_path):
    write_series(tmp_path, "study/rawdata/sub-01/anat/sub-01")
    raw = tmp_path / "study/rawdata"
    for folder in (tmp_path, tmp_path / "study", raw / "sub-01"):
        assert f'found none, but there are some in {raw}: --config "bids_dir={raw}"' in problems(folder, "")


@pytest.mark.parametrize("name", ["Sub-01", "sub01", "SUB_01", "01"])
def test_a_folder_of_a_subject_that_is_named_otherwise_is_told_with_its_name(tmp_path, name):
    write_series(tmp_path, f"{name}/anat/{name}")
    assert f"{name} to sub-01" in problems(tmp_path, "")
