"""Seven trainings on subsets of the maps become Shapley values; the training itself is that of benchmarks.learning."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from benchmarks import shapley
from qnet.predictions import write_predictions

INFORMATION = {"QSM": 1.5, "R2star": 0.5, "T1w": 0.0}  # shift of the score by a map that a network saw


@pytest.fixture
def trained(monkeypatch):
    """A study whose scores are better the more its maps say."""

    def study(cohort, arm, config, out, jobs):
        out.mkdir(parents=True)
        shift = sum(INFORMATION[channel] for channel in config["normalise"]["channels"])
        label = np.arange(60) % 2
        score = shift * label + norm.ppf((np.arange(60) // 2 + 0.5) / 30)  # both groups alike where nothing is known
        write_predictions(
            out / "predictions.tsv",
            pd.DataFrame({
                "participant_id": [f"sub-{n:02d}" for n in range(60)], "slice": "", "label": label, "model": "Q-Net",
                "level": "scan", "score": 1 / (1 + np.exp(-score)), "input": "crop", "seed": "0", "fold": "0",
            }),
        )  # fmt: skip

    monkeypatch.setattr(shapley, "study", study)


def test_a_map_gets_what_it_adds(trained, tmp_path):
    shapley.main([str(tmp_path / "cohorts"), str(tmp_path / "runs"), "--cohort", "one", "--results", str(tmp_path)])
    table = pd.read_csv(tmp_path / "shapley.tsv", sep="\t").set_index("map")
    assert table.loc["QSM", "shapley"] > table.loc["R2*", "shapley"] > table.loc["T1w", "shapley"]
    assert (table["shapley_low"] < table["shapley"]).all() and (table["subjects"] == 60).all()
    assert table.loc["T1w", "shapley"] == pytest.approx(0, abs=1e-6)
