"""participants.tsv: one reader, labels of any coding, and problems that are told before any job."""

import shlex
from functools import reduce

import pytest
import yaml

from benchmarks.planning import bids
from qnet.folds import read_folds
from recon.problems import IntakeError
from tests.workflow.conftest import TINY, snakemake
from workflow.lib.home import HOME
from workflow.lib.setup.command_line import value_of
from workflow.lib.setup.config import check
from workflow.lib.setup.labels import with_names
from workflow.lib.setup.paths import Paths
from workflow.lib.setup.variants import merged
from workflow.lib.study.check_facts import scanner
from workflow.lib.study.check_table import Record
from workflow.lib.study.enrolment import Enrolment, enrol
from workflow.lib.study.intake import Intake
from workflow.lib.study.participants import Participants, label_text, read_participants, to_diagnose
from workflow.lib.study.study import simulated_study
from workflow.lib.study.verdict import in_study
from workflow.scripts import folds as folds_script

CONFIG = yaml.safe_load((HOME / "config/config.yaml").read_text())
SETTINGS = CONFIG["participants"]
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


def found(path, folds=1, subjects=SUBJECTS, **settings) -> Enrolment:
    return enrol(path, subjects, SETTINGS | settings, folds)


def told(path, key="", **options) -> str:
    """All that is told of a subject, or with an empty key of the table."""
    problems = found(path, **options).problems
    assert all(problem.file.startswith(str(path)) for several in problems.values() for problem in several)
    return "\n".join(str(problem) for problem in problems.get(key, []))


def dealt(path, out, **settings) -> dict[str, int]:
    """Group → label in the folds that a run makes from the table, after the check."""
    section = with_names(CONFIG | {"participants": SETTINGS | settings})["participants"]
    assert enrol(path, SUBJECTS, section, 2) == Enrolment(
        problems={}, labels=dict(zip(SUBJECTS, read_participants(path)["group"], strict=True))
    )
    cfg = {"folds": {"scheme": "stratified", "folds": 2, "seed": 0}, "participants": section, "subjects": SUBJECTS}
    folds_script.main(str(path), str(out / "folds.tsv"), cfg)
    cells = [line.split("\t") for line in (out / "folds.tsv").read_text().splitlines()[1:]]
    return {group: int(label) for _, label, group, *_ in cells}


# reading


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + TABLE.encode(),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\t \t\n").encode(),
        TABLE.replace("\t", " \t ").encode() + b"\n\t\t\t\n\n",
        TABLE.replace("HC", '"HC"').encode(),
        TABLE.rstrip().encode(),
    ],
    ids=[
        "byte order mark",
        "Windows",
        "blank cells at the end",
        "blanks and empty lines",
        "quotes",
        "no last line end",
    ],
)
def test_the_form_of_the_file_does_not_matter(tmp_path, path, content):
    other = tmp_path / "other.tsv"
    other.write_bytes(content)
    assert read_participants(other).equals(read_participants(path))


@pytest.mark.parametrize(
    ("cell", "value"), [("NA", "NA"), ("None", "None"), ("null", "null"), ("", None), ("n/a", None)]
)
def test_only_the_empty_cell_and_n_a_are_missing(path, cell, value):
    path.write_text(TABLE.replace("HH", cell))
    assert read_participants(path)["group"].tolist() == ["HC", value, "HC", value]


def test_cells_stay_as_they_are_written(path):
    path.write_text(TABLE.replace("50", "050.0").replace("HH", "1.0"))
    table = read_participants(path)
    assert (table["age"][0], table["group"][1]) == ("050.0", "1.0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE.replace("M", "männlich").encode("latin-1"), "a tab-separated table in UTF-8, found 'utf-8' codec"),
        (TABLE.encode("utf-16"), "expected a tab-separated table in UTF-8"),
        (TABLE.replace("HC", '"HC').encode(), "expected a tab-separated table in UTF-8"),
        (b"", "expected different names of columns in the first line, found []"),
        (TABLE.replace("sex", "age").encode(), "expected different names of columns in the first line"),
        ((TABLE + "sub-05\t1\t2\t3\t4\t5\n").encode(), "with 4 cells in each line, found 6 in line 6"),
    ],
)
def test_what_is_no_table_is_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(IntakeError) as error:
        read_participants(path)
    assert message in str(error.value) and message in told(path)


