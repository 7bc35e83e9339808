"""A participants table that cannot carry the diagnosis is told before any job: by subject, or as a whole."""

from pathlib import Path

import pytest

from workflow.lib.study.participants import participant_problems, tells_groups

COLUMNS = {"group_column": "group", "positive_label": "HH", "negative_label": "HC"}
SUBJECTS = ["sub-01", "sub-02", "sub-03", "sub-04"]
TABLE = (
    "participant_id\tage\tsex\tgroup\n"
    "sub-01\t50\tM\tHC\nsub-02\t60\tF\tHH\nsub-03\t55\tF\tHC\nsub-04\t65\tM\tHH\n"
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text(TABLE)
    return path


def told(path, key, subjects=SUBJECTS, folds=1) -> str:
    """All that is told of a subject, or with an empty key of the table."""
    problems = participant_problems(path, subjects, COLUMNS, folds)
    assert all(problem.file == str(path) for found in problems.values() for problem in found)
    return "\n".join(str(problem) for problem in problems.get(key, []))


def test_a_good_table_passes(path):
    assert participant_problems(path, SUBJECTS, COLUMNS, folds=2) == {}


@pytest.mark.parametrize(
    ("old", "new", "subject", "message"),
    [
        ("60\tF\tHH", "60\tF\tPD", "sub-02", "expected group HC or HH for sub-02, found PD"),
        ("60\tF\tHH", "60\tF\tn/a", "sub-02", "expected group HC or HH for sub-02, found n/a"),
        ("60\tF", "n/a\tF", "sub-02", "expected a number as age of sub-02, found n/a"),
        ("60\tF", "sixty\tF", "sub-02", "expected a number as age of sub-02, found sixty"),
        ("60\tF", "-1\tF", "sub-02", "expected a number as age of sub-02, found -1"),
        ("60\tF", "inf\tF", "sub-02", "expected a number as age of sub-02, found inf"),
        ("60\tF", "60\tn/a", "sub-02", "expected a sex for sub-02, found n/a"),
        ("sub-02", "sub-2x", "sub-02", "expected a row for sub-02, found none"),
        ("sub-02", "sub-2x", "sub-2x", "expected usable images of sub-2x, found none"),
        ("sub-02", "sub-01", "sub-01", "expected one row for sub-01, found 2"),
    ],
)
def test_problems_are_told_by_subject(path, old, new, subject, message):
    path.write_text(TABLE.replace(old, new))
    assert message in told(path, subject)
    assert set(participant_problems(path, SUBJECTS, COLUMNS, folds=1)) <= {"sub-01", "sub-02", "sub-2x"}


def test_numbers_may_be_labels(path):
    path.write_text(TABLE.replace("HC", "0").replace("HH", "1"))
    columns = COLUMNS | {"negative_label": 0, "positive_label": 1}
    assert participant_problems(path, SUBJECTS, columns, folds=2) == {}


def test_a_subject_with_a_problem_does_not_fill_a_group(path):
    path.write_text(TABLE.replace("60", "n/a"))
    assert "expected at least 2 usable subjects in each group (folds), found 2 HC, 1 HH" in told(path, "", folds=2)


def test_too_few_for_the_folds(path):
    assert "expected at least 3 usable subjects in each group (folds), found 2 HC, 2 HH" in told(path, "", folds=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE.replace("group", "diagnosis").encode(),
         "expected columns participant_id, age, sex and group, found no group but participant_id, age, sex, diagnosis"),
        (TABLE.replace("\t", ",").encode(), "but participant_id,age,sex,group: tabs between the columns?"),
        (TABLE.replace("M", "männlich").encode("latin-1"), "a tab-separated table in UTF-8, found 'utf-8' codec"),
        (TABLE.encode("utf-16"), "expected a tab-separated table in UTF-8"),
        (b"", "expected a tab-separated table in UTF-8, found No columns"),
        ((TABLE + "sub-05\t1\t2\t3\t4\t5\n").encode(), "a tab-separated table in UTF-8, found Error tokenizing"),
        (b"participant_id\tage\tsex\tgroup\n", "expected at least 1 usable subjects in each group"),
    ],
)  # fmt: skip
def test_problems_of_the_table_as_a_whole(path, content, message):
    path.write_bytes(content)
    assert message in told(path, "")


def test_a_missing_table_says_that_maps_need_none(tmp_path):
    assert "expected a participants table for the diagnosis (target `maps` needs none), found none" in told(
        tmp_path / "participants.tsv", ""
    )
    assert "found a folder" in told(tmp_path, "")


def test_a_forbidden_table_is_named(path, monkeypatch):
    def forbidden(_: Path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("workflow.lib.study.participants.read_table", forbidden)
    assert "found [Errno 13] Permission denied" in told(path, "")


@pytest.mark.parametrize(
    ("content", "tells"),
    [
        (None, False),
        ("participant_id\nsub-01\n", False),
        ("participant_id\tgroup\nsub-01\tHH\n", True),
        ("participant_id\tgrp\n", True),
    ],
)
def test_a_table_of_names_alone_is_no_table_of_groups_yet(tmp_path, content, tells):
    path = tmp_path / "participants.tsv"
    if content is not None:
        path.write_text(content)
    assert tells_groups(path) is tells
