"""Regional z-scores are what they claim: SDs from controls of the same age."""

import json

import numpy as np
import pytest
from scipy import stats

from qnet.application.leave_one_out import fit_without_each
from qnet.application.normative import Normative, age_warning, fit_normative, z_scores
from qnet.regional_means import regional_means

PARAMS = Normative(age_slope_sd=1.0, age_curvature_sd=0.25, spread_slope_sd=0.2)
REGIONS = ("caudate", "putamen", "pallidum")


def people(rng, count, growth=0.0):
    """Ages [years] and regional values that rise with age; their spread grows by `growth` a year."""
    ages = rng.uniform(25, 80, count)
    shared = rng.normal(size=count)
    subjects = []
    for age, common in zip(ages, shared, strict=True):
        noise = (0.6 * common + 0.8 * rng.normal(size=3)) * (1 + growth * (age - 50))
        chi = 0.08 + 0.0006 * (age - 50) + 0.015 * noise
        subjects.append({"chi_ppm": dict(zip(REGIONS, chi, strict=True)), "r2star_hz": {"putamen": 30 + 3 * noise[1]}})
    return ages, subjects


def z_of(model, ages, subjects):
    return np.array([z_scores(model, subject, age)["z"] for age, subject in zip(ages, subjects, strict=True)])


@pytest.mark.parametrize("controls", [6, 40])
def test_new_controls_have_standard_normal_z_however_few_they_are_compared_with(controls):
    rng = np.random.default_rng(1)
    z = np.concatenate([z_of(fit_normative(*people(rng, controls), PARAMS), *people(rng, 10)) for _ in range(60)])
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1, abs=0.1)
    assert np.mean(abs(z) < 1.96) == pytest.approx(0.95, abs=0.02)


def test_z_is_as_wide_in_the_old_as_in_the_young_where_spread_grows_with_age():
    rng = np.random.default_rng(2)
    model = fit_normative(*people(rng, 200, growth=0.01), PARAMS)
    ages, subjects = people(rng, 400, growth=0.01)
    z = z_of(model, ages, subjects)
    assert model["spread_slope"] > 0.1
    assert z[ages > 65].std() == pytest.approx(z[ages < 40].std(), rel=0.12)


def test_without_an_age_z_is_the_plain_one_and_says_so():
    ages, subjects = people(np.random.default_rng(3), 2000)
    model = fit_normative(ages, subjects, PARAMS)
    values = np.array([subject["chi_ppm"]["caudate"] for subject in subjects])
    table = z_scores(model, {"chi_ppm": {"caudate": 0.15}, "r2star_hz": {}}, None)
    assert table["z"].item() == pytest.approx((0.15 - values.mean()) / values.std(), rel=0.01)
    assert not table["adjusted"].any()
    assert "not adjusted for age" in age_warning(model, None)


def test_an_age_beyond_the_controls_widens_the_prediction_and_is_told():
    model = fit_normative(*people(np.random.default_rng(4), 12), PARAMS)
    subject = {"chi_ppm": {"caudate": 0.1}, "r2star_hz": {}}
    inside, outside = (z_scores(model, subject, age)["sd"].item() for age in (50, 110))
    assert outside > 1.5 * inside
    assert age_warning(model, 50) is None
    assert "110" in age_warning(model, 110)


def test_the_closed_form_is_the_textbook_posterior():
    """Without a prior on slope and curvature, and with an even spread, this is least squares with its t interval."""
    rng = np.random.default_rng(5)
    ages = rng.uniform(20, 80, 15)
    y = rng.normal(size=15)
    flat = Normative(age_slope_sd=1e6, age_curvature_sd=1e6, spread_slope_sd=1e-9)
    model = fit_normative(ages, [{"chi_ppm": {"a": value}, "r2star_hz": {}} for value in y], flat)
    fit = np.polyfit(ages, y, 2)
    table = z_scores(model, {"chi_ppm": {"a": 3.0}, "r2star_hz": {}}, 60.0)
    A = np.vander(ages, 3)
    new = np.vander([60.0], 3)[0]
    square = np.sum((y - A @ fit) ** 2) / 14
    t = (3 - np.polyval(fit, 60.0)) / np.sqrt(square * (1 + new @ np.linalg.inv(A.T @ A) @ new))
    assert table["expected"].item() == pytest.approx(np.polyval(fit, 60.0))
    assert table["z"].item() == pytest.approx(stats.norm.ppf(stats.t.cdf(t, 14)), rel=1e-4)