# labels


@pytest.mark.parametrize("label", [1, 1.0, "1", " 1 "])
def test_a_number_is_one_label_however_it_is_written(label):
    assert label_text(label) == "1"


@pytest.mark.parametrize(("patients", "controls"), [(1, 0), ("1", "0"), (1.0, 0.0)])
def test_groups_may_be_coded_by_numbers(tmp_path, path, patients, controls):
    path.write_text(TABLE.replace("HC", "0").replace("HH", "1"))
    assert dealt(path, tmp_path, positive_label=patients, negative_label=controls) == {"0": 0, "1": 1}


@pytest.mark.parametrize("label", ["NA", "None", "null", "nan", "1.0", "Haemochromatose (HFE)"])
def test_any_text_may_be_a_label(tmp_path, path, label):
    path.write_text(TABLE.replace("HH", label))
    assert dealt(path, tmp_path, positive_label=label) == {"HC": 0, label: 1}


def test_a_number_of_the_file_is_compared_as_it_is_written(path):
    path.write_text(TABLE.replace("HC", "0").replace("HH", "1.0"))
    assert "found 0 (2), 1.0 (2)" in told(path, positive_label=1, negative_label=0)


def test_several_labels_may_count_as_one_group(tmp_path, path):
    path.write_text(TABLE.replace("65\tM\tHH", "65\tM\tC282Y"))
    assert dealt(path, tmp_path, positive_labels=["HH", "C282Y"]) == {"HC": 0, "HH/C282Y": 1}


def test_names_of_groups_are_settings_that_the_schema_allows():
    named = with_names(CONFIG | {"participants": SETTINGS | {"positive_labels": [2, "3"], "negative_label": 0.0}})
    assert [named["participants"][f"{side}_label"] for side in ("negative", "positive")] == ["0", "2/3"]
    check(named)
    assert with_names(named) == named


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"positive_label": "PD", "positive_labels": ["HH", "C282Y"]},
            "expected one of the two, found both, PD and HH, C",
        ),
        ({"positive_label": 1, "negative_label": "1"}, "expected different labels for the two groups, found 1 in both"),
        ({"negative_labels": ["HC", "HH"]}, "expected different labels for the two groups, found HH in both"),
        ({"negative_label": "n/a"}, "expected labels other than n/a and empty text, found 'n/a'"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        with_names(CONFIG | {"participants": SETTINGS | settings})


@pytest.mark.parametrize("label", [True, None, ""])
def test_yaml_words_that_are_no_text_are_refused(label):
    with pytest.raises(ValueError, match="participants.positive_label"):
        check(CONFIG | {"participants": SETTINGS | {"positive_label": label}})


def test_a_run_takes_groups_that_are_coded_by_numbers(project, tmp_path):
    data = bids(tmp_path, 4)
    table = data / "participants.tsv"
    table.write_text(table.read_text().replace("HC", "0").replace("HH", "1"))
    overlay = TINY | {"dataset": "coded", "participants": {"positive_label": 1, "negative_label": 0}}
    (project / "coded.yaml").write_text(yaml.safe_dump(overlay | {"bids_dir": str(data)}))
    snakemake(project, "--configfile", "coded.yaml", "--", "folds")
    assert "Check: 4 note" in (project / "results/coded/check.txt").read_text()
    folds = (project / "results/coded/qnet/folds.tsv").read_text().splitlines()
    assert [line.split("\t")[1:3] for line in folds[1:]] == [["0", "0"], ["1", "1"]] * 2


# other groups in the table


def test_a_third_group_beside_the_two_that_are_named_takes_part_in_the_maps_alone(path):
    path.write_text(TABLE + "sub-05\tn/a\tn/a\tPD\nsub-06\t40\tF\tPD\n")
    result = found(path, folds=2, subjects=[*SUBJECTS, "sub-05"])
    assert result.problems == {} and result.notes == {}
    assert result.maps_only == {"sub-05": "group PD is neither HC nor HH"}


def test_a_third_group_without_one_of_the_two_is_told_once_with_what_to_write(path):
    path.write_text(TABLE.replace("HH", "PDD") + "sub-05\t70\tF\tPD\n")
    assert told(path) == (
        f"{path}: expected the two groups HC and HH in column `group`, found HC (2), PD (1), PDD (2): name two groups, "
        "or list which labels count; other labels get maps only, "
        'for example --config "participants={negative_labels: [HC], positive_labels: [PD]}"'
    )
    assert told(path, "sub-05") == "" and not found(path, subjects=[*SUBJECTS, "sub-05"]).maps_only


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        (("0", "1"), "{negative_label: 0, positive_label: 1}"),
        (("HC", "PD"), "{negative_label: HC, positive_label: PD}"),
        (("ill", "HH"), "{negative_label: ill, positive_label: HH}"),
        (("no", "yes"), "{negative_label: 'no', positive_label: 'yes'}"),
    ],
)
def test_two_groups_of_other_names_are_told_with_the_line_that_names_them(tmp_path, path, groups, line):
    path.write_text(TABLE.replace("HC", "C").replace("HH", groups[1]).replace("\tC\n", f"\t{groups[0]}\n"))
    assert told(path).endswith(f': name the two, for example --config "participants={line}"')
    assert dealt(path, tmp_path, **yaml.safe_load(line)) == {groups[0]: 0, groups[1]: 1}


