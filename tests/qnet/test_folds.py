"""Folds: disjoint, balanced, reproducible, and clear refusals."""

import numpy as np
import pandas as pd
import pytest

from qnet.folds import (
    COLUMNS,
    Folds,
    held_out_labels,
    inner_folds,
    make_folds,
    read_folds,
    terciles,
    training_labels,
)


def cohort(positive=52, negative=47, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    count = positive + negative
    return pd.DataFrame({
        "participant_id": [f"sub-{i:02d}" for i in range(1, count + 1)],
        "age": rng.integers(20, 86, count).astype(str),
        "sex": rng.choice(["F", "M"], count, p=[0.33, 0.67]),
        "group": rng.permutation(["HH"] * positive + ["HC"] * negative),
    }).assign(label=lambda table: (table["group"] == "HH").astype(int))  # fmt: skip


def dealt(folds=10, seed=0, **numbers) -> pd.DataFrame:
    return make_folds(cohort(**numbers), Folds(scheme="stratified", folds=folds, seed=seed))


def test_every_subject_in_one_fold():
    folds = dealt()
    assert list(folds.columns) == COLUMNS
    assert sorted(folds["participant_id"]) == sorted(cohort()["participant_id"])
    assert set(folds["fold"]) == set(range(10))
    for fold in range(10):
        assert not training_labels(folds, fold).keys() & held_out_labels(folds, fold).keys()


@pytest.mark.parametrize("numbers", [(52, 47, 10), (12, 12, 3), (5, 7, 5), (30, 11, 4)])
def test_sizes_differ_by_at_most_one(numbers):
    positive, negative, count = numbers
    folds = dealt(count, positive=positive, negative=negative)
    assert np.ptp(folds["fold"].value_counts()) <= 1
    assert np.ptp(pd.crosstab(folds["fold"], folds["label"]), axis=0).max() <= 1


def test_age_and_sex_are_spread():
    folds = dealt()
    tercile = pd.qcut(folds["age"].rank(method="first"), 3, labels=False)
    for stratum, members in folds.groupby([folds["label"], folds["sex"]]):
        counts = members["fold"].value_counts().reindex(range(10), fill_value=0)
        assert np.ptp(counts) <= 3, stratum  # one for each tercile
    assert np.ptp(pd.crosstab(folds["fold"], tercile), axis=0).max() <= 4
    assert folds.groupby("fold")["age"].mean().std() < 5  # by chance alone about 19 / sqrt(10) = 6


def test_seed_decides():
    pd.testing.assert_frame_equal(dealt(seed=1), dealt(seed=1))
    assert (dealt(seed=1)["fold"] != dealt(seed=2)["fold"]).any()


def test_order_of_columns_and_labels():
    folds = dealt()
    truth = cohort().set_index("participant_id")["group"]
    assert (folds["label"] == (folds["participant_id"].map(truth) == "HH")).all()


def test_round_trip_through_tsv(tmp_path):
    folds = dealt()
    folds.to_csv(tmp_path / "folds.tsv", sep="\t", index=False)
    pd.testing.assert_frame_equal(read_folds(tmp_path / "folds.tsv"), folds, check_dtype=False)


@pytest.mark.parametrize("names", [("0", "1"), ("NA", "None"), ("01", "1.0")])
def test_names_of_groups_stay_text_in_the_file(tmp_path, names):
    table = cohort().assign(group=lambda t: t["label"].map(dict(enumerate(names))))
    make_folds(table, Folds(scheme="stratified", folds=5, seed=0)).to_csv(tmp_path / "folds.tsv", sep="\t", index=False)
    found = read_folds(tmp_path / "folds.tsv")
    assert dict(zip(found["label"], found["group"], strict=True)) == dict(enumerate(names))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="sex"), "column 'sex'"),
        (lambda t: t.assign(group=t["group"].where(t["participant_id"] != "sub-03")), "'group'.*sub-03"),
        (lambda t: t.assign(age="old"), "numbers of years.*old"),
        (lambda t: t[t["label"] == 1], "two groups.*found .'HH'."),
        (lambda t: t.assign(participant_id="sub-01"), "one row per subject"),
    ],
)
def test_bad_tables_are_refused(spoil, message):
    with pytest.raises(ValueError, match=message):
        make_folds(spoil(cohort()), Folds(scheme="stratified", folds=5, seed=0))


