"""External validation and model updates against known truths: distorted probabilities, worse scanners, sites."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from qnet.application.validation import kinds_of_difference, predictions_of, read_results, unlike_training
from qnet.evaluation.external import fall, validation_tables
from qnet.evaluation.statistics import auc_interval
from qnet.evaluation.subgroups import ALL, subgroup_table
from qnet.evaluation.updating import UPDATES, closed_test, fit_update, held_out_brier, update_table
from qnet.predictions import read_predictions, write_predictions
from tests.qnet.made_predictions import PARAMS, scan_cases


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from known probabilities, and the logit of these."""
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 1.5, n)
    return generator.random(n) < expit(x), x


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1.0), (1.2, 1.0), (0.5, 2.0), (-0.8, 0.6)])
def test_an_update_finds_the_distortion_of_the_scores(shift, stretch):
    labels, x = drawn(4000, 0)
    (a, b), errors = fit_update(labels, (x - shift) / stretch, "intercept and slope")
    assert abs(a - shift) < 3 * errors[0]
    assert abs(b - stretch) < 3 * errors[1]


def test_intervals_of_the_update_cover_the_truth():
    inside = np.zeros(2)
    for seed in range(300):
        labels, x = drawn(95, seed)
        values, errors = fit_update(labels, (x - 0.7) / 1.5, "intercept and slope")
        inside += abs(values - [0.7, 1.5]) < 1.959964 * errors
    assert (inside / 300 >= 0.92).all() and (inside / 300 <= 0.98).all()


@pytest.mark.parametrize(("distort", "update"), [(lambda x: x, 0), (lambda x: x - 1, 1), (lambda x: 2.5 * x - 1, 2)])
def test_the_closed_test_finds_what_was_distorted(distort, update):
    labels, x = drawn(2000, 3)
    assert closed_test(labels, distort(x), 0.05)[1] == UPDATES[update]


def test_the_closed_test_keeps_calibrated_scores_as_often_as_it_says():
    kept = [closed_test(*drawn(150, seed), 0.05)[1] == "none" for seed in range(300)]
    assert 0.91 <= np.mean(kept) <= 0.985


def test_no_update_is_found_for_scores_that_speak_for_the_other_group():
    labels, x = drawn(500, 0)
    assert closed_test(labels, -x, 0.05)[1] == ""


def test_groups_that_a_threshold_separates_have_no_slope_to_update():
    labels = np.array([False, False, True, True])
    table = update_table([scan_cases(labels, Model=[0.1, 0.3, 0.6, 0.8])], 0.95).set_index("update")
    assert np.isnan(table.loc["intercept and slope", "slope"])
    assert np.isfinite(table.loc["intercept", "intercept"])
    assert not (table["supported"] == "yes").any()


def test_the_brier_score_of_an_update_is_that_of_subjects_it_was_not_fitted_to():
    labels, x = drawn(40, 1)
    a, b = fit_update(labels, x, "intercept and slope")[0]
    fitted = np.mean((expit(a + b * x) - labels) ** 2)
    assert held_out_brier(labels, x, "intercept and slope") > fitted
    assert held_out_brier(labels, x, "none") == pytest.approx(np.mean((expit(x) - labels) ** 2))


