"""A trained run in small: ten made-up subjects, untrained networks, and every file that a bundle is made from."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.numpy import save_file

from qnet.application.bundle import sha256
from qnet.images.data import read_stack, write_stack
from qnet.networks.heads.measured import Nuclei
from qnet.networks.heads.models import new_model
from qnet.networks.model import ImageModel
from qnet.networks.predict import embed, prepare
from qnet.networks.weights import write_weights
from tests.qnet.settings import PAPER, WINDOW
from workflow.lib.report.model_card import NEEDED
from workflow.scripts import model_card

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
SUBJECTS = [f"sub-{number:02d}" for number in range(1, 11)]
FOLDS, SIZE, SLICES = 2, 32, 3
REGIONS = {"putamen": (0.08, 30.0), "caudate": (0.05, 25.0)}
ABOUT = {"input": "crop", "seed": 0, "normalise": asdict(WINDOW), "augmentation": asdict(PAPER)}


def config():
    """The shipped configuration with what the small run needs."""
    card = {"age_slope_sd": 1.0, "age_curvature_sd": 0.25, "spread_slope_sd": 0.2, "typical": 0.99}
    changed = {
        "dataset": "RUN",
        "normalise": asdict(WINDOW),
        "runs": CONFIG["runs"] | {"inputs": ["crop"], "seeds": [0]},
        "model_card": card | {"uncertain_odds": 2.0},
        "evaluate": CONFIG["evaluate"] | {"primary": [{"input": "crop", "model": "Q-Net"}]},
    }
    return CONFIG | changed


def needed(cfg):
    """What the rule passes to the script."""
    return {section: cfg[section] for section in NEEDED}


def write_scan(folder, name, rng, chi_scale=1.0, **changes):
    """Stack, statistics per nucleus, facts of the acquisition and warnings of one scan."""
    folder.mkdir(parents=True, exist_ok=True)
    chi = chi_scale * rng.normal(0.02, 0.03, (SLICES, SIZE, SIZE))
    images = np.stack([chi, rng.normal(25, 3, chi.shape), rng.normal(500, 50, chi.shape)], axis=1)
    stack = {"slice": np.arange(SLICES) + 20}
    for view in ("full", "crop"):
        stack |= {view: images.astype(np.float32), f"{view}_brain": np.ones(chi.shape, bool)}
    write_stack(folder / f"{name}_stack.npz", stack)
    rows = [
        {"name": region, "hemisphere": side, "voxels": 100, "chi_ppm_mean": chi_scale * rng.normal(mean, 0.01),
         "r2star_hz_mean": rng.normal(rate, 2)}
        for region, (mean, rate) in REGIONS.items() for side in "LR"
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / f"{name}_desc-nuclei_stats.tsv", sep="\t", index=False)
    facts = {"te_s": [0.005, 0.01], "b0_tesla": 3.0, "voxel_size_mm": [1.5, 1.5, 3.0], "decisions": {}} | changes
    (folder / f"{name}_acquisition.json").write_text(json.dumps(facts))
    (folder / f"{name}_warnings.json").write_text(json.dumps({"scan": name, "warnings": []}))


def people():
    """folds.tsv: five of each group, both groups in each fold."""
    index = np.arange(len(SUBJECTS))
    return pd.DataFrame(
        {
            "participant_id": SUBJECTS,
            "label": index % 2,
            "group": np.where(index % 2, "HH", "HC"),
            "age": 40 + 3 * index,
            "sex": np.where(index % 3, "F", "M"),
            "fold": index // 2 % FOLDS,
        }
    )


def held_out_scores(table, rng):
    """Predictions of the Q-Net and of mean pooling, at scan level, that mean something."""
    rows = [
        {"participant_id": person.participant_id, "slice": "", "label": person.label, "model": model, "level": "scan",
         "score": 1 / (1 + np.exp(-rng.normal(2 * person.label - 1, 1.5))), "input": "crop", "seed": 0,
         "fold": person.fold}
        for person in table.itertuples() for model in ("Q-Net", "ResNetSWA mean P")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def write_networks(place, fold, stacks):
    """An image model and a scan model with random weights, and the embeddings of all subjects."""
    place.mkdir(parents=True)
    torch.manual_seed(fold)
    image, scan = ImageModel().eval(), new_model("concat", 8, SLICES)
    write_weights(place / "image_model_swa.safetensors", image, ABOUT | {"fold": fold})
    about = {"fold": fold, "seed": 0, "slices": SLICES, "head": "concat", "hidden_size": 8}
    write_weights(place / "scan_model.safetensors", scan, about)
    images = {path.name.split("_")[0]: prepare(read_stack(path, "crop")[0], ABOUT) for path in stacks}
    features = {name: embed(image, np.ascontiguousarray(prepared)) for name, prepared in images.items()}
    save_file(features, place / "embeddings.safetensors")


def train_small_run(root, synthetic=True, flag="n/a", sites=False):
    """Write a whole run below `root` (results/RUN) and return the path of its bundle.

    `flag`: of a confound; `sites`: whether the evaluation compares some.
    """
    rng, table = np.random.default_rng(0), people()
    for name in SUBJECTS:
        write_scan(root / "work", name, rng)
    (root / "qnet").mkdir()
    stacks = [root / "work" / f"{name}_stack.npz" for name in SUBJECTS]
    places = [root / "qnet" / "crop" / "seed-0" / f"fold-{fold}" for fold in range(FOLDS)]
    for fold, place in enumerate(places):
        write_networks(place, fold, stacks)
    table.to_csv(root / "qnet" / "folds.tsv", sep="\t", index=False)
    held_out_scores(table, rng).to_csv(root / "qnet" / "predictions.tsv", sep="\t", index=False)
    metrics = [{"input": "crop", "model": "Q-Net", "subjects": 10, "accuracy": 0.8, "accuracy_low": 0.49,
                "accuracy_high": 0.94, "auc": 0.84}, {"model": "Bayes limit (theory)", "accuracy": 0.84}]  # fmt: skip
    pd.DataFrame(metrics).to_csv(root / "table3.tsv", sep="\t", index=False, na_rep="n/a")
    part = {"input": "crop", "model": "Q-Net", "subjects": 5, "positives": 2, "auc": 0.7}
    parts = [part | {"stratum": "all"}, part | {"stratum": "sex F", "needed": 1234}]
    pd.DataFrame(parts).to_csv(root / "subgroups.tsv", sep="\t", index=False, na_rep="n/a")

    over = {"input": "crop", "model": "Q-Net", "measure": "AUC", "sites": 3, "value": 0.8, "low": 0.7, "high": 0.9}
    over |= {"tau": 0.3, "expected_low": 0.4, "expected_high": 0.95, "note": "n/a"}
    rows = pd.DataFrame([over, over | {"model": "Age + sex", "input": "none"}])
    rows[: None if sites else 0].to_csv(root / "between_sites.tsv", sep="\t", index=False)
    checks = [{"check": "site alone, cross-validated", "flag": flag}, {"check": "age alone", "flag": "n/a"}]
    pd.DataFrame(checks).to_csv(root / "confounds.tsv", sep="\t", index=False)

    def of_subjects(name):
        return [str(root / "work" / f"{subject}_{name}") for subject in SUBJECTS]

    model_card.main(
        folds=str(root / "qnet" / "folds.tsv"), predictions=str(root / "qnet" / "predictions.tsv"),
        table3=str(root / "table3.tsv"), subgroups=str(root / "subgroups.tsv"), confounds=str(root / "confounds.tsv"),
        between_sites=str(root / "between_sites.tsv"), stats=of_subjects("desc-nuclei_stats.tsv"),
        stacks=of_subjects("stack.npz"), acquisitions=of_subjects("acquisition.json"),
        embeddings=[str(place / "embeddings.safetensors") for place in places],
        image_weights=[str(place / "image_model_swa.safetensors") for place in places],
        scan_weights=[str(place / "scan_model.safetensors") for place in places],
        bundle=str(root / "qnet" / "model.json"), card=str(root / "model_card.md"),
        cfg=needed(config()), synthetic=synthetic, versions={"Q-Net": "1.2.3", "numpy": "2.0"},
    )  # fmt: skip
    return root / "qnet" / "model.json"


SLOPE_PPM = 20.0  # of the log odds with the mean χ [ppm] of the putamen, in `with_located_head`


def with_located_head(bundle, root):
    """A copy of a run in `root` whose scan models read the located putamen alone; the path of its bundle.

    P(positive) = σ(SLOPE_PPM χ).
    """
    shutil.copytree(bundle.parent, root / "qnet")
    told = json.loads((root / "qnet" / "model.json").read_text())
    told |= {"dataset": root.name}
    told["learning"]["train_scan_model"]["head"] = "nuclei"
    told["preprocessing"]["locate_nuclei"]["method"] = CONFIG["locate_nuclei"]["method"]
    model = Nuclei(2, 512, 2)
    with torch.no_grad():
        for parameter in model.scan_head.parameters():
            parameter.zero_()
        model.scan_head.weight[1, 4] = SLOPE_PPM
    about = {"head": "nuclei", "slices": 0, "hidden_size": 8}
    about["regions"] = [["chi_ppm", "putamen"], ["r2star_hz", "putamen"]]
    for entry in told["weights"]:
        write_weights(root / "qnet" / entry["scan"], model, about)
        entry["scan_sha256"] = sha256(root / "qnet" / entry["scan"])
    (root / "qnet" / "model.json").write_text(json.dumps(told))
    return root / "qnet" / "model.json"
