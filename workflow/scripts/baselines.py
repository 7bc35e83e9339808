"""Folds, features of the nuclei, stacks and embeddings → predictions of the baselines, permutation test."""

import pandas as pd
from safetensors.numpy import load_file

from qnet.baselines.models import Baselines, baselines, thumbnail
from qnet.baselines.permutation import permutation_test
from qnet.baselines.regions import read_features
from qnet.folds import read_folds
from qnet.images.data import participant_of, read_array
from qnet.predictions import write_predictions
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job


def main(
    folds: str, features: list[str], stacks: list[str], embeddings: list[str], predictions: str, permutation: str,
    runs: list[list], cfg: dict,
) -> None:  # fmt: skip
    """`runs`: input, seed and fold of each file of embeddings."""
    params, table = Baselines(**cfg), read_folds(folds)
    values, about = read_features(features)
    backgrounds = {participant_of(path): thumbnail(read_array(path, "background")) for path in stacks}
    of_runs = {tuple(run): load_file(path) for run, path in zip(runs, embeddings, strict=True)}
    write_predictions(predictions, baselines(table, values, about, pd.DataFrame(backgrounds).T, of_runs, params))
    write_table(permutation, permutation_test(table, values, about, params), digits=None)


if __name__ == "__main__":
    with job(snakemake):
        lists = {name: listed(snakemake.input.get(name)) for name in ("features", "stacks", "embeddings")}
        main(snakemake.input.folds, **lists, **snakemake.output, runs=snakemake.params.runs, cfg=snakemake.params.cfg)
