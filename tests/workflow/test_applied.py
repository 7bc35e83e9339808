"""`snakemake predict` and `validate`: a trained run judges a scan that comes alone, and two whose groups are known."""

import json
import shutil

import pandas as pd
import pytest
from scipy.special import expit

from qnet.regional_means import regional_means
from tests.workflow.conftest import snakemake
from tests.workflow.small_run import SLOPE_PPM, with_located_head
from tests.workflow.warm import command

PLAN = ("snakemake", "--cores", "2", "--dry-run")
OVERLAY = ("--configfile", "tiny.yaml", "--config", "dataset=applied", "bids_dir=alone", "model=tiny")


@pytest.fixture(scope="module")
def alone(tiny):
    """The raw images of one subject of the tiny cohort in a folder of their own."""
    raw = tiny / "results/tiny/rawdata"
    shutil.copytree(raw / "sub-02", tiny / "alone/sub-02")
    shutil.copy(raw / "dataset_description.json", tiny / "alone")
    return tiny


@pytest.fixture(scope="module")
def applied(alone):
    snakemake(alone, "predict", *OVERLAY, forked=True)
    return alone / "results/applied"


def test_the_network_that_had_not_seen_the_subject_says_the_same_again(alone, applied):
    again = json.loads((applied / "work/sub-02/sub-02_scores.json").read_text())["scores"]
    held_out = pd.read_csv(alone / "results/tiny/qnet/predictions.tsv", sep="\t")
    own = held_out.query("participant_id == 'sub-02' and model == 'Q-Net' and level == 'scan'")
    for row in own.itertuples():
        same = [s for s in again if (s["input"], s["model"], s["fold"]) == (row.input, "Q-Net", row.fold)]
        assert [s["score"] for s in same] == pytest.approx([row.score], abs=1e-6)


def test_page_and_tables_are_there(applied):
    page = (applied / "sub-02_prediction.html").read_text()
    assert "Research use only" in page
    assert "SYNTHETIC" in page
    assert len(pd.read_csv(applied / "predictions.tsv", sep="\t").query("decides")) == 1
    assert pd.read_csv(applied / "z_scores.tsv", sep="\t").empty  # two controls are no norm


@pytest.mark.parametrize("target", ["predict", "validate"])
def test_maps_made_in_another_way_are_refused_before_any_job(alone, target):
    status, text = command(alone, *PLAN, target, *OVERLAY, "pipeline=consensus")
    assert status != 0
    assert "local_field.method" in text
    assert "lbv_sources" in text


def test_an_unknown_run_is_named(alone):
    status, text = command(alone, *PLAN, "predict", *OVERLAY[:-1], "model=nowhere")
    assert status != 0
    assert "nowhere" in text


@pytest.fixture(scope="module")
def validated(alone, applied):
    """The same folder once a subject of the other group and a participants table have joined."""
    raw = alone / "results/tiny/rawdata"
    people = pd.read_csv(raw / "participants.tsv", sep="\t", dtype=str).set_index("participant_id")
    other = people.index[people["group"] != people.loc["sub-02", "group"]][0]
    shutil.copytree(raw / other, alone / "alone" / other)
    people.loc[["sub-02", other]].assign(site=["A", "B"]).to_csv(alone / "alone/participants.tsv", sep="\t")
    snakemake(alone, "validate", *OVERLAY, forked=True)
    return applied


def test_two_subjects_make_a_validation_that_says_how_little_it_knows(validated):
    page = (validated / "validation.html").read_text()
    assert "without an interval" in page and "at least 100 are advised" in page
    assert page.index("one group only") < page.index("<h1>")
    strata = pd.read_csv(validated / "tables/validation_strata.tsv", sep="\t")
    assert {"all", "site A", "site B"} <= set(strata["stratum"])


def test_the_score_of_a_validation_is_that_of_the_prediction(validated):
    predicted = json.loads((validated / "work/sub-02_prediction.json").read_text())["outcomes"]
    table = pd.read_csv(validated / "qnet/validation.tsv", sep="\t").query("participant_id == 'sub-02'")
    found = table.set_index(["input", "model"])["score"]
    assert {(row["input"], row["model"]): row["probability"] for row in predicted} == pytest.approx(found.to_dict())


def test_training_with_a_model_named_is_refused(validated, alone):
    status, text = command(alone, *PLAN, *OVERLAY)
    assert status != 0
    assert "`predict` and `validate` apply it" in text


@pytest.fixture(scope="module")
def located(validated, alone):
    """The same folder judged by networks whose scan models read the means over the located nuclei."""
    with_located_head(alone / "results/tiny/qnet/model.json", alone / "results/located")
    snakemake(alone, "predict", "validate", *OVERLAY[:-1], "model=located", forked=True)
    return validated


def test_a_head_that_reads_the_nuclei_judges_by_those_of_each_scan(located):
    """The score follows from the mean χ of the putamen, which the statistics of the maps tell."""
    table = pd.read_csv(located / "qnet/validation.tsv", sep="\t").query("model == 'Q-Net'")
    assert table["participant_id"].nunique() == 2 and set(table["input"]) == {"full", "crop"}
    for row in table.itertuples():
        (stats,) = (located / "derivatives/qnet").rglob(f"{row.participant_id}_desc-nuclei_stats.tsv")
        chi = regional_means(stats)["chi_ppm"]["putamen"]
        assert row.score == pytest.approx(expit(SLOPE_PPM * chi), abs=1e-5)
    predicted = pd.read_csv(located / "predictions.tsv", sep="\t").query("model == 'Q-Net'")
    assert sorted(predicted["probability"]) == pytest.approx(sorted(table["score"]))
    items = pd.read_csv(located / "tables/validation_checklist.tsv", sep="\t")
    assert items["run"].str.contains("pairs of networks of run located").any()


@pytest.mark.parametrize("target", ["predict", "validate"])
def test_nuclei_labelled_in_another_way_are_refused_where_a_head_reads_them(located, alone, target):
    status, text = command(alone, *PLAN, target, *OVERLAY[:-1], "model=located", "locate_nuclei={method: shapes}")
    assert status != 0
    assert "locate_nuclei.method" in text
