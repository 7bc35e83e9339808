"""What differs between recorded and current params, and how it is told."""

import pytest

from workflow.lib.planning.changes import Change, changes, in_words, recorded

SETTINGS = {"method": "sharp", "threshold": 0.05}
CODE = {"recon/background/stage.py": "a1", "resources/nuclei.tsv": "b2"}
OLD = recorded([repr(SETTINGS), repr(CODE), "None"])


def test_equal_params_differ_in_nothing():
    assert changes(OLD, {"code": CODE, "cfg": SETTINGS, "user": None}) == []


def test_only_the_key_that_differs_is_told():
    new = {"code": CODE, "cfg": SETTINGS | {"threshold": 0.06}, "user": None}
    assert changes(OLD, new) == [Change(("cfg", "threshold"), "0.05 → 0.06")]


def test_settings_and_code_are_told_apart():
    new = {"code": CODE | {"recon/background/stage.py": "c3"}, "cfg": SETTINGS | {"method": "lbv"}, "user": None}
    assert [change.path for change in changes(OLD, new)] == [("code", "recon/background/stage.py"), ("cfg", "method")]


def test_a_param_that_is_no_mapping_is_told():
    assert changes(OLD, {"code": CODE, "cfg": SETTINGS, "user": "bids:user:mask.nii.gz"}) == [
        Change(("user",), "null → bids:user:mask.nii.gz")
    ]


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        ([1, 2], [1, 2, 3], "with 3"),
        (["sub-01", "sub-02"], ["sub-02"], "without sub-01"),
        ([1, 2], [2, 3], "with 3, without 1"),
        ([0.5, 99.5], [1.0, 99.0], "0.5, 99.5 → 1.0, 99.0"),
        ({"a": 1}, {"a": 1, "b": True}, "nothing → true"),
    ],
)
def test_values_are_told_in_short(old, new, values):
    assert [change.values for change in changes([{"cfg": old}], {"cfg": {"cfg": new}})] == [values]


def test_a_record_that_is_no_value_stays_text():
    assert recorded(["range(3)", "<object>"]) == ["range(3)", "<object>"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("code", "recon/background/stage.py"), "the code of recon/background/stage.py changed"),
        (("code", "resources/nuclei.tsv"), "resource nuclei.tsv changed"),
        (("code", "workflow/report/report.html.j2"), "template report.html.j2 changed"),
        (("cfg", "subjects"), "subjects of folds changed (1 → 2)"),
        (("synthetic",), "synthetic of folds changed (1 → 2)"),
        (("cfg", "training", "epochs"), "setting train_image_model.epochs changed (1 → 2)"),
    ],
)
def test_words(path, words):
    settings = [Change(("cfg", "train_image_model", "epochs"), "1 → 2"), Change(("cfg", "other", "epochs"), "3 → 4")]
    assert in_words(Change(path, "1 → 2"), "folds", settings) == words


def test_of_settings_that_changed_alike_the_rules_own_is_named():
    settings = [Change(("cfg", section, "rate"), "1 → 2") for section in ("first", "second", "third")]
    assert in_words(Change(("cfg", "rate"), "1 → 2"), "second", settings) == "setting second.rate changed (1 → 2)"
