"""A confounded cohort is flagged, a matched one is not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from qnet.evaluation.confounds import confound_table, partial_correlation, share_by_site, site_and_group, site_rows
from qnet.evaluation.settings import read_people
from tests.qnet.made_predictions import people, scan_cases

SUBJECTS = 96
LABELS = np.arange(SUBJECTS) % 2


def cohort(older: float, **extra) -> tuple[list, pd.DataFrame]:
    """A model that reads only age, in pairs that differ by some years."""
    persons = people(SUBJECTS, older)
    score = persons["age"].to_numpy() / 100 + np.random.default_rng(0).normal(0, 0.02, SUBJECTS)
    return [scan_cases(LABELS, **{"Q-Net": score}), *extra.get("more", [])], persons


def check(table: pd.DataFrame, name: str) -> pd.Series:
    return table[table["check"] == name].iloc[0]


def test_groups_that_differ_in_age_are_flagged():
    row = check(confound_table(*cohort(older=8), 0.95), "age alone")
    assert row["low"] > 0.5
    assert "Age alone separates the groups" in row["flag"] and "years" in row["flag"]


@pytest.mark.parametrize("seed", range(5))
def test_matched_groups_are_not_flagged(seed):
    persons = people(SUBJECTS, seed=seed)
    score = np.random.default_rng(seed).random(SUBJECTS)
    assert confound_table([scan_cases(LABELS, **{"Q-Net": score})], persons, 0.95)["flag"].isna().all()


def test_groups_that_differ_in_sex_are_flagged():
    scans, persons = cohort(older=0)
    persons["sex"] = np.where(LABELS, "M", np.where(np.arange(SUBJECTS) % 4 == 0, "M", "F"))
    assert "Sex alone separates" in check(confound_table(scans, persons, 0.95), "sex alone")["flag"]


def test_groups_without_common_ages_are_flagged_though_no_interval_exists():
    row = check(confound_table(*cohort(older=200), 0.95), "age alone")
    assert row["value"] == 1 and np.isnan(row["low"]) and "Age alone" in row["flag"]


@pytest.mark.parametrize(
    "input_, model, name", [("background", "Background only", "background only"), ("none", "Age + sex", "age and sex")]
)
@pytest.mark.parametrize("strength", [-3, 0, 3])
def test_controls_above_chance_are_flagged(input_, model, name, strength):
    score = strength * LABELS + np.random.default_rng(1).normal(size=SUBJECTS)
    table = confound_table(*cohort(0, more=[scan_cases(LABELS, input_, **{model: score})]), 0.95)
    row = table[table["check"].str.startswith(name)].iloc[0]
    assert isinstance(row["flag"], str) == (strength > 0)


def test_a_model_of_age_loses_its_skill_once_age_is_held():
    table = confound_table(*cohort(older=8), 0.95).set_index("check")
    given_age = table.loc["score and group, given age"]
    assert given_age["low"] < 0 < given_age["high"]
    assert table.loc["score and age, within groups", "low"] > 0.9
    terciles = table.loc["within age tercile"]
    assert terciles["subjects"].sum() == SUBJECTS and len(terciles) == 3


def test_partial_correlation_is_that_of_the_three_correlations():
    """Yule's formula, and the interval covers a known value about as often as it says."""
    generator = np.random.default_rng(2)
    x, y, z = generator.normal(size=(3, 80)) + generator.normal(size=80)
    r = np.corrcoef([x, y, z])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlation(x, y, z, 0.95)[0] == pytest.approx(expected)
    inside = 0
    for _ in range(300):
        z = generator.normal(size=60)
        x, y = generator.normal(size=(2, 60)) + z
        _, low, high = partial_correlation(x, y, z, 0.95)
        inside += low < 0 < high
    assert 0.91 <= inside / 300 <= 0.99


def test_nothing_is_said_where_nothing_is_left():
    assert np.isnan(partial_correlation(np.arange(9.0), np.ones(9), np.arange(9.0), 0.95)).all()


def test_without_people_there_are_no_rows():
    assert confound_table(cohort(0)[0], None, 0.95).empty


@pytest.mark.parametrize("drop, message", [("age", "column 'age'"), ("participant_id", "column 'participant_id'")])
def test_a_missing_column_is_named(tmp_path, drop, message):
    path = tmp_path / "folds.tsv"
    people().reset_index().drop(columns=drop).to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match=message):
        read_people(path)


