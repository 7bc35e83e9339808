"""Trained networks and held-out subjects → predictions, one tidy table."""

import pandas as pd
from safetensors.numpy import load_file

from qnet.augment import Augmentation, prepare_images
from qnet.data import atomic, participant_of, read_stack
from qnet.folds import held_out_labels, read_folds
from qnet.model import prepare_torch, read_image_model, read_scan_model
from qnet.predict import image_scores, scan_scores, tidy, vote_score
from workflow.lib.log import job_log


def main(folds: str, stacks: list[str], weights: str, swa_weights: str, embeddings: str, scan_weights: str,
         predictions: str, fold: str, seed: str, input_name: str, threads: int) -> None:  # fmt: skip
    device = prepare_torch(threads)
    models = {"ResNet": read_image_model(weights), "ResNetSWA": read_image_model(swa_weights)}
    scan_model = read_scan_model(scan_weights)[0].to(device)
    features = load_file(embeddings)
    paths = {participant_of(path): path for path in stacks}
    tables = []
    for participant, label in held_out_labels(read_folds(folds), int(fold)).items():
        images, slices = read_stack(paths[participant], input_name)
        constant = {"participant_id": participant, "label": label, "input": input_name}
        constant |= {"seed": int(seed), "fold": int(fold)}
        for name, (model, about) in models.items():
            prepared = prepare_images(images, Augmentation(**about["augmentation"]))
            scores = image_scores(model.to(device), prepared)
            tables.append(tidy(name, slices, scores, vote_score(scores), **constant))
        tables.append(tidy("Q-Net", slices, *scan_scores(scan_model, features[participant]), **constant))
    with atomic(predictions) as part:
        pd.concat(tables).to_csv(part, sep="\t", index=False)


if __name__ == "__main__":
    with job_log(snakemake.log[0]):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed}
        keys |= {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys)
