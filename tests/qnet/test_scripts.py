"""The scripts of the learning side in a row: maps of a small cohort → predictions and figures."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from runpy import run_path

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from qnet.folds import read_folds, training_labels
from qnet.predictions import read_predictions
from workflow.lib.jobs.given import Fold

SHAPE, VOXEL = (32, 40, 10), (4.0, 4.0, 4.0)
SUBJECTS = [f"sub-{i:02d}" for i in range(1, 9)]
INNER = "01"
FEATURES = {"0": "out_of_fold", "1": "augmented"}  # a way for each fold
HEADS = {"0": "attention", "1": "concat"}
FILES = dict.fromkeys(["weights", "swa_weights", "embeddings", "scan_weights"], ".safetensors")
FILES |= dict.fromkeys(["log", "scan_log"], ".jsonl") | dict.fromkeys(["predictions", "slice_weights"], ".tsv")


@pytest.fixture(scope="module")
def config(repository):
    """The shipped values, made small."""
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    config["slice_stack"] |= {"slices": 3, "image_size": 32}
    config["folds"] |= {"folds": 2}
    config["train_image_model"] |= {"epochs": 2, "batch_size": 5}
    config["train_scan_model"] |= {"epochs": 2, "hidden_size": 4, "inner_folds": 2, "copies": 3}
    return config


@pytest.fixture(scope="module")
def run(repository):
    def run(script: str, **arguments) -> None:
        run_path(str(repository / "workflow" / "scripts" / f"{script}.py"))["main"](**arguments)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def stacks(config, run, folder):
    rng = np.random.default_rng(0)
    part = np.zeros(SHAPE, np.float32)
    part[10:20, 12:24, 2:8] = 1
    made = []
    for participant in SUBJECTS:
        images = {name: 1 + rng.random(SHAPE, dtype=np.float32) for name in ("chi", "r2star", "t1w")}
        images |= dict.fromkeys(("box", "nuclei", "mask"), part)
        images["magnitude"] = rng.random((*SHAPE, 2), dtype=np.float32)
        paths = {name: str(folder / f"{participant}_{name}.nii.gz") for name in images}
        for name, path in paths.items():
            nibabel.save(nibabel.Nifti1Image(images[name], np.diag([*VOXEL, 1])), path)
        registration = {"Registration": {"SubjectToMNI": np.eye(4).tolist()}}
        (folder / f"{participant}_nuclei.json").write_text(json.dumps(registration))
        made.append(str(folder / f"{participant}_stack.npz"))
        run("slice_stack", **paths, stack=made[-1], cfg=config["slice_stack"])
    return made


@pytest.fixture(scope="module")
def folds(config, run, folder):
    participants, folds = str(folder / "participants.tsv"), str(folder / "folds.tsv")
    columns = {"participant_id": [*SUBJECTS, "sub-99"], "age": [30, 40, 50, 60, 70, 35, 45, 55, "n/a"]}
    columns |= {"sex": [*"FMFMFMFM", "F"], "group": ["HH", "HC"] * 4 + ["PD"]}
    pd.DataFrame(columns).to_csv(participants, sep="\t", index=False)
    cfg = {"folds": config["folds"], "participants": config["participants"], "subjects": SUBJECTS}
    run("folds", participants=participants, folds=folds, cfg=cfg)
    return folds


@pytest.fixture(scope="module")
def trained(config, run, folder, stacks, folds):
    """All files of both folds, {fold: {name: path}}."""
    files = {}
    for fold in "01":
        f = files[fold] = {name: str(folder / f"fold-{fold}_{name}{suffix}") for name, suffix in FILES.items()}
        inner = [str(folder / f"fold-{fold}_inner-{j}_swa.safetensors") for j in INNER]
        this = Fold(input_name="crop", seed=3, number=int(fold), threads=1)
        where = {"folds": folds, "fold": this}
        here = {**where, "stacks": stacks}
        scan = {**config["train_scan_model"], "features": FEATURES[fold], "head": HEADS[fold]}

        cfg = {"training": config["train_image_model"], "normalise": config["normalise"]}
        cfg |= {"labels": "true", "inner_folds": scan["inner_folds"]}
        outputs = {name: f[name] for name in ("weights", "swa_weights", "log")}
        run("train_image_model", **here, **outputs, cfg=cfg)
        if FEATURES[fold] == "out_of_fold":
            for j, path in zip(INNER, inner, strict=True):
                outputs = {"weights": path.replace("_swa", ""), "swa_weights": path, "log": f"{path}.log"}
                run("train_image_model", **here | {"fold": replace(this, inner=int(j))}, **outputs, cfg=cfg)
        weights = {"swa_weights": f["swa_weights"], "inner_weights": inner if FEATURES[fold] == "out_of_fold" else []}
        run("embed_slices", **here, **weights, embeddings=f["embeddings"], cfg=scan)
        outputs = {"weights": f["scan_weights"], "log": f["scan_log"]}
        cfg = {"training": scan, "labels": "true"}
        run("train_scan_model", **where, embeddings=f["embeddings"], **outputs, cfg=cfg)
        asked = {name: path for name, path in f.items() if not name.endswith("log")}
        run("predict_fold", **here, **asked)
    return files


@pytest.fixture(scope="module")
def table(trained):
    return read_predictions(*(f["predictions"] for f in trained.values()))


def test_every_held_out_slice_and_scan_has_a_score_of_each_model(table):
    for model in ("ResNet", "ResNetSWA", "Q-Net"):
        own = table[table["model"] == model]
        assert (own["level"] == "image").sum() == 3 * len(SUBJECTS)
        assert sorted(own.loc[own["level"] == "scan", "participant_id"]) == SUBJECTS
    for model in ("ResNet mean P", "ResNetSWA mean P"):
        own = table[table["model"] == model]
        assert (own["level"] == "scan").all()
        assert sorted(own["participant_id"]) == SUBJECTS
    assert table["score"].between(0, 1).all()


def test_predictions_carry_their_run(table):
    assert set(table["input"]) == {"crop"}
    assert set(table["seed"].astype(int)) == {3}
    truth = dict(zip(SUBJECTS, [1, 0] * 4, strict=True))
    assert (table["label"] == table["participant_id"].map(truth)).all()


def test_slices_of_a_scan_ascend(table):
    for _, own in table[table["level"] == "image"].groupby(["participant_id", "model"]):
        assert all(a < b for a, b in pairwise(own["slice"].astype(int)))


def test_stage_2_has_the_asked_versions_of_the_training_subjects_only(trained, folds):
    for fold, versions in {"0": 1, "1": 3}.items():
        features = load_file(trained[fold]["embeddings"])
        training = training_labels(read_folds(folds), int(fold))
        assert sorted(features) == sorted([*SUBJECTS, *(f"training/{name}" for name in training)])
        assert {features[f"training/{name}"].shape for name in training} == {(versions, 3, 512)}


def test_every_held_out_scan_has_weights_of_its_slices(trained, table):
    weights = pd.concat([pd.read_csv(f["slice_weights"], sep="\t") for f in trained.values()])
    assert weights.columns.tolist() == ["participant_id", "slice", "weight"]
    sums = weights.groupby("participant_id")["weight"].sum()
    assert sorted(sums.index) == SUBJECTS
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    scored = table[(table["model"] == "Q-Net") & (table["level"] == "image")]
    assert set(zip(weights["participant_id"], weights["slice"], strict=True)) == set(
        zip(scored["participant_id"], scored["slice"].astype(int), strict=True)
    )


def test_figures_are_written(run, folder, stacks, folds, trained):
    f = [*trained.values()]
    shown = {"folds": folds, "stacks": stacks, "input_name": "crop", "cfg": {"synthetic": True, "bootstrap": 10}}
    outputs = {name: str(folder / f"cam_{name}.png") for name in ("figure", "template")}
    outputs["table"] = str(folder / "cam.tsv")
    regions = {
        name: [stack.replace("stack.npz", f"{image}.nii.gz") for stack in stacks]
        for name, image in {"nuclei": "nuclei", "masks": "mask"}.items()
    }
    outputs["overlays"] = [stack.replace("stack.npz", "overlay.js") for stack in stacks]
    run("class_activation", **shown, **regions, swa_weights=[x["swa_weights"] for x in f], **outputs, threads=1)
    assert all(Path(path).read_text().startswith("showOverlay(") for path in outputs["overlays"])
    outputs = {"figure": str(folder / "importance.png"), "table": str(folder / "importance.tsv")}
    run("slice_importance", **shown, slice_weights=[x["slice_weights"] for x in f], **outputs)
    assert all(path.stat().st_size > 10_000 for path in folder.glob("*.png"))
    assert len([*folder.glob("*.png")]) == 3


def test_no_temporary_file_is_left(folder, trained):
    assert not [path for path in folder.iterdir() if ".part" in path.name or "checkpoint" in path.name]
