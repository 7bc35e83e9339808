"""After a change to somebody's own dataset, exactly the jobs that it touches run again.

The dataset is six simulated scans. Its results are empty files that `snakemake --touch` has recorded as made: what
runs again is decided from records, time stamps and checksums, not from what maps and models hold.
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from recon.files.io import read_volume, write_volume
from tests.workflow.data_flow import OF_THE_FIRST_SCAN, TRUTH, after, jobs
from tests.workflow.test_reruns import edited, replaced
from tests.workflow.warm import command, planned_jobs

SUBJECTS = [f"sub-{number:02d}" for number in range(1, 7)]
LAST = SUBJECTS[-1]


def copy_subject(raw: Path, subject: str, bids: Path, name: str) -> None:
    """The images and sidecars of a simulated subject under another name."""
    folder = bids / name / "anat"
    folder.mkdir(parents=True)
    for file in (raw / subject / "anat").iterdir():
        shutil.copy2(file, folder / file.name.replace(subject, name))


def row(subject: str) -> str:
    number = int(subject[4:])
    return f"{subject}\t{40 + number}\tF\t{'HH' if number % 2 else 'HC'}\n"


@pytest.fixture(scope="module")
def bids(tiny, tmp_path_factory):
    """A dataset of six subjects."""
    folder, raw = tmp_path_factory.mktemp("own"), tiny / "results/tiny/rawdata"
    for number, subject in enumerate(SUBJECTS):
        copy_subject(raw, SUBJECTS[number % 4], folder, subject)
    (folder / "participants.tsv").write_text("participant_id\tage\tsex\tgroup\n" + "".join(map(row, SUBJECTS)))
    return folder


@pytest.fixture(scope="module")
def run(tiny, bids):
    """Arguments of a run on it; all its results are there."""
    arguments = ("--configfile", "tiny.yaml", "--config", "dataset=own", f"bids_dir={bids}")
    _, summary = command(tiny, "snakemake", "--cores", "2", "--summary", *arguments)
    for line in summary.partition("output_file")[2].splitlines()[1:]:
        file = tiny / line.split("\t")[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    status, text = command(tiny, "snakemake", "--cores", "2", "--touch", "--forceall", *arguments)
    assert status == 0, text[-3000:]
    return arguments


@contextmanager
def without(folder: Path):
    """A folder that is gone for a while."""
    away = folder.with_name("away")
    folder.rename(away)
    try:
        yield
    finally:
        away.rename(folder)


@contextmanager
def another_subject(tiny, bids):
    copy_subject(tiny / "results/tiny/rawdata", "sub-01", bids, "sub-07")
    try:
        yield
    finally:
        shutil.rmtree(bids / "sub-07")


@contextmanager
def brighter(image: Path):
    """An image with other values for a while."""
    backup = image.with_suffix(".backup")
    os.rename(image, backup)
    volume = read_volume(backup.rename(backup.with_name("backup.nii.gz")))
    try:
        write_volume(image, (1.01 * volume.data).astype(np.float32), volume)
        yield
    finally:
        os.replace(backup.with_name("backup.nii.gz"), image)


def test_nothing_runs_again(tiny, run):
    assert planned_jobs(tiny, *run) == {}


@pytest.mark.parametrize(
    ("edit", "pages"),
    [
        (replaced("41\tF\tHH", "41\tF\tHC"), {"study_table": 1}),
        (replaced("41\tF\tHH", "51\tF\tHH"), {"subject_page": 1, "group_page": 1, "study_table": 1}),
    ],
    ids=["group", "age"],
)
def test_a_subjects_group_or_age_reruns_the_learning_only(tiny, bids, run, edit, pages):
    """And the scores for age; an age also makes the subject's page anew, which judges the size of the brain by it."""
    with edited(bids / "participants.tsv", edit):
        assert planned_jobs(tiny, *run) == jobs(after("folds"), 6) | pages


def test_a_new_subject_is_added_beside_the_old_ones(tiny, bids, run):
    with another_subject(tiny, bids), edited(bids / "participants.tsv", lambda text: text + row("sub-07")):
        assert planned_jobs(tiny, *run) == jobs(after("prepare_echoes", "folds") - TRUTH - OF_THE_FIRST_SCAN, 1)


def test_a_changed_image_reruns_its_scan_and_the_learning(tiny, bids, run):
    with brighter(bids / "sub-03/anat/sub-03_echo-1_part-mag_MEGRE.nii.gz"):
        assert planned_jobs(tiny, *run) == jobs(after("prepare_echoes") - TRUTH - OF_THE_FIRST_SCAN, 1)


def test_a_changed_sidecar_does_too(tiny, bids, run):
    with edited(bids / "sub-03/anat/sub-03_echo-1_part-mag_MEGRE.json", replaced("{", '{"Note": "seen", ')):
        assert planned_jobs(tiny, *run) == jobs(after("prepare_echoes") - TRUTH - OF_THE_FIRST_SCAN, 1)


def test_a_touched_sidecar_reruns_nothing(tiny, bids, run):
    with edited(bids / "sub-03/anat/sub-03_echo-1_part-mag_MEGRE.json", lambda text: text):
        assert planned_jobs(tiny, *run) == {}


@pytest.fixture
def one_less(bids, run):
    """The run after its last subject has left; the old results are still there."""
    with without(bids / LAST), edited(bids / "participants.tsv", replaced(row(LAST), "")):
        yield run


def test_a_removed_subject_reruns_the_learning_only(tiny, one_less):
    assert planned_jobs(tiny, *one_less) == jobs(after("folds", "methods", "group_page", "study_table"), 5)


def test_nothing_reads_a_file_of_a_removed_subject(tiny, one_less):
    _, text = command(tiny, "snakemake", "--cores", "2", "--dry-run", "--quiet", "host", *one_less)
    assert "rule report:" in text
    assert "sub-05_warnings.json" in text
    assert LAST not in text


def test_files_of_a_removed_subject_are_listed(tiny, one_less):
    _, text = command(tiny, "workflow", "stale", *one_less)
    assert f"results/own/{LAST}.html\n" in text
    assert f"results/own/derivatives/qnet/{LAST}/anat/{LAST}_Chimap.nii.gz\n" in text
    assert "sub-05" not in text


def test_why_tells_of_a_removed_subject(tiny, one_less):
    _, text = command(tiny, "workflow", "why", *one_less)
    assert f"subjects of folds changed (without {LAST})\n    folds 1\n" in text
    assert "methods 1" in text.split(f"no longer used: {LAST}\n")[1].splitlines()[0]
    assert f"files of scans that are not part of this run: {LAST}" in text
