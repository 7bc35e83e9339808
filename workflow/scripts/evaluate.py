"""Predictions of all folds, baselines and variants → one table of predictions, every table and figure."""

from pathlib import Path

from qnet.evaluation.evaluate import evaluate
from qnet.evaluation.figure_set import draw
from qnet.evaluation.settings import Evaluate, read_ceiling, read_people
from qnet.predictions import read_predictions, write_predictions
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job


def main(
    predictions: list[str],
    merged: str,
    cfg: dict,
    baselines: list[str] = (),
    variants: list[str] = (),
    folds: str | None = None,
    ceiling: str | None = None,
    all_maps: bool = True,
    **outputs: str,
) -> None:
    """`all_maps`: whether the networks of the main run used all three.

    `outputs`: a path for each table, and for each figure that is wanted, by its name in the manifest.
    """
    params = Evaluate(**cfg)
    scores = read_predictions(*predictions, *baselines)
    truth = read_ceiling(Path(ceiling).parent) if ceiling else None
    people = read_people(folds) if folds else None
    tables = evaluate(scores, params, truth, people, read_predictions(*variants) if variants else None, all_maps)
    write_predictions(merged, scores)
    for name, table in tables.items():
        write_table(outputs.pop(name), table)
    draw(outputs, scores, tables, params, synthetic=truth is not None)


if __name__ == "__main__":
    with job(snakemake):
        files = {name: snakemake.input.get(name) or None for name in ("folds", "ceiling")}
        files |= {name: listed(snakemake.input.get(name)) for name in ("predictions", "baselines", "variants")}
        main(**files, **snakemake.output, cfg=snakemake.params.cfg, all_maps=snakemake.params.all_maps)
