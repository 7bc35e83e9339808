"""Predictions of all folds of a variant → one table that names it."""

import pandas as pd

from qnet.predictions import write_predictions
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job


def main(files: list[str], predictions: str, variant: str) -> None:
    tables = [pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False) for file in files]  # every digit stays
    write_predictions(predictions, *[table.assign(variant=variant) for table in tables])


if __name__ == "__main__":
    with job(snakemake):
        main(listed(snakemake.input.predictions), **snakemake.output, variant=snakemake.wildcards.name)