def test_extreme_values_stay_finite():
    model = fit_normative(*people(np.random.default_rng(6), 100), PARAMS)
    z = z_scores(model, {"chi_ppm": {"caudate": 50.0, "putamen": -50.0}, "r2star_hz": {}}, 50)["z"]
    assert np.isfinite(z).all()
    assert z[0] > 10 > -10 > z[1]


def test_the_model_is_plain_json_and_survives_it():
    model = fit_normative(*people(np.random.default_rng(7), 20), PARAMS)
    again = json.loads(json.dumps(model, allow_nan=False))
    assert again == model


def test_too_few_controls_give_no_model():
    assert fit_normative(*people(np.random.default_rng(8), 3), PARAMS) is None


def test_a_region_that_a_control_lacks_is_fitted_without_that_control():
    ages, subjects = people(np.random.default_rng(9), 20)
    del subjects[0]["chi_ppm"]["caudate"]
    entries = {(e["map"], e["region"]): e for e in fit_normative(ages, subjects, PARAMS)["regions"]}
    assert entries["chi_ppm", "caudate"]["controls"] == 19
    assert entries["chi_ppm", "putamen"]["controls"] == 20


@pytest.mark.parametrize("controls", [5, 40])
def test_one_fit_gives_the_norms_without_each_control(controls):
    ages, subjects = people(np.random.default_rng(10), controls, growth=0.01)
    subjects[1]["chi_ppm"]["putamen"] = 9.0  # far off
    for lacking in (0, 2):
        del subjects[lacking]["chi_ppm"]["caudate"]
    models = fit_without_each(ages, subjects, PARAMS)
    nothing = {"chi_ppm": {}, "r2star_hz": {}}
    for at, model in enumerate(models):
        again = fit_normative(ages, [nothing if at == other else of for other, of in enumerate(subjects)], PARAMS)
        assert model["spread_slope"] == again["spread_slope"]
        entries = {(entry["map"], entry["region"]): entry for entry in model["regions"]}
        assert set(entries) == {(entry["map"], entry["region"]) for entry in again["regions"]}
        for expected in again["regions"]:
            found = entries[expected["map"], expected["region"]]
            assert found["controls"] == expected["controls"]
            assert found["unadjusted"] == pytest.approx(expected["unadjusted"], rel=1e-9)
            for name in ("coefficients", "covariance", "sd"):
                np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-9)


def test_of_four_controls_none_has_norms_without_itself():
    ages, subjects = people(np.random.default_rng(11), 4)
    assert fit_normative(ages, subjects, PARAMS) and fit_without_each(ages, subjects, PARAMS) == [None] * 4
    assert fit_without_each([], [], PARAMS) == []


def test_both_sides_are_averaged_over_their_voxels(tmp_path):
    path = tmp_path / "stats.tsv"
    path.write_text(
        "name\themisphere\tvoxels\tchi_ppm_mean\tr2star_hz_mean\n"
        "putamen\tL\t100\t0.1\t30\nputamen\tR\t300\t0.2\tn/a\nwhite_matter\tn/a\t50\t-0.01\t20\ncaudate\tL\t0\tn/a\tn/a\n"
    )
    means = regional_means(path)
    assert means["chi_ppm"] == pytest.approx({"putamen": 0.175, "white_matter": -0.01})
    assert means["r2star_hz"] == pytest.approx({"putamen": 30, "white_matter": 20})


def test_a_table_without_r2star_is_refused_by_name(tmp_path):
    path = tmp_path / "stats.tsv"
    path.write_text("name\tvoxels\tchi_ppm_mean\nputamen\t100\t0.1\n")
    with pytest.raises(ValueError, match="r2star_hz_mean"):
        regional_means(path)
