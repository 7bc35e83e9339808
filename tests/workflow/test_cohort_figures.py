"""Figures of the cohort: they say what they are, and count everybody."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from workflow.lib.report import cohort_figure, flow_figure
from workflow.lib.report.cohort import flow
from workflow.lib.report.report_data import flow_of
from workflow.scripts import cohort_figures

PEOPLE = pd.DataFrame({
    "participant_id": [f"sub-{i:02d}" for i in range(12)], "group": ["HC", "HH"] * 6, "sex": list("FMMFMM") * 2,
    "age": range(30, 90, 5), "fold": [0, 1, 2] * 4,
})  # fmt: skip
GROUPS = dict(zip(PEOPLE["participant_id"], PEOPLE["group"], strict=True))


@pytest.fixture
def texts(monkeypatch) -> list[str]:
    """Every text of the figures that are saved, in place of the files."""
    found: list[str] = []

    def read(path, figure, synthetic):
        found.extend(text.get_text() for text in figure.findobj(matplotlib.text.Text))

    monkeypatch.setattr(flow_figure, "save", read)
    monkeypatch.setattr(cohort_figure, "save", read)
    return found


@pytest.mark.parametrize("synthetic", [True, False])
def test_both_figures_are_written(tmp_path, synthetic):
    PEOPLE.to_csv(tmp_path / "folds.tsv", sep="\t", index=False)
    files = [str(tmp_path / f"figures/{name}.png") for name in ("cohort", "participants_flow")]
    cohort_figures.main(str(tmp_path / "folds.tsv"), *files, flow=None, synthetic=synthetic)
    for file in files:
        picture = matplotlib.image.imread(file)
        assert picture.shape[0] > 200 and picture.shape[1] > 700 and np.ptp(picture) > 0


def test_sexes_are_counted_by_group(texts):
    cohort_figure.cohort("", PEOPLE, synthetic=False)
    assert {"F 2", "M 4"} <= set(texts)


def test_flow_counts_who_left_and_every_fold(texts):
    found = GROUPS | {"sub-90": "HH"}
    left = {"sub-90": ["no phase"]}
    flow_figure.participants_flow("", flow(found, GROUPS, left, {}), PEOPLE, synthetic=False)
    assert "Left out because of the images: n = 1\n0 HC, 1 HH\nsub-90: no phase" in texts
    assert "Diagnosed: n = 12\n6 HC, 6 HH" in texts
    assert sum(text.startswith("Fold ") for text in texts) == 3
    assert not any("participants table: n = 0" in text for text in texts)


def test_many_reasons_are_shortened(texts):
    left = {f"sub-{i}": ["expected something long, found something else that is even longer"] for i in range(90, 99)}
    flow_figure.participants_flow("", flow(GROUPS, GROUPS, left, {}), PEOPLE, synthetic=False)
    box = next(text for text in texts if text.startswith("Left out because of the images"))
    assert box.endswith("and 5 more")
    assert max(map(len, box.split("\n"))) <= 50


def test_a_simulated_cohort_leaves_nobody_out():
    assert [(step["name"], step["counts"]) for step in flow_of(None, PEOPLE)["steps"]] == [
        ("Simulated", {"HC": 6, "HH": 6}),
        ("Diagnosed", {"HC": 6, "HH": 6}),
    ]
