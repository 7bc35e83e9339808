"""Baselines: nothing is learnt from held-out subjects, what is missing does no harm, chance stays chance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score

from qnet.baselines.classifiers import Recipe, choose, f_score, inner_splits, platt, predict, strongest
from qnet.baselines.models import Baselines, baselines, models, score_fold, thumbnail, to_reference
from qnet.baselines.permutation import permutation_test
from qnet.folds import demographics, families_of
from qnet.predictions import COLUMNS, read_predictions

PARAMS = Baselines(
    inverse_regularisation=(0.01, 1.0), feature_counts=(2,), inner_folds=2, components=3, permutations=40, seed=0
)
REGIONS = ("putamen", "caudate", "dentate")
LOGISTIC = Recipe(
    machine="logistic", inverse_regularisation=(0.01, 1.0), counts=(), components=None, inner_folds=3, seed=0
)
SVM = Recipe(machine="svm", inverse_regularisation=(0.1, 1.0), counts=(), components=None, inner_folds=3, seed=0)


def study(subjects: int = 40, effect: float = 2.0, folds: int = 2, seed: int = 0) -> dict:
    """Arguments of `baselines`: the group shifts χ of putamen and caudate by `effect` SDs, age shifts all."""
    rng = np.random.default_rng(seed)
    names = [f"sub-{number:03d}" for number in range(subjects)]
    label, age = np.arange(subjects) % 2, rng.normal(55, 14, subjects)
    about, values = {}, {}
    for quantity, kind in (("chi", "mean"), ("r2star", "mean"), ("chi", "texture")):
        for region in REGIONS:
            shift = effect * label if quantity == "chi" and kind == "mean" and region != "dentate" else 0
            name = f"{quantity}_{kind}_{region}_both"
            values[name] = shift + 0.03 * age + rng.normal(size=subjects)
            about[name] = {"map": quantity, "kind": kind, "region": region, "side": "both", "unit": "ppm"}
    folds = pd.DataFrame(
        {
            "participant_id": names,
            "label": label,
            "group": np.where(label, "HH", "HC"),
            "age": age,
            "sex": rng.choice(["M", "F"], subjects),
            "fold": np.arange(subjects) // 2 % folds,
        }
    )
    return {
        "folds": folds,
        "values": pd.DataFrame(values, index=names),
        "about": pd.DataFrame(about).T,
        "backgrounds": pd.DataFrame(rng.normal(size=(subjects, 30)), index=names),
        "embeddings": {},
    }


def auc(predictions: pd.DataFrame, model: str) -> float:
    rows = predictions[predictions["model"] == model]
    return roc_auc_score(rows["label"], rows["score"])


def scores(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions.pivot(index="participant_id", columns="model", values="score")


@pytest.fixture(scope="module")
def found():
    return baselines(**study(), params=PARAMS)


def test_table_is_one_that_statistics_read(found, tmp_path):
    assert list(found.columns) == COLUMNS
    found.to_csv(tmp_path / "predictions.tsv", sep="\t", index=False)
    table = read_predictions(tmp_path / "predictions.tsv")
    assert table.groupby("model").size().eq(40).all()
    assert found["score"].between(0, 1).all()
    assert dict(zip(found["model"], found["input"], strict=True)) == {
        "ROI + age (LR)": "regions",
        "ROI + age (SVM)": "regions",
        "Lee 2020 (LR)": "regions",
        "Lee 2020 (SVM)": "regions",
        "Radiomics (Xiao 2019)": "regions",
        "ROI, labels permuted": "regions",
        "Age + sex": "none",
        "Background only": "background",
    }


def test_what_carries_the_effect_finds_it(found):
    for model in ("ROI + age (LR)", "ROI + age (SVM)", "Radiomics (Xiao 2019)"):
        assert auc(found, model) > 0.75, model


def test_what_carries_no_effect_is_near_chance(found):
    for model in ("Age + sex", "Background only", "ROI, labels permuted"):
        assert 0.2 < auc(found, model) < 0.8, model


def test_same_seed_gives_the_same_table(found):
    pd.testing.assert_frame_equal(baselines(**study(), params=PARAMS), found)


def test_labels_of_held_out_subjects_change_no_score_of_theirs(found):
    changed = study()
    held_out = changed["folds"]["fold"] == 0
    changed["folds"].loc[held_out, "label"] = 1 - changed["folds"].loc[held_out, "label"]
    before, after = (scores(table[table["fold"] == 0]) for table in (found, baselines(**changed, params=PARAMS)))
    pd.testing.assert_frame_equal(before, after)


def test_one_held_out_subject_changes_no_other(found):
    changed = study()
    changed["values"].iloc[0] *= 100
    changed["backgrounds"].iloc[0] *= 100
    changed["folds"].loc[0, "age"] = 300.0
    before, after = (scores(table[table["fold"] == 0]) for table in (found, baselines(**changed, params=PARAMS)))
    pd.testing.assert_frame_equal(before.drop(index="sub-000"), after.drop(index="sub-000"))
    assert not np.allclose(before.loc["sub-000"], after.loc["sub-000"])


def test_units_of_a_feature_do_not_matter(found):
    changed = study()
    changed["values"] = 1000 * changed["values"]
    pd.testing.assert_frame_equal(scores(found), scores(baselines(**changed, params=PARAMS)), atol=1e-3)


def test_offset_of_a_scan_does_not_reach_lee():
    moved = study()
    chi = [name for name in moved["values"] if name.startswith("chi_mean")]
    before = to_reference(moved["values"], moved["about"])
    moved["values"][chi] += np.random.default_rng(1).normal(size=(40, 1))
    pd.testing.assert_frame_equal(to_reference(moved["values"], moved["about"]), before)
    assert [name for name in before] == ["chi_mean_caudate_both", "chi_mean_dentate_both"]


def test_lee_needs_its_reference():
    lacks = study()
    kept = [name for name in lacks["values"] if "putamen" not in name]
    with pytest.raises(ValueError, match=r"expected the mean χ of the putamen, found that of caudate, dentate"):
        to_reference(lacks["values"][kept], lacks["about"].loc[kept])


def test_missing_values_of_every_kind_are_borne():
    holes = study()
    holes["values"].iloc[::3, 0] = np.nan
    holes["values"].iloc[:, 3] = np.nan
    holes["folds"]["age"] = holes["folds"]["age"].astype(object)
    holes["folds"].loc[[1, 2], "age"] = "n/a"
    holes["folds"].loc[[4, 5], "sex"] = ""
    result = baselines(**holes, params=PARAMS)
    assert np.isfinite(result["score"]).all()
    assert auc(result, "ROI + age (LR)") > 0.8


@pytest.mark.parametrize(("levels", "columns"), [("M", 1), ("MF", 2), ("MFO", 3)])
def test_sex_has_as_many_levels_as_it_has(levels, columns):
    people = study()["folds"].assign(sex=[levels[number % len(levels)] for number in range(40)])
    assert demographics(people).shape[1] == columns


def test_hybrid_reads_the_embeddings_of_its_own_fold_and_seed():
    given = study(effect=0)
    label = dict(zip(given["folds"]["participant_id"], given["folds"]["label"], strict=True))
    rng = np.random.default_rng(2)
    for seed, effect in ((0, 0.0), (3, 3.0)):
        for fold in range(2):
            sign = (-1) ** fold  # embeddings of different folds have nothing in common
            of_fold = {name: rng.normal(effect * sign * y, 1, (5, 6)) for name, y in label.items()}
            given["embeddings"]["crop", seed, fold] = of_fold
    result = baselines(**given, params=PARAMS)
    rows = result[result["model"] == "Hybrid (Xiao 2019)"]
    assert set(rows["input"]) == {"crop"}
    assert auc(rows[rows["seed"] == 3], "Hybrid (Xiao 2019)") > 0.95
    assert auc(rows[rows["seed"] == 0], "Hybrid (Xiao 2019)") < 0.8


def test_subject_without_features_is_named():
    given = study()
    with pytest.raises(ValueError, match=r"features: expected every subject of .* found none for \['sub-007'\]"):
        baselines(**(given | {"values": given["values"].drop(index="sub-007")}), params=PARAMS)


def test_smallest_study_runs():
    result = baselines(**study(subjects=4, folds=2), params=PARAMS)
    assert np.isfinite(result["score"]).all()


def test_permutation_test_tells_an_effect_from_none():
    p = {}
    for effect in (0.0, 2.0):
        given = study(effect=effect)
        p[effect] = permutation_test(*(given[name] for name in ("folds", "values", "about")), PARAMS).loc[0, "p"]
    assert p[2.0] == pytest.approx(1 / 41)
    assert p[0.0] > 0.05


def test_what_the_site_tells_is_no_evidence_of_disease():
    """Values that follow the site alone, where it tells the groups apart: significant without the sites, not with."""
    given = study(effect=0.0)
    site = np.where(np.random.default_rng(4).random(40) < np.where(given["folds"]["label"], 0.9, 0.1), "A", "B")
    values = given["values"] + 3.0 * (site == "A")[:, None]
    blind, aware = (
        permutation_test(folds, values, given["about"], PARAMS).loc[0, "p"]
        for folds in (given["folds"], given["folds"].assign(site=site))
    )
    assert blind == pytest.approx(1 / 41) and aware > 0.05


def test_f_score_ranks_as_the_analysis_of_variance_does():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 15)
    features = rng.normal(size=(30, 12)) + labels[:, None] * np.linspace(0, 2, 12)
    # equal classes of 15: that F is 15 (m+ - m-)² / 2 over (s+² + s-²) / 2, this one (m+ - m-)² / 2 over s+² + s-²
    np.testing.assert_allclose(f_score(features, labels), f_classif(features, labels)[0] / 30, rtol=1e-10)


def test_f_score_of_a_constant_is_zero():
    features = np.c_[np.ones(6), np.arange(6.0)]
    assert f_score(features, np.array([0, 0, 0, 1, 1, 1]))[0] == 0


def test_every_group_of_features_keeps_its_strongest():
    labels = np.tile([0, 1], 10)
    strength = np.array([0, 20, 10, 5, 0])
    features = labels[:, None] * strength + np.random.default_rng(4).normal(size=(20, 5))
    assert sorted(strongest(features, labels, np.array([0, 1, 1, 0, 0]), 1)) == [1, 3]


def test_platt_gives_probabilities_of_well_known_log_odds():
    rng = np.random.default_rng(5)
    decisions = rng.normal(size=4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-(2 * decisions + 0.5)))).astype(int)
    assert platt(decisions, labels) == pytest.approx((2, 0.5), abs=0.2)


def test_platt_turns_no_score_round():
    labels = np.tile([0, 1], 10)
    assert platt(-labels + 0.01 * np.arange(20), labels) == (0.0, 0.0)


@pytest.mark.parametrize("recipe", [LOGISTIC, SVM], ids=["logistic", "svm"])
def test_share_of_the_groups_in_training_moves_no_score(recipe):
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1], [30, 10])
    noise, test = rng.normal(size=(40, 3)), rng.normal(size=(200, 3))
    found = predict(noise, labels, test, np.zeros(3, int), recipe)
    assert found.mean() == pytest.approx(0.5, abs=0.1)


def test_relatives_help_no_setting_to_look_good():
    """Copies of noise tell their own label, so that weak regularisation is chosen, unless they share a fold."""
    rng = np.random.default_rng(7)
    noise, labels, families = rng.normal(size=(20, 40)), np.arange(20) % 2, np.repeat(np.arange(20), 3)
    given = noise[families], labels[families], np.zeros(40, int), replace(LOGISTIC, inverse_regularisation=(1e-4, 10))
    assert choose(*given)[0] == (None, 10)
    assert choose(*given, families)[0] == (None, 1e-4)


def test_families_of_the_folds_reach_the_inner_folds():
    given = study()
    one = next(iter(models(given["folds"], given["values"], given["about"], given["backgrounds"], PARAMS)))
    related = given["folds"].assign(family=[f"f{row // 4}" if row < 36 else None for row in range(40)])
    splits = inner_splits(related["label"].to_numpy(), families_of(related), one.recipe)
    assert len(splits) == PARAMS.inner_folds
    for train, test in splits:
        assert not set(related["family"].iloc[train].dropna()) & set(related["family"].iloc[test].dropna())
    weak = replace(one, recipe=replace(one.recipe, inverse_regularisation=(1.0, 1e-6, 1.0)))
    spread = [np.ptp(score_fold(folds, 0, weak, 0)["score"]) for folds in (related, related.assign(family="one"))]
    assert spread[1] < 1e-3 < spread[0]  # one family: nothing to choose by, the middle of the list is taken


def test_thumbnail_averages_blocks():
    images = np.arange(2 * 64 * 64, dtype=float).reshape(2, 64, 64)
    found = thumbnail(images).reshape(2, 32, 32)
    assert found[1, 3, 5] == images[1, 6:8, 10:12].mean()
