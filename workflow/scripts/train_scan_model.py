"""Folds and embeddings → scan model and the log of its training."""

import numpy as np
from safetensors.numpy import load_file

from qnet.folds import read_folds, training_labels
from qnet.model import prepare_torch, write_weights
from qnet.train import ScanTraining, train_scan_model, write_log
from workflow.lib.log import job_log


def main(folds: str, embeddings: str, weights: str, log: str, fold: str, seed: str, cfg: dict, threads: int) -> None:
    labels = training_labels(read_folds(folds), int(fold))
    features = load_file(embeddings)
    scans = np.stack([features[participant] for participant in labels])  # (N, T, 512)
    device = prepare_torch(threads)
    targets = np.array([*labels.values()])
    model, records = train_scan_model(scans, targets, ScanTraining(**cfg), int(seed), device)
    write_weights(weights, model, {"fold": int(fold), "seed": int(seed), "slices": scans.shape[1], **cfg})
    write_log(log, records)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed, "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg)
