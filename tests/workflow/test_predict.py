"""A trained run applied to subjects that it has not seen: what is refused, what is said, what is warned of."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qnet.application.bundle import read_bundle
from qnet.application.outcome import cautions, headline, outcomes
from recon.settings import arm
from tests.workflow.small_run import SUBJECTS, config, train_small_run, with_located_head, write_scan
from workflow.lib.study.applied import bundle_path, differences, preprocessing, same_dataset, weight_files
from workflow.lib.study.participants import age_of
from workflow.scripts import predict_scan, prediction_page, predictions_table

FLAG = "The site alone predicts the group of unseen subjects (AUC 0.90)."


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Path of the bundle of a small run."""
    return train_small_run(tmp_path_factory.mktemp("results") / "RUN", flag=FLAG)


def predict(bundle, folder, name="sub-X1", age=None, synthetic=False, **changes):
    """Both scripts on one new scan: results and page."""
    write_scan(folder, name, np.random.default_rng(5), **changes)
    participants = folder / "participants.tsv"
    participants.write_text(f"participant_id\tage\n{name}\t{age or 'n/a'}\n")
    work = {key: str(folder / f"{name}_{file}") for key, file in {
        "stack": "stack.npz", "stats": "desc-nuclei_stats.tsv", "acquisition": "acquisition.json",
        "warnings": "warnings.json", "scores": "scores.json", "result": "prediction.json", "page": "page.html",
    }.items()}  # fmt: skip
    predict_scan.main(work["stack"], str(bundle), work["scores"], 1, "age", stats=work["stats"])
    prediction_page.main(**work, bundle=str(bundle), scan=name, synthetic=synthetic, version="1.2.3",
                         age_column="age", participants=str(participants))  # fmt: skip
    return json.loads(Path(work["result"]).read_text()), Path(work["page"]).read_text()


@pytest.fixture(scope="module")
def usual(bundle, tmp_path_factory):
    return predict(bundle, tmp_path_factory.mktemp("usual"), age=55)


@pytest.fixture(scope="module")
def odd(bundle, tmp_path_factory):
    return predict(bundle, tmp_path_factory.mktemp("odd"), chi_scale=5.0, b0_tesla=7.0)


def test_probability_and_spread_are_those_of_the_networks(bundle, usual, tmp_path):
    result, _ = usual
    write_scan(tmp_path, "sub-X1", np.random.default_rng(5))
    predict_scan.main(str(tmp_path / "sub-X1_stack.npz"), str(bundle), str(tmp_path / "scores.json"), 1, "age")
    rows = pd.DataFrame(json.loads((tmp_path / "scores.json").read_text())["scores"])
    scores = rows[rows["model"] == "Q-Net"]["score"]
    first = result["outcomes"][0]
    assert len(scores) == first["networks"] == 2
    assert first["probability"] == pytest.approx(scores.mean())
    assert (first["low"], first["high"]) == (scores.min(), scores.max())


def test_a_head_that_reads_the_located_nuclei_judges_a_new_scan_by_its_own(bundle, tmp_path):
    """The same images with other means over the nuclei have another score, by the scan model alone."""
    located, scores = with_located_head(bundle, tmp_path / "LOCATED"), []
    for chi_scale in (1.0, 3.0):
        write_scan(tmp_path, "sub-X1", np.random.default_rng(5))
        stack, stats = (str(tmp_path / f"sub-X1_{end}") for end in ("stack.npz", "desc-nuclei_stats.tsv"))
        table = pd.read_csv(stats, sep="\t").assign(chi_ppm_mean=lambda t, by=chi_scale: by * t["chi_ppm_mean"])
        table.to_csv(stats, sep="\t", index=False)
        out = tmp_path / "scores.json"
        predict_scan.main(stack, str(located), str(out), 1, "age", stats=stats)
        scores.append({row["model"]: row["score"] for row in json.loads(out.read_text())["scores"]})
    normal, iron = scores
    assert iron["Q-Net"] > normal["Q-Net"] + 0.1
    assert iron["ResNetSWA mean P"] == normal["ResNetSWA mean P"]


def test_a_scan_like_those_of_training_is_not_called_unlike(usual):
    result, page = usual
    assert result["unlike_training"] == []
    assert "are like those of the training scans" in page


