"""A trained run on labelled subjects that it has not seen: what the page says, and what is refused before it."""

import copy
import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from qnet.application.bundle import read_bundle
from qnet.evaluation.manifest import VALIDATE, figures_of, tables_of, tables_shown_in
from recon.intake.scan import Image, Scan, Series
from tests.workflow.small_run import CONFIG, config, train_small_run
from workflow.lib.report import validation
from workflow.lib.study.applied import seen, swapped
from workflow.lib.study.enrolment import enrol
from workflow.lib.study.study import dealing
from workflow.scripts import checklist, external_validation

SUBJECTS, SITE_COLUMN = 60, "centre"
FLAG = "The site alone predicts the group of unseen subjects (AUC 0.90)."
PARTICIPANTS = CONFIG["participants"] | {"site_column": SITE_COLUMN}
CFG = config() | {"evaluate": CONFIG["evaluate"], "participants": PARTICIPANTS}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """Path of the bundle of a small run."""
    return train_small_run(tmp_path_factory.mktemp("results") / "RUN", flag=FLAG)


def write_study(folder: Path, shift: float = 0.0, odd: int = 0) -> dict[str, object]:
    """Results of 60 subjects at two sites, their warnings and participants.tsv: what the script reads.

    Parameters
    ----------
    folder : to write into
    shift : of the logit of every score
    odd : number of scans at another field strength
    """
    generator, people, files = np.random.default_rng(0), [], {"results": [], "warnings": []}
    for index in range(SUBJECTS):
        name, label = f"sub-{index:02d}", index % 2
        x = 1.5 * (2 * label - 1) + generator.normal(0, 1.7) + shift
        outcomes = [
            {"input": "crop", "model": model, "probability": float(expit(x)), "decides": model == "Q-Net",
             "decision": "HH" if x > 0 else "HC", "threshold": 0.5}
            for model in ("Q-Net", "ResNetSWA mean P")
        ]  # fmt: skip
        unlike = ["field strength [T]: 7 in this scan, 3 in training."] if index < odd else []
        result = {"scan": f"{name}_ses-1", "outcomes": outcomes, "unlike_training": unlike}
        for kind, content in (("results", result), ("warnings", {"scan": f"{name}_ses-1", "warnings": []})):
            files[kind].append(str(folder / f"{name}_{kind}.json"))
            Path(files[kind][-1]).write_text(json.dumps(content))
        people.append(
            [name, 30 + index % 40, "FM"[index // 2 % 2], "HH" if label else "HC", "<b>A" if index < 30 else "B"]
        )
    table = pd.DataFrame(people, columns=["participant_id", "age", "sex", "group", SITE_COLUMN])
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    return files | {"participants": str(folder / "participants.tsv")}


def validate(folder: Path, bundle: Path, **study) -> tuple[str, dict[str, pd.DataFrame]]:
    """The page and the tables of a validation."""
    outputs = {name: str(folder / f"{name}.tsv") for name in tables_of(VALIDATE)}
    outputs |= {name: str(folder / f"{name}.png") for name in figures_of(VALIDATE)}
    files = {
        "bundle": str(bundle),
        "predictions": str(folder / "validation_scores.tsv"),
        "page": str(folder / "page.html"),
    }
    external_validation.main(
        **write_study(folder, **study), **files, **outputs, cfg=CFG, synthetic=False, dataset="new"
    )
    tables = {name: pd.read_csv(outputs[name], sep="\t", na_values=["n/a"]) for name in tables_of(VALIDATE)}
    return (folder / "page.html").read_text(), tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where `shifted` writes."""
    return tmp_path_factory.mktemp("shifted")


@pytest.fixture(scope="module")
def shifted(bundle, folder):
    return validate(folder, bundle, shift=1.5, odd=4)


@pytest.fixture(scope="module")
def items(shifted, bundle, folder) -> pd.Series:
    """What the checklists answer of that validation, by guideline and item."""
    files = {"bundle": str(bundle), "predictions": str(folder / "validation_scores.tsv")}
    files |= {"participants": str(folder / "participants.tsv"), "table": str(folder / "validation_checklist.tsv")}
    tables = [str(folder / f"{name}.tsv") for name in tables_shown_in("validation")]
    checklist.main(
        tables,
        **files,
        page=str(folder / "checklist.html"),
        cfg=CFG,
        synthetic=False,
        flow=None,
        versions={"torch": "2"},
    )
    table = pd.read_csv(files["table"], sep="\t", keep_default_na=False)
    assert len(table) == 52 + 44 + 34 and ((table["run"] != "") | (table["authors"] != "")).all()
    return table.set_index(["guideline", "item"])["run"]


def test_the_checklists_answer_of_the_validation_and_not_of_the_training(items, folder):
    assert items["TRIPOD+AI", "1"].startswith("This run tests a model that tells HH from HC")
    assert "5 HC, 5 HH; run RUN" in items["TRIPOD+AI", "5a"] and "30 HC, 30 HH" in items["TRIPOD+AI", "21"]
    assert items["TRIPOD+AI", "12d"].startswith("2 sites (30 <b>A, 30 B). AUC and calibration within each site")
    assert items["TRIPOD+AI", "16"].startswith("4 of 60 scans are unlike those of the training")
    assert "calibration in the large −1." in items["TRIPOD+AI", "23a"]
    assert "Mean AUC over sites: Q-Net (crop) 0." in items["TRIPOD+AI", "23b"]
    assert items["TRIPOD+AI", "24"].startswith("Supported: intercept")
    assert "over the 2 pairs of networks" in items["CLAIM 2024", "27"]
    assert all(items["PROBAST+AI", f"D4.{i}"] == "Of the development: checklist.html of run RUN." for i in range(1, 6))
    assert items["PROBAST+AI", "E4.1"].startswith("Yes: other people") and items["PROBAST+AI", "E3.2"] == ""
    assert not items.str.contains("test fold|training fold|McNemar|baselines").any()
    page = (folder / "checklist.html").read_text()
    assert 'href="validation.html"' in page and "tables/validation_checklist.tsv" in page and "<b>A" not in page


def test_the_page_says_first_what_is_wrong(shifted):
    page, _ = shifted
    first = page[: page.index("<h1>")]
    assert first.index(f"Of the training study: {FLAG}") < first.index("HH is predicted too often")
    assert "4 of 60 scans are unlike those of the training: field strength [T] (4)" in first
    assert "at least 100 are advised" in first
    assert "The networks were trained on simulated subjects" in first


def test_good_scores_are_not_warned_of(bundle, tmp_path):
    page, _ = validate(tmp_path, bundle)
    first = page[: page.index("<h1>")]
    assert not any(words in first for words in ("too often", "too rarely", "too extreme", "unlike", "not shown"))


def test_the_page_stands_alone(shifted):
    page, _ = shifted
    assert "Research use only" in page and "MODEL TRAINED ON SYNTHETIC DATA" in page
    assert page.count("data:image/png;base64,") == len(figures_of(VALIDATE))
    assert "<script" not in page and "site <b>A" not in page and "site &lt;b&gt;A" in page
    assert "http" not in page.replace("http-equiv", "")


def test_sites_are_read_from_the_column_that_the_configuration_names(shifted):
    page, tables = shifted
    sizes = tables["validation_strata"].query("model == 'Q-Net'").set_index("stratum")["subjects"]
    assert sizes[["site <b>A", "site B"]].tolist() == [30, 30]
    assert page.count("<td>B</td>") == 30  # lines of the subjects
    over = tables["validation_sites"].query("model == 'Q-Net'").set_index("measure")
    assert (over["sites"] == 2).all() and over.loc["calibration in the large", "value"] < -1  # the shift
    assert "How much does it differ from site to site?" in page


def test_the_case_mix_tells_the_sites_of_here_and_that_the_training_knew_none(shifted):
    page, _ = shifted
    mix = page[page.index("Does it carry over?") : page.index("Case mix.")]
    assert "<th>Site</th>" in mix
    here, there = (mix.split(f"<td>{where}</td>")[1].split("</tr>")[0] for where in ("here", "training"))
    assert "15 &lt;b&gt;A, 15 B" in here and here.count("<td>") == 3
    assert there.endswith("<td>—</td>")


def test_every_model_of_the_bundle_is_in_every_table_and_the_deciding_one_first(shifted):
    for name, table in shifted[1].items():
        assert table["model"].unique().tolist() == ["Q-Net", "ResNetSWA mean P"], name


def test_the_auc_is_compared_with_that_of_the_training_where_that_is_known(shifted):
    table = shifted[1]["validation"].set_index("model")
    assert table.loc["Q-Net", "auc_trained"] == 0.84
    assert np.isnan(table.loc["ResNetSWA mean P", "auc_trained"])


def test_the_update_takes_the_shift_back(shifted):
    table = shifted[1]["validation_updates"].query("model == 'Q-Net'").set_index("update")
    assert table.loc["intercept", "intercept_low"] < -1.5 < table.loc["intercept", "intercept_high"]
    assert table.loc["none", "supported"] != "yes"
    assert table.loc["intercept", "brier"] < table.loc["none", "brier"]


def test_other_names_of_the_groups_are_told():
    classes = {"negative": "HC", "positive": "HH"}
    assert validation.other_names(classes, classes) == ""
    assert "C282Y stands for HH" in validation.other_names(classes, classes | {"positive": "C282Y"})


# refused before any job


def test_groups_the_wrong_way_round_are_refused(bundle):
    cfg = copy.deepcopy(config())
    assert swapped(read_bundle(bundle), cfg) == []
    cfg["participants"] |= {"positive_label": "HC", "negative_label": "HH"}
    (problem,) = swapped(read_bundle(bundle), cfg)
    assert "HH (negative: HC)" in str(problem) and "found HC (negative: HH)" in str(problem)


def scan_of(path: Path, content: bytes) -> Scan:
    """A scan whose first image holds these bytes."""
    path.write_bytes(content)
    image = (Image(str(path)),)
    series = Series(parts=("mag", "phase"), images=(image, image), te_s=(0.01,), facts=({},), sidecars=())
    return Scan(name=path.name, series=series)


@pytest.fixture
def run_json(bundle, tmp_path):
    """A copy of the bundle beside a run.json, which the function writes."""
    copied = tmp_path / "RUN/qnet/model.json"
    copied.parent.mkdir(parents=True)
    copied.write_text(bundle.read_text())

    def write(inputs: dict[str, str], **changes: object) -> Path:
        record = {"inputs": inputs, "config": config() | changes}
        (tmp_path / "RUN/run.json").write_text(json.dumps(record))
        return copied

    return write


OWN = {"bids_dir": "/data/other", "dicom_dir": None}


def test_subjects_of_the_training_are_refused_whatever_they_are_called(run_json, tmp_path):
    path = run_json({"bids:raw:sub-07/anat/x.nii.gz": sha256(b"seen").hexdigest()})
    (problem,) = seen(path, config() | OWN, [scan_of(tmp_path / "sub-a", b"seen"), scan_of(tmp_path / "sub-b", b"new")])
    assert "has not seen" in str(problem) and "sub-07/anat/x.nii.gz" in str(problem)


def test_a_simulated_cohort_of_the_same_seed_is_refused(run_json):
    path = run_json({}, bids_dir=None, dicom_dir=None)
    cfg = copy.deepcopy(config()) | {"bids_dir": None, "dicom_dir": None}
    (problem,) = seen(path, cfg, [])
    assert "simulate.seed" in str(problem)
    cfg["simulate"]["seed"] += 1
    assert seen(path, cfg, []) == []


def test_without_the_record_of_the_training_nothing_is_known(bundle, tmp_path):
    assert seen(bundle, config() | OWN, [scan_of(tmp_path / "sub-a", b"seen")]) == []


def test_both_groups_are_needed_but_no_folds(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\tsex\tgroup\nsub-1\t50\tF\tHH\nsub-2\t60\tM\tHC\n")
    settings = config()["participants"]
    assert enrol(path, ["sub-1", "sub-2"], settings, folds=1).problems == {}
    path.write_text("participant_id\tage\tsex\tgroup\nsub-1\t50\tF\tHH\n")
    (problem,) = enrol(path, ["sub-1"], settings, folds=1).problems[""]
    assert "at least 1 usable subjects in each group, found HC (0), HH (1)" in str(problem)


@pytest.mark.parametrize("scheme", ["leave_one_site_out", "grouped"])
def test_a_trained_run_deals_no_folds_whatever_the_scheme(tmp_path, scheme):
    path = tmp_path / "participants.tsv"  # two subjects, no site and no family
    path.write_text("participant_id\tage\tsex\tgroup\nsub-1\t50\tF\tHH\nsub-2\t60\tM\tHC\n")
    cfg = config() | {"folds": CONFIG["folds"] | {"scheme": scheme, "folds": 2}}
    found = [
        enrol(path, ["sub-1", "sub-2"], cfg["participants"], **dealing(cfg | {"model": model}))
        for model in ("mystudy", None)
    ]
    assert found[0].problems == {} and f"as folds.scheme is {scheme}" in str(found[1].problems[""][0])
