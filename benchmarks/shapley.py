"""What each map contributes on a simulated cohort: `python -m benchmarks.shapley COHORTS OUT [--overlay …]`.

COHORTS is what `python -m benchmarks.networks maps` or `python -m benchmarks.cohorts` wrote. The learning is run on all
seven subsets of the maps with the same folds and seeds, as `config/ablation.yaml` names them, and `shapley.tsv` in
`--results` gets the Shapley value of each map in scan AUC with its interval. SYNTHETIC DATA.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.cohorts import settings
from benchmarks.learning import ROOT, study
from qnet.evaluation.settings import Evaluate
from qnet.evaluation.shapley import SUBSETS, shapley_table
from qnet.predictions import read_predictions
from workflow.lib.setup.variants import merged

LEVEL = "scan"


def subset_runs(cohort: Path, arm: str, config: dict, out: Path, jobs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train all subsets → predictions of the run with all maps, and those of the others with a column `variant`."""
    found = []
    for subset in SUBSETS:
        name = "_".join(subset)
        changed = merged(config, config["variants"].get(name, {}))  # the whole set is the run itself
        study(cohort, arm, changed, out / name, jobs)
        found.append(read_predictions(out / name / "predictions.tsv").assign(variant=name))
    return found[-1].drop(columns="variant"), pd.concat(found[:-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on the seven subsets of one cohort, write and print the values."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapley", description=__doc__)
    parser.add_argument("cohorts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--overlay", nargs="*", default=[], help="YAML files or key.key=value")
    parser.add_argument("--cohort", required=True, help="folder below COHORTS")
    parser.add_argument("--arm", default="truth")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    config = settings(chosen.overlay)
    whole, parts = subset_runs(chosen.cohorts / chosen.cohort, chosen.arm, config, chosen.out, chosen.jobs)
    table = shapley_table(whole, parts, Evaluate(**config["evaluate"]))
    table = table[table["level"] == LEVEL]
    table.to_csv(chosen.results / "shapley.tsv", sep="\t", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


if __name__ == "__main__":
    main()
