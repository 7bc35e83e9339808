"""Trained networks and held-out subjects → predictions and weights of slices, two tidy tables."""

from collections.abc import Sequence

import pandas as pd
from safetensors.numpy import load_file

from qnet.folds import ages, held_out_labels, read_folds
from qnet.images.data import participant_of, read_stack
from qnet.networks.heads.models import read_scan_model
from qnet.networks.located import beside, located, read_means
from qnet.networks.model import prepare_torch
from qnet.networks.predict import image_model_rows, image_scores, prepare, scan_scores, slice_table, tidy, weigh_slices
from qnet.networks.weights import read_network
from qnet.predictions import write_predictions
from qnet.tables import write_table
from workflow.lib.jobs.given import Fold, listed
from workflow.lib.jobs.job import job


def main(folds: str, stacks: list[str], weights: str, swa_weights: str, embeddings: str, scan_weights: str,
         predictions: str, slice_weights: str, fold: Fold, stats: Sequence[str] = ()) -> None:  # fmt: skip
    """`stats` of all scans, where the head reads what was located."""
    device = prepare_torch(fold.threads)
    (resnet, about), (swa, _) = map(read_network, (weights, swa_weights))
    scan_model, judges = read_scan_model(scan_weights)
    means, scan_model = read_means(stats), scan_model.to(device)
    features, paths = load_file(embeddings), {participant_of(path): path for path in stacks}
    scored, weighed, table = [], [], read_folds(folds)
    years, of_run = ages(table), {"input": fold.input_name, "seed": fold.seed, "fold": fold.number}
    for participant, label in held_out_labels(table, fold.number).items():
        images, slices = read_stack(paths[participant], fold.input_name)
        prepared, own = prepare(images, about, participant), features[participant]
        if "regions" in judges:
            own = beside(own, located(means[participant], judges["regions"], about, participant))
        constant = {"participant_id": participant, "label": label, **of_run}
        for name, model in {"ResNet": resnet.to(device), "ResNetSWA": swa.to(device)}.items():
            scored.append(image_model_rows(name, slices, image_scores(model, prepared), **constant))
        scored.append(tidy("Q-Net", slices, *scan_scores(scan_model, own, years[participant]), **constant))
        weighed.append(slice_table(participant, slices, weigh_slices(scan_model, own)))
    write_predictions(predictions, *scored)
    write_table(slice_weights, pd.concat(weighed), digits=None)


if __name__ == "__main__":
    with job(snakemake):
        files = dict(snakemake.input) | {name: listed(snakemake.input.get(name)) for name in ("stacks", "stats")}
        main(**files, **snakemake.output, fold=Fold.of(snakemake))