def test_everyone_with_predictions_needs_a_row(tmp_path):
    path = tmp_path / "participants.tsv"
    people(SUBJECTS).drop(index="sub-003").to_csv(path, sep="\t")
    with pytest.raises(ValueError, match="a row for every subject.*sub-003"):
        confound_table(cohort(0)[0], read_people(path), 0.95)


def test_only_what_needs_age_leaves_out_a_subject_of_unknown_age(tmp_path):
    path = tmp_path / "participants.tsv"
    persons = people(SUBJECTS).astype({"age": object})
    persons.loc["sub-003", "age"] = "n/a"
    persons.to_csv(path, sep="\t")
    scans = cohort(0)[0]
    table, full = (confound_table(scans, whole, 0.95) for whole in (read_people(path), people(SUBJECTS)))
    of_age = table["check"].isin(["age alone", "score and group, given age", "score and age, within groups"])
    assert (table["subjects"][of_age] == len(scans[0].labels) - 1).all()
    of_sex = ["sex alone", "within sex"]
    assert table[table["check"].isin(of_sex)].equals(full[full["check"].isin(of_sex)].set_axis(
        table.index[table["check"].isin(of_sex)]))  # fmt: skip


def test_only_what_needs_sex_leaves_out_a_subject_of_unknown_sex(tmp_path):
    path = tmp_path / "participants.tsv"
    persons = people(SUBJECTS)
    persons.loc["sub-003", "sex"] = "n/a"
    persons.to_csv(path, sep="\t")
    scans = cohort(0)[0]
    table = confound_table(scans, read_people(path), 0.95)
    cases = len(scans[0].labels)
    assert (table.loc[table["check"] == "sex alone", "subjects"] == cases - 1).all()
    within = table[table["check"] == "within sex"]
    assert (within.groupby(["input", "model"])["subjects"].sum() == cases - 1).all()
    assert not within["stratum"].str.contains("n/a").any()
    assert (table.loc[table["check"] == "age alone", "subjects"] == cases).all()


def test_sexes_that_nobody_knows_leave_the_checks_of_age():
    table = confound_table(cohort(0)[0], people(SUBJECTS).assign(sex=None), 0.95)
    assert not {"sex alone", "within sex"} & set(table["check"])
    assert table.loc[table["check"] == "age alone", "value"].notna().all()


def test_ages_that_nobody_knows_leave_the_checks_of_sex(tmp_path):
    table = confound_table(cohort(0)[0], people(SUBJECTS).assign(age=np.nan), 0.95)
    assert table.loc[table["check"] == "age alone", "value"].isna().all()
    assert "within age tercile" not in set(table["check"])
    assert table.loc[table["check"] == "sex alone", "value"].notna().all()


# sites


def at_sites(site: np.ndarray, folds: np.ndarray | None = None, seed: int = 0) -> pd.DataFrame:
    """The checks of a model that reads the site and nothing else, or chance where there is one site."""
    noise = np.random.default_rng(seed).normal(size=SUBJECTS)
    cases = scan_cases(LABELS, **{"Q-Net": np.unique(site, return_inverse=True)[1] + noise / 10})
    if folds is not None:
        cases = replace(cases, folds=folds.astype(str))
    return confound_table([cases], people(SUBJECTS).assign(site=site), 0.95)


def test_a_site_with_most_of_the_patients_is_flagged_first():
    site = np.where(np.random.default_rng(0).random(SUBJECTS) < np.where(LABELS, 0.8, 0.2), "Oslo", "Rome")
    table = at_sites(site)
    row = table.iloc[0]
    assert row["check"] == "site alone, cross-validated" and row["low"] > 0.5
    assert "The site alone predicts the group" in row["flag"]
    assert f"Oslo {LABELS[site == 'Oslo'].sum()} of {(site == 'Oslo').sum()}" in row["flag"]


@pytest.mark.parametrize("count", [2, 6])
def test_sites_of_equal_mix_are_seldom_flagged(count):
    flagged = 0
    for seed in range(100):
        site = np.random.default_rng(seed).integers(0, count, SUBJECTS).astype(str)
        flagged += isinstance(check(at_sites(site), "site alone, cross-validated")["flag"], str)
    assert flagged <= 6  # 2.5 % is the most that the interval allows; 6 of 100 has a probability of 3 %


