"""The scripts of the learning side in a row: maps of a small cohort → predictions and a montage."""

from itertools import pairwise
from runpy import run_path

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml

from qnet.predictions import read_predictions

SHAPE, VOXEL = (32, 40, 10), (4.0, 4.0, 4.0)
SUBJECTS = [f"sub-{i:02d}" for i in range(1, 9)]


@pytest.fixture(scope="module")
def config(repository):
    """The shipped values, made small."""
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    config["slice_stack"] |= {"slices": 3, "image_size": 32}
    config["folds"] |= {"folds": 2}
    config["train_image_model"] |= {"epochs": 2, "batch_size": 5}
    config["train_scan_model"] |= {"epochs": 2, "hidden_size": 4}
    return config


@pytest.fixture(scope="module")
def results(repository, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")

    def run(script: str, **arguments) -> None:
        run_path(str(repository / "workflow" / "scripts" / f"{script}.py"))["main"](**arguments)

    rng = np.random.default_rng(0)
    stacks = []
    for participant in SUBJECTS:
        paths = {name: str(folder / f"{participant}_{name}.nii.gz") for name in ("chi", "r2star", "t1w", "box")}
        box = np.zeros(SHAPE, np.float32)
        box[10:20, 12:24, 2:8] = 1
        for name, path in paths.items():
            data = box if name == "box" else 1 + rng.random(SHAPE, dtype=np.float32)
            nibabel.save(nibabel.Nifti1Image(data, np.diag([*VOXEL, 1])), path)
        stacks.append(str(folder / f"{participant}_stack.npz"))
        run("slice_stack", **paths, stack=stacks[-1], cfg=config["slice_stack"])

    participants, folds = str(folder / "participants.tsv"), str(folder / "folds.tsv")
    columns = {"participant_id": [*SUBJECTS, "sub-99"], "age": [30, 40, 50, 60, 70, 35, 45, 55, "n/a"]}
    columns |= {"sex": [*"FMFMFMFM", "F"], "group": ["HH", "HC"] * 4 + ["PD"]}
    pd.DataFrame(columns).to_csv(participants, sep="\t", index=False)
    cfg = {"folds": config["folds"], "participants": config["participants"], "subjects": SUBJECTS}
    run("folds", participants=participants, folds=folds, cfg=cfg)

    predictions, swa = [], []
    for fold in "01":
        names = ("weights", "swa_weights", "embeddings", "scan_weights", "log", "scan_log", "predictions")
        f = {name: str(folder / f"fold-{fold}_{name}") for name in names}
        where = {"fold": fold, "seed": "3", "threads": 1}
        trained = {name: f[name] for name in ("weights", "swa_weights", "log")}
        cfg = config["train_image_model"]
        run("train_image_model", folds=folds, stacks=stacks, **trained, **where, input_name="crop", cfg=cfg)
        embedding = {"swa_weights": f["swa_weights"], "embeddings": f["embeddings"]}
        run("embed_slices", stacks=stacks, **embedding, input_name="crop", threads=1)
        trained = {"embeddings": f["embeddings"], "weights": f["scan_weights"], "log": f["scan_log"]}
        run("train_scan_model", folds=folds, **trained, **where, cfg=config["train_scan_model"])
        del f["log"], f["scan_log"]
        run("predict_fold", folds=folds, stacks=stacks, **f, **where, input_name="crop")
        predictions.append(f["predictions"])
        swa.append(f["swa_weights"])
    shown = {"figure": str(folder / "cam.png"), "input_name": "crop", "cfg": {"synthetic": True}, "threads": 1}
    run("class_activation", folds=folds, stacks=stacks, swa_weights=swa, **shown)
    return folder, read_predictions(*predictions)


def test_every_held_out_slice_and_scan_has_a_score_of_each_model(results):
    _, table = results
    for model in ("ResNet", "ResNetSWA", "Q-Net"):
        own = table[table["model"] == model]
        assert (own["level"] == "image").sum() == 3 * len(SUBJECTS)
        assert sorted(own.loc[own["level"] == "scan", "participant_id"]) == SUBJECTS
    assert table["score"].between(0, 1).all()


def test_predictions_carry_their_run(results):
    _, table = results
    assert set(table["input"]) == {"crop"}
    assert set(table["seed"].astype(int)) == {3}
    truth = dict(zip(SUBJECTS, [1, 0] * 4, strict=True))
    assert (table["label"] == table["participant_id"].map(truth)).all()


def test_slices_of_a_scan_ascend(results):
    _, table = results
    for _, own in table[table["level"] == "image"].groupby(["participant_id", "model"]):
        assert all(a < b for a, b in pairwise(own["slice"].astype(int)))


def test_montage_is_written(results):
    assert (results[0] / "cam.png").stat().st_size > 10_000


def test_no_temporary_file_is_left(results):
    assert not [path for path in results[0].iterdir() if ".part" in path.name]
