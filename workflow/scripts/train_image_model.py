"""Folds and stacks → image model, its weight average and the log of the training."""

import numpy as np

from qnet.augment import Augmentation
from qnet.data import participant_of, read_stack
from qnet.folds import read_folds, training_labels
from qnet.model import prepare_torch, write_weights
from qnet.train import ImageTraining, train_image_model, write_log
from workflow.lib.log import job_log


def main(
    folds: str,
    stacks: list[str],
    weights: str,
    swa_weights: str,
    log: str,
    fold: str,
    seed: str,
    input_name: str,
    cfg: dict,
    threads: int,
) -> None:
    labels = training_labels(read_folds(folds), int(fold))
    paths = {participant_of(path): path for path in stacks}
    images = [read_stack(paths[participant], input_name)[0] for participant in labels]
    targets = np.repeat([*labels.values()], [len(stack) for stack in images])
    params = ImageTraining(**{**cfg, "augmentation": Augmentation(**cfg["augmentation"])})
    device = prepare_torch(threads)
    model, average, records = train_image_model(np.concatenate(images), targets, params, int(seed), device)
    about = {"input": input_name, "fold": int(fold), "seed": int(seed), **cfg}
    write_weights(weights, model, about)
    write_weights(swa_weights, average, about)
    write_log(log, records)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed}
        keys |= {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg)
