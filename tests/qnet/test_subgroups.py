"""Subgroups: who is in them, what they are compared with, and whether the number of subjects needed is enough."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from qnet.evaluation.statistics import auc_interval, corrected_t, difference_of_independent
from qnet.evaluation.subgroups import ALL, COLUMNS, subgroup_table, subjects_needed
from tests.qnet.made_predictions import PARAMS, scan_cases


@pytest.fixture
def cohort() -> tuple[list, pd.DataFrame]:
    """120 subjects of two sexes, among whom the score tells the groups of men alone."""
    generator = np.random.default_rng(0)
    label, sex = np.arange(120) % 2, np.where(np.arange(120) < 60, "F", "M")
    score = norm.cdf(np.where(sex == "M", 2.5 * (label - 0.5), 0) + generator.normal(size=120))
    cases = scan_cases(label, Model=score)
    people = pd.DataFrame({"age": generator.normal(55, 10, 120), "sex": sex}, cases.participants)
    return [cases], people


def test_a_sex_for_which_a_model_fails_is_seen(cohort):
    table = subgroup_table(*cohort, PARAMS)
    assert list(table.columns) == COLUMNS
    rows = table.set_index("stratum")
    assert rows.loc["sex M", "auc_low"] > 0.8 > rows.loc["sex F", "auc_high"]
    assert rows.loc["sex M", "difference_low"] > 0
    assert rows.loc["sex M", "difference"] == pytest.approx(-rows.loc["sex F", "difference"])
    assert rows.loc["sex M", "sensitivity"] == pytest.approx(
        int(rows.loc["sex M", "sensitivity_count"].split("/")[0]) / 30
    )
    assert np.isnan(rows.loc[ALL, "difference"]) and np.isnan(rows.loc[ALL, "needed"])


def test_an_age_tercile_is_compared_with_all_other_ages(cohort):
    (cases,), people = cohort
    table = subgroup_table([cases], people, PARAMS).set_index("stratum")
    name = next(row for row in table.index if row.startswith("age"))
    inside = people["age"].rank().to_numpy() <= 40
    parts = [auc_interval(cases.labels[part], cases.score("Model")[part], 0.95) for part in (inside, ~inside)]
    found = table.loc[name, ["difference", "difference_low", "difference_high"]].astype(float)
    assert tuple(found) == pytest.approx(difference_of_independent(*parts))


def test_nobody_of_unknown_sex_is_compared_and_a_subgroup_of_one_group_says_so(cohort):
    (cases,), people = cohort
    people = people.assign(sex=np.where(cases.labels, "M", "F"))
    people.iloc[:10, 1] = None
    table = subgroup_table([cases], people, PARAMS).set_index("stratum")
    assert table.loc[["sex F", "sex M"], "subjects"].sum() == 110
    assert table.loc["sex M", "note"].startswith("one group only")
    assert np.isnan(table.loc["sex M", ["auc", "specificity", "difference", "needed"]].astype(float)).all()
    assert table.loc["sex M", "sensitivity"] > 0


def test_without_people_there_are_no_rows(cohort):
    assert subgroup_table(cohort[0], None, PARAMS).empty


def test_the_number_of_subjects_needed_gives_the_power():
    """Two subgroups of AUC 0.80 and 0.90, scores normal: the z-test finds the difference in about 80 % of studies."""
    generator, counts = np.random.default_rng(1), np.array([[20, 30], [25, 25]])
    total = subjects_needed(0.85, counts)
    sizes = np.rint(counts * total / counts.sum()).astype(int)
    found = 0
    for _ in range(300):
        limits = []
        for (positives, negatives), auc in zip(sizes, (0.80, 0.90), strict=True):
            labels = np.repeat([1, 0], [positives, negatives])
            limits.append(auc_interval(labels, generator.normal(labels * np.sqrt(2) * norm.ppf(auc)), 0.95))
        _, low, high = difference_of_independent(*limits)
        found += low > 0 or high < 0
    assert 0.72 < found / 300 < 0.92
    assert subjects_needed(0.85, np.ones((2, 2))) == 473  # docs/explanation/learning.md


def test_twice_the_difference_needs_a_quarter_and_nothing_known_gives_no_number():
    counts = np.full((2, 2), 25)
    assert subjects_needed(0.8, counts, 0.2) == pytest.approx(subjects_needed(0.8, counts) / 4, abs=1)
    assert np.isnan(
        [subjects_needed(1.0, counts), subjects_needed(np.nan, counts), subjects_needed(0.8, 0 * counts)]
    ).all()


# corrected resampled t-test


def test_the_corrected_t_is_that_of_the_paper():
    """Nadeau & Bengio 2003, by hand: four splits, a third as many test as training subjects."""
    value, p = corrected_t(np.array([0.0, 0.02, 0.02, 0.04]), 1 / 3)
    sd = np.sqrt(8e-4 / 3)
    assert value == pytest.approx(0.02 / (sd * np.sqrt(1 / 4 + 1 / 3)))
    assert p > 0.1


def test_the_corrected_t_keeps_the_type_one_error_where_the_plain_one_does_not():
    """Differences of two equal procedures over ten folds, correlated by 0.1 as the authors assume."""
    generator, found, plain = np.random.default_rng(2), 0, 0
    for _ in range(400):
        shared = generator.normal()  # training sets overlap: all folds err alike
        differences = np.sqrt(0.1) * shared + np.sqrt(0.9) * generator.normal(size=10)
        found += corrected_t(differences, 1 / 9)[1] < 0.05
        plain += corrected_t(differences, 0.0)[1] < 0.05
    assert found / 400 < 0.08 < plain / 400


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, 0.1]])
def test_the_corrected_t_says_nothing_where_it_knows_nothing(differences):
    assert np.isnan(corrected_t(np.array(differences), 0.5)).all()
    assert corrected_t(np.zeros(3), 0.5) == (0, 1)