def test_no_more_folds_than_subjects_of_a_group():
    with pytest.raises(ValueError, match=r"2 to 4.*found 5"):
        dealt(5, positive=9, negative=4)


def test_permuted_labels_are_those_of_the_training_subjects_in_another_order():
    folds = dealt()
    given, permuted = training_labels(folds, 3), training_labels(folds, 3, shuffled_by=0)
    assert list(permuted) == list(given)
    assert sorted(permuted.values()) == sorted(given.values())
    assert permuted != given


def test_permutation_follows_from_seed_and_fold():
    folds = dealt()
    assert training_labels(folds, 3, shuffled_by=1) == training_labels(folds, 3, shuffled_by=1)
    assert training_labels(folds, 3, shuffled_by=1) != training_labels(folds, 3, shuffled_by=2)
    both = training_labels(folds, 3).keys() & training_labels(folds, 4).keys()
    three, four = (training_labels(folds, fold, shuffled_by=1) for fold in (3, 4))
    assert any(three[participant] != four[participant] for participant in both)


def test_inner_folds_hold_each_training_subject_once():
    folds = dealt()
    inner = inner_folds(folds, 3, 5)
    assert inner.keys() == training_labels(folds, 3).keys()
    assert inner == inner_folds(folds, 3, 5)


@pytest.mark.parametrize("count", [2, 5])
def test_inner_folds_are_balanced(count):
    folds = dealt()
    inner, labels = inner_folds(folds, 0, count), training_labels(folds, 0)
    table = pd.crosstab([inner[name] for name in labels], list(labels.values()))
    assert table.shape == (count, 2)
    assert np.ptp(table, axis=0).max() <= 1
    assert np.ptp(table.sum(axis=1)) <= 1


def test_no_more_inner_folds_than_training_subjects_of_a_group():
    with pytest.raises(ValueError, match=r"inner_folds: expected 2 to 3.*outside fold 0, found 4"):
        inner_folds(dealt(2, positive=9, negative=6), 0, 4)


def test_subjects_of_unknown_age_are_spread_over_the_folds():
    table = cohort()
    unknown = table["participant_id"].isin(table["participant_id"][:10])
    folds = make_folds(table.assign(age=table["age"].where(~unknown)), Folds(scheme="stratified", folds=5, seed=0))
    without = folds[folds["age"].isna()]
    assert len(without) == 10 and without["fold"].value_counts().max() <= 1 + 10 // 5
    assert folds["fold"].value_counts().max() - folds["fold"].value_counts().min() <= 1


def test_unknown_ages_leave_the_deal_of_known_ones_as_it_was():
    assert terciles(np.array([30.0, 40.0, 50.0, np.nan])).tolist() == [0, 1, 2, 3]
    assert terciles(np.array([np.nan])).tolist() == [3]


# sites and families


def of_sites(sizes: dict[str, int], **numbers) -> pd.DataFrame:
    """The cohort, its subjects from several sites by chance."""
    table = cohort(**numbers)
    share = np.array(list(sizes.values())) / sum(sizes.values())
    return table.assign(site=np.random.default_rng(3).choice(list(sizes), len(table), p=share))


def test_each_site_is_spread_over_the_folds_group_by_group():
    folds = make_folds(of_sites({"Oslo": 3, "Rome": 1, "Turku": 2}), Folds(scheme="stratified", folds=5, seed=0))
    assert list(folds.columns) == [*COLUMNS, "site"]
    for _, members in folds.groupby(["label", "site"]):
        assert np.ptp(members["fold"].value_counts().reindex(range(5), fill_value=0)) <= 1


def test_one_site_changes_no_deal():
    """Tables of one centre keep the folds that they had without the column."""
    params = Folds(scheme="stratified", folds=5, seed=0)
    assert make_folds(cohort().assign(site="Oslo"), params)[COLUMNS].equals(make_folds(cohort(), params))


