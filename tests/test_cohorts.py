"""Benchmarks of whole cohorts call the workflow's scripts as these are today."""

import inspect
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from benchmarks import cohorts, learning
from benchmarks.cohorts import settings
from recon.files.io import read_volume
from tests.recon.test_sites import ROOT, of_each_site


def test_a_subject_of_a_site_becomes_maps_and_nuclei(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it changes the working folder
    coarse = ["simulate.voxel_size_mm=[3, 3, 3]", "simulate.te_s=[0.005, 0.015, 0.025]"]
    config = settings([str(ROOT / "config/sites.yaml"), *coarse])
    for site in config["simulate"]["sites"].values():
        site |= {"voxel_size_mm": [3, 3, 3], "te_s": [0.004, 0.012, 0.020]}
    label = of_each_site(config["simulate"])["south"]
    assert cohorts.subject(label, config, ["paper"], tmp_path) > 0
    found = {path.name for path in (tmp_path / "paper").iterdir()}
    assert found == {f"sub-{label}_{kept}" for kept in cohorts.KEPT}
    assert np.ptp(read_volume(tmp_path / f"paper/sub-{label}_chi.nii.gz").data) > 0.1
    assert cohorts.subject(label, config, ["paper"], tmp_path) == 0  # what is there is kept


@pytest.mark.parametrize("features", ["in_sample", "out_of_fold"])
def test_learning_gives_every_script_what_it_takes(features, tmp_path, monkeypatch):
    called = []

    def script(name: str):
        takes = inspect.signature(import_module(f"workflow.scripts.{name}").main)
        return lambda *args, **kwargs: called.append((name, takes.bind(*args, **kwargs)))

    monkeypatch.setattr(learning, "script", script)
    monkeypatch.setattr(learning, "ProcessPoolExecutor", HereAndNow)
    monkeypatch.setattr(learning, "look", lambda *_, **__: None)
    people = pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "group": ["HH", "HC"]})
    people.to_csv(tmp_path / "participants.tsv", sep="\t", index=False)
    config = settings(["harmonisation=combat", f"train_scan_model.features={features}"])
    learning.study(tmp_path, "paper", config, tmp_path / "out", jobs=1)
    assert {name for name, _ in called} == {
        "folds", "train_image_model", "embed_slices", "train_scan_model", "predict_fold", "baselines", "evaluate",
    }  # fmt: skip


class HereAndNow:
    """A pool of no process."""

    map = staticmethod(map)

    def __init__(self, _: int) -> None: ...

    def __enter__(self) -> "HereAndNow":
        return self

    def __exit__(self, *_: object) -> None: ...