@pytest.mark.parametrize("label", ["$(touch trap)", "`id`", 'a"b', "{x}", "it's", "a: b, c", "1e3", "1.0", "Null", "!"])
def test_the_line_that_names_a_group_means_it_in_a_shell(path, label):
    path.write_text(TABLE.replace("HH", label))
    key, _, text = shlex.split(told(path).partition("--config ")[2])[0].partition("=")
    assert value_of(key, text) == {"negative_label": "HC", "positive_label": label}


def test_groups_beside_the_listed_ones_take_part_in_the_maps_alone(path):
    path.write_text(TABLE + "sub-05\tn/a\tn/a\tPD\nsub-06\t40\tF\tPD\n")
    result = found(path, subjects=[*SUBJECTS, "sub-05"], positive_labels=["HH"], negative_labels=["HC"])
    assert result.problems == {}
    assert result.maps_only == {"sub-05": "group PD is in neither list of labels"}


# what else the diagnosis needs


def test_a_good_table_passes(path):
    labels = dict(zip(SUBJECTS, ["HC", "HH"] * 2, strict=True))
    assert found(path, folds=2) == Enrolment(problems={}, labels=labels)


@pytest.mark.parametrize(
    ("old", "new", "subject", "message"),
    [
        ("60\tF\tHH", "60\tF\tn/a", "sub-02", "sub-02: expected a group in column `group`, found no value"),
        (
            "60\tF",
            "sixty\tF",
            "sub-02",
            "sub-02: expected a number of years (below 130) in column `age`, n/a where it is unknown, found sixty",
        ),
        (
            "60\tF",
            "89 +\tF",
            "sub-02",
            "sub-02: expected a number of years (below 130) in column `age`, n/a where it is unknown, found 89 +",
        ),
        (
            "60\tF",
            "-1\tF",
            "sub-02",
            "sub-02: expected a number of years (below 130) in column `age`, n/a where it is unknown, found -1",
        ),
        (
            "60\tF",
            "inf\tF",
            "sub-02",
            "sub-02: expected a number of years (below 130) in column `age`, n/a where it is unknown, found inf",
        ),
        ("sub-02", "sub-2x", "sub-02", "expected a row for sub-02, found none"),
        ("sub-02", "sub-2x", "sub-2x", "expected usable images of sub-2x, found none"),
        ("sub-02", "02", "sub-02", "expected a row for sub-02, found 02: write sub-02"),
        ("sub-02", "SUB-2", "sub-02", "expected a row for sub-02, found SUB-2: write sub-02"),
        ("60\tF", "300\tF", "sub-02", "expected a number of years (below 130) in column `age`"),
        ("sub-02", "sub-01", "sub-01", "expected one row for sub-01, found 2"),
    ],
)
def test_problems_are_told_by_subject(path, old, new, subject, message):
    path.write_text(TABLE.replace(old, new))
    assert message in told(path, subject)
    assert found(path).problems.keys() <= {"sub-01", "sub-02", "sub-2x"}