def test_a_small_study_whose_sites_differ_in_groups_is_flagged_though_nothing_can_be_predicted():
    positive, size = np.array([0, 6, 0, 1]), np.array([2, 7, 2, 3])
    V, p = site_and_group(positive, size)
    by_group = chi2_contingency(np.array([positive, size - positive]), correction=False)
    assert pytest.approx(np.sqrt(by_group.statistic / 14)) == V
    assert 0.02 < p < 0.08
    labels, site = np.repeat([True, False], 7), np.array(list("NNNNNNW" + "EENSSWW"))
    alone, mixed, _ = site_rows(labels, site, np.arange(14) % 4, 0.95)
    assert "flag" not in alone and "E 0 of 2, N 6 of 7, S 0 of 2, W 1 of 3" in mixed["flag"]
    assert "chance may have made it so, and it confounds" in mixed["flag"]
    more = site_rows(np.tile(labels, 2), np.tile(site, 2), np.arange(28) % 4, 0.95)
    assert "predicts the group of unseen" in more[0]["flag"] and "flag" not in more[1]
    assert site_and_group(np.array([3, 3]), np.array([6, 6])) == (0.0, 1.0)
    assert site_and_group(np.array([0, 0]), np.array([6, 6])) == (0.0, 1.0)


def test_sites_that_do_not_matter_are_seldom_said_to_differ():
    rng = np.random.default_rng(5)
    size = np.array([12, 8, 10])
    ps = np.array([site_and_group(rng.multivariate_hypergeometric(size, 15), size)[1] for _ in range(200)])
    assert (ps < 0.05).mean() <= 0.09  # 5 %, with two standard errors and a half


def test_a_reader_of_the_site_alone_has_no_skill_within_a_site():
    site = np.where(np.arange(SUBJECTS) % 8 < 4, "Oslo", "Rome")
    site[LABELS == 1] = np.where(np.arange(SUBJECTS // 2) % 8 < 6, "Oslo", "Rome")
    within = (table := at_sites(site))[table["check"] == "within site"]
    assert set(within["stratum"]) == {"site Oslo", "site Rome"} and within["subjects"].sum() == SUBJECTS
    assert (within["low"] < 0.5).all() and (within["high"] > 0.5).all()


def test_a_site_of_one_group_has_no_value_within_and_the_others_keep_theirs():
    site = np.where(np.arange(SUBJECTS) % 4 < 2, "Oslo", "Rome").astype(object)
    site[0] = "Turku"
    within = at_sites(site).set_index("stratum")["value"]
    assert np.isnan(within["site Turku"]) and within[["site Oslo", "site Rome"]].notna().all()


def test_the_only_subject_of_a_site_gets_the_share_of_all_others():
    site = np.where(np.arange(SUBJECTS) % 2, "Oslo", "Rome").astype(object)
    site[7] = "Turku"
    score = share_by_site(LABELS == 1, site.astype(str))
    assert score[7] == pytest.approx(0.5, abs=0.02)


def test_sites_over_folds():
    site = np.where(np.arange(SUBJECTS) % 4 < 2, "Oslo", "Rome")
    spread, lumped = np.arange(SUBJECTS) // 4 % 3, np.where(site == "Oslo", np.arange(SUBJECTS) % 2, 2)
    row = check(at_sites(site, spread), "site over folds")
    assert row["value"] == pytest.approx(0) and pd.isna(row["flag"])
    assert "not spread evenly" in check(at_sites(site, lumped), "site over folds")["flag"]
    row = check(at_sites(site, (site == "Oslo").astype(int)), "site over folds")
    assert row["value"] == pytest.approx(1) and row["stratum"] == "one site left out" and pd.isna(row["flag"])


def test_one_site_or_none_adds_no_rows():
    assert not at_sites(np.full(SUBJECTS, "Oslo"))["check"].str.startswith("site").any()
    assert not confound_table(cohort(0)[0], people(SUBJECTS), 0.95)["check"].str.contains("site").any()


def test_only_what_needs_the_site_leaves_out_a_subject_of_unknown_site():
    site = np.where(np.arange(SUBJECTS) % 4 < 2, "Oslo", "Rome").astype(object)
    site[3] = None
    cases = [scan_cases(LABELS, **{"Q-Net": np.random.default_rng(0).random(SUBJECTS)})]
    table = confound_table(cases, people(SUBJECTS).assign(site=site), 0.95)
    assert check(table, "site alone, cross-validated")["subjects"] == SUBJECTS - 1
    assert check(table, "age alone")["subjects"] == SUBJECTS
