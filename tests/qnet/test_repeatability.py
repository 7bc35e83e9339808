"""Repeatability against published worked examples, known variances and the coverage of its intervals."""

import numpy as np
import pandas as pd
import pytest

from qnet.evaluation.repeatability import (
    agreement_table,
    icc_2_1,
    icc_3_1,
    limits_of_agreement,
    mean_squares,
    pair_table,
    pooled_sd,
    repeatability_table,
    subjects_per_arm,
    visits_of,
)

# Shrout & Fleiss 1979, table 2: six targets, four judges
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_mean_squares_are_those_of_shrout_and_fleiss():
    assert np.round(mean_squares(JUDGES), 2).tolist() == [11.24, 32.49, 1.02]


def test_both_correlations_are_those_of_shrout_and_fleiss():
    assert round(icc_2_1(JUDGES, 0.95).value, 2) == 0.29
    assert round(icc_3_1(JUDGES, 0.95).value, 2) == 0.71


def test_intervals_of_that_example_are_those_of_the_package_psych():
    """`psych::ICC` of R on the same table: 0.019 to 0.76, 0.34 to 0.95."""
    two, three = icc_2_1(JUDGES, 0.95), icc_3_1(JUDGES, 0.95)
    assert [two.low, two.high] == pytest.approx([0.019, 0.761], abs=1e-3)
    assert [three.low, three.high] == pytest.approx([0.342, 0.946], abs=1e-3)


def test_a_shift_of_all_at_a_visit_lowers_agreement_and_leaves_consistency():
    shifted = JUDGES + [0, 0, 0, 10]
    assert icc_3_1(shifted, 0.95).value == pytest.approx(icc_3_1(JUDGES, 0.95).value)
    assert icc_2_1(shifted, 0.95).value < 0.5 * icc_2_1(JUDGES, 0.95).value


@pytest.mark.parametrize("icc", [icc_2_1, icc_3_1])
def test_equal_visits_agree_wholly_and_one_visit_or_person_says_nothing(icc):
    assert icc(np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]), 0.95).value == 1
    assert np.isnan(icc(np.ones((3, 1)), 0.95).value)
    assert np.isnan(icc(np.ones((1, 3)), 0.95).value)
    assert np.isnan(icc(np.ones((3, 3)), 0.95).value)


def test_an_interval_never_lies_beside_its_value():
    generator = np.random.default_rng(5)
    for _ in range(500):
        found = icc_2_1(generator.normal(size=(2, 2)), 0.95)
        assert np.isnan(found.low) or found.low <= found.value <= found.high


@pytest.mark.parametrize(("icc", "truth"), [(icc_2_1, 4 / 5.5), (icc_3_1, 4 / 5)])
def test_intervals_cover_the_truth(icc, truth):
    """Persons with a variance of 4, the rest of 1, visits of 0.5; for the consistency visits do not count."""
    generator, inside = np.random.default_rng(0), 0
    for _ in range(600):
        y = 2 * generator.normal(size=(12, 1)) + generator.normal(size=(12, 5))
        y += np.sqrt(0.5) * generator.normal(size=5)
        found = icc(y, 0.95)
        inside += found.low < truth < found.high
    assert 0.93 <= inside / 600 <= 0.97


def test_the_sd_within_persons_is_found_with_its_interval():
    generator, found = np.random.default_rng(1), []
    for _ in range(500):
        people = [10 * generator.normal() + 2.36 * generator.normal(size=n) for n in (2, 2, 3, 4, 1, 2)]
        found.append(pooled_sd(people, 0.95))
    values, low, high = np.array(found).T
    assert np.sqrt((values**2).mean()) == pytest.approx(2.36, rel=0.03)
    assert 0.93 <= ((low < 2.36) & (high > 2.36)).mean() <= 0.97


def test_nobody_scanned_twice_has_no_sd():
    assert np.isnan(pooled_sd([np.array([1.0]), np.array([2.0])], 0.95)).all()


def test_limits_of_agreement_hold_their_share_of_differences():
    generator = np.random.default_rng(2)
    found = limits_of_agreement(generator.normal(3, 2, 4000), 0.95)
    new = generator.normal(3, 2, 4000)
    assert ((new > found["lower"]) & (new < found["upper"])).mean() == pytest.approx(0.95, abs=0.01)
    assert found["bias"] == pytest.approx(3, abs=0.1)
    assert found["upper_low"] < found["upper"] < found["upper_high"]


def test_limits_of_agreement_are_those_of_a_worked_example():
    """Bland & Altman 1986, Lancet: peak flow by two meters, d = -2.1, s = 38.8 l/min, 17 subjects: -79.7 to 75.5."""
    large = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427])
    mini = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451])
    found = limits_of_agreement(large - mini, 0.95)
    assert [found["bias"], found["sd"]] == pytest.approx([-2.1, 38.8], abs=0.05)
    assert [found["lower"], found["upper"]] == pytest.approx([-79.7, 75.5], abs=2)  # they take 2 s for 1.96 s


