"""Folds and embeddings → scan model and the log of its training."""

from dataclasses import asdict

import numpy as np
from safetensors.numpy import load_file

from qnet.folds import ages, inner_folds, read_folds, training_labels
from qnet.networks.choose import candidates, held_out_loss
from qnet.networks.loop import write_log
from qnet.networks.model import prepare_torch
from qnet.networks.train_scan import ScanTraining, train_scan_model
from qnet.networks.weights import write_weights
from workflow.lib.jobs.given import Fold, listed
from workflow.lib.jobs.job import job


def main(
    folds: str, embeddings: str, weights: str, log: str, fold: Fold, cfg: dict, encoder: str | None = None
) -> None:
    """`encoder`: the weights that stage 1 started from, where the head reads them."""
    table, shuffled_by = read_folds(folds), fold.seed if cfg["labels"] == "permuted" else None
    labels, years = training_labels(table, fold.number, shuffled_by), ages(table)
    features = load_file(embeddings)
    scans = [features[f"training/{participant}"] for participant in labels]  # (R, T, F) each
    own, device = np.array([years[participant] for participant in labels]), prepare_torch(fold.threads)
    data, rest = (scans, np.array([*labels.values()]), own), (fold.seed, device, [*labels], encoder)
    params, losses = candidates(ScanTraining(**cfg["training"])), []
    if len(params) > 1:
        dealt = inner_folds(table, fold.number, params[0].inner_folds)
        inner = np.array([dealt[participant] for participant in labels])
        losses = [held_out_loss(*data, choice, inner, *rest) for choice in params]
    chosen = params[int(np.argmin(losses or [0]))]
    model, records = train_scan_model(*data, chosen, *rest)
    about = {"fold": fold.number, "seed": fold.seed, "slices": model.slices, "labels": cfg["labels"]}
    write_weights(weights, model, about | asdict(chosen) | {"held_out_losses": losses})
    write_log(log, records)


if __name__ == "__main__":
    with job(snakemake):
        files = {"encoder": next(iter(listed(snakemake.input.get("encoder"))), None)}
        files |= {name: snakemake.input[name] for name in ("folds", "embeddings")}
        main(**files, **snakemake.output, fold=Fold.of(snakemake), cfg=snakemake.params.cfg)
