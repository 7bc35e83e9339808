"""Folds, stacks and image models of a fold → embeddings of every slice, and those that stage 2 trains on."""

from safetensors.numpy import save_file

from qnet.atomic import atomic
from qnet.folds import inner_folds, read_folds, training_labels
from qnet.images.data import participant_of, read_stack
from qnet.networks.features import embed_fold
from qnet.networks.model import prepare_torch
from qnet.networks.weights import read_network
from workflow.lib.jobs.given import Fold
from workflow.lib.jobs.job import job


def main(
    folds: str, stacks: list[str], swa_weights: str, inner_weights: list[str], embeddings: str, fold: Fold, cfg: dict
) -> None:
    device = prepare_torch(fold.threads)
    outer, *inner = [(model.to(device), about) for model, about in map(read_network, [swa_weights, *inner_weights])]
    table = read_folds(folds)
    inner_of = inner_folds(table, fold.number, cfg["inner_folds"]) if cfg["features"] == "out_of_fold" else {}
    scans = ((participant_of(path), read_stack(path, fold.input_name)[0]) for path in stacks)
    training = [*training_labels(table, fold.number)]
    features = embed_fold(scans, training, outer, inner, inner_of, cfg["features"], cfg["copies"], fold.seed)
    with atomic(embeddings) as part:
        save_file(features, part)


if __name__ == "__main__":
    with job(snakemake):
        main(**snakemake.input, **snakemake.output, fold=Fold.of(snakemake), cfg=snakemake.params.cfg)