def test_another_field_strength_and_scale_are_both_told(odd):
    result, page = odd
    assert any("field strength" in sentence for sentence in result["unlike_training"])
    assert any("QSM" in sentence for sentence in result["unlike_training"])
    assert "Unlike the training scans" in page


def test_excess_iron_has_a_high_z_score(odd):
    z = {(row["map"], row["region"]): row for row in odd[0]["z_scores"]}
    assert z["chi_ppm", "putamen"]["z"] > 3
    assert abs(z["r2star_hz", "putamen"]["z"]) < 3


def test_an_unknown_age_is_told_and_a_known_one_used(usual, odd):
    assert all(row["adjusted"] for row in usual[0]["z_scores"])
    assert not any(row["adjusted"] for row in odd[0]["z_scores"])
    assert "not adjusted for age" in odd[1]


def test_the_page_stands_alone_and_says_what_it_is(usual):
    _, page = usual
    assert "Research use only" in page
    assert "MODEL TRAINED ON SYNTHETIC DATA" in page
    assert "says nothing about a real person" in page
    assert page.count("data:image/png;base64,") == 3
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_confound_of_the_training_is_what_the_page_says_first(usual):
    _, page = usual
    flag, other = f"Of the training study: {FLAG}", "trained on simulated subjects"
    assert page.index(flag) < page.index(other) < page.index("<h1>")


def test_every_scan_has_rows_in_the_table(usual, odd, tmp_path):
    paths = []
    for number, (result, _) in enumerate((usual, odd)):
        paths.append(str(tmp_path / f"{number}.json"))
        Path(paths[-1]).write_text(json.dumps(result | {"scan": f"sub-X{number}_ses-1"}))
    tables = str(tmp_path / "predictions.tsv"), str(tmp_path / "z.tsv")
    predictions_table.main(paths, *tables, model="RUN")
    table = pd.read_csv(tables[0], sep="\t", na_values=["n/a"])
    assert table[table["decides"]]["participant_id"].tolist() == ["sub-X0", "sub-X1"]
    assert table["age"].isna().tolist() == [False, False, True, True]
    assert (table.groupby("participant_id")["unlike_training"].first() > 0).tolist() == [False, True]
    assert set(pd.read_csv(tables[1], sep="\t")["region"]) == {"putamen", "caudate"}


def test_the_bundle_tells_its_weights_to_the_rules(bundle):
    files = weight_files(read_bundle(bundle), bundle)
    assert len(files) == 4
    assert all(Path(file).is_file() for file in files)


def test_no_subject_s_values_are_in_the_bundle(bundle):
    assert not any(subject in bundle.read_text() for subject in SUBJECTS)


def test_a_run_is_found_by_its_name_its_folder_and_its_path(bundle):
    results = bundle.parents[2]
    assert bundle_path("RUN", results) == bundle
    for place in (bundle, bundle.parent, bundle.parents[1]):
        assert bundle_path(str(place), "elsewhere") == bundle
    with pytest.raises(ValueError, match="found 'NONE'"):
        bundle_path("NONE", results)


def test_a_model_is_not_applied_to_the_run_that_trained_it(bundle):
    results = bundle.parents[2]
    assert same_dataset(read_bundle(bundle), bundle, "NEW", results / "NEW") == []
    assert len(same_dataset(read_bundle(bundle), bundle, "RUN", results / "RUN")) == 1


def test_the_same_preprocessing_is_accepted_whatever_else_differs(bundle):
    cfg = copy.deepcopy(config()) | {"dataset": "NEW", "bids_dir": "/data/new"}
    cfg["train_image_model"]["epochs"] = 99
    cfg["participants"]["group_column"] = "none"
    cfg["prepare_echoes"]["slice_chop"] = "always"
    cfg["field_mapping"]["bipolar"] = "never"
    assert differences(read_bundle(bundle), cfg) == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("brain_mask", "threshold", 0.35),
        ("dipole_inversion", "method", "tv"),
        ("slice_stack", "crop_fov_mm", 120.0),
        ("normalise", "method", "stretch"),
        ("normalise", "qsm_window_ppm", [-0.2, 0.4]),
    ],
)
def test_each_other_setting_is_named_with_both_values(bundle, section, key, value):
    cfg = copy.deepcopy(config())
    before, cfg[section][key] = cfg[section][key], value
    (problem,) = differences(read_bundle(bundle), cfg)
    assert f"{section}.{key}" in str(problem)
    assert json.dumps(before) in str(problem)
    assert json.dumps(value) in str(problem)


