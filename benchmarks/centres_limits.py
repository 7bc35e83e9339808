"""How near to the oracle a classifier can come that learns from so many people: `python -m benchmarks.centres_limits`.

The cohorts of `benchmarks.centres`, measured without scanner and without error: true χ and R2* of every nucleus, all in
one field. What the models then lack to the oracle, which knows how people and groups are drawn, is what they could not
learn from the subjects of the other sites. With `--heads`, a folder as `benchmarks.centres` reads it, also what the
head of config/centres.yaml reaches on the same people as the scanners measure them, and who knows all about both: how
many subjects it takes until the measurements alone are what is lacking. Writes centres_limits.tsv: `over_cohorts` by
number of subjects.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.centres import (
    DESIGNS,
    FIRST,
    KEYS,
    NUCLEI,
    ORACLE,
    READER,
    ROOT,
    learnt_scores,
    measured_means,
    network_scores,
    over_cohorts,
    people_of,
    reader_scores,
)
from benchmarks.cohorts import settings
from benchmarks.measured import READINGS, Measurement, columns, read_heads, true_means
from qnet.baselines.models import Baselines
from qnet.folds import LEAVE_ONE_SITE_OUT, Folds, make_folds
from qnet.harmonise import COMBAT, NONE
from qnet.networks.train_scan import ScanTraining
from recon.phantom.cohort import Simulate

STAGE_2, TRUTH, LEFT_OUT = "stage 2 of config/best.yaml", "truth", "site left out"


def at_one_field(cfg: Simulate) -> Simulate:
    """The same people, all in the field of the cohort."""
    return replace(cfg, sites={name: replace(site, b0_tesla=None) for name, site in cfg.sites.items()})


def study(cfg: Simulate, best: dict) -> pd.DataFrame:
    """Scores of the oracle and of both models for everybody, by networks and regressions of the other sites."""
    people = people_of(at_one_field(cfg))
    means = pd.DataFrame(true_means(people), people["participant_id"].to_numpy(), columns())
    folds = make_folds(people, Folds(scheme=LEAVE_ONE_SITE_OUT, folds=len(cfg.sites), seed=0))
    told = people[["participant_id", "site", "label"]]
    baselines, stage = Baselines(**best["baselines"]), ScanTraining(**best["train_scan_model"])
    found = {
        (NONE, ORACLE, NONE): people.set_index("participant_id")["oracle_score"],
        (TRUTH, FIRST, LEFT_OUT): learnt_scores(folds, means, (FIRST,), NONE, baselines)[FIRST],
        (TRUTH, STAGE_2, LEFT_OUT): network_scores(folds, means, NONE, stage),
    }
    return pd.concat(
        told.assign(
            score=scores[told["participant_id"]].to_numpy(), **dict(zip(KEYS, ("sites", *keys, NONE), strict=True))
        )
        for keys, scores in found.items()
    )


def measured_study(cfg: Simulate, scanners: Mapping[str, Measurement], centres: dict) -> pd.DataFrame:
    """The same as `benchmarks.centres` scores them of both readings together, each site left out and harmonised."""
    people = people_of(cfg)
    means = measured_means(people, scanners, np.random.default_rng([cfg.seed, READINGS.index("both")]), "both")
    folds = make_folds(people, Folds(scheme=LEAVE_ONE_SITE_OUT, folds=len(cfg.sites), seed=0))
    told = people[["participant_id", "site", "label"]]
    learnt = network_scores(folds, means, COMBAT, ScanTraining(**centres["train_scan_model"]))
    found = {
        (READER, NONE, NONE): reader_scores(people, means, scanners, cfg),
        (NUCLEI, LEFT_OUT, COMBAT): learnt[told["participant_id"]].to_numpy(),
    }
    return pd.concat(
        told.assign(score=scores, **dict(zip(KEYS, ("sites", "both", *keys), strict=True)))
        for keys, scores in found.items()
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Score every cohort, write and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.centres_limits", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--heads", type=Path, help="folder of one cohort that benchmarks.cohorts wrote")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--subjects", type=int, nargs="+", default=[96, 384])
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    best = settings([str(ROOT / "config/best.yaml")])
    centres = settings([str(ROOT / f"config/{name}.yaml") for name in ("best", "centres")])
    simulate = settings([str(ROOT / file) for file in DESIGNS["sites"]])["simulate"]
    scanners = read_heads(chosen.heads, "paper", chosen.heads / "learning", best)["both"] if chosen.heads else None
    scores: dict[int, list[pd.DataFrame]] = {}
    for subjects, seed in product(chosen.subjects, chosen.seeds):
        cfg = Simulate(**simulate | {"seed": seed, "subjects": subjects})
        tables = [study(cfg, best)] + ([measured_study(cfg, scanners, centres)] if scanners else [])
        scores.setdefault(subjects, []).append(pd.concat(tables).assign(cohort=seed))
        print(f"{subjects} subjects, seed {seed}", flush=True)
    rows = [over_cohorts(pd.concat(tables)).assign(subjects=subjects) for subjects, tables in scores.items()]
    result = pd.concat(rows).drop(columns=["harmonisation", "design"])
    result.insert(0, "subjects", result.pop("subjects"))
    result.to_csv(chosen.out / "centres_limits.tsv", sep="\t", index=False, float_format="%.4f", na_rep="n/a")
    shown = ["subjects", "model", "auc", "below_oracle", "below_oracle_low", "below_oracle_high"]
    print(result[shown].to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