def test_a_site_left_out_is_a_fold():
    folds = make_folds(of_sites({"B": 1, "A": 1, "C": 1}), Folds(scheme="leave_one_site_out", folds=3, seed=0))
    assert folds.groupby("fold")["site"].unique().map(list).to_dict() == {0: ["A"], 1: ["B"], 2: ["C"]}


def test_a_site_of_one_group_may_be_left_out_but_must_not_be_all_there_is_to_learn_from():
    params = Folds(scheme="leave_one_site_out", folds=3, seed=0)
    table = of_sites({"A": 1, "B": 1, "C": 1})
    table.loc[table["label"] == 0, "site"] = table["site"].replace("C", "B")
    assert make_folds(table, params)["fold"].nunique() == 3
    table.loc[table["label"] == 0, "site"] = "B"
    with pytest.raises(ValueError, match="both groups outside each site.*one group outside B"):
        make_folds(table, params)


@pytest.mark.parametrize(
    ("site", "count", "message"),
    [
        (lambda t: t["site"], 5, r"as many folds as sites, 2 \(A, B\), found 5: --config .*folds: 2"),
        (lambda t: "A", 1, "at least 2 sites.*found A: --config.*stratified"),
        (lambda t: t["site"].where(t["participant_id"] != "sub-03"), 2, "a site of each subject.*sub-03"),
    ],
)
def test_sites_that_cannot_be_folds_are_refused(site, count, message):
    table = of_sites({"A": 1, "B": 1})
    with pytest.raises(ValueError, match=message):
        make_folds(table.assign(site=site(table)), Folds(scheme="leave_one_site_out", folds=count, seed=0))


def related(seed: int = 0) -> pd.DataFrame:
    """Two thirds of the cohort in families of about four, the others without a name of a family."""
    table, rng = cohort(seed=seed), np.random.default_rng(seed)
    family = [f"f{number}" if number < 16 else None for number in rng.integers(0, 24, len(table))]
    return table.assign(family=np.array(family, dtype=object))


@pytest.mark.parametrize("seed", range(5))
def test_a_family_shares_a_fold_and_folds_stay_even(seed):
    folds = make_folds(related(seed), Folds(scheme="grouped", folds=5, seed=seed))
    assert (folds.dropna(subset=["family"]).groupby("family")["fold"].nunique() == 1).all()
    assert np.ptp(folds["fold"].value_counts()) <= 3
    assert np.ptp(pd.crosstab(folds["fold"], folds["label"]), axis=0).max() <= 3


def test_inner_folds_keep_families_too(tmp_path):
    make_folds(related(), Folds(scheme="grouped", folds=5, seed=0)).to_csv(tmp_path / "f.tsv", sep="\t", index=False)
    folds = read_folds(tmp_path / "f.tsv")
    inner = folds.assign(inner=folds["participant_id"].map(inner_folds(folds, 0, 3))).dropna(subset=["inner", "family"])
    assert len(inner) and (inner.groupby("family")["inner"].nunique() == 1).all()


def test_inner_folds_whose_training_would_lack_a_group_are_refused():
    folds = make_folds(related(), Folds(scheme="grouped", folds=5, seed=0))
    one_family = folds.assign(family=folds["family"].mask(folds["label"] == 1, "patients"))
    with pytest.raises(ValueError, match="members of HH in at least 2 inner folds outside fold 0.*found all in one"):
        inner_folds(one_family, 0, 3)


def test_families_count_in_grouped_folds_alone():
    params = Folds(scheme="stratified", folds=5, seed=0)
    assert make_folds(related(), params).equals(make_folds(cohort(), params))


def test_families_that_leave_a_fold_without_a_group_are_refused():
    table = cohort()
    table = table.assign(family=table["group"].where(table["group"] == "HH"))
    with pytest.raises(ValueError, match="both groups, found HH in 1 of 3 folds"):
        make_folds(table, Folds(scheme="grouped", folds=3, seed=0))
