"""Folds and stacks → image model, its weight average and the log of the training."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from qnet.baselines.feature_table import read_features
from qnet.folds import demographics, inner_folds, read_folds, training_labels
from qnet.harmonise import Combat, notes, plan, windows, windows_of_sites
from qnet.images.augment import Augmentation
from qnet.images.data import participant_of
from qnet.images.normalise import Normalise, channel_mask
from qnet.networks.loop import write_log
from qnet.networks.model import prepare_torch
from qnet.networks.names import sees_scans
from qnet.networks.train import ImageTraining, train_image_model, training_images
from qnet.networks.weights import check_encoder, write_weights
from qnet.site_windows import Windows
from workflow.lib.jobs.given import Fold, listed
from workflow.lib.jobs.job import job


def main(
    folds: str, stacks: list[str], weights: str, swa_weights: str, log: str, fold: Fold, cfg: dict,
    features: Sequence[str] = (),
) -> None:  # fmt: skip
    """`features`: of the nuclei of every scan, where `cfg["combat"]` says how windows are harmonised over sites."""
    table, training = read_folds(folds), cfg["training"]
    labels = training_labels(table, fold.number, fold.seed if cfg["labels"] == "permuted" else None)
    own = {} if fold.inner is None else inner_folds(table, fold.number, cfg["inner_folds"])
    labels = {name: label for name, label in labels.items() if name not in own or own[name] != fold.inner}
    about = {"input": fold.input_name, "fold": fold.number, "seed": fold.seed, "inner": fold.inner}
    about |= {"normalise": cfg["normalise"], "labels": cfg["labels"], **training}
    check_encoder(training["weights"], about)
    windows = None
    if cfg.get("combat"):
        windows, of_sites = windows_of(table, fold.number, features, Combat(**cfg["combat"]))
        about |= {"windows": windows, "site_windows": of_sites}
    paths = {participant_of(path): path for path in stacks}
    device, window = prepare_torch(fold.threads), Normalise(**cfg["normalise"])
    whole = sees_scans(training["network"])
    images, targets, names = training_images(labels, paths, fold.input_name, window, windows, whole)
    params = ImageTraining(**{**training, "augmentation": Augmentation(**training["augmentation"])})
    kept, use = Path(weights).with_suffix(".checkpoint"), channel_mask(window)
    model, average, records = train_image_model(images, targets, params, use, fold.seed, device, kept, names)
    write_weights(weights, model, about)
    write_weights(swa_weights, average, about)
    write_log(log, records)
    kept.unlink(missing_ok=True)


def windows_of(table: pd.DataFrame, fold: int, features: Sequence[str], combat: Combat) -> tuple[Windows, Windows]:
    """Windows of all subjects of a fold, and of new ones by site; what cannot be estimated goes to the log."""
    planned = plan(table, combat)
    planned = planned[planned["fold"] == fold]
    for note in notes(planned):
        print(f"harmonisation of windows: {note}")
    given = *read_features([*features]), demographics(table), table, planned
    return windows(*given), windows_of_sites(*given)


if __name__ == "__main__":
    with job(snakemake):
        files = {name: snakemake.input[name] for name in ("folds", "stacks")}
        files["features"] = listed(snakemake.input.get("features"))
        main(**files, **snakemake.output, fold=Fold.of(snakemake), cfg=snakemake.params.cfg)
