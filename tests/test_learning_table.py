"""The table over simulated cohorts: each row once, distances to the oracle of the same cohort."""

import json

import pandas as pd
import pytest

from benchmarks.cohorts import settings
from benchmarks.learning_table import ORACLE, main, over_cohorts, read_runs

ROWS = [("crop", "Q-Net"), ("regions", "ROI + age (LR)"), ("n/a", "Bayes limit (theory)"), ("n/a", ORACLE)]


@pytest.fixture
def runs(tmp_path):
    """Two runs of two cohorts; the network of run `good` lies 0.02 below the oracle."""
    for run, below, folds, regions in (("good", 0.02, 4, 0.8), ("poor", 0.2, 10, 0.82)):
        for seed in (1, 2):
            oracle = 0.9 + 0.01 * seed
            auc = [oracle - below, regions, 0.912, oracle]
            table = pd.DataFrame(ROWS, columns=["input", "model"]).assign(auc=auc)
            empty = dict.fromkeys(["auc_low", "auc_high", "accuracy", "subjects"], "n/a")
            folder = tmp_path / run / f"paper-{seed}"
            folder.mkdir(parents=True)
            table.assign(**empty).to_csv(folder / "table3.tsv", sep="\t", index=False)
            (folder / "settings.json").write_text(json.dumps({"folds": {"folds": folds}}))
            table[["input", "model"]].assign(brier=0.2).to_csv(folder / "calibration.tsv", sep="\t", index=False)
    return tmp_path


def test_rows_without_a_network_count_once_a_cohort(runs):
    table = read_runs(runs)
    assert table.groupby("model")["auc"].size().to_dict() == {
        "Q-Net": 4, "ROI + age (LR)": 2, "Bayes limit (theory)": 2, ORACLE: 2,
    }  # fmt: skip


def test_such_a_row_is_that_of_the_run_with_most_folds(runs):
    table = read_runs(runs)
    assert set(table.loc[table["model"] == "ROI + age (LR)", "auc"]) == {0.82}


def test_the_oracle_is_that_of_the_same_cohort(runs):
    means = over_cohorts(read_runs(runs)).set_index(["run", "model"])
    assert means.loc[("good", "Q-Net"), "below_oracle"] == pytest.approx(0.02)
    assert means.loc[("good", "Q-Net"), "cohorts"] == 2


def test_tables_and_picture_are_written(runs, capsys):
    main([str(runs), "--out", str(runs)])
    assert {"learning.tsv", "learning_means.tsv", "learning.png"} <= {path.name for path in runs.iterdir()}
    assert "below_oracle" in capsys.readouterr().out


def test_overlays_are_laid_one_over_the_other(tmp_path):
    (tmp_path / "mine.yaml").write_text("folds: {folds: 7}\npreprocessing: quantitative\n")
    found = settings([str(tmp_path / "mine.yaml"), "train_image_model.epochs=3"])
    assert (found["folds"]["folds"], found["train_image_model"]["epochs"]) == (7, 3)
    assert found["normalise"]["method"] == "window"
