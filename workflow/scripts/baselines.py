"""Folds, features of the nuclei, stacks and embeddings → predictions of the baselines, permutation test, what
harmonised the features."""

import pandas as pd
from safetensors.numpy import load_file

from qnet.baselines.feature_table import read_features
from qnet.baselines.models import Baselines, baselines, features_by_fold, thumbnail
from qnet.baselines.permutation import permutation_test
from qnet.folds import read_folds
from qnet.harmonise import Combat, notes
from qnet.images.data import participant_of, read_array
from qnet.predictions import write_predictions
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job


def main(
    folds: str, features: list[str], stacks: list[str], embeddings: list[str], predictions: str, permutation: str,
    harmonisation: str, runs: list[list], cfg: dict, combat: dict | None = None,
) -> None:  # fmt: skip
    """`runs`: input, seed and fold of each file of embeddings; `combat`: section of that name, None to leave it."""
    params, table = Baselines(**cfg), read_folds(folds)
    values, about = read_features(features)
    backgrounds = {participant_of(path): thumbnail(read_array(path, "background")) for path in stacks}
    of_runs = {tuple(run): load_file(path) for run, path in zip(runs, embeddings, strict=True)}
    by_fold, told = features_by_fold(table, values, about, Combat(**combat) if combat else None)
    for note in notes(told):
        print(f"harmonisation: {note}")
    scored = baselines(table, values, about, pd.DataFrame(backgrounds).T, of_runs, params, by_fold)
    write_predictions(predictions, scored)
    write_table(permutation, permutation_test(table, values, about, params, by_fold), digits=None)
    write_table(harmonisation, told)


if __name__ == "__main__":
    with job(snakemake):
        lists = {name: listed(snakemake.input.get(name)) for name in ("features", "stacks", "embeddings")}
        params = {name: snakemake.params[name] for name in ("runs", "cfg", "combat")}
        main(snakemake.input.folds, **lists, **snakemake.output, **params)