@pytest.mark.parametrize("age", ["n/a", "", "89+", "90+"])
def test_an_unknown_age_bars_nobody_from_the_diagnosis(tmp_path, path, age):
    path.write_text(TABLE.replace("60", age))
    result = found(path, folds=2)
    assert result.problems == {} and result.maps_only == {}
    assert result.notes.keys() == {"sub-02"}
    assert f"no number of years in column `age` ({age or 'n/a'}): what needs age" in result.notes["sub-02"]
    cfg = {"folds": {"scheme": "stratified", "folds": 2, "seed": 0}, "participants": SETTINGS, "subjects": SUBJECTS}
    folds_script.main(str(path), str(tmp_path / "folds.tsv"), cfg)
    assert "sub-02\t1\tHH\tn/a\tF" in (tmp_path / "folds.tsv").read_text()
    assert read_folds(tmp_path / "folds.tsv")["age"].isna().tolist() == [False, True, False, False]


@pytest.mark.parametrize("sex", ["n/a", ""])
def test_an_unknown_sex_bars_nobody_from_the_diagnosis(tmp_path, path, sex):
    path.write_text(TABLE.replace("60\tF", f"n/a\t{sex}"))
    result = found(path, folds=2)
    assert result.problems == {} and result.maps_only == {}
    assert result.notes.keys() == {"sub-02"}
    assert "no value in column `sex` (n/a): what needs sex" in result.notes["sub-02"]
    assert "no number of years in column `age` (n/a)" in result.notes["sub-02"]
    cfg = {"folds": {"scheme": "stratified", "folds": 2, "seed": 0}, "participants": SETTINGS, "subjects": SUBJECTS}
    folds_script.main(str(path), str(tmp_path / "folds.tsv"), cfg)
    assert "sub-02\t1\tHH\tn/a\tn/a" in (tmp_path / "folds.tsv").read_text()
    assert read_folds(tmp_path / "folds.tsv")["sex"].isna().tolist() == [False, True, False, False]


def test_a_row_without_a_name_is_a_problem_of_the_table(path):
    path.write_text(TABLE + "n/a\t60\tF\tHH\n")
    assert "expected sub- followed by letters or digits in column `participant_id`, found no value" in told(path)


def test_a_subject_with_a_problem_does_not_fill_a_group(path):
    path.write_text(TABLE.replace("60", "sixty"))
    assert "expected at least 2 usable subjects in each group (folds), found HC (2), HH (1)" in told(path, folds=2)


def test_too_few_for_the_folds(path):
    assert "expected at least 3 usable subjects in each group (folds), found HC (2), HH (2)" in told(path, folds=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE.replace("group", "diagnosis"),
         "expected a column `group` (participants.group_column), found participant_id, age, sex, diagnosis"),
        (TABLE.replace("participant_id", "id"), "expected a column `participant_id`, found id, age, sex, group"),
        (TABLE.replace("\t", ","), "expected a table with tabs between its columns, found participant_id,age,sex"),
        (TABLE.replace("age", "Age"), '(under another name: --config "participants={age_column: Age}")'),
        (TABLE.replace("HC", "1e3").replace("HH", "2e3"),
         "for example --config \"participants={negative_label: '1e3', positive_label: '2e3'}\""),
        ("participant_id\tage\tsex\tgroup\n", "expected at least 1 usable subjects in each group"),
    ],
)  # fmt: skip
def test_problems_of_the_table_as_a_whole(path, content, message):
    path.write_text(content)
    assert message in told(path)


