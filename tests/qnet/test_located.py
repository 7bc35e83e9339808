"""What the head `nuclei` reads of the located nuclei: names, sites, maps that are not used."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from qnet.networks.heads.models import read_scan_model
from qnet.networks.located import beside, located, read_means, regions_of
from qnet.networks.predict import scan_scores
from qnet.networks.weights import write_weights
from workflow.lib.jobs.given import Fold
from workflow.scripts import train_scan_model

STAGE = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())["train_scan_model"]
ABOUT = {"normalise": {"channels": ["QSM", "R2star", "T1w"]}}
MEANS = {"chi_ppm": {"putamen": 0.05, "own": 0.1, "white_matter": -0.02}, "r2star_hz": {"putamen": 30.0}}
REGIONS = [["chi_ppm", "putamen"], ["chi_ppm", "own"], ["r2star_hz", "putamen"]]


def test_every_nucleus_that_any_scan_has_is_read_and_those_that_a_scan_lacks_are_missing():
    other = {"chi_ppm": {"putamen": 0.04}, "r2star_hz": {"putamen": 28.0}}
    assert regions_of([other, MEANS]) == REGIONS
    assert located(other, REGIONS, ABOUT) == pytest.approx(np.array([0.04, np.nan, 28.0]), nan_ok=True)


def test_means_are_read_through_the_window_of_the_site():
    """v' = (v - shift) / scale, of a subject of the study and of a new one of a known site."""
    line = [0.01, 2.0, 10.0, 0.5]
    about = ABOUT | {"windows": {"sub-01": line}, "site_windows": {"east": line}}
    for who in ({"participant": "sub-01"}, {"site": "east"}):
        assert located(MEANS, REGIONS, about, **who) == pytest.approx([0.02, 0.045, 40.0])
    with pytest.raises(ValueError, match="harmonised windows: expected one of east, found west"):
        located(MEANS, REGIONS, about, site="west")


def test_a_map_that_the_networks_may_not_use_is_missing():
    found = located(MEANS, REGIONS, {"normalise": {"channels": ["R2star"]}})
    assert np.isnan(found).tolist() == [True, True, False]


def test_numbers_of_a_scan_stand_behind_each_slice_and_version():
    found = beside(np.zeros((2, 5, 8), np.float32), np.array([1.0, np.nan, 3.0]))
    assert found.shape == (2, 5, 11) and found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 8:], np.broadcast_to(np.float32([1, np.nan, 3]), (2, 5, 3)))


def test_both_sides_of_a_nucleus_are_one_mean(tmp_path):
    rows = {"name": ["putamen", "putamen"], "voxels": [30, 10], "chi_ppm_mean": [0.1, 0.2], "r2star_hz_mean": [20, 40]}
    path = tmp_path / "sub-01_ses-1_desc-nuclei_stats.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    means = read_means([str(path)])["sub-01"]
    assert located(means, regions_of([means]), ABOUT) == pytest.approx([0.125, 25.0])


def test_stage_2_learns_from_located_nuclei_and_writes_which(tmp_path):
    """Embeddings tell nothing; the means over one nucleus tell the groups apart, and a file has what judging needs."""
    rng, names = np.random.default_rng(0), [f"sub-{i:02d}" for i in range(24)]
    labels, files = np.arange(24) % 2, {name: str(tmp_path / f"{name}.safetensors") for name in ("encoder", "swa")}
    write_weights(files["swa"], torch.nn.Linear(1, 1), ABOUT)
    layer = torch.nn.ModuleDict({"resnet": torch.nn.ModuleDict({"fc": torch.nn.Linear(6, 4)})})
    write_weights(files["encoder"], layer, {"targets": ["putamen_chi_ppb", "putamen_r2star_hz", "age"]})
    embedded = rng.normal(size=(24, 2, 6)).astype(np.float32)
    save_file({f"training/{name}": one[None] for name, one in zip(names, embedded, strict=True)}, tmp_path / "e")
    table = {"participant_id": names, "label": labels, "group": np.where(labels, "HH", "HC"), "age": 50, "sex": "F"}
    pd.DataFrame(table | {"fold": 1}).to_csv(tmp_path / "folds.tsv", sep="\t", index=False)
    stats = []
    for name, label in zip(names, labels, strict=True):
        row = {"name": ["putamen"], "voxels": 9, "chi_ppm_mean": 0.05 + 0.05 * label + rng.normal(0, 0.005)}
        stats.append(str(tmp_path / f"{name}_stats.tsv"))
        pd.DataFrame(row | {"r2star_hz_mean": 25 + rng.normal()}).to_csv(stats[-1], sep="\t", index=False)
    stage = {**STAGE, "head": "nuclei", "epochs": 60, "learning_rate": 0.02, "weight_decay": 0.2}
    weights = str(tmp_path / "scan_model.safetensors")
    train_scan_model.main(
        str(tmp_path / "folds.tsv"), str(tmp_path / "e"), weights, str(tmp_path / "log"), Fold(
            input_name="crop", seed=0, number=0, threads=1), cfg={"training": stage, "labels": "true"},
        encoder=files["encoder"], stats=stats, swa_weights=files["swa"],
    )  # fmt: skip
    model, about = read_scan_model(weights)
    assert about["regions"] == [["chi_ppm", "putamen"], ["r2star_hz", "putamen"]]
    scores = [scan_scores(model, beside(embedded[0], np.array([chi, 25.0])), 50.0)[1] for chi in (0.05, 0.1, np.nan)]
    assert scores[0] < 0.3 and scores[1] > 0.7 and scores[0] < scores[2] < scores[1]
