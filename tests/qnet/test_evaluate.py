"""Predictions in, tables and figures out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from qnet.__main__ import main, settings
from qnet.evaluation.cases import split_cases
from qnet.evaluation.evaluate import evaluate
from qnet.evaluation.metrics import outcomes, rates
from qnet.evaluation.paper import PAPER_RESULTS
from qnet.evaluation.settings import read_ceiling
from qnet.evaluation.statistics import delong, holm, resample_subjects
from qnet.evaluation.tables import bootstrap_rates
from qnet.predictions import read_predictions
from tests.qnet.made_predictions import PARAMS, baselines, networks, people

MODELS = ("ResNet", "ResNetSWA", "Q-Net")
DELONG = ["level", "clustering", "model_1", "model_2", "auc_1", "auc_2", "se", "z", "p", "stars"]
ALWAYS = (
    "calibration",
    "decision_curve",
    "delong",
    "mcnemar",
    "reliability",
    "table1",
    "table2",
    "table3",
    "table3_runs",
)
FIGURES = ("auc_boxplot", "decision_curves", "reliability_curves", "roc_image", "roc_image_inputs", "roc_scan")


def cohort(subjects: int = 20, slices: int = 3, seeds: int = 1, inputs: int = 1, seed: int = 0) -> pd.DataFrame:
    """Predictions with every optional column."""
    generator = np.random.default_rng(seed)
    rows = []
    for input_ in ("full", "crop")[:inputs]:
        for run in range(seeds):
            for model in MODELS:
                for subject in range(subjects):
                    label = subject % 2
                    scores = 1 / (1 + np.exp(-(label - 0.5 + generator.normal(size=slices))))
                    about = (f"sub-{subject:02d}", label, model, input_, run, subject % 3)
                    rows += [(*about, "image", slice_, score) for slice_, score in enumerate(scores)]
                    rows.append((*about, "scan", "", scores.mean()))
    columns = ["participant_id", "label", "model", "input", "seed", "fold", "level", "slice", "score"]
    return pd.DataFrame(rows, columns=columns)


def save(folder: Path, table: pd.DataFrame) -> Path:
    path = folder / "predictions.tsv"
    table.to_csv(path, sep="\t", index=False)
    return path


def tables(folder: Path, table: pd.DataFrame, **ceiling) -> dict[str, pd.DataFrame]:
    return evaluate(read_predictions(save(folder, table)), PARAMS, **ceiling)


def test_command_rebuilds_everything_from_the_required_columns(tmp_path, capsys):
    path = save(tmp_path, cohort().drop(columns=["input", "seed", "fold"]))
    main(["evaluate", str(path), str(tmp_path / "out"), "--set", "bootstrap=50"])
    skipped = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in skipped] == [
            "contrasts", "confounds", "subgroups", "between_sites", "ablation", "shapley", "paper_comparison",
        ]  # fmt: skip
    expected = [f"{name}.tsv" for name in ALWAYS] + [f"{name}.png" for name in (*FIGURES, "roc_scan_inputs")]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(expected)
    delong = pd.read_csv(tmp_path / "out" / "delong.tsv", sep="\t")
    assert list(delong.columns) == DELONG
    assert delong.groupby(["level", "clustering"]).size().to_dict() == {
        (level, clustering): 3 for level in ("image", "scan") for clustering in ("none", "subject")
    }


def test_the_same_predictions_give_the_same_bytes(tmp_path):
    path = save(tmp_path, cohort())
    for out in ("a", "b"):
        main(["evaluate", str(path), str(tmp_path / out), "--set", "bootstrap=50"])
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_input_becomes_the_leading_column(tmp_path):
    delong = tables(tmp_path, cohort(inputs=2))["delong"]
    assert list(delong.columns) == ["input", *DELONG]
    assert set(delong["input"]) == {"full", "crop"}


def test_exact_example_through_the_tables(tmp_path):
    """Four cases and five controls with ties; one slice each."""
    scores = {"A": [9, 8, 7, 4, 6, 5, 4, 2, 1], "B": [7, 9, 3, 6, 8, 5, 3, 1, 2]}
    rows = [
        (f"sub-{case}", "" if level == "scan" else 1, int(case < 4), model, level, score)
        for model, values in scores.items()
        for case, score in enumerate(values)
        for level in ("image", "scan")
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "slice", "label", "model", "level", "score"])
    delong = tables(tmp_path, table)["delong"]
    np.testing.assert_allclose(delong["z"], 0.5107539184552, rtol=1e-10)
    np.testing.assert_allclose(delong["p"], 0.6095233803508, rtol=1e-10)


def test_a_copied_model_differs_by_nothing(tmp_path):
    table = cohort()
    copy = table[table["model"] == "Q-Net"].assign(model="copy")
    delong = tables(tmp_path, pd.concat([table, copy]))["delong"].set_index(["model_1", "model_2"])
    pair = delong.loc[("Q-Net", "copy")]
    assert (pair["z"] == 0).all() and (pair["p"] == 1).all() and (pair["stars"] == "ns").all()


def test_row_order_does_not_matter(tmp_path):
    table = cohort(seeds=2)
    straight = tables(tmp_path, table)
    # shuffled cases; models keep their order of appearance, which the tables follow
    mixed = table.sample(frac=1, random_state=0).sort_values("model", key=lambda m: m.map(MODELS.index), kind="stable")
    for name, shuffled in tables(tmp_path, mixed).items():
        columns = [c for c in ("level", "model", "model_1", "model_2", "clustering") if c in shuffled]
        left, right = (t.sort_values(columns).reset_index(drop=True) for t in (straight[name], shuffled))
        pd.testing.assert_frame_equal(left, right)


def test_table1_averages_runs_and_shows_their_spread(tmp_path):
    table = cohort(seeds=3)
    row = tables(tmp_path, table)["table1"].set_index("model").loc["Q-Net"]
    image = table[(table["model"] == "Q-Net") & (table["level"] == "image")]
    accuracy = [((run["score"] >= 0.5) == run["label"]).mean() for _, run in image.groupby("seed")]
    assert row["accuracy"] == pytest.approx(np.mean(accuracy))
    assert row["accuracy_sd"] == pytest.approx(np.std(accuracy, ddof=1))
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]


def test_one_run_has_no_spread(tmp_path):
    assert tables(tmp_path, cohort())["table1"]["accuracy_sd"].isna().all()


def test_delong_takes_the_mean_over_seeds(tmp_path):
    table = cohort(seeds=2)
    keys = ["participant_id", "slice", "label", "model", "level"]
    averaged = table.groupby(keys, sort=False, as_index=False)["score"].mean()
    several = tables(tmp_path, table)["delong"].drop(columns="input")
    pd.testing.assert_frame_equal(several, tables(tmp_path, averaged)["delong"], rtol=1e-9)


def test_bootstrap_rates_equal_recomputation(tmp_path):
    cases = split_cases(read_predictions(save(tmp_path, cohort())), "image")[0]
    weights = resample_subjects(cases.subject_labels, 5, 0)
    scores = cases.score("Q-Net")
    fast = bootstrap_rates(cases, scores, 0.5, weights)
    for draw, weight in enumerate(weights):
        rows = np.repeat(np.arange(scores.size), weight[cases.subjects].astype(int))
        direct = rates(*outcomes(cases.labels[rows], scores[rows] >= 0.5).sum(axis=1))
        for name, value in direct.items():
            assert fast[name][draw] == pytest.approx(value), name


def test_scan_counts_and_wilson_interval(tmp_path):
    """The best row of the paper: 42 of 49 patients and 37 of 46 controls."""
    labels = np.repeat([1, 0], [49, 46])
    right = np.r_[np.arange(49) < 42, np.arange(46) < 37]
    table = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(95)], "slice": "", "label": labels})
    table = table.assign(model="Q-Net", level="scan", score=np.where(right == labels, 0.9, 0.1))
    row = tables(tmp_path, table)["table3"].iloc[0]
    assert (row["accuracy_count"], row["sensitivity_count"], row["specificity_count"]) == (
        "79/95",
        "42/49",
        "37/46",
    )
    np.testing.assert_allclose(row[["accuracy_low", "accuracy_high"]].astype(float), [0.744, 0.894], atol=5e-4)


def test_auc_within_folds_ignores_shifts_between_folds(tmp_path):
    table = cohort()
    shifted = table.assign(score=table["score"] + 5 * table["fold"])
    before, after = (tables(tmp_path, each)["table3"] for each in (table, shifted))
    np.testing.assert_allclose(after["auc_within_folds"], before["auc_within_folds"])
    assert not np.allclose(after["auc"], before["auc"])


@pytest.fixture
def ceiling(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    (folder / "ceiling.json").write_text(json.dumps({"D": 1.83, "accuracy": 0.82, "auc": 0.902, "preset": "paper"}))
    oracle = pd.DataFrame({"participant_id": [f"sub-{s:02d}" for s in range(20)], "oracle_score": [-1.0, 1.0] * 10})
    oracle.to_csv(folder / "cohort.tsv", sep="\t", index=False)
    return folder


def test_ceiling_adds_theory_and_oracle(tmp_path, ceiling):
    rows = tables(tmp_path, cohort(), ceiling=read_ceiling(ceiling))["table3"].set_index("model")
    assert rows.loc["Bayes limit (theory)", "accuracy"] == 0.82
    assert rows.loc["oracle on this cohort", "accuracy_count"] == "20/20"


def test_ceiling_must_know_every_participant(tmp_path, ceiling):
    with pytest.raises(ValueError, match=r"cohort.tsv, column 'participant_id'.*sub-20"):
        tables(tmp_path, cohort(subjects=22), ceiling=read_ceiling(ceiling))


def change(column: str, value: object, row: int = 0):
    return lambda table: table.assign(
        **{column: [value if index == row else old for index, old in enumerate(table[column])]}
    )


@pytest.mark.parametrize(
    "damage, column, message",
    [
        (lambda t: t.drop(columns="score"), "score", "expected in the header"),
        (change("score", "n/a"), "score", "found 'n/a' in line 2"),
        (change("score", "high", row=3), "score", "found 'high' in line 5"),
        (change("score", "inf"), "score", "found 'inf'"),
        (change("label", 2), "label", "expected 0 or 1, found '2'"),
        (change("label", 1), "label", "one label per participant, found both for sub-00"),
        (lambda t: t[t["label"] == 1], "label", "expected both 0 and 1"),
        (change("level", "voxel"), "level", "expected image or scan, found 'voxel'"),
        (change("slice", ""), "slice", "found '' in line 2"),
        (change("model", ""), "model", "expected a value"),
        (lambda t: t.drop(index=0), "model", "found sub-00 0 in only one of"),
        (lambda t: pd.concat([t, t.tail(1)]), "score", "found sub-19 twice for Q-Net"),
        (lambda t: t.iloc[:0], "", "at least one row"),
    ],
)
def test_bad_input_ends_in_one_line_and_status_2(tmp_path, capsys, damage, column, message):
    path = save(tmp_path, damage(cohort()))
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(path), str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.count("\n") == 1 and str(path) in said and message in said
    assert not column or f"column '{column}'" in said


def test_missing_file_shows_no_traceback(tmp_path):
    command = [sys.executable, "-m", "qnet", "evaluate", str(tmp_path / "absent.tsv"), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert re.fullmatch(r"python -m qnet evaluate: .*absent\.tsv.*\n", ended.stderr)


@pytest.mark.parametrize(
    "wrong",
    [
        "draws=5", "bootstrap", "bootstrap=0", "confidence=95", "threshold=half", "seed=-1", "bins=1",
        "primary=[]", "primary=[{input: crop}, {input: full}]",
    ],
)  # fmt: skip
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match="expected"):
        settings([wrong])


def test_settings_change_one_value():
    assert settings(["bootstrap=70"]).bootstrap == 70
    assert settings(["bootstrap=70"]).confidence == settings([]).confidence


def full_run(folder: Path, **made) -> pd.DataFrame:
    """Predictions of networks and baselines, read from two files."""
    made_tables = {"networks": networks(**made), "baselines": baselines(made.get("subjects", 20))}
    for name, table in made_tables.items():
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    return read_predictions(*(folder / f"{name}.tsv" for name in made_tables))


def test_every_table_carries_the_baselines(tmp_path):
    found = evaluate(full_run(tmp_path), PARAMS)
    for name in ("table3", "table3_runs", "calibration", "reliability", "decision_curve"):
        models = set(found[name]["model"])
        assert {"ROI + age (LR)", "Age + sex", "Background only", "ResNetSWA mean P"} <= models, name


def test_table_2_has_the_pairs_of_the_paper_in_its_order(tmp_path):
    found = evaluate(full_run(tmp_path), PARAMS)
    table = found["table2"]
    pairs = [("ResNetSWA", "ResNet"), ("Q-Net", "ResNet"), ("Q-Net", "ResNetSWA")]
    for _, rows in table.groupby(["input", "level"]):
        assert list(zip(rows["model_1"], rows["model_2"], strict=True)) == pairs
    np.testing.assert_allclose(table["difference"], table["auc_1"] - table["auc_2"])
    assert (np.sign(table["z_subject"]) == np.sign(table["difference"])).all()
    images = table[table["level"] == "image"]
    np.testing.assert_allclose(images["p_holm"], holm(images["p_subject"].to_numpy()))


def test_the_primary_contrast_crosses_inputs(tmp_path):
    predictions = full_run(tmp_path)
    row = evaluate(predictions, PARAMS)["contrasts"].iloc[0]
    scans = predictions[predictions["level"] == "scan"].sort_values("participant_id")
    one = scans[(scans["model"] == "Q-Net") & (scans["input"] == "crop")]
    two = scans[scans["model"] == "ROI + age (LR)"]
    test = delong(one["label"].to_numpy(), one["score"].to_numpy(), two["score"].to_numpy())
    assert (row["role"], row["subjects"], row["model_2"]) == ("primary", 20, "ROI + age (LR)")
    assert (row["auc_1"], row["auc_2"], row["p"]) == pytest.approx((test.auc_1, test.auc_2, test.p))
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert np.isnan(row["p_holm"])
    aucs = [
        [roc_auc_score(part["label"], part["score"]) for _, part in of.groupby("fold", sort=True)] for of in (one, two)
    ]
    assert (row["folds"], row["difference_folds"]) == (3, pytest.approx(np.subtract(*aucs).mean()))
    assert 0 < row["p_folds"] <= 1


def test_more_seeds_on_the_same_folds_change_no_number_of_folds(tmp_path):
    table = evaluate(full_run(tmp_path, seeds=4), PARAMS)["contrasts"]
    assert (table["folds"] == 3).all()


def test_secondary_contrasts_are_adjusted_without_the_primary(tmp_path):
    table = evaluate(full_run(tmp_path), PARAMS)["contrasts"]
    secondary = table[table["role"] == "secondary"]
    np.testing.assert_allclose(secondary["p_holm"], holm(secondary["p"].to_numpy(float)))
    assert (table["role"] == "primary").sum() == 1
    assert not {"Age + sex", "Background only"} & set(table["model_1"])  # controls compete with nobody
    assert ((secondary["model_1"] == "Q-Net") & (secondary["model_2"] == "Q-Net")).sum() == 1


def test_contrasts_use_the_subjects_that_both_rows_have(tmp_path):
    networks().to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    kept = baselines()
    kept[kept["participant_id"] != "sub-004"].to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    predictions = read_predictions(tmp_path / "a.tsv", tmp_path / "b.tsv")
    assert evaluate(predictions, PARAMS)["contrasts"].iloc[0]["subjects"] == 19


def test_contrasts_are_empty_without_a_primary_row(tmp_path):
    assert tables(tmp_path, networks())["contrasts"].empty


@pytest.mark.parametrize(
    "scores, ties", [([[0.9, 0.1], [0.4, 0.6]], 2), ([[0.9, 0.5], [0.5, 0.1]], 1), ([[0.9, 0.8], [0.1, 0.2]], 0)]
)
def test_tied_votes_are_counted_over_all_runs(tmp_path, scores, ties):
    table = networks(subjects=2, slices=2, inputs=1, seeds=2)
    image = (table["model"] == "ResNet") & (table["level"] == "image")
    table.loc[image, "score"] = np.tile(np.ravel(scores), 2)
    found = tables(tmp_path, table)["table3"].set_index("model")
    assert (found.loc["ResNet", "ties"], found.loc["ResNet", "votes"]) == (2 * ties, 4)
    assert found.loc[["Q-Net", "ResNet mean P"], "ties"].isna().all()


def test_runs_of_table_3_are_judged_one_by_one(tmp_path):
    table = networks(seeds=3)
    row = tables(tmp_path, table)["table3_runs"].set_index(["input", "model"]).loc[("crop", "Q-Net")]
    chosen = (table["model"] == "Q-Net") & (table["level"] == "scan") & (table["input"] == "crop")
    right = (table["score"] >= 0.5) == table["label"]
    accuracy = right[chosen].groupby(table["seed"]).mean()
    assert (row["accuracy"], row["accuracy_sd"]) == pytest.approx((accuracy.mean(), accuracy.std()))


def variants_of(folder: Path, **made: pd.DataFrame) -> pd.DataFrame:
    pd.concat([table.assign(variant=name) for name, table in made.items()]).to_csv(
        folder / "variants.tsv", sep="\t", index=False
    )
    return read_predictions(folder / "variants.tsv")


def test_ablation_sets_each_variant_against_the_main_run(tmp_path):
    main_run = full_run(tmp_path)
    variants = variants_of(tmp_path, same=networks(), better=networks(signal=6))
    table = evaluate(main_run, PARAMS, variants=variants)["ablation"]
    assert list(table["variant"].unique()) == ["main", "same", "better"]
    same, better = (table[table["variant"] == name] for name in ("same", "better"))
    assert (same["difference"] == 0).all() and (same["p"] == 1).all()
    assert (better["difference"] > 0).all() and (better["p"] < 0.05).any()
    assert table.loc[table["variant"] == "main", ["difference", "p", "stars"]].isna().all(axis=None)
    np.testing.assert_allclose(table["p_holm"], holm(table["p"].to_numpy(float)))
    assert set(zip(table["level"], table["model"], strict=True)) == {
        ("image", "ResNetSWA"), ("image", "Q-Net"), ("scan", "ResNetSWA mean P"), ("scan", "Q-Net")
    }  # fmt: skip


def test_shapley_values_share_out_what_all_maps_gain_over_chance(tmp_path):
    main_run = full_run(tmp_path)
    names = ("qsm", "r2star", "t1w", "qsm_r2star", "qsm_t1w", "r2star_t1w")
    # T1w adds nothing: a subset with it ranks as one without; alone it is all one score
    made = {name: networks(seed=i, signal=i) for i, name in enumerate(names[:2], start=1)}
    made |= {"qsm_t1w": made["qsm"], "r2star_t1w": made["r2star"], "qsm_r2star": networks()}
    made["t1w"] = networks().assign(score=0.5)
    found = evaluate(main_run, PARAMS, variants=variants_of(tmp_path, **made))
    table = found["shapley"].set_index(["level", "input", "model", "map"])
    auc = found["ablation"].query("variant == 'main'").set_index(["level", "input", "model"])["auc"]
    total = table["shapley"].groupby(["level", "input", "model"]).sum()
    pd.testing.assert_series_equal(total, (auc - 0.5).sort_index(), check_names=False)
    silent = table.xs("T1w", level="map")
    np.testing.assert_allclose(silent[["alone", "added_last", "shapley", "shapley_low", "shapley_high"]], 0, atol=1e-9)
    assert (table["shapley_low"] <= table["shapley"]).all()
    lone = evaluate(main_run, PARAMS, variants=variants_of(tmp_path, qsm=made["qsm"]))["shapley"]
    fewer = evaluate(main_run, PARAMS, variants=variants_of(tmp_path, **made), all_maps=False)["shapley"]
    assert len(lone) == len(fewer) == 0


def test_the_main_run_may_be_told_by_an_empty_variant(tmp_path):
    networks().assign(variant="").to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert len(read_predictions(tmp_path / "a.tsv")) == len(networks())


def test_the_papers_numbers_stand_beside_ours_in_its_units(tmp_path):
    found = evaluate(full_run(tmp_path, seeds=2), PARAMS, people=people())
    table = found["paper_comparison"]
    assert len(table) == len(pd.read_csv(PAPER_RESULTS, sep="\t"))
    row = table[(table["table"] == "3") & (table["input"] == "crop") & (table["model"] == "Q-Net")]
    row = row[row["metric"] == "accuracy"].iloc[0]
    ours = found["table3_runs"].set_index(["input", "model"]).loc[("crop", "Q-Net")]
    assert (row["paper_value"], row["unit"]) == (83.16, "%")
    assert row["ours_value"] == pytest.approx(100 * ours["accuracy"])
    assert row["ours_spread"] == pytest.approx(100 * ours["accuracy_sd"])


@pytest.mark.parametrize("groups", [{"HH": "PD"}, {"HH": "HC", "HC": "HH2"}])
def test_the_papers_numbers_are_not_shown_for_other_groups(tmp_path, groups):
    others = people().replace({"group": groups})
    assert evaluate(full_run(tmp_path), PARAMS, people=others)["paper_comparison"].empty


def test_printed_scan_results_are_those_of_the_paper():
    """The rows that are whole numbers of 49 patients and 46 controls."""
    printed = pd.read_csv(PAPER_RESULTS, sep="\t", dtype={"table": str})
    scans = printed[printed["table"] == "3"].pivot(index=["input", "model"], columns="metric", values="value")
    for key, counts in {("crop", "Q-Net"): (42, 7, 37, 9), ("full", "Q-Net"): (40, 9, 36, 10)}.items():
        for metric, value in rates(*counts).items():
            assert scans.loc[key, metric] == pytest.approx(100 * value, abs=0.005)


def test_standard_errors_of_printed_table_2_give_its_z():
    printed = pd.read_csv(PAPER_RESULTS, sep="\t", dtype={"table": str})
    pairs = printed[printed["table"] == "2"].pivot(
        index=["input", "model", "against"], columns="metric", values="value"
    )
    np.testing.assert_allclose((pairs["auc_1"] - pairs["auc_2"]) / pairs["se"], pairs["z"], rtol=1e-3)


def test_compare_pairs_two_runs(tmp_path):
    for name, table in {"a": networks(signal=4), "b": networks(signal=0, seed=9)}.items():
        table.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    files = [str(tmp_path / f"{name}.tsv") for name in "ab"]
    main(["compare", *files, str(tmp_path / "out"), "--names", "consensus", "paper"])
    table = pd.read_csv(tmp_path / "out" / "comparison.tsv", sep="\t")
    assert set(table["name_1"]) == {"consensus"} and (table["difference"] > 0).all()
    assert len(table) == 2 * (3 + 5)
    np.testing.assert_allclose(table["p_holm"], holm(table["p"].to_numpy()))
    assert table["p_mcnemar"].notna().equals(table["level"] == "scan")
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 10_000


def test_compare_refuses_runs_that_disagree_on_a_diagnosis(tmp_path, capsys):
    networks().to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    other = networks()
    other.loc[other["participant_id"] == "sub-000", "label"] = 1
    other.to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    with pytest.raises(SystemExit):
        main(["compare", str(tmp_path / "a.tsv"), str(tmp_path / "b.tsv"), str(tmp_path / "out")])
    assert "expected the same labels in both, found different ones for sub-000" in capsys.readouterr().err


def test_command_takes_participants_and_variants(tmp_path, capsys, monkeypatch):
    drawn = {}
    monkeypatch.setattr("qnet.evaluation.figure_set.draw", lambda paths, *_: drawn.update(paths))
    full_run(tmp_path)
    both = pd.concat([networks(), baselines()])
    variants_of(tmp_path, qsm=networks(seed=4))
    people().to_csv(tmp_path / "folds.tsv", sep="\t")
    extra = ["--participants", str(tmp_path / "folds.tsv"), "--variants", str(tmp_path / "variants.tsv")]
    out = tmp_path / "out"
    main(["evaluate", str(save(tmp_path, both)), str(out), *extra, "--set", "bootstrap=50"])
    assert capsys.readouterr().out.splitlines() == [
        "between_sites: skipped, needs --participants with sites",
        "shapley: skipped, needs --variants with all six subsets of the maps",
    ]
    for name in ("contrasts", "confounds", "paper_comparison", "ablation"):
        assert len(pd.read_csv(out / f"{name}.tsv", sep="\t")) > 0, name
    assert "ablation_forest" in drawn
