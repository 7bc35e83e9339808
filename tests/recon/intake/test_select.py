"""The part of a dataset that a run is about."""

import pytest

from recon.intake.index import index
from recon.intake.select import Select
from tests.recon.intake.raw_files import write_series


@pytest.fixture
def dataset(tmp_path):
    """Two subjects with two sessions each; the first session has two runs, the second two series."""
    for subject in ("01", "02"):
        for visit, name in (("1", "run-1"), ("1", "run-02"), ("2", "acq-hr"), ("2", "acq-lr")):
            folder = f"sub-{subject}/ses-{visit}/anat/sub-{subject}_ses-{visit}_{name}"
            write_series(tmp_path, folder, sidecar={"FlipAngle": 10})
    return tmp_path


def selected(dataset, participants=(), sessions=(), **filters):
    wanted = Select(participants=list(participants), sessions=list(sessions), filters=filters)
    return index(dataset, select=wanted)


@pytest.mark.parametrize("label", ["02", "sub-02"])
def test_a_participant_by_its_label(dataset, label):
    scans, _ = selected(dataset, [label], ["1"])
    assert sorted(scans) == ["sub-02_ses-1_run-02", "sub-02_ses-1_run-1"]


@pytest.mark.parametrize("run", [2, "02", "2", [2, 3]])
def test_a_number_is_the_same_however_it_is_written(dataset, run):
    scans, _ = selected(dataset, ["01"], ["ses-1"], run=run)
    assert list(scans) == ["sub-01_ses-1_run-02"]


def test_a_filter_chooses_one_of_two_series(dataset):
    assert "sub-01_ses-2" not in selected(dataset, sessions=["2"])[0]  # two series of one flip angle
    scans, _ = selected(dataset, sessions=["2"], acquisition="hr", datatype="anat", suffix="MEGRE")
    assert sorted(scans) == ["sub-01_ses-2", "sub-02_ses-2"]
    assert all("_acq-hr_" in file for scan in scans.values() for file in scan.series.files)


@pytest.mark.parametrize(
    "settings",
    [
        {"acq": "hr"},
        {"acquisition": ["hr", "x"]},
        {"filters": {"acq": "hr"}},
        {"filters": {"acquisition": "hr"}},
        {"acq": "hr", "rec": "null"},  # as the command line gives null
        {"filters": {"acquisition": "hr", "reconstruction": None, "task": None, "ceagent": None}},
    ],
)
def test_a_filter_may_stand_beside_and_have_either_name(dataset, settings):
    wanted = Select.of({"participants": ["01"], "sessions": ["2"], "filters": {}} | settings)
    scans, _ = index(dataset, select=wanted)
    assert all("_acq-hr_" in file for file in scans["sub-01_ses-2"].series.files)


@pytest.mark.parametrize("off", ["off", False])  # YAML takes the word for a truth value
def test_the_chosen_series_of_three_is_taken(tmp_path, off):
    for flip, mt, degrees in ((1, "on", 6), (1, "off", 6), (2, "off", 20)):
        write_series(
            tmp_path, f"sub-01/anat/sub-01_flip-{flip}_mt-{mt}", suffix="MPM",
            sidecar={"FlipAngle": degrees, "RepetitionTimeExcitation": 0.025},
        )  # fmt: skip
    both, _ = selected(tmp_path, mt=off)
    assert (both["sub-01"].low_flip.facts[0]["FlipAngle"], both["sub-01"].series.facts[0]["FlipAngle"]) == (6, 20)
    one, _ = selected(tmp_path, mt=off, flip=1)
    assert one["sub-01"].low_flip is None
    assert all("_flip-1_mt-off_" in file for file in one["sub-01"].series.files)


def test_two_flip_angles_of_unlike_magnetisation_transfer_are_no_pair(tmp_path):
    for flip, mt in ((1, "on"), (2, "off")):
        facts = {"FlipAngle": 6 * flip, "RepetitionTimeExcitation": 0.025}
        write_series(tmp_path, f"sub-01/anat/sub-01_flip-{flip}_mt-{mt}", suffix="MPM", sidecar=facts)
    (problem,) = index(tmp_path)[1]["sub-01"]
    assert problem.found.startswith("2: mt-on flip-1; mt-off flip-2: choose one")


def test_null_stands_for_an_entity_that_is_not_there(dataset):
    assert {name[-5:] for name in selected(dataset, acquisition=None)[0]} == {"run-1", "un-02"}


def test_labels_that_are_not_there_are_refused_with_those_that_are(dataset):
    scans, problems = selected(dataset, ["01", "09"], ["3"])
    text = "\n".join(map(str, problems[""]))
    assert scans == {}
    assert f"{dataset}: expected sub-09 (config select.participants), found sub-01, sub-02" in text
    assert "expected ses-3 (config select.sessions), found ses-1, ses-2" in text


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"run": 3}, "with run-3 (config select), found none, but run-02; run-1; no run"),
        ({"run": ["run-3", 4]}, "with run-3 or run-4 (config select), found none, but run-02; run-1; no run"),
        ({"acquisition": "hr", "run": 1}, "with acq-hr, run-1 (config select), found none, but no acq, run-02; "),
        ({"mt": False}, "with mt-off (config select), found none, but no mt"),
        ({"suffix": "T2starw"}, "with suffix-T2starw (config select), found none, but suffix-MEGRE"),
        ({"sessions": ["2"], "rec": "null", "acq": None}, "with ses-2, no rec, no acq (config select)"),
    ],
)  # fmt: skip
def test_a_selection_without_images_says_what_was_asked_and_what_there_is(dataset, chosen, said):
    scans, problems = selected(dataset, ["01"], **chosen)
    assert not scans
    (problem,) = problems["sub-01"]
    assert said in str(problem)


def test_a_label_may_have_its_entity_before_it(dataset):
    assert sorted(selected(dataset, ["01"], acq="acq-hr")[0]) == ["sub-01_ses-2"]
