"""What is wrong with a dataset is said before any job: file, expected, found."""

import json

import numpy as np
import pytest

from recon.io import Volume, write_json, write_volume
from workflow.lib.inputs import InputError, check_participants, index

COLUMNS = {"group_column": "group", "positive_label": "HH", "negative_label": "HC"}
AFFINE = np.diag([2.0, 2, 2, 1])


def image(folder, subject, echo, part, acq="", shape=(4, 4, 4), affine=AFFINE, **facts):
    """One echo image with its sidecar."""
    stem = folder / f"sub-{subject}/anat/sub-{subject}_{acq}echo-{echo}_part-{part}_MEGRE"
    sidecar = {"EchoTime": 0.005 * echo, "MagneticFieldStrength": 3, "Units": "rad"} | facts
    sidecar = {key: value for key, value in sidecar.items() if value is not None}
    write_volume(f"{stem}.nii.gz", np.zeros(shape, np.float32), Volume(data=None, affine=affine), sidecar)
    return f"{stem}.nii.gz"


@pytest.fixture
def dataset(tmp_path):
    for subject in ("01", "02"):
        for echo in (1, 2):
            for part in ("mag", "phase"):
                image(tmp_path, subject, echo, part)
    return tmp_path


def problem(dataset) -> str:
    with pytest.raises(InputError) as error:
        index(dataset, phase_in_rad=True)
    return str(error.value)


def test_good_dataset_is_indexed_by_echo(dataset):
    scans = index(dataset, phase_in_rad=True)
    assert list(scans) == ["01", "02"]
    assert [p.split("_")[-3] for p in scans["01"].phase] == ["echo-1", "echo-2"]
    assert all("part-mag" in p for p in scans["01"].magnitude)
    assert scans["01"].low_flip is None


def two_flip_angles(folder, low, high, **facts):
    for acq, flip in (("acq-pd_", low), ("acq-t1_", high)):
        for echo in (1, 2):
            for part in ("mag", "phase"):
                image(folder, "01", echo, part, acq, FlipAngle=flip, **{"RepetitionTimeExcitation": 0.036} | facts)


def test_the_higher_of_two_flip_angles_is_reconstructed(tmp_path):
    two_flip_angles(tmp_path, 6, 24)
    scan = index(tmp_path, phase_in_rad=True)["01"]
    assert "acq-t1" in scan.phase[0]
    assert "acq-pd" in scan.low_flip


def test_shared_sidecar_at_the_top_is_inherited(dataset):
    for sidecar in dataset.rglob("*phase_MEGRE.json"):
        facts = json.loads(sidecar.read_text())
        del facts["MagneticFieldStrength"]
        write_json(sidecar, facts)
    assert "MagneticFieldStrength" in problem(dataset)
    write_json(dataset / "MEGRE.json", {"MagneticFieldStrength": 7})
    assert str(dataset / "MEGRE.json") in index(dataset, phase_in_rad=True)["02"].sidecars


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"EchoTime": None}, "expected EchoTime [seconds] in its sidecar, found None"),
        ({"MagneticFieldStrength": "3T"}, "expected MagneticFieldStrength [tesla] in its sidecar, found '3T'"),
        ({"MagneticFieldStrength": 1.5}, "expected one MagneticFieldStrength"),
        ({"EchoTime": 10}, "milliseconds?"),
        (
            {"Units": "arbitrary"},
            "expected Units rad in its sidecar, or prepare_echoes.phase_range in the config, found",
        ),
        ({"EchoTime": 0.005}, "expected positive ascending seconds, found [0.005, 0.005]"),
    ],
)
def test_wrong_facts_are_named(dataset, facts, message):
    image(dataset, "02", 2, "phase", **facts)
    assert message in problem(dataset)
    assert "sub-02_echo-" in problem(dataset)


def test_phase_of_any_unit_passes_where_its_range_is_given(dataset):
    image(dataset, "02", 2, "phase", Units="arbitrary")
    assert len(index(dataset, phase_in_rad=False)) == 2


