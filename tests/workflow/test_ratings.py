"""Ratings of scans: read as the page saves them, and refused where they are of another study."""

import re

import pytest
import yaml

from benchmarks.planning import bids
from recon.intake.select import EVERYTHING, Select
from recon.problems import IntakeError
from tests.workflow.conftest import TINY, snakemake
from tests.workflow.test_participants import SETTINGS, SUBJECTS, TABLE
from tests.workflow.test_scans import scan
from tests.workflow.warm import command
from workflow.lib.report.cohort import flow
from workflow.lib.study.enrolment import enrol
from workflow.lib.study.ratings import failed, rated_out, read_ratings
from workflow.lib.study.scans import diagnosed
from workflow.lib.study.study import simulated_study

HEAD = "participant_id\tsession_id\trun_id\trating\treason\trater\n"
SCANS = ["sub-01", "sub-02_ses-1", "sub-02_ses-2", "sub-03_ses-1_run-2"]
GOOD = (
    "sub-01\tn/a\tn/a\tpass\tn/a\tAB\n"
    "sub-02\tses-1\tn/a\tfail\thead motion\tAB\n"
    "sub-03\tses-1\trun-2\tlook\ta void\tAB\n"
)


def read(tmp_path, rows, head=HEAD, select=EVERYTHING):
    (tmp_path / "ratings.tsv").write_text(head + rows)
    return read_ratings(tmp_path / "ratings.tsv", SCANS, select)


def test_ratings_are_read_by_scan_and_fail_alone_leaves_out(tmp_path):
    found = read(tmp_path, GOOD)
    assert {name: given["rating"] for name, given in found.items()} == {
        "sub-01": "pass", "sub-02_ses-1": "fail", "sub-03_ses-1_run-2": "look",
    }  # fmt: skip
    assert failed(found) == {"sub-02_ses-1": ["rated fail: head motion"]}


def test_two_columns_are_enough_and_an_empty_rating_is_none(tmp_path):
    found = read(tmp_path, "sub-01\tfail\n", "participant_id\trating\n")
    assert failed(found) == {"sub-01": ["rated fail: no reason given"]}
    assert read(tmp_path, "sub-01\tn/a\tn/a\tn/a\n") == {}
    assert read_ratings(None, SCANS, EVERYTHING) == {}


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        (GOOD + "sub-77\tn/a\tn/a\tpass\n", HEAD,
         r"ratings.tsv: expected ratings of scans of this study \(sub-01, .*\), found sub-77"),
        ("sub-02\tn/a\tn/a\tpass\n", HEAD, "found sub-02$"),  # which of its sessions?
        ("01\tn/a\tn/a\tpass\n", HEAD, "found 01$"),
        ("n/a\tn/a\tn/a\tpass\n", HEAD, "found a row without a name"),
        (GOOD.replace("look", "Good"), HEAD, "expected a rating pass, look or fail, found 'Good'"),
        (GOOD + "sub-01\tn/a\tn/a\tfail\n", HEAD, "expected one row for sub-01, found 2"),
        ("sub-01\tfail\n", "participant_id\tverdict\n", "expected a column `rating`, found participant_id, verdict"),
        ("sub-01,fail\n", "participant_id,rating\n", "expected a column `participant_id`"),
    ],
)  # fmt: skip
def test_what_is_no_rating_of_this_study_is_refused(tmp_path, rows, head, message):
    with pytest.raises(IntakeError, match=message):
        read(tmp_path, rows, head)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(IntakeError, match="none.tsv: expected the ratings that group.html saves .*, found none"):
        read_ratings(tmp_path / "none.tsv", SCANS, EVERYTHING)


def test_ratings_of_the_whole_study_serve_a_part_of_it(tmp_path):
    part = Select(participants=["01"], sessions=[], filters={})
    (tmp_path / "ratings.tsv").write_text(HEAD + GOOD)
    assert set(read_ratings(tmp_path / "ratings.tsv", ["sub-01"], part)) == {"sub-01"}


def test_another_scan_of_the_subject_takes_the_place_of_the_one_that_failed(tmp_path):
    bad = failed(read(tmp_path, GOOD))
    left = [scan(name) for name in SCANS if name not in bad]
    assert diagnosed(left, "first")["sub-02"] == "sub-02_ses-2"
    assert rated_out(SCANS, bad) == {}
    both = bad | {"sub-02_ses-2": ["rated fail: ghost"]}
    assert rated_out(SCANS, both) == {"sub-02": "rated fail: head motion; rated fail: ghost"}


def test_the_flow_counts_who_failed_once_and_gives_the_reason():
    groups = dict.fromkeys(["sub-01", "sub-02", "sub-03"], "HC")
    ratings = {"sub-01": ["rated fail: motion"], "sub-02_ses-1": ["rated fail: ghost"]}
    names = ["sub-01", "sub-02_ses-1", "sub-02_ses-2", "sub-03"]
    steps = {step["name"]: step for step in flow(groups, names, {}, {"sub-03": ["no age"]}, ratings)["steps"]}
    assert steps["Left out because of their ratings"]["counts"] == {"HC": 1}
    assert steps["Left out because of their ratings"]["reasons"] == ratings
    assert steps["Left out because of the participants table"]["counts"] == {"HC": 1}
    assert steps["Diagnosed"]["counts"] == {"HC": 1}
    assert "ratings" not in str(flow(groups, names, {}, {}))


def test_who_failed_needs_no_row_and_fills_no_group(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text(TABLE.replace("sub-02\t60\tF\tHH\n", ""))
    assert set(enrol(path, SUBJECTS, SETTINGS, 1).problems) == {"sub-02"}
    assert enrol(path, SUBJECTS, SETTINGS, 1, rated_out=["sub-02"]).problems == {}
    told = str(enrol(path, SUBJECTS, SETTINGS, 1, rated_out=["sub-02", "sub-04"]).problems[""][0])
    assert told.endswith("found HC (2), HH (0)")


def test_a_run_deals_folds_without_who_failed_and_refuses_ratings_of_another_study(project, tmp_path):
    data, ratings = bids(tmp_path, 6), tmp_path / "ratings.tsv"
    ratings.write_text("participant_id\trating\treason\nsub-0002\tfail\the moved\nsub-0004\tlook\ta void\n")
    overlay = TINY | {"dataset": "rated", "bids_dir": str(data), "ratings": str(ratings)}
    (project / "rated.yaml").write_text(yaml.safe_dump(overlay))
    snakemake(project, "--configfile", "rated.yaml", "--", "folds")
    check = (project / "results/rated/check.tsv").read_text()
    assert re.search(r"^sub-0002\tmaps only\t.*rated fail: he moved", check, re.M)
    folds = (project / "results/rated/qnet/folds.tsv").read_text()
    assert "sub-0002" not in folds and "sub-0004" in folds
    ratings.write_text("participant_id\trating\nsub-99\tfail\n")
    status, text = command(project, "snakemake", "--cores", "2", "--configfile", "rated.yaml", "--dry-run", "maps")
    assert status
    assert "ratings.tsv: expected ratings of scans of this study" in text and "found sub-99" in text


def test_a_simulated_cohort_has_no_ratings():
    cfg = {"select": {"participants": [], "sessions": [], "filters": {}}, "ratings": "ratings.tsv", "model": "trained"}
    with pytest.raises(IntakeError, match="config, ratings: expected a dataset .* found a simulated cohort"):
        simulated_study(cfg, None)