def test_a_fall_of_the_auc_has_the_interval_of_two_independent_ones():
    here = {"auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}
    found = fall(here, {"auc": 0.85, "auc_low": 0.75, "auc_high": 0.95})
    assert found["difference"] == pytest.approx(-0.15)
    half = np.sqrt(2) * 0.1  # both are symmetric: the usual sum of variances
    assert [found["difference_low"], found["difference_high"]] == pytest.approx([-0.15 - half, -0.15 + half])
    assert np.isnan(list(fall(here, {}).values())).all()
    assert fall(here, {"auc": 0.85, "auc_low": None, "auc_high": None})["auc_trained"] == 0.85


def test_the_interval_of_a_fall_covers_the_truth():
    """Both cohorts of normal scores, one SD and half an SD apart."""
    generator, truth, inside = np.random.default_rng(0), np.diff(norm.cdf(np.array([1.0, 0.5]) / np.sqrt(2)))[0], 0
    for _ in range(400):
        rows = []
        for apart in (0.5, 1.0):
            labels = np.arange(80) % 2
            limits = auc_interval(labels, generator.normal(apart * labels), 0.95)
            rows.append(dict(zip(("auc", "auc_low", "auc_high"), limits, strict=True)))
        found = fall(*rows)
        inside += found["difference_low"] < truth < found["difference_high"]
    assert 0.92 <= inside / 400 <= 0.985


# subjects of two sites


@pytest.fixture(scope="module")
def sites() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions at a good site and at one where the score is noise and too high; who was where, of what age, sex."""
    generator = np.random.default_rng(0)
    n = 120
    label, site = np.arange(n) % 2, np.where(np.arange(n) < 60, "A", "B")
    x = np.where(site == "A", 3.0 * (label - 0.5) + generator.normal(size=n), 1 + generator.normal(size=n))
    names = [f"sub-{index:03d}" for index in range(n)]
    results = {
        name: {"outcomes": [{"input": "crop", "model": "Q-Net", "probability": expit(value)}]}
        for name, value in zip(names, x, strict=True)
    }
    people = pd.DataFrame({"age": generator.normal(55, 10, n), "sex": ["F", "F", "M", "M"] * 30, "site": site}, names)
    return predictions_of(results, dict(zip(names, map(int, label), strict=True))), people


@pytest.fixture(scope="module")
def tables(sites, tmp_path_factory) -> dict[str, pd.DataFrame]:
    path = tmp_path_factory.mktemp("validation") / "validation.tsv"
    write_predictions(path, sites[0])
    before = [{"input": "crop", "model": "Q-Net", "auc": 0.95, "auc_low": 0.9, "auc_high": 1.0}]
    return validation_tables(read_predictions(path), PARAMS, sites[1], ["sub-000", "sub-001", "sub-002"], before)


def test_the_site_where_the_model_fails_is_seen(tables):
    auc = tables["validation_strata"].set_index("stratum")
    assert auc.loc["site A", "auc_low"] > 0.8
    assert auc.loc["site B", "auc_low"] < 0.5 < auc.loc["site B", "auc_high"]
    assert auc.loc["site B", "intercept_high"] < 0  # too many called positive


def test_everybody_is_in_one_site_one_sex_and_one_age_tercile(tables):
    sizes = tables["validation_strata"].groupby(lambda row: tables["validation_strata"]["stratum"][row].split()[0])
    assert {kind: rows["subjects"].sum() for kind, rows in sizes} == {
        ALL: 120, "site": 120, "sex": 120, "age": 120, "like": 117, "unlike": 3,
    }  # fmt: skip


def test_auc_and_calibration_are_those_of_the_other_tables(tables):
    row, everybody = tables["validation"].iloc[0], tables["validation_strata"].iloc[0]
    for name in ("auc", "auc_low", "auc_high", "intercept", "slope"):
        assert row[name] == pytest.approx(everybody[name])
    assert row["difference"] == pytest.approx(row["auc"] - 0.95)
    assert row["difference_high"] < 0


def test_a_site_with_one_group_says_what_cannot_be_computed(sites):
    predictions, people = sites
    people = people.assign(site=np.where(predictions["label"] == 1, "patients", "controls"))
    cases = scan_cases(predictions["label"], Model=predictions["score"])
    table = subgroup_table([cases], people, PARAMS, set()).set_index("stratum")
    assert table.loc["site patients", "note"].startswith("one group only")
    assert np.isnan(table.loc["site patients", "auc"])
    assert table.loc["site patients", "mean_score"] == pytest.approx(
        predictions["score"][predictions["label"] == 1].mean()
    )
    assert np.isfinite(table.loc["all", "auc"])


def test_without_a_site_column_there_are_no_sites(sites):
    predictions, people = sites
    cases = scan_cases(predictions["label"], Model=predictions["score"])
    table = subgroup_table([cases], people.drop(columns="site"), PARAMS, set())
    assert not table["stratum"].str.startswith("site").any()


def test_unlike_scans_are_counted_by_what_differs():
    unlike = {
        "sub-1": [
            "field strength [T]: 7 in this scan, 3 in training.",
            "number of echoes: 3 in this scan, 5 in training.",
        ],
        "sub-2": ["field strength [T]: 1.5 in this scan, 3 in training."],
    }
    table = kinds_of_difference(unlike)
    assert table[["difference", "subjects"]].to_numpy().tolist() == [["field strength [T]", 2], ["number of echoes", 1]]
    assert table["example"][0] == "sub-1: field strength [T]: 7 in this scan, 3 in training."
    assert kinds_of_difference({}).empty


def test_results_are_read_by_subject_and_a_missing_group_is_named(tmp_path):
    found = {"scan": "sub-7_ses-2", "unlike_training": ["x"], "outcomes": []}
    (tmp_path / "a.json").write_text(json.dumps(found))
    results = read_results([tmp_path / "a.json"])
    assert list(results) == ["sub-7"] and unlike_training(results) == {"sub-7": ["x"]}
    with pytest.raises(ValueError, match="sub-7"):
        predictions_of(results, {})


def test_certain_scores_that_are_wrong_have_a_finite_update():
    labels = np.array([0, 1, 0, 0, 1, 1, 1, 0], bool)
    table = update_table([scan_cases(labels, Model=[0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0])], 0.95)
    assert np.isfinite(table[["intercept", "slope", "brier"]].to_numpy()).all()
