"""Reporting checklists: complete, filled from the run, honest about what a run cannot know."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from workflow.lib.report.checklist import ABSENT, checklist, facts, settings
from workflow.lib.report.report_data import flow_of, read_tables
from workflow.scripts import checklist as script

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
PRIMARY = [{"input": "crop", "model": "Q-Net"}, {"input": "regions", "model": "ROI + age (LR)"}]
CFG = CONFIG | {"dataset": "<b>study</b>", "evaluate": CONFIG["evaluate"] | {"primary": PRIMARY}}
PEOPLE = pd.DataFrame({
    "participant_id": [f"sub-{i:02d}" for i in range(10)], "group": ["HH"] * 6 + ["HC"] * 4, "sex": list("FM") * 5,
    "age": range(30, 80, 5), "fold": [0, 1] * 5,
})  # fmt: skip
NO_TABLES = read_tables([])
TABLE3 = [
    {"input": "crop", "model": "Q-Net", "seeds": 1, "subjects": 10, "fn": 1, "fp": 2, "auc": 0.8, "auc_low": 0.5,
     "auc_high": 1.0},
    {"input": "regions", "model": "ROI + age (LR)", "seeds": 1, "subjects": 10, "fn": 0, "fp": 1, "auc": 0.9,
     "auc_low": 0.7, "auc_high": 1.0},
]  # fmt: skip


def answers(synthetic: bool = False, **tables: list[dict]) -> pd.DataFrame:
    """The checklists of a made-up run, by guideline and item."""
    every = NO_TABLES | tables
    found = facts(CFG, PEOPLE, flow_of(None, PEOPLE), every, {"torch": "2.14"}, synthetic)
    return checklist(found).set_index(["guideline", "item"])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return answers(table3=TABLE3)


def test_every_item_is_there(table):
    numbers = {item.rstrip("abcdefg") for item in table.loc["TRIPOD+AI"].index}
    assert numbers == {str(i) for i in range(1, 28)} and len(table.loc["TRIPOD+AI"]) == 52
    assert list(table.loc["CLAIM 2024"].index) == [str(i) for i in range(1, 45)]
    sizes = {"D": (3, 4, 4, 5), "E": (3, 4, 4, 7)}  # of the domains: 16 questions on development, 18 on evaluation
    questions = [f"{part}{d}.{i}" for part, of in sizes.items() for d, n in enumerate(of, 1) for i in range(1, n + 1)]
    assert list(table.loc["PROBAST+AI"].index) == questions


def test_every_item_has_somebody_to_answer_it(table):
    assert ((table["run"] != "") | (table["authors"] != "")).all()
    assert set(table["filled"]) == {"run", "partly", "authors"}


def test_the_run_fills_in_its_numbers(table):
    assert table["run"]["TRIPOD+AI", "21"].startswith("4 HC, 6 HH")
    assert "HH: 6 subjects, age 42.5 ± 9.4 (30 to 55) years, 3 F, 3 M" in table["run"]["TRIPOD+AI", "20b"]
    assert "torch 2.14" in table["run"]["CLAIM 2024", "23"]
    assert f"epochs {CONFIG['train_image_model']['epochs']}" in table["run"]["CLAIM 2024", "25"]
    assert "Q-Net (crop) 0.800 (0.500 to 1.000)" in table["run"]["TRIPOD+AI", "23a"]
    assert "Q-Net (crop) 3 of 10" in table["run"]["CLAIM 2024", "39"]
    assert "ROI + age (LR)" in table["run"]["CLAIM 2024", "37"]
    assert "Q-Net (crop) against ROI + age (LR) (regions)" in table["run"]["TRIPOD+AI", "4"]


def test_centres_are_answered_where_the_table_tells_them(table):
    for item in ("12d", "23b"):
        assert table["run"]["TRIPOD+AI", item] == "Not examined: participants.tsv tells no sites."
    people = PEOPLE.assign(site=["A", "B"] * 5)
    within = NO_TABLES | {"confounds": [{"check": "within site", "flag": None}]}
    over = {"measure": "AUC", "model": "Q-Net", "input": "crop", "value": 0.8, "low": 0.7, "high": 0.9}
    within |= {"between_sites": [over]}
    cfg = CFG | {"folds": CONFIG["folds"] | {"scheme": "leave_one_site_out"}}
    cfg |= {"harmonisation": "combat", "combat": CONFIG["combat"] | {"unseen_site": "controls"}}
    found = facts(cfg, people, flow_of(None, people), within, {}, False)
    told = checklist(found).set_index(["guideline", "item"])["run"]
    assert told["TRIPOD+AI", "12d"].startswith("2 sites (5 A, 5 B). AUC of every model within each site")
    assert "tables/confounds.tsv" in told["TRIPOD+AI", "23b"]
    assert told.str.contains("2 folds, each of which holds all subjects of one site; tested on one fold").any()
    assert "2 sites (5 A, 5 B)" in told["PROBAST+AI", "D2.1"]
    assert "Mean AUC over sites: Q-Net (crop) 0.80 (0.70 to 0.90)" in told["PROBAST+AI", "E4.7"]
    assert all("knows the outcome" in told["PROBAST+AI", item] for item in ("D2.3", "E2.3", "E4.5"))
    assert told["TRIPOD+AI", "16"].startswith("The site: each is tested by models of the others.")


def test_relatives_are_answered_by_the_scheme_of_the_folds(table):
    assert "relatives, are not told from each other (folds.scheme is stratified)" in table["run"]["PROBAST+AI", "E4.5"]
    cfg = CFG | {"folds": CONFIG["folds"] | {"scheme": "grouped"}}
    found = facts(cfg, PEOPLE, flow_of(None, PEOPLE), NO_TABLES, {}, False)
    told = checklist(found).set_index(["guideline", "item"])["run"]
    for item in (("PROBAST+AI", "E4.5"), ("CLAIM 2024", "20")):
        assert "share a fold where participants.tsv gives them one family" in told[item]


def test_what_was_not_computed_is_said(table):
    assert f"Variants: {ABSENT}. Confounders: {ABSENT}." in table["run"]["CLAIM 2024", "30"]
    assert ABSENT in answers()["run"]["TRIPOD+AI", "23a"]


def test_the_size_of_the_smaller_group_is_told_against_what_is_advised(table):
    assert table["run"]["PROBAST+AI", "E4.2"].startswith("4 in the smaller group; at least 100 are advised")


def test_weights_that_every_fold_starts_from_are_not_called_trained_anew():
    cfg = CFG | {"train_image_model": CFG["train_image_model"] | {"weights": "results/p/encoder_crop.safetensors"}}
    found = checklist(facts(cfg, PEOPLE, flow_of(None, PEOPLE), NO_TABLES, {}, False)).set_index("item")["run"]
    assert "but for the given initial weights" in found["E4.6"]
    assert "but for" not in answers()["run"]["PROBAST+AI", "E4.6"]


def test_a_run_never_judges_the_diagnosis_of_its_subjects(table):
    for item in ("D3.2", "D3.3", "D3.4", "E3.2", "E3.3", "E3.4"):
        assert table.loc[("PROBAST+AI", item), "filled"] == "authors"


def test_ethics_are_never_invented():
    own, simulated = (answers(synthetic).loc[("TRIPOD+AI", "17")] for synthetic in (False, True))
    assert (own["run"], own["filled"]) == ("", "authors")
    assert "simulated" in simulated["run"]


def test_weights_are_named_without_their_folder():
    cfg = CFG | {"train_image_model": CFG["train_image_model"] | {"weights": "/home/somebody/resnet18.pth"}}
    found = facts(cfg, PEOPLE, flow_of(None, PEOPLE), NO_TABLES, {}, False)
    assert not any("somebody" in text for text in checklist(found)["run"])


def test_script_writes_table_and_page(tmp_path):
    PEOPLE.to_csv(tmp_path / "folds.tsv", sep="\t", index=False)
    pd.DataFrame(TABLE3).to_csv(tmp_path / "table3.tsv", sep="\t", index=False)
    files = {"table": str(tmp_path / "checklist.tsv"), "page": str(tmp_path / "checklist.html")}
    tables = [str(tmp_path / "table3.tsv")]
    folds = str(tmp_path / "folds.tsv")
    script.main(tables, **files, folds=folds, cfg=CFG, synthetic=True, flow=None, versions={})
    html = Path(files["page"]).read_text(encoding="utf-8")
    assert "Research use only" in html and "SYNTHETIC DATA" in html and "<b>study</b>" not in html
    assert not re.findall(r'(?:src|href)="(?!#|[\w.-]+\.html)[^"]*"', html)
    written = pd.read_csv(files["table"], sep="\t", keep_default_na=False)
    assert len(written) == 52 + 44 + 34 and html.count('<td class="item">') == len(written)


def test_a_setting_without_values_is_none():
    assert settings({"choices": [], "copies": 10}) == "choices none, copies 10"