def test_columns_may_have_other_names(tmp_path, path):
    path.write_text("participant_id\tage_y\tgender\tdx\n" + TABLE.split("\n", 1)[1])
    settings = {"group_column": "dx", "age_column": "age_y", "sex_column": "gender"}
    assert found(path, folds=2, **settings).problems == {}
    table = to_diagnose(path, SETTINGS | settings, SUBJECTS[1:])
    assert table.to_dict("list") == {
        "participant_id": SUBJECTS[1:],
        "age": ["60", "55", "65"],
        "sex": ["F", "F", "M"],
        "group": ["HH", "HC", "HH"],
        "label": [1, 0, 1],
    }


@pytest.mark.parametrize(
    ("settings", "subjects", "message"),
    [
        ({"sex_column": "gender"}, SUBJECTS, "expected a column `gender`, found participant_id, age, sex, group"),
        ({}, ["sub-01", "sub-09"], "expected a row for every subject with images, found none for sub-09"),
        ({"positive_label": "PD"}, SUBJECTS, "expected HC or PD as group, found HH"),
    ],
)
def test_folds_are_refused_without_what_they_need(path, settings, subjects, message):
    with pytest.raises(ValueError, match=message):
        to_diagnose(path, SETTINGS | settings, subjects)


def test_controls_come_first():
    assert [group.name for group in Participants(**SETTINGS).groups] == ["HC", "HH"]


def test_a_missing_table_says_that_maps_need_none(tmp_path):
    message = "expected a participants table for the diagnosis (target `maps` needs none), found none"
    assert message in told(tmp_path / "participants.tsv")
    assert "found a folder" in told(tmp_path)


def test_a_forbidden_table_is_named(path, monkeypatch):
    def forbidden(*_: object, **__: object):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("workflow.lib.study.participants.open", forbidden, raising=False)
    assert "found [Errno 13] Permission denied" in told(path)


@pytest.mark.parametrize(
    ("content", "has_groups"),
    [
        (None, False),
        ("participant_id\nsub-01\n", False),
        ("participant_id\tgroup\nsub-01\tHH\n", True),
        ("participant_id\tgrp\n", True),
    ],
)
def test_a_table_of_names_alone_is_no_table_of_groups_yet(tmp_path, content, has_groups):
    path = tmp_path / "participants.tsv"
    if content is not None:
        path.write_text(content)
    assert found(path).has_groups is has_groups


# sites and families

SITES = "participant_id\tage\tsex\tgroup\tsite\tfamily\n" + "".join(
    f"sub-0{number}\t50\tM\t{group}\t{site}\t{family}\n"
    for number, group, site, family in [
        (1, "HC", "A", "x"), (2, "HH", "A", "x"), (3, "HC", "B", "y"), (4, "HH", "B", "n/a"),
    ]
)  # fmt: skip
LEFT_OUT = "leave_one_site_out"


def at_sites(path, changes=("", ""), folds=2, scheme="stratified", **settings) -> Enrolment:
    path.write_text(SITES.replace(*changes))
    return enrol(path, SUBJECTS, SETTINGS | settings, folds, scheme)


def test_sites_are_read_under_any_name_and_missing_ones_stay_missing(path):
    path.write_text(SITES.replace("\tsite", "\tcentre").replace("HH\tB", "HH\tn/a"))
    table = to_diagnose(path, SETTINGS | {"site_column": "centre"}, SUBJECTS)
    assert table["site"].tolist() == ["A", "A", "B", None]
    assert "site" not in to_diagnose(path, SETTINGS, SUBJECTS)


@pytest.mark.parametrize("scheme", ["stratified", "leave_one_site_out", "grouped"])
def test_folds_of_every_scheme_are_made_from_the_table(path, tmp_path, scheme):
    assert at_sites(path, scheme=scheme).problems == {}
    cfg = {"folds": {"scheme": scheme, "folds": 2, "seed": 0}, "participants": SETTINGS, "subjects": SUBJECTS}
    folds_script.main(str(path), str(tmp_path / "folds.tsv"), cfg)
    folds = read_folds(tmp_path / "folds.tsv")
    assert folds["site"].tolist() == ["A", "A", "B", "B"] and folds["fold"].nunique() == 2
    assert ("family" in folds) == (scheme == "grouped")


