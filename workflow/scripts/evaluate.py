"""Predictions of all folds, baselines and variants → one table of predictions, every table and figure."""

from pathlib import Path

from qnet.atomic import atomic
from qnet.evaluation.evaluate import evaluate, write_table
from qnet.evaluation.figure_set import draw
from qnet.evaluation.predictions import read_predictions
from qnet.evaluation.settings import Evaluate, read_ceiling, read_people
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
    **outputs: str,
) -> None:
    """`outputs`: a path for each table and figure that is wanted, by its name."""
    params = Evaluate(**cfg)
    scores = read_predictions(*predictions, *baselines)
    truth = read_ceiling(Path(ceiling).parent) if ceiling else None
    people = read_people(folds) if folds else None
    tables = evaluate(scores, params, truth, people, read_predictions(*variants) if variants else None)
    with atomic(merged) as part:
        scores.to_csv(part, sep="\t", index=False)  # every digit: confident scores differ late
    for name in tables.keys() & outputs.keys():
        write_table(outputs[name], tables[name])
    draw(outputs, scores, tables, params, synthetic=truth is not None)


if __name__ == "__main__":
    with job(snakemake):
        files = {name: snakemake.input.get(name) or None for name in ("folds", "ceiling")}
        files |= {name: listed(snakemake.input.get(name)) for name in ("predictions", "baselines", "variants")}
        main(**files, **snakemake.output, cfg=snakemake.params.cfg)
