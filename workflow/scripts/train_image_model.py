"""Folds and stacks → image model, its weight average and the log of the training."""

from pathlib import Path

from qnet.folds import inner_folds, read_folds, training_labels
from qnet.images.augment import Augmentation
from qnet.images.data import participant_of
from qnet.images.normalise import Normalise, channel_mask
from qnet.networks.loop import write_log
from qnet.networks.model import prepare_torch
from qnet.networks.train import ImageTraining, train_image_model, training_images
from qnet.networks.weights import check_encoder, write_weights
from workflow.lib.jobs.job import job


def main(folds: str, stacks: list[str], weights: str, swa_weights: str, log: str, fold: str, seed: str,
         input_name: str, cfg: dict, threads: int, inner: str | None = None) -> None:  # fmt: skip
    table, training, number = read_folds(folds), cfg["training"], None if inner is None else int(inner)
    labels = training_labels(table, int(fold), int(seed) if cfg["labels"] == "permuted" else None)
    own = {} if inner is None else inner_folds(table, int(fold), cfg["inner_folds"])
    labels = {name: label for name, label in labels.items() if name not in own or own[name] != number}
    about = {"input": input_name, "fold": int(fold), "seed": int(seed), "inner": number}
    about |= {"normalise": cfg["normalise"], "labels": cfg["labels"], **training}
    check_encoder(training["weights"], about)
    device, window = prepare_torch(threads), Normalise(**cfg["normalise"])
    images, targets, names = training_images(labels, {participant_of(p): p for p in stacks}, input_name, window)
    params = ImageTraining(**{**training, "augmentation": Augmentation(**training["augmentation"])})
    kept, use = Path(weights).with_suffix(".checkpoint"), channel_mask(window)
    model, average, records = train_image_model(images, targets, params, use, int(seed), device, kept, names)
    write_weights(weights, model, about)
    write_weights(swa_weights, average, about)
    write_log(log, records)
    kept.unlink(missing_ok=True)


if __name__ == "__main__":
    with job(snakemake):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed}
        keys |= {"inner": snakemake.wildcards.get("inner"), "input_name": snakemake.wildcards["input"]}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg, threads=snakemake.threads)