def test_a_model_that_reads_the_labels_refuses_those_of_another_method(bundle):
    """The head `nuclei` learns from means over labels; other networks do not see how these were made."""
    cfg = copy.deepcopy(config())
    cfg["locate_nuclei"]["method"] = "shapes"
    assert differences(read_bundle(bundle), cfg) == []
    cfg["train_scan_model"] = cfg["train_scan_model"] | {"head": "nuclei"}
    learnt = read_bundle(bundle) | {"preprocessing": json.loads(json.dumps(preprocessing(cfg)))}
    assert differences(learnt, cfg | {"train_scan_model": config()["train_scan_model"]}) == []
    (problem,) = differences(learnt, config())
    assert problem.file == "config, locate_nuclei.method" and '"shapes"' in problem.expected


def test_maps_of_the_other_arm_are_refused(bundle):
    named = {problem.file for problem in differences(read_bundle(bundle), arm(config() | {"pipeline": "consensus"}))}
    assert {"config, local_field.method", "config, dipole_inversion.method"} <= named


def test_a_key_that_the_model_does_not_know_is_a_difference(bundle):
    cfg = copy.deepcopy(config())
    cfg["slice_stack"]["new"] = 1
    assert "expected nothing" in str(differences(read_bundle(bundle), cfg)[0])


BUNDLE = {
    "threshold": 0.5,
    "classes": {"negative": "HC", "positive": "HH"},
    "uncertain_odds": 2.0,
    "bands": {"crop": {"Q-Net": [0.4, 0.6]}},
    "decision": {"input": "crop", "model": "Q-Net"},
}


def judged(scores, other=0.9):
    """Outcomes of one scan: Q-Net on the cropped input, and one score of another row."""
    rows = [{"input": "crop", "model": "Q-Net", "seed": 0, "fold": i, "score": s} for i, s in enumerate(scores)]
    rows.insert(0, {"input": "full", "model": "Q-Net", "seed": 0, "fold": 0, "score": other})
    return outcomes(pd.DataFrame(rows), BUNDLE)


def test_a_clear_case_that_all_agree_on_has_no_caution():
    table = judged([0.9, 0.95])
    assert table.iloc[0][["input", "decision", "uncertain"]].tolist() == ["crop", "HH", ""]
    assert cautions(table) == []


@pytest.mark.parametrize(
    ("scores", "words"),
    [([0.95, 0.3], "within one SD"), ([0.58, 0.58], "from 0.40 to 0.60"), ([0.42, 0.42], "from 0.40 to 0.60")],
)
def test_near_the_threshold_is_said_with_its_reason(scores, words):
    assert any(words in sentence for sentence in cautions(judged(scores)))


def test_networks_that_disagree_are_named():
    assert any("Q-Net on the full input" in sentence for sentence in cautions(judged([0.9, 0.95], other=0.1)))


def test_the_study_s_primary_row_decides_where_a_bundle_can_apply_it():
    pooled = {"input": "full", "model": "ResNetSWA mean P"}
    assert headline(pooled, ["full", "crop"]) == pooled
    baseline = {"input": "regions", "model": "ROI + age (LR)"}
    assert headline(baseline, ["full", "crop"]) == {"input": "crop", "model": "Q-Net"}


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("participant_id\tage\nsub-1\t61.5\n", 61.5),
        ("participant_id\tage\nsub-1\tn/a\n", None),
        ("participant_id\tage\nsub-1\t89+\n", None),
        ("participant_id\nsub-1\n", None),
        ("participant_id\tage\nsub-2\t61\n", None),
    ],
)
def test_ages_are_optional(tmp_path, text, age):
    path = tmp_path / "participants.tsv"
    path.write_text(text)
    assert age_of(path, "sub-1", "age") == age
    assert age_of(None, "sub-1", "age") is None


def test_two_ages_of_one_subject_are_refused(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\nsub-1\t61\nsub-1\t16\n")
    with pytest.raises(ValueError, match="one age of sub-1"):
        age_of(path, "sub-1", "age")