@pytest.mark.parametrize(
    ("changes", "options", "key", "message"),
    [
        (("\tsite", "\tcentre"), {"scheme": LEFT_OUT}, "", "a column `site` (participants.site_column), as folds.s"),
        (("\tfamily", "\tkin"), {"scheme": "grouped"}, "", "a column `family` (participants.family_column), as"),
        (("HH\tB", "HH\tn/a"), {"scheme": LEFT_OUT}, "sub-04", "a site in column `site`, as folds.scheme is"),
        (("", ""), {"scheme": LEFT_OUT, "folds": 3}, "", 'folds as sites, 2 (A, B), found 3: --config "folds={scheme'),
        (("\tB", "\tA"), {"scheme": LEFT_OUT}, "", "at least 2 sites to leave one out, found A"),
        (("n/a", "x"), {"scheme": "grouped"}, "",
         "at least 2 families in each group (folds), as folds.scheme is grouped, f"),
    ],
)  # fmt: skip
def test_what_a_scheme_needs_is_told_before_any_job(path, changes, options, key, message):
    assert message in "\n".join(map(str, at_sites(path, changes, **options).problems[key]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("HH\tB", "HH\tC"), "site B has one subject (HC); site C has one subject (HH)"),
        (("HH\tB", "HH\tn/a"), "site B has one subject (HC); 1 of unknown site"),
        (("B\t", "n/a\t"), "2 of unknown site"),
    ],
)
def test_a_site_that_cannot_be_judged_by_itself_is_said_with_what_still_can(path, changes, message):
    enrolment = at_sites(path, changes)
    assert enrolment.problems == {}
    assert f"{message}: their AUC within the site cannot be computed; they are diagnosed" in enrolment.notes[""]


def test_a_site_without_controls_is_said_and_still_diagnosed(path):
    path.write_text(SITES + "sub-05\t50\tM\tHH\tC\tz\nsub-06\t50\tM\tHH\tC\tz\n")
    for scheme, folds in (("stratified", 2), (LEFT_OUT, 3)):
        enrolment = enrol(path, [*SUBJECTS, "sub-05", "sub-06"], SETTINGS, folds, scheme)
        assert enrolment.problems == {}
        assert "site C has HH alone (2): their AUC within the site cannot be computed" in enrolment.notes[""]


MEAN = {"reference_site": None, "unseen_site": "refuse"}
CONTROLS = MEAN | {"unseen_site": "controls"}


@pytest.mark.parametrize(
    ("changes", "options", "key", "message"),
    [
        (
            ("\tsite", "\tcentre"),
            {"combat": MEAN},
            "",
            "a column `site` (participants.site_column), as harmonisation is",
        ),
        (("HH\tB", "HH\tn/a"), {"combat": MEAN}, "sub-04", "a site in column `site`, as harmonisation is combat"),
        (
            ("\tB", "\tA"),
            {"combat": MEAN},
            "",
            "at least 2 sites to harmonise, found A alone: --config harmonisation=none",
        ),
        (("", ""), {"combat": MEAN | {"reference_site": "C"}}, "", "a site as combat.reference_site (A, B), found C"),
        (("", ""), {"combat": MEAN, "scheme": LEFT_OUT}, "", "found A in the test of fold 0 alone: --config"),
    ],
)
def test_what_harmonisation_needs_is_told_before_any_job(path, changes, options, key, message):
    path.write_text(SITES.replace(*changes))
    enrolment = enrol(path, SUBJECTS, SETTINGS, 2, **options)
    assert message in "\n".join(map(str, enrolment.problems[key]))


def test_a_site_that_cannot_be_harmonised_is_said_with_what_still_is(path):
    more = [f"sub-{10 + i}" for i in range(4)]
    rows = "".join(f"{name}\t{50 + 3 * i}\tF\t{'HH' if i % 2 else 'HC'}\tC\tz\n" for i, name in enumerate(more))
    path.write_text(SITES + rows)
    enrolment = enrol(path, [*SUBJECTS, *more], SETTINGS, 3, LEFT_OUT, combat=CONTROLS)
    assert enrolment.problems == {}
    said = "sites A (fold 0), B (fold 1): not in training, its shift and scale cannot be estimated (controls: 1 here"
    assert said in enrolment.notes[""]


