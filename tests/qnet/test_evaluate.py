"""Predictions in, tables and figures out."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qnet.__main__ import main, settings
from qnet.evaluate import Evaluate, bootstrap_rates, evaluate, read_ceiling
from qnet.metrics import outcomes, rates
from qnet.predictions import read_predictions, split_cases
from qnet.statistics import resample_subjects

MODELS = ("ResNet", "ResNetSWA", "Q-Net")
DELONG = ["level", "clustering", "model_1", "model_2", "auc_1", "auc_2", "se", "z", "p", "stars"]
PARAMS = Evaluate(threshold=0.5, bootstrap=200, confidence=0.95, seed=0)


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


def test_command_rebuilds_everything_from_the_required_columns(tmp_path):
    path = save(tmp_path, cohort().drop(columns=["input", "seed", "fold"]))
    main(["evaluate", str(path), str(tmp_path / "out"), "--set", "bootstrap=50"])
    figures = ["auc_boxplot.png", "roc_image.png", "roc_scan.png"]
    expected = sorted(figures + [f"{name}.tsv" for name in ("delong", "mcnemar", "table1", "table2", "table3")])
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == expected
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


@pytest.mark.parametrize("wrong", ["draws=5", "bootstrap", "bootstrap=0", "confidence=95", "threshold=half", "seed=-1"])
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match="expected"):
        settings([wrong])


def test_settings_change_one_value():
    assert settings(["bootstrap=7"]).bootstrap == 7
    assert settings(["bootstrap=7"]).confidence == settings([]).confidence
