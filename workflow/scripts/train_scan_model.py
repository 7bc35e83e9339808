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
from workflow.lib.jobs.job import job


def main(
    folds: str, embeddings: str, weights: str, log: str, fold: str, seed: str, cfg: dict, threads: int,
    encoder: str | None = None,
) -> None:  # fmt: skip
    """`encoder`: the weights that stage 1 started from, where the head reads them."""
    table, shuffled_by = read_folds(folds), int(seed) if cfg["labels"] == "permuted" else None
    labels, years = training_labels(table, int(fold), shuffled_by), ages(table)
    features = load_file(embeddings)
    scans = [features[f"training/{participant}"] for participant in labels]  # (R, T, 512) each
    own, device = np.array([years[participant] for participant in labels]), prepare_torch(threads)
    data, rest = (scans, np.array([*labels.values()]), own), (int(seed), device, [*labels], encoder)
    params, losses = candidates(ScanTraining(**cfg["training"])), []
    if len(params) > 1:
        dealt = inner_folds(table, int(fold), params[0].inner_folds)
        inner = np.array([dealt[participant] for participant in labels])
        losses = [held_out_loss(*data, choice, inner, *rest) for choice in params]
    chosen = params[int(np.argmin(losses or [0]))]
    model, records = train_scan_model(*data, chosen, *rest)
    about = {"fold": int(fold), "seed": int(seed), "slices": model.slices, "labels": cfg["labels"]}
    write_weights(weights, model, about | asdict(chosen) | {"held_out_losses": losses})
    write_log(log, records)


if __name__ == "__main__":
    with job(snakemake):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed, "threads": snakemake.threads}
        files = {"encoder": next(iter(snakemake.input.get("encoder", [])), None)}  # one file or none
        files |= {name: snakemake.input[name] for name in ("folds", "embeddings")}
        main(**files, **snakemake.output, **keys, cfg=snakemake.params.cfg)
