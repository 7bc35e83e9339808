"""Harmonisation over sites from files to fitted models: what held-out subjects have moves nothing that was fitted.

With estimates that see everybody, the same comparisons find the leak.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from qnet import harmonise
from qnet.baselines import classifiers, models
from qnet.images.data import write_stack
from qnet.networks.weights import read_weights, write_weights
from workflow.lib.jobs.given import Fold
from workflow.scripts import baselines, train_image_model, train_scan_model

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
NUCLEI = {"caudate": 0.05, "putamen": 0.07, "pallidum": 0.13, "thalamus": 0.015}  # mean χ [ppm]
SUBJECTS, SIZE, SLICES, HELD_OUT = 24, 36, 2, 0
FOLD = Fold(input_name="crop", seed=0, number=HELD_OUT, threads=1)
UNSEEN = {"stratified": "refuse", "leave_one_site_out": "controls"}  # scheme of the folds → combat.unseen_site
LINES = {"A": (0.0, 1.0), "B": (0.01, 0.5), "C": (-0.01, 0.8)}  # site → shift [ppm] and scale of its maps
CHOICES = {
    "inverse_regularisation": [0.1], "feature_counts": [2], "inner_folds": 2, "components": 2, "permutations": 1,
    "seed": 0,
}  # fmt: skip


class Study:
    """Files of 24 subjects at three sites; another `seed` gives those who are held out other ages and images."""

    def __init__(self, folder: Path, scheme: str, seed: int) -> None:
        self.folder, index = folder, np.arange(SUBJECTS)
        folder.mkdir()
        table = pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in index], "label": index % 2})
        table["group"], table["sex"] = np.where(index % 2, "HH", "HC"), np.where(index // 3 % 2, "F", "M")
        table["site"] = np.array([*LINES])[index // 2 % 3]
        elsewhere = table["site"] != "C" if scheme == "leave_one_site_out" else index // 6 % 2 == 1
        table["fold"] = np.where(elsewhere, 1, HELD_OUT)
        self.names, self.training = [*table["participant_id"]], table.loc[elsewhere, "participant_id"].tolist()
        self.combat = {"reference_site": None, "unseen_site": UNSEEN[scheme]}
        drawn = [np.random.default_rng((i, 0 if seen else seed)) for i, seen in zip(index, elsewhere, strict=True)]
        table["age"] = [rng.uniform(25, 75) for rng in drawn]
        self.folds, self.embeddings = self.path("folds.tsv"), self.path("embeddings.safetensors")
        table.to_csv(self.folds, sep="\t", index=False)
        for row, rng in zip(table.itertuples(), drawn, strict=True):
            shift, scale = LINES[row.site]
            chi = {
                name: shift + scale * (mean + 0.02 * row.label + rng.normal(0, 0.01)) for name, mean in NUCLEI.items()
            }
            self._write_tables(row.participant_id, chi, rng)
            self._write_stack(row.participant_id, chi["putamen"], rng)
        features = {name: rng.normal(size=(1, SLICES, 6)) for name, rng in zip(self.names, drawn, strict=True)}
        features |= {f"training/{name}": features[name] for name in self.training}
        save_file({name: value.astype(np.float32) for name, value in features.items()}, self.embeddings)

    def _write_tables(self, name: str, chi: dict[str, float], rng: np.random.Generator) -> None:
        """Features and statistics of the nuclei; R2* [1/s] follows χ."""
        features = [
            (f"{key}_{kind}_{region}", key, kind, region, "both", "", unit * (value + rng.normal(0, 0.002)))
            for key, unit in (("chi", 1), ("r2star", 200)) for kind in ("mean", "sd") for region, value in chi.items()
        ]  # fmt: skip
        columns = ["name", "map", "kind", "region", "side", "unit", "value"]
        pd.DataFrame(features, columns=columns).to_csv(self.path(f"{name}_features.tsv"), sep="\t", index=False)
        stats = pd.DataFrame({"name": [*chi], "voxels": 9, "chi_ppm_mean": [*chi.values()]})
        stats["r2star_hz_mean"] = 200 * stats["chi_ppm_mean"]
        stats.to_csv(self.path(f"{name}_stats.tsv"), sep="\t", index=False)

    def _write_stack(self, name: str, chi: float, rng: np.random.Generator) -> None:
        images = rng.normal([chi, 200 * chi, 500], [0.02, 4, 50], (SLICES, SIZE, SIZE, 3)).transpose(0, 3, 1, 2)
        stack = {"crop": images.astype(np.float32), "background": rng.random((SLICES, SIZE, SIZE), np.float32)}
        write_stack(self.path(f"{name}_stack.npz"), stack | {"slice": np.arange(SLICES)})

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def files(self, end: str) -> list[str]:
        return [self.path(f"{name}_{end}") for name in self.names]


def drawn_twice(folder: Path, scheme: str) -> list[Study]:
    """The same training subjects beside two draws of those who are held out."""
    return [Study(folder / f"drawn-{seed}", scheme, seed) for seed in (1, 2)]


@pytest.fixture
def leak(monkeypatch) -> None:
    """Estimates from everybody, as harmonisation before the split would make them."""
    own = harmonise.effects_of

    def of_everybody(values, about, covariates, folds, planned):
        return own(values, about, covariates, folds.assign(fold=-1), planned)

    monkeypatch.setattr(harmonise, "effects_of", of_everybody)


def fitted_baselines(study: Study) -> dict[str, bytes]:
    """What harmonises the sites of the training in the fold, and the machines that `baselines` fits for it."""
    of_fold, fold, make, score = [], [], classifiers.machine, models.score_fold

    def made(*settings):
        machine = make(*settings)
        if fold == [HELD_OUT]:
            of_fold.append(machine)
        return machine

    def scored(folds, number, *rest):
        fold[:] = [number]
        table = score(folds, number, *rest)
        fold.clear()
        return table

    outputs = {name: study.path(f"{name}.tsv") for name in ("predictions", "permutation", "harmonisation")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "machine", made)
        patch.setattr(models, "score_fold", scored)
        baselines.main(
            study.folds, study.files("features.tsv"), study.files("stack.npz"), [study.embeddings], **outputs,
            runs=[["crop", 0, HELD_OUT]], cfg=CHOICES, combat=study.combat,
        )  # fmt: skip
    told = pd.read_csv(outputs["harmonisation"], sep="\t", dtype=str)
    told = told[(told["fold"] == str(HELD_OUT)) & (told["training"] != "0")]
    kinds = {"lines": ("coef_", "intercept_"), "support": ("support_vectors_", "dual_coef_", "intercept_")}
    found = {"harmonisation": told.to_csv().encode()}
    for kind, names in kinds.items():
        of_kind = [one for one in of_fold if hasattr(one, names[0])]
        found[kind] = b"".join(getattr(one, name).tobytes() for one in of_kind for name in names)
    return found


def fitted_networks(study: Study) -> dict[str, bytes]:
    """Weights of both stages, and the windows through which they read the training subjects."""
    weights = {name: study.path(f"{name}.safetensors") for name in ("weights", "swa_weights")}
    scan, encoder = study.path("scan_model.safetensors"), study.path("encoder.safetensors")
    training = CONFIG["train_image_model"] | {"trainable": "head", "epochs": 1, "batch_size": 8}
    cfg = {"training": training, "labels": "true", "combat": study.combat}
    cfg["normalise"] = CONFIG["normalise"] | {"method": "window"}
    train_image_model.main(
        study.folds, study.files("stack.npz"), **weights, log=study.path("log"), fold=FOLD, cfg=cfg,
        features=study.files("features.tsv"),
    )  # fmt: skip
    layer = torch.nn.ModuleDict({"resnet": torch.nn.ModuleDict({"fc": torch.nn.Linear(6, 4)})})
    for values in layer.state_dict().values():
        values.copy_(torch.linspace(-1, 1, values.numel()).reshape(values.shape))
    write_weights(encoder, layer, {"targets": ["putamen_chi_ppb", "putamen_r2star_hz", "age"]})
    cfg = {"training": CONFIG["train_scan_model"] | {"head": "nuclei", "epochs": 2}, "labels": "true"}
    train_scan_model.main(
        study.folds, study.embeddings, scan, study.path("log"), FOLD, cfg, encoder, study.files("stats.tsv"),
        weights["swa_weights"],
    )  # fmt: skip
    windows = read_weights(weights["swa_weights"])[1]["windows"]
    found = {"windows": repr([windows[name] for name in study.training]).encode()}
    for name, path in (*weights.items(), ("scan", scan)):
        found[name] = b"".join(value.numpy().tobytes() for value in read_weights(path)[0].values())
    return found


@pytest.mark.parametrize("fitted", [fitted_baselines, fitted_networks])
@pytest.mark.parametrize("scheme", UNSEEN)
def test_what_is_fitted_for_a_fold_knows_nothing_of_its_held_out_subjects(fitted, scheme, tmp_path):
    one, other = map(fitted, drawn_twice(tmp_path, scheme))
    assert all(one.values()) and one == other


@pytest.mark.usefixtures("leak")
@pytest.mark.parametrize("fitted", [fitted_baselines, fitted_networks])
def test_a_leak_would_be_found_in_each_of_them(fitted, tmp_path):
    one, other = map(fitted, drawn_twice(tmp_path, "stratified"))
    assert all(one[name] != other[name] for name in one)