@pytest.mark.parametrize(
    ("flips", "facts", "message"),
    [
        ((24, 24), {}, "expected two FlipAngle [degree] that differ, found 24 and 24"),
        ((None, 24), {}, "found None and 24"),
        ((6, 24), {"RepetitionTimeExcitation": None}, "expected RepetitionTimeExcitation"),
    ],
)
def test_two_series_must_tell_their_flip_angles(tmp_path, flips, facts, message):
    two_flip_angles(tmp_path, *flips, **facts)
    assert message in problem(tmp_path)


def test_a_single_echo_is_refused(tmp_path):
    for part in ("mag", "phase"):
        image(tmp_path, "01", 1, part)
    assert "expected at least two echoes, found one" in problem(tmp_path)


def test_missing_partner_is_named(dataset):
    (dataset / "sub-01/anat/sub-01_echo-2_part-phase_MEGRE.nii.gz").unlink()
    assert "sub-01_echo-2_part-mag_MEGRE.nii.gz: expected its part-phase partner of echo 2, found none" in problem(
        dataset
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (4, 4, 5)}, "expected the grid of sub-01_echo-1_part-mag_MEGRE.nii.gz (4, 4, 4), found (4, 4, 5)"),
        ({"affine": np.diag([2.0, 2, 3, 1])}, "with another affine"),
        ({"shape": (4, 4, 4, 2)}, "found (4, 4, 4, 2)"),
    ],
)
def test_mismatched_grids_are_named(dataset, change, message):
    image(dataset, "01", 2, "phase", **change)
    assert message in problem(dataset)


def test_broken_file_is_named(dataset):
    (dataset / "sub-02/anat/sub-02_echo-1_part-mag_MEGRE.nii.gz").write_bytes(b"no")
    assert "sub-02_echo-1_part-mag_MEGRE.nii.gz: expected a readable NIfTI image" in problem(dataset)


def test_differing_echo_counts_are_named(dataset):
    for part in ("mag", "phase"):
        image(dataset, "02", 3, part)
    assert "found sub-01 2, sub-02 3" in problem(dataset)


def test_every_problem_is_reported_at_once(dataset):
    image(dataset, "01", 1, "phase", EchoTime=None)
    image(dataset, "02", 2, "mag", shape=(3, 3, 3))
    assert "sub-01" in problem(dataset)
    assert "sub-02" in problem(dataset)


def test_missing_and_empty_folders_are_named(tmp_path):
    assert "expected a BIDS folder" in problem(tmp_path / "nowhere")
    assert "expected sub-* folders, found none" in problem(tmp_path)
    (tmp_path / "sub-01").mkdir()
    assert "expected anat/*_MEGRE.nii.gz images, found none" in problem(tmp_path)


TABLE = "participant_id\tage\tsex\tgroup\nsub-01\t50\tM\tHC\nsub-02\t60\tF\tHH\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.replace("group", "diagnosis"), "found no group"),
        (TABLE.replace("HH", "PD"), "expected group HC or HH for sub-02, found PD"),
        (TABLE.replace("60", "n/a"), "expected a number as age of sub-02, found nan"),
        (TABLE + "sub-03\t60\tF\tHH\n", "expected images of sub-03, found none"),
        (TABLE.replace("sub-02", "sub-01x"), "expected a row for sub-02, found none"),
        (TABLE, "expected at least 2 subjects a group"),
    ],
)
def test_problems_of_the_participants_are_named(tmp_path, table, message):
    path = tmp_path / "participants.tsv"
    path.write_text(table)
    with pytest.raises(InputError) as error:
        check_participants(path, ["01", "02"], COLUMNS, folds=2)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_good_participants_pass(tmp_path):
    (tmp_path / "participants.tsv").write_text(TABLE)
    check_participants(tmp_path / "participants.tsv", ["01", "02"], COLUMNS, folds=1)


def test_missing_table_says_that_maps_need_none(tmp_path):
    with pytest.raises(InputError, match="target `maps` needs none"):
        check_participants(tmp_path / "participants.tsv", ["01"], COLUMNS, folds=1)
