"""Networks on reconstructed cohorts of several sites: `python -m benchmarks.centres_networks COHORT … --work FOLDER`.

A cohort is a folder that `python -m benchmarks.cohorts COHORTS --name sites --overlay config/sites.yaml …` wrote.
Settings are those of `config/best.yaml` with the shipped encoder, which no label and no subject of the study has
touched, and as many folds as sites: sites pooled, or each left out. Stage 2 is trained in every fold as the workflow
trains it; embeddings do not depend on the fold but for harmonised windows. Writes centres_networks.tsv (by cohort) and
centres_networks_means.tsv, with regression on regional means and the oracle of the same people.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.centres import FIRST, HARMONISATIONS, KEYS, ORACLE, SCHEMES, of_cohort, over_cohorts
from benchmarks.cohorts import settings
from benchmarks.learning import look
from qnet.baselines.feature_table import read_features
from qnet.baselines.models import Baselines, features_by_fold, models, score_fold
from qnet.folds import Folds, ages, demographics, held_out_labels, make_folds, training_labels
from qnet.harmonise import COMBAT, CONTROLS, NONE, Combat, plan, windows
from qnet.images.data import read_stack
from qnet.networks.model import ImageModel
from qnet.networks.predict import embed, prepare, scan_scores
from qnet.networks.train_scan import ScanTraining, train_scan_model
from qnet.networks.weights import named_file, read_image_model

ROOT = Path(__file__).resolve().parents[1]
NETWORK, READING = "Q-Net (config/best.yaml, shipped encoder)", "reconstructed"
BY_CONTROLS = Combat(reference_site=None, unseen_site=CONTROLS)


def people_of(cohort: Path, arm: str) -> pd.DataFrame:
    """Those whose maps are there, with what `make_folds` reads and the oracle's score."""
    table = pd.read_csv(cohort / "cohort.tsv", sep="\t")
    there = [(cohort / arm / f"{scan}_stats.tsv").exists() for scan in table["participant_id"]]
    return table[there].reset_index(drop=True).assign(label=lambda t: (t["group"] == "HH").astype(int))


def embeddings(
    model: ImageModel, stacks: Mapping[str, np.ndarray], about: dict, lines: Mapping[str, list[float]] | None
) -> dict[str, np.ndarray]:
    """Participant → (T, F), through the windows of the sites where `lines` tells them."""
    own = about | ({"windows": lines} if lines else {})
    return {name: embed(model, prepare(images, own, name)) for name, images in stacks.items()}


def network_scores(
    folds: pd.DataFrame, features: Mapping[int, Mapping[str, np.ndarray]], params: ScanTraining, encoder: Path
) -> pd.Series:
    """Cross-validated P(HH) by participant; `features` by fold."""
    years, scores = ages(folds), {}
    for fold, seen in features.items():
        labels = training_labels(folds, fold)
        own = np.array([years[name] for name in labels])
        scans = [seen[name][None] for name in labels]
        target = np.array([*labels.values()])
        model, _ = train_scan_model(scans, target, own, params, 0, torch.device("cpu"), [*labels], encoder)
        for name in held_out_labels(folds, fold):
            scores[name] = scan_scores(model, seen[name], years[name])[1]
    return pd.Series(scores)


def study(cohort: Path, arm: str, work: Path, config: dict, encoder: Path) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """KEYS and scores of every reader of one cohort."""
    people = people_of(cohort, arm)
    work.mkdir(parents=True, exist_ok=True)
    for scan in people["participant_id"]:
        look(scan, cohort / arm, work, config)
    stacks = {scan: read_stack(work / f"{scan}_stack.npz", "crop")[0] for scan in people["participant_id"]}
    values, about_features = read_features([work / f"{scan}_features.tsv" for scan in stacks])
    model, _ = read_image_model(encoder)
    about = {"normalise": config["normalise"], "augmentation": config["train_image_model"]["augmentation"]}
    plain, params = embeddings(model, stacks, about, None), ScanTraining(**config["train_scan_model"])
    told = people[["participant_id", "site", "label"]]
    yield ["sites", NONE, ORACLE, NONE, NONE], told.assign(score=people["oracle_score"])
    for (scheme, dealt), kind in product(SCHEMES.items(), (NONE, COMBAT)):
        folds = make_folds(people, Folds(scheme=dealt, folds=people["site"].nunique(), seed=0))
        numbers = sorted(folds["fold"].unique())
        seen = dict.fromkeys(numbers, plain)
        if kind == COMBAT:
            planned = plan(folds, BY_CONTROLS)
            line_of = partial(windows, values, about_features, demographics(folds), folds)
            lines = {fold: line_of(planned[planned["fold"] == fold]) for fold in numbers}
            seen = {fold: embeddings(model, stacks, about, of_fold) for fold, of_fold in lines.items()}
        scores = network_scores(folds, seen, params, encoder)
        yield ["sites", READING, NETWORK, scheme, kind], told.assign(score=scores[told["participant_id"]].to_numpy())
        by_fold, _ = features_by_fold(folds, values, about_features, HARMONISATIONS[kind])
        nothing, rows = pd.DataFrame(index=values.index), []
        for fold, own in by_fold.items():
            chosen = models(folds, own, about_features, nothing, Baselines(**config["baselines"]))
            rows.append(score_fold(folds, fold, next(one for one in chosen if one.name == FIRST), 0))
        learnt = pd.concat(rows).set_index("participant_id")["score"]
        yield ["sites", READING, FIRST, scheme, kind], told.assign(score=learnt[told["participant_id"]].to_numpy())


def main(arguments: Sequence[str] | None = None) -> None:
    """Score every cohort, write and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.centres_networks", description=__doc__)
    parser.add_argument("cohorts", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="folder for stacks and features")
    parser.add_argument("--arm", default="paper")
    parser.add_argument("--encoder", default="shipped", help="`shipped` or a file of target `pretrain`")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    config, encoder = settings([str(ROOT / "config/best.yaml")]), named_file(chosen.encoder)
    tables, rows = [], []
    for seed, cohort in enumerate(chosen.cohorts, start=1):
        for keys, table in study(cohort, chosen.arm, chosen.work / cohort.name, config, encoder):
            named = dict(zip(KEYS, keys, strict=True)) | {"cohort": seed}
            tables.append(table.assign(**named))
            rows.append(named | {"folder": cohort.name} | of_cohort(table))
            print(cohort.name, *keys[2:], f"{rows[-1]['auc']:.3f}", flush=True)
    means = over_cohorts(pd.concat(tables, ignore_index=True))
    for name, result in {"centres_networks": pd.DataFrame(rows), "centres_networks_means": means}.items():
        result.to_csv(chosen.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4f", na_rep="n/a")
    print(means[[*KEYS[2:], "auc", "auc_low", "auc_high", "below_oracle", "below_oracle_low", "below_oracle_high"]]
          .to_string(index=False))  # fmt: skip


if __name__ == "__main__":
    main()
