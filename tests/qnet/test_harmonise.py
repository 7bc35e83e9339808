"""Harmonisation inside the folds: no test subject moves an estimate or anybody else; what cannot be done is said."""

import numpy as np
import pandas as pd
import pytest

from qnet.baselines.models import features_by_fold
from qnet.folds import demographics
from qnet.harmonise import TABLE_COLUMNS, Combat, harmonise, notes, plan, windows, windows_of_sites
from qnet.site_windows import SAME, line, to_common_scale
from tests.qnet.test_baselines import study

MEAN, CONTROLS = Combat(reference_site=None, unseen_site="refuse"), Combat(reference_site=None, unseen_site="controls")
SHIFT_CHI, SHIFT_R2STAR = 3.0, -2.0  # of site B, in the made-up units of `study`


def sited(names: str = "AB", **changes) -> dict:
    """`study` at several sites, each in every fold; B shifts χ and R2* and doubles the scale of both."""
    given = study(**({"subjects": 60, "folds": 3} | changes))
    site = np.array(list(names))[np.arange(len(given["folds"])) // 6 % len(names)]
    given["folds"]["site"] = site
    for name in given["values"]:
        at, mean = site == "B", given["values"][name].mean()
        shift = SHIFT_CHI if name.startswith("chi") else SHIFT_R2STAR
        given["values"].loc[at, name] = mean + shift + 2 * (given["values"].loc[at, name] - mean)
    return given


def left_out(given: dict) -> dict:
    """The same with the sites as folds."""
    given["folds"]["fold"] = np.unique(given["folds"]["site"], return_inverse=True)[1]
    return given


def of_fold(given: dict, fold: int, params: Combat) -> tuple[pd.DataFrame, pd.DataFrame]:
    planned = plan(given["folds"], params)
    people = demographics(given["folds"])
    return harmonise(given["values"], given["about"], people, given["folds"], planned[planned["fold"] == fold])


def between(given: dict, values: pd.DataFrame) -> float:
    """Largest difference of the sites' means over features."""
    means = values.groupby(given["folds"].set_index("participant_id")["site"]).mean()
    return float((means.max() - means.min()).max())


def test_sites_come_together_in_every_fold_and_the_table_says_what_was_taken_off():
    given = sited(subjects=240)
    by_fold, table = features_by_fold(given["folds"], given["values"], given["about"], MEAN)
    assert between(given, given["values"]) > 2
    assert all(between(given, values) < 0.8 for values in by_fold.values())
    assert list(table.columns) == TABLE_COLUMNS and len(table) == 6
    shifts = table.set_index(["fold", "site"])["shift_chi_ppb"].unstack()
    assert (shifts["B"] - shifts["A"]).to_numpy() == pytest.approx(np.full(3, 1000 * SHIFT_CHI), rel=0.2)
    assert (table.loc[table["site"] == "B", "scale"] > 1.2).all()


def test_none_leaves_the_very_values():
    given = sited()
    by_fold, table = features_by_fold(given["folds"], given["values"], given["about"], None)
    assert all(values is given["values"] for values in by_fold.values()) and table.empty


def changed(given: dict, who: list[str]) -> dict:
    values = given["values"].copy()
    values.loc[who] = 1e3 * np.random.default_rng(9).normal(size=(len(who), values.shape[1]))
    return given | {"values": values}


def test_values_of_test_subjects_move_no_estimate_and_nobody_else():
    given = sited("ABC")
    tested = given["folds"].loc[given["folds"]["fold"] == 1, "participant_id"].tolist()
    for who in (tested, tested[:1]):
        for params in (MEAN, Combat(reference_site="C", unseen_site="refuse")):
            (before, told), (after, told_after) = (of_fold(one, 1, params) for one in (given, changed(given, who)))
            pd.testing.assert_frame_equal(told, told_after, check_exact=True)
            pd.testing.assert_frame_equal(before.drop(index=who), after.drop(index=who), check_exact=True)
            assert not np.allclose(before.loc[who], after.loc[who])


def test_at_an_unseen_site_patients_move_nobody_and_controls_only_the_others_of_the_site():
    given = left_out(sited("ABC"))
    people = given["folds"].set_index("participant_id")
    here = people[people["fold"] == 1]
    patients, controls = (here.index[here["label"] == label].tolist() for label in (1, 0))
    before = of_fold(given, 1, CONTROLS)[0]
    after = of_fold(changed(given, patients), 1, CONTROLS)[0]
    pd.testing.assert_frame_equal(before.drop(index=patients), after.drop(index=patients), check_exact=True)
    after = of_fold(changed(given, controls[:1]), 1, CONTROLS)[0]
    elsewhere = people.index[people["fold"] != 1]
    pd.testing.assert_frame_equal(before.loc[elsewhere], after.loc[elsewhere], check_exact=True)


def test_own_values_of_a_control_do_not_enter_its_own_harmonisation():
    """It moves in proportion: its shift and scale are those of the others."""
    given = left_out(sited("ABC"))
    people = given["folds"]
    who = people.loc[(people["fold"] == 1) & (people["label"] == 0), "participant_id"].iloc[0]
    found = []
    for step in (0.0, 1.0, 50.0):
        values = given["values"].copy()
        values.loc[who] += step
        found.append(of_fold(given | {"values": values}, 1, CONTROLS)[0].loc[who].to_numpy())
    assert (found[2] - found[0]) == pytest.approx(50 * (found[1] - found[0]))


def test_controls_of_an_unseen_site_take_its_shift_off():
    given = left_out(sited("ABC", subjects=180))
    values, table = of_fold(given, 1, CONTROLS)
    people = given["folds"].set_index("participant_id")
    controls = [table[people["label"] == 0].groupby(people["fold"] == 1).mean() for table in (given["values"], values)]
    before, after = (np.abs(means.loc[True] - means.loc[False]).mean() for means in controls)
    assert before > 2 and after < before / 6
    row = table.set_index("site").loc["B"]
    assert row["estimate"] == "its controls" and row["shift_chi_ppb"] == pytest.approx(1000 * SHIFT_CHI, rel=0.4)


def planned(sites: list[str], labels: list[int], folds: list[int], params: Combat = CONTROLS) -> pd.DataFrame:
    table = pd.DataFrame(
        {"site": sites, "label": labels, "fold": folds, "sex": "F", "age": 50.0 + np.arange(len(sites))}
    )
    return plan(table.assign(participant_id="sub-1", group=table["label"].map({0: "HC", 1: "HH"})), params)


def test_what_cannot_be_computed_is_said_with_what_still_is():
    sites = ["A"] * 8 + ["B"] * 2 + ["P"] * 4
    table = planned(sites, [0, 1] * 5 + [1] * 4, [0, 0, 1, 1] * 3 + [0, 0])
    said = table.set_index(["fold", "site"])["note"]
    assert pd.isna(said[1, "A"])
    assert "shift and scale cannot be estimated (controls: 1 here" in said[0, "B"]
    assert "its subjects are scored" in said[0, "B"]
    assert "HH alone in training" in said[0, "P"]
    assert [line.split(":")[0] for line in notes(table)] == ["site B (fold 0)", "site P (folds 0, 1)"]
    single = planned(["A"] * 10 + ["B"] * 2, [0, 1] * 6, [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1]).set_index(
        ["fold", "site"]
    )
    assert single.loc[(0, "B"), "estimate"] == "training, shift alone"


@pytest.mark.parametrize(
    ("sites", "params", "message"),
    [
        (["A", "A", None, "B"], MEAN, "expected a site of each subject .*, found none for sub-1"),
        (["A"] * 4, MEAN, "at least 2 sites .*, found A alone: --config harmonisation=none"),
        (["A", "B", "A", "B"], Combat(reference_site="Z", unseen_site="refuse"), "a site as combat.reference_site"),
        (
            ["A", "A", "B", "B"],
            MEAN,
            r'found A in the test of fold 0 alone: --config "combat=\{unseen_site: controls\}"',
        ),
        (["A", "B", "A", "B"], Combat(reference_site="A", unseen_site="controls"), "found 1 outside fold 0"),
    ],
)
def test_what_cannot_be_harmonised_is_refused_with_what_to_type(sites, params, message):
    with pytest.raises(ValueError, match=message):
        planned(sites, [0, 1, 0, 1], [0, 0, 1, 1], params)


def test_training_subjects_who_are_no_more_than_the_numbers_to_estimate_are_refused():
    sites, labels, folds = ["A", "B", "C"] * 2, [0, 1] * 3, [0, 0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match=r"more than 3 .*\(3 sites and 0 of age and sex\), found 3 outside fold 0"):
        planned(sites, labels, folds)
    assert len(planned(["A", "B"] * 4, [0, 1] * 4, [0] * 4 + [1] * 4)) == 4  # four subjects, three numbers


def test_without_a_column_of_sites_it_is_refused():
    with pytest.raises(ValueError, match="expected a site of each subject"):
        plan(study()["folds"], MEAN)


PROFILE = np.array([0.015, 0.045, 0.07, 0.11, 0.125, 0.14])  # ppm, of six nuclei


def scanned(labels: str = "AB", shift: float = 0.02, scale: float = 0.5, subjects: int = 60) -> dict:
    """Subjects whose maps site B changes by a line; nobody differs otherwise but by noise."""
    chance = np.random.default_rng(3)
    site = np.array(list(labels))[np.arange(subjects) // 2 % len(labels)]
    maps, values, about = {"chi": (PROFILE, "ppm"), "r2star": (200 * PROFILE + 15, "1/s")}, {}, []
    for name, (profile, unit) in maps.items():
        for k, mean in enumerate(profile):
            own = mean + 0.05 * profile.std() * chance.normal(size=subjects)
            values[f"{name}_{k}"] = np.where(site == "B", shift + scale * own, own)
            about.append((f"{name}_{k}", name, "mean", f"nucleus {k}", "both", unit))
    people = [f"sub-{i:02d}" for i in range(subjects)]
    folds = pd.DataFrame({"participant_id": people, "label": np.arange(subjects) % 2, "group": "x", "age": 50.0,
                          "sex": "F", "site": site, "fold": np.arange(subjects) // 6 % 3})  # fmt: skip
    told = pd.DataFrame(about, columns=["name", "map", "kind", "region", "side", "unit"]).set_index("name")
    return {"values": pd.DataFrame(values, people), "about": told, "folds": folds}


def windows_in(given: dict, fold: int, params: Combat = MEAN) -> dict[str, list[float]]:
    planned = plan(given["folds"], params)
    people = demographics(given["folds"])
    return windows(given["values"], given["about"], people, given["folds"], planned[planned["fold"] == fold])


def test_the_line_of_a_site_is_taken_off_the_maps():
    given = scanned()
    found = windows_in(given, 0, Combat(reference_site="A", unseen_site="refuse"))
    shift, scale, _, scale_r2star = found["sub-02"]
    assert (shift, scale, scale_r2star) == pytest.approx((0.02, 0.5, 0.5), abs=0.02)
    assert found["sub-00"] == pytest.approx(SAME)
    images = np.zeros((1, 3, 1, 2), np.float32)
    images[0, :, 0, 0] = 0.02 + 0.5 * 0.1, 0.02 + 0.5 * 30, 7.0
    common = to_common_scale(images, found["sub-02"])
    assert common[0, 0, 0, 0] == pytest.approx(0.1, abs=0.005) and common[0, 1, 0, 0] == pytest.approx(30, rel=0.05)
    assert common[0, 2, 0, 0] == 7 and not common[..., 1].any()


def test_a_new_person_of_a_site_has_the_windows_of_its_subjects():
    for given, params in ((scanned(), MEAN), (left_out(scanned("ABC")), CONTROLS)):
        planned = plan(given["folds"], params)
        arguments = given["values"], given["about"], demographics(given["folds"]), given["folds"]
        of_sites = windows_of_sites(*arguments, planned[planned["fold"] == 1])
        patients = given["folds"][given["folds"]["label"] == 1]
        people = windows_in(given, 1, params)
        assert all(people[name] == of_sites[site] for name, site in zip(
            patients["participant_id"], patients["site"], strict=True))  # fmt: skip


def test_windows_know_no_test_subject():
    given = scanned("ABC")
    tested = given["folds"].loc[given["folds"]["fold"] == 1, "participant_id"].tolist()
    assert windows_in(given, 1) == windows_in(changed(given, tested), 1)


def test_windows_of_an_unseen_site_know_its_other_controls_alone():
    given = left_out(scanned("ABC"))
    here = given["folds"][given["folds"]["fold"] == 1].set_index("participant_id")["label"]
    before = windows_in(given, 1, CONTROLS)
    assert before[here.index[0]][1] == pytest.approx(0.5, abs=0.1)
    assert before == windows_in(changed(given, here.index[here == 1].tolist()), 1, CONTROLS)
    one = here.index[here == 0][0]
    after = windows_in(changed(given, [one]), 1, CONTROLS)
    assert after[one] == before[one]
    assert all(after[name] == before[name] for name in before if name not in here.index)


def test_what_is_no_scanner_s_scale_is_left():
    assert line(PROFILE, 0.01 * PROFILE, np.ones(6)) == (0.0, 1.0)
    assert line(PROFILE[:2], PROFILE[:2], np.ones(2)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("who", "site"), [([7], "one subject"), ([1, 3, 5, 7], "patients alone"), ([6, 8, 10], "three, all in test")]
)
def test_odd_sites_have_the_windows_of_whom_the_training_knows_there_and_disturb_no_other(who, site):
    """Scanner B halves both maps, so that the scales of A and B are 4/3 and 2/3 of their mean; 1 where nobody tells."""
    given = scanned("AB")
    people = given["folds"].set_index("participant_id", drop=False)
    scale = people["site"].map({"A": 4 / 3, "B": 2 / 3})
    given["folds"].loc[who, "site"] = site
    given["folds"].loc[[6, 8, 10], "fold"] = 1
    odd = given["folds"].loc[who].set_index("participant_id")
    for fold in (0, 1):
        for name, (_, chi, _, r2star) in windows_in(given, fold, CONTROLS).items():
            expected = scale[name]
            if name in odd.index:
                seen = odd.index[odd["fold"] != fold]
                told = seen if len(seen) else odd.index[(odd["label"] == 0) & (odd.index != name)]
                expected = scale[told].mean() if len(told) else 1.0
            assert [chi, r2star] == pytest.approx([expected] * 2, abs=0.12), (fold, name)
