"""What a newcomer reads first where the site tells the groups apart: the report of the simulated confounded study."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qnet.evaluation.manifest import tables_of
from qnet.folds import Folds, make_folds
from recon.phantom import bids
from recon.phantom.cohort import Simulate, cohort
from tests.recon.test_sites import CONFOUNDED, SITES
from tests.workflow.test_report import CFG, make_report
from workflow.scripts import evaluate


def surrogate(people: pd.DataFrame) -> pd.DataFrame:
    """Predictions of networks that read nothing but the scanner: higher at site north, by scan and by slice."""
    score = np.where(people["site"] == "north", 0.7, 0.3) + np.random.default_rng(3).normal(0, 0.05, len(people))
    rows = people[["participant_id", "label", "fold"]].assign(score=score, input="full", seed=0)
    return pd.concat(
        rows.assign(model=model, slice=slice_, level="image" if slice_ else "scan")
        for model in ("ResNet", "Q-Net")
        for slice_ in ("", 1, 2)
    )


def first_screen(settings: dict, folder: Path) -> str:
    """What stands above the title of the report, as text."""
    people = bids.participants(cohort(Simulate(**settings)))
    people["label"] = (people["group"] == "HH").astype(int)
    folds = make_folds(people, Folds(scheme="stratified", folds=4, seed=0))
    outputs = {name: str(folder / f"tables/{name}.tsv") for name in tables_of("evaluate")}
    outputs["roc_image"] = str(folder / "roc_image.png")
    outputs["folds"], given = str(folder / "folds.tsv"), str(folder / "given.tsv")
    folds.to_csv(outputs["folds"], sep="\t", index=False)
    surrogate(folds).to_csv(given, sep="\t", index=False)
    tables = {name: path for name, path in outputs.items() if name != "folds"}
    evaluate.main([given], str(folder / "predictions.tsv"), CFG["evaluate"], folds=outputs["folds"], **tables)
    html = make_report(outputs, folder, synthetic=True, figures=[outputs["roc_image"]])
    above = html[: html.index("<h1>")]
    return " ".join(re.sub("<[^>]+>", " ", above[above.index("<body") :]).split())


@pytest.mark.parametrize(("settings", "flagged"), [(CONFOUNDED, True), (SITES, False)], ids=["confounded", "sites"])
def test_the_report_opens_with_the_site_that_tells_the_groups_apart(settings, flagged, tmp_path):
    text = first_screen(settings, tmp_path)
    assert "SYNTHETIC DATA" in text
    flag = (
        "The diagnosis may rest on something other than disease: The site alone predicts the group of unseen subjects"
    )
    assert (flag in text) == flagged
    assert ("north 21 of 23" in text) == flagged