def test_more_numbers_to_estimate_than_people_are_refused(path):
    path.write_text(SITES.replace("01\t50", "01\t51").replace("03\t50", "03\t52"))
    (problem,) = enrol(path, SUBJECTS, SETTINGS, 2, LEFT_OUT, combat=CONTROLS).problems[""]
    assert "more than 2 training subjects in each fold" in problem.expected and "harmonisation=none" in problem.found


def test_where_no_site_has_both_groups_it_is_said(path):
    enrolment = at_sites(path, ("HC\tB", "HC\tA"))
    assert "NO SITE HAS BOTH GROUPS" not in enrolment.notes[""]
    path.write_text("".join(
        line for line in SITES.splitlines(keepends=True) if "HC\tB" not in line and "HH\tA" not in line
    ))  # fmt: skip
    kept = [name for name in SUBJECTS if name in path.read_text()]
    assert "NO SITE HAS BOTH GROUPS" in enrol(path, kept, SETTINGS, 1).notes[""]


def test_an_empty_column_of_sites_is_no_column(path):
    enrolment = at_sites(path, ("\tA\t", "\tB\t"))
    assert enrolment.has_sites and enrolment.notes == {}
    path.write_text(SITES.replace("\tA\t", "\tn/a\t").replace("\tB\t", "\t\t"))
    enrolment = enrol(path, SUBJECTS, SETTINGS, 2)
    assert not enrolment.has_sites and enrolment.notes == {} and enrolment.problems == {}


def test_families_that_leave_a_fold_without_a_group_are_told_with_the_line_to_type(path):
    """A family of 40 controls fills a fold, and the three families with a patient share the others."""
    people = [("HC", "large")] * 40 + [(group, kin) for kin in "xyz" for group in ["HH"] + ["HC"] * 8]
    names = [f"sub-{number:02d}" for number in range(len(people))]
    rows = [f"{name}\t50\tM\t{group}\t{kin}\n" for name, (group, kin) in zip(names, people, strict=True)]
    path.write_text("participant_id\tage\tsex\tgroup\tfamily\n" + "".join(rows))
    (problem,) = enrol(path, names, SETTINGS, 3, "grouped").problems[""]
    assert "column `family`: expected families (grouped) that give every fold both groups" in str(problem)
    assert 'found HH in 2 of 3 folds: fewer may do, --config "folds={folds: 2}"' in str(problem)
    assert enrol(path, names, SETTINGS, 3).problems == {}


@pytest.mark.parametrize("scheme", [LEFT_OUT, "grouped"])
def test_a_simulated_cohort_has_neither_sites_nor_families(tmp_path, scheme):
    cfg = CONFIG | {"folds": CONFIG["folds"] | {"scheme": scheme}}
    with pytest.raises(IntakeError, match=f"folds.scheme: expected stratified.*--config .*found {scheme}"):
        simulated_study(cfg, Paths("simulated", str(tmp_path)))
    assert simulated_study(cfg | {"model": "mystudy"}, Paths("simulated", str(tmp_path))).scans


def with_sites(overlays: list[str], folds: dict) -> dict:
    """The shipped configuration with simulated sites and these folds."""
    laid = [yaml.safe_load((HOME / f"config/{name}.yaml").read_text()) for name in overlays]
    return reduce(merged, [*laid, {"folds": folds}], CONFIG)


def test_a_simulated_cohort_with_sites_can_leave_one_out(tmp_path):
    cfg = with_sites(["sites"], {"scheme": LEFT_OUT, "folds": 4})
    assert len(simulated_study(cfg, Paths("sites", str(tmp_path))).scans) == 48
    with pytest.raises(IntakeError, match="simulate.sites: expected as many folds as sites, 4 .* found 3"):
        simulated_study(with_sites(["sites"], {"scheme": LEFT_OUT, "folds": 3}), Paths("sites", str(tmp_path)))


