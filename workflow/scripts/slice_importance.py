"""Weights of slices in the scan model of all folds → their mean by height in the brain."""

import pandas as pd

from qnet.explanation.slice_importance import by_height, draw, nucleus_ranges, with_heights
from qnet.folds import read_folds
from qnet.tables import write_table
from workflow.lib.jobs.job import job


def main(
    folds: str, stacks: list[str], slice_weights: list[str], figure: str, table: str, input_name: str, cfg: dict
) -> None:
    """`cfg`: `synthetic`, whether the subjects are simulated, and `bootstrap`, how many resamples of them."""
    rows = read_folds(folds)
    group_of = dict(zip(rows["label"], rows["group"], strict=True))
    weights = pd.concat([pd.read_csv(path, sep="\t") for path in slice_weights], ignore_index=True)
    weights = with_heights(weights, stacks, input_name).merge(rows[["participant_id", "group"]])
    found = by_height(weights, cfg["bootstrap"])
    write_table(table, found, digits=6)
    title = f"Weight of slices in the scan model, {input_name} input"
    draw(figure, found, nucleus_ranges(stacks, input_name), (group_of[0], group_of[1]), title, cfg["synthetic"])


if __name__ == "__main__":
    with job(snakemake):
        keys = {"input_name": snakemake.wildcards["input"], "cfg": snakemake.params.cfg}
        main(**snakemake.input, **snakemake.output, **keys)
