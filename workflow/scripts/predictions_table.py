"""Results of all new scans → one table of predictions and one of regional z-scores."""

import json
from pathlib import Path

import pandas as pd

from qnet.application.normative import COLUMNS
from qnet.tables import write_table
from workflow.lib.jobs.given import listed
from workflow.lib.jobs.job import job


def main(results: list[str], predictions: str, z_scores: str, model: str) -> None:
    """`model`: name of the run that was applied; `unlike_training` counts the sentences of the page."""
    outcomes, regions = [], []
    for path in results:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        scan = {"participant_id": found["scan"].split("_")[0], "scan": found["scan"], "age": found["age"]}
        unlike = {"unlike_training": len(found["unlike_training"]), "trained_on": model}
        outcomes += [scan | row | unlike for row in found["outcomes"]]
        regions += [scan | row for row in found["z_scores"]]
    tables = {
        predictions: pd.DataFrame(outcomes),
        z_scores: pd.DataFrame(regions, columns=["participant_id", "scan", "age", *COLUMNS]),  # none without norms
    }
    for path, table in tables.items():
        write_table(path, table.replace("", None), digits=6)


if __name__ == "__main__":
    with job(snakemake):
        main(listed(snakemake.input.results), **snakemake.output, model=snakemake.params.model)
