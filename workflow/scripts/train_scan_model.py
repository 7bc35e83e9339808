"""Folds and embeddings → scan model and the log of its training."""

import numpy as np
from safetensors.numpy import load_file

from qnet.folds import read_folds, training_labels
from qnet.loop import write_log
from qnet.model import prepare_torch
from qnet.train_scan import ScanTraining, train_scan_model
from qnet.weights import write_weights
from workflow.lib.log import job_log


def main(folds: str, embeddings: str, weights: str, log: str, fold: str, seed: str, cfg: dict, threads: int) -> None:
    shuffled_by = int(seed) if cfg["labels"] == "permuted" else None
    labels = training_labels(read_folds(folds), int(fold), shuffled_by)
    features = load_file(embeddings)
    scans = [features[f"training/{participant}"] for participant in labels]  # (R, T, 512) each
    params, targets, device = ScanTraining(**cfg["training"]), np.array([*labels.values()]), prepare_torch(threads)
    model, records = train_scan_model(scans, targets, params, int(seed), device, [*labels])
    about = {"fold": int(fold), "seed": int(seed), "slices": model.slices, "labels": cfg["labels"]}
    write_weights(weights, model, about | cfg["training"])
    write_log(log, records)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed, "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg)
