"""Folds, stacks and image models of a fold → embeddings of every slice, and those that stage 2 trains on."""

from safetensors.numpy import save_file

from qnet.atomic import atomic
from qnet.folds import inner_folds, read_folds, training_labels
from qnet.images.data import participant_of, read_stack
from qnet.networks.features import embed_fold
from qnet.networks.model import prepare_torch
from qnet.networks.weights import read_image_model
from workflow.lib.jobs.job import job


def main(folds: str, stacks: list[str], swa_weights: str, inner_weights: list[str], embeddings: str,
         input_name: str, fold: str, seed: str, cfg: dict, threads: int) -> None:  # fmt: skip
    device = prepare_torch(threads)
    outer, *inner = [(model.to(device), about) for model, about in map(read_image_model, [swa_weights, *inner_weights])]
    table = read_folds(folds)
    inner_of = inner_folds(table, int(fold), cfg["inner_folds"]) if cfg["features"] == "out_of_fold" else {}
    scans = ((participant_of(path), read_stack(path, input_name)[0]) for path in stacks)
    training = [*training_labels(table, int(fold))]
    features = embed_fold(scans, training, outer, inner, inner_of, cfg["features"], cfg["copies"], int(seed))
    with atomic(embeddings) as part:
        save_file(features, part)


if __name__ == "__main__":
    with job(snakemake):
        keys = {"fold": snakemake.wildcards.fold, "seed": snakemake.wildcards.seed}
        keys |= {"input_name": snakemake.wildcards["input"], "threads": snakemake.threads}
        main(**snakemake.input, **snakemake.output, **keys, cfg=snakemake.params.cfg)
