"""The model card says who the networks learnt from, how good they are, and what they are not for."""

import pytest

from qnet.application.bundle import read_bundle
from tests.workflow.small_run import train_small_run
from workflow.lib.report.model_card import card_text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("results") / "RUN"
    return train_small_run(root), (root / "model_card.md").read_text()


def test_it_says_what_it_is_for_and_what_not(run):
    _, text = run
    assert "Research use only" in text
    assert "## Intended use" in text
    assert "knows only HH and HC" in text
    assert "5 controls" in text


def test_it_labels_synthetic_subjects_and_only_these(run):
    bundle, text = run
    assert "SYNTHETIC DATA" in text
    about = read_bundle(bundle) | {"synthetic": False, "limits": ["none"]}
    assert "SYNTHETIC" not in card_text(about)


def test_it_tells_the_subjects_by_group_and_fold(run):
    _, text = run
    assert "| HC | 5 | 52.0 ± 9.5 (40 to 64)" in text
    assert "2 folds by subject; seeds 0; inputs crop" in text


def test_it_tells_the_sites_where_there_are_some(run):
    bundle, text = run
    assert "site" not in text.split("## Training data")[1].split("### Acquisition")[0]
    about = read_bundle(bundle)
    for part in ("groups", "folds"):
        for who in about["data"][part].values():
            who["site"] = "3 Oslo, 2 Rome"
    about["learning"]["folds"]["scheme"] = "grouped"
    told = card_text(about)
    assert "| age [years] | sex | site |\n| --- | --- | --- | --- | --- |\n| HC | 5 |" in told
    assert told.count("| 3 Oslo, 2 Rome |") == 5 and "2 folds by subject (grouped);" in told


def test_a_confound_of_the_training_is_the_first_of_its_limits(run, tmp_path):
    flag = "The site alone predicts the group of unseen subjects (AUC 0.90)."
    limits = "## Limits\n\n- "
    train_small_run(tmp_path / "RUN", flag=flag)
    assert f"{limits}Of the training study: {flag}" in (tmp_path / "RUN/model_card.md").read_text()
    bundle, text = run
    assert "Of the training study" not in text and "not recorded" not in text
    earlier = {key: value for key, value in read_bundle(bundle).items() if key != "confounds"}
    told = card_text(earlier).split(limits)[1].splitlines()[0]
    assert "not recorded here" in told


def test_metrics_carry_their_intervals(run):
    _, text = run
    assert "| crop | Q-Net | 10 | 80.0 (49.0 to 94.0) | — | — | — | 0.840 |" in text


def test_it_tells_for_whom_and_how_many_subjects_a_comparison_needs(run):
    bundle, text = run
    assert "| sex F | 5 | 2 | 0.700 | — | 1234 |" in text.split("### For whom")[1]
    assert "ComBat" not in text
    assert "windows that were harmonised" in card_text(read_bundle(bundle) | {"harmonisation": "combat"})


def test_what_another_site_may_expect_of_the_deciding_model_stands_on_the_card(run, tmp_path):
    assert "From site to site" not in run[1]
    bundle = train_small_run(tmp_path / "RUN", sites=True)
    assert [row["model"] for row in read_bundle(bundle)["between_sites"]] == ["Q-Net"]
    told = (tmp_path / "RUN/model_card.md").read_text().split("### From site to site")[1].split("## ")[0]
    assert "at a new one expect less" in told
    assert "| Expected at another site from | Expected at another site to |" in told
    assert "| AUC | 3 | 0.80 (0.70 to 0.90) | 0.30 | 0.40 | 0.95 | — |" in told
    about = read_bundle(bundle)
    about["learning"]["folds"]["scheme"] = "leave_one_site_out"
    assert "by networks that had not seen it" in card_text(about)
    assert "From site to site" not in card_text({key: about[key] for key in about if key != "between_sites"})


def test_every_preprocessing_setting_stands_in_it(run):
    bundle, text = run
    for section, values in read_bundle(bundle)["preprocessing"].items():
        assert f"`{section}`" in text
        assert all(key in text for key in values)


def test_norms_have_units_and_numbers_of_controls(run):
    _, text = run
    assert "| putamen | χ [ppm] |" in text
    assert "| putamen | R2* [1/s] |" in text


def test_every_weights_file_is_listed_with_its_checksum(run):
    entries = read_bundle(run[0])["weights"]
    assert [(entry["input"], entry["seed"], entry["fold"]) for entry in entries] == [("crop", 0, 0), ("crop", 0, 1)]
    assert all(len(entry[f"{kind}_sha256"]) == 64 for entry in entries for kind in ("image", "scan"))


def test_a_run_with_too_few_controls_still_has_a_card(run):
    about = read_bundle(run[0]) | {"normative": None}
    assert "Too few controls" in card_text(about)