def test_a_simulated_cohort_is_harmonised_where_it_has_sites(tmp_path):
    paths, combat = Paths("sites", str(tmp_path)), {"harmonisation": "combat"}
    with pytest.raises(IntakeError, match="harmonisation: expected none, .* no sites .*, found combat"):
        simulated_study(CONFIG | combat, paths)
    assert simulated_study(with_sites(["sites"], {}) | combat, paths).scans
    with pytest.raises(IntakeError, match="simulate.sites: expected each site in the training .* found east"):
        simulated_study(with_sites(["sites"], {"scheme": LEFT_OUT, "folds": 4}) | combat, paths)


def test_a_simulated_cohort_with_sites_has_no_families(tmp_path):
    with pytest.raises(IntakeError, match="folds.scheme: expected stratified, .* has no families: .* found grouped"):
        simulated_study(with_sites(["sites"], {"scheme": "grouped"}), Paths("sites", str(tmp_path)))


def test_sites_of_both_groups_need_no_note(path):
    enrolment = at_sites(path)
    assert enrolment.notes == {} and enrolment.has_sites


# scanners, where there are no sites


def rows_of(scanners: list[str], enrolment: Enrolment, sites: str = "", te_ms: str = "5555") -> list[Record]:
    """`sites` and `te_ms`: a character for each scan."""
    records = [
        Record(name=subject, facts={"vendor": "Acme", "echoes": "4", "scanner": scanner, "te_ms": te})
        for subject, scanner, te in zip(SUBJECTS, scanners, te_ms, strict=True)
    ]
    of_scans = dict(zip(SUBJECTS, sites, strict=False))
    return in_study(Intake(scans={}, problems={}, records=records), enrolment, of_scans, lambda _: [1], "stop")


def test_scanners_of_sidecars_are_told_by_group(path):
    whole = rows_of(["P, 3 T", "P, 3 T", "P, 3 T", "Q, 7 T"], found(path))[0]
    assert (whole.name, whole.status) == ("", "note")
    assert "2 scanners according to the sidecars (P, 3 T: 2 HC, 1 HH; Q, 7 T: 1 HH)" in whole.notes[0]
    assert "column `site`" in whole.notes[0]


def test_one_scanner_or_known_sites_need_no_word_on_scanners(path):
    assert all(record.name for record in rows_of(["P"] * 4, found(path)))
    assert all(record.name for record in rows_of(["P", "Q", "P", "Q"], at_sites(path), "ABAB"))


def test_each_site_of_several_scanners_is_told(path):
    whole = rows_of(["P", "P", "Q", "P"], at_sites(path), "ABAB")[0]
    (note,) = whole.notes
    assert note.startswith("site A: 2 scanners according to the sidecars (P: 1 ")
    assert "names of their own in that column" in note


def test_unknown_models_and_other_protocols_are_never_merged(path):
    (note,) = rows_of(["P", "Q, model unknown", "", "P"], found(path), te_ms="5556")[0].notes
    for kind in ("P, TE 5 ms: 1", "P, TE 6 ms: 1", "Q, model unknown: 1", "not told: 1"):
        assert kind in note
    assert note.startswith("4 scanners or protocols") and "may be several" in note
    assert rows_of(["P"] * 4, found(path), te_ms="5566")[0].notes[0].startswith("2 protocols according to")


def test_a_scanner_is_told_from_what_names_no_person():
    plain = {"Manufacturer": "Acme", "MagneticFieldStrength": 3}
    facts = plain | {"ManufacturersModelName": "One", "SoftwareVersions": "E11"}
    assert scanner(facts) == "Acme, One, 3 T, E11"
    assert scanner(facts | {"SoftwareVersions": "XA30"}) != scanner(facts)
    assert scanner(facts | {"ProtocolName": "a person"}) == scanner(facts)
    assert scanner(plain) == "Acme, model unknown, 3 T" != scanner(plain | {"MagneticFieldStrength": 1.5})
    assert scanner({"ProtocolName": "a person"}) == ""