def test_no_trial_has_fewer_than_two_subjects_per_arm():
    assert subjects_per_arm(within_sd=0.1, effect=5.0) == 2
    row = repeatability_table(study(people=4), 0.95).iloc[0]
    assert row["per_arm_high"] > row["per_arm"] >= 2


def test_the_size_of_a_trial_has_the_power_that_it_promises():
    n = int(subjects_per_arm(within_sd=3.0, effect=2.0))
    generator = np.random.default_rng(3)
    changes = 3 * np.sqrt(2) * generator.normal(size=(2, 4000, n))
    difference = 2.0 + changes[0].mean(axis=1) - changes[1].mean(axis=1)
    found = np.abs(difference) / (3 * np.sqrt(2) * np.sqrt(2 / n)) > 1.959964
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def study(site_sd: float = 0.0, sites: tuple[str, ...] = ("", ""), people: int = 40) -> pd.DataFrame:
    """Putamen of people scanned twice at every site: 5 ppb between persons, 2 ppb within, shifts by site."""
    generator, rows = np.random.default_rng(4), []
    for person in range(people):
        own = 0.05 + 0.005 * generator.normal()
        for number, site in enumerate(sites, 1):
            here = own + site_sd * generator.normal()
            for run in (1, 2):
                scan = f"sub-{person:02d}_ses-{number}_run-{run}"
                rows.append([f"sub-{person:02d}", scan, site, "putamen", "chi_ppm", here + 0.002 * generator.normal()])
    return pd.DataFrame(rows, columns=["subject", "scan", "site", "region", "map", "value"])


def test_values_are_told_in_ppb():
    (row,) = repeatability_table(study(), 0.95).to_dict("records")
    assert row["unit"] == "ppb" and row["scans"] == 160 and row["visits"] == 4
    assert row["within_sd_low"] < 2 < row["within_sd_high"]
    assert row["icc_2_1_low"] < 25 / 29 < row["icc_2_1_high"]
    assert np.isnan(row["site_sd"]) and row["site_subjects"] == 0


def test_sites_do_not_count_as_repetition_and_have_an_sd_of_their_own():
    (row,) = repeatability_table(study(site_sd=0.004, sites=("A", "B", "C")), 0.95).to_dict("records")
    assert row["within_sd_low"] < 2 < row["within_sd_high"]
    assert row["site_sd_low"] < np.sqrt(4**2 + 2**2 / 2) < row["site_sd_high"]  # means of two scans each
    assert row["site_subjects"] == 40


def test_persons_with_more_scans_are_cut_to_what_all_have():
    values = study(people=3)
    values = values[~values["scan"].isin(["sub-00_ses-2_run-2", "sub-01_ses-1_run-2"])]
    values = pd.concat([values, values.iloc[[0]].assign(subject="sub-99", scan="sub-99")])
    assert visits_of(values).shape == (3, 3)


def test_a_pair_of_every_person_counts_once_in_the_limits():
    pairs = pair_table(study(people=5))
    assert len(pairs) == 15
    assert agreement_table(pairs, 0.95)["pairs"].tolist() == [5]


def test_limits_within_and_between_sites_are_apart():
    """People scanned twice at each site; B reads 4 ppb higher than A, which no limits within a site hold."""
    values = study(sites=("B", "A", "")).query("scan != 'sub-00_ses-1_run-1'")
    values.loc[values["site"] == "B", "value"] += 0.004
    pairs = pair_table(values)
    numbers = {("", ""): 40, ("A", "A"): 40, ("A", "B"): 40, ("B", "B"): 39}
    assert pairs.groupby(["site_1", "site_2"]).size().to_dict() == numbers
    found = agreement_table(pairs, 0.95).set_index("sites")
    assert found.index.tolist() == ["within a site", "B less A"] and found["pairs"].tolist() == [40, 40]
    assert found.loc["B less A", "bias_low"] < 4 < found.loc["B less A", "bias_high"]
    assert found.loc["within a site", "bias_low"] < 0 < found.loc["within a site", "bias_high"]
    assert found["sd"].tolist() == pytest.approx([2 * np.sqrt(2)] * 2, rel=0.3)


def test_a_region_that_a_scan_lacks_leaves_the_others():
    values = study(people=5)
    values.loc[0, "value"] = np.nan
    (row,) = repeatability_table(values, 0.95).to_dict("records")
    assert (row["scans"], row["visits"], row["visit_subjects"]) == (19, 3, 5)
