"""Folds and embeddings, and what was located where the head reads that → scan model and the log of its training."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from safetensors.numpy import load_file

from qnet.folds import ages, inner_folds, read_folds, training_labels
from qnet.networks.choose import candidates, held_out_loss
from qnet.networks.heads.models import model_of
from qnet.networks.located import beside, located, read_means, regions_of
from qnet.networks.loop import write_log
from qnet.networks.model import prepare_torch
from qnet.networks.train_scan import ScanTraining, train_scan_model
from qnet.networks.weights import read_weights, write_weights
from workflow.lib.jobs.given import Fold, listed
from workflow.lib.jobs.job import job


def main(
    folds: str, embeddings: str, weights: str, log: str, fold: Fold, cfg: dict, encoder: str | None = None,
    stats: Sequence[str] = (), swa_weights: str | None = None,
) -> None:  # fmt: skip
    """`encoder`: the weights that stage 1 started from, where a head reads them; `stats` of all scans and the image
    model `swa_weights`, where a head reads what was located."""
    table, shuffled_by = read_folds(folds), fold.seed if cfg["labels"] == "permuted" else None
    labels, years = training_labels(table, fold.number, shuffled_by), ages(table)
    features, means = load_file(embeddings), read_means(stats)
    image_model = read_weights(swa_weights)[1] if swa_weights else {}
    regions = regions_of(means.values())
    scans = {name: features[f"training/{name}"] for name in labels}  # (R, T, F) each
    own, device = np.array([years[participant] for participant in labels]), prepare_torch(fold.threads)
    target, rest = (np.array([*labels.values()]), own), (fold.seed, device, [*labels], encoder)

    def seen(head: str) -> list[np.ndarray]:
        """What a head reads of each scan, (R, T, F) or (R, T, F + K)."""
        if not model_of(head).reads_located:
            return [*scans.values()]
        return [beside(scan, located(means[name], regions, image_model, name)) for name, scan in scans.items()]

    params, losses = candidates(ScanTraining(**cfg["training"])), []
    if len(params) > 1:
        dealt = inner_folds(table, fold.number, params[0].inner_folds)
        inner = np.array([dealt[participant] for participant in labels])
        losses = [held_out_loss(seen(choice.head), *target, choice, inner, *rest) for choice in params]
    chosen = params[int(np.argmin(losses or [0]))]
    model, records = train_scan_model(seen(chosen.head), *target, chosen, *rest)
    about = {"fold": fold.number, "seed": fold.seed, "slices": model.slices, "labels": cfg["labels"]}
    about |= {"regions": regions} if model_of(chosen.head).reads_located else {}
    write_weights(weights, model, about | asdict(chosen) | {"held_out_losses": losses})
    write_log(log, records)


if __name__ == "__main__":
    with job(snakemake):
        files = {name: next(iter(listed(snakemake.input.get(name))), None) for name in ("encoder", "swa_weights")}
        files |= {name: snakemake.input[name] for name in ("folds", "embeddings")}
        stats = listed(snakemake.input.get("stats"))
        main(**files, stats=stats, **snakemake.output, fold=Fold.of(snakemake), cfg=snakemake.params.cfg)
