"""Several centres: what pooling, sites left out, harmonisation and fixed windows give.

`python -m benchmarks.centres HEADS/heads-2001`, after
`python -m benchmarks.cohorts HEADS --name heads --overlay config/sites.yaml simulate.subjects=24 --seeds 2001`.

Writes centres.tsv (one row per design, cohort, reading, model and scheme), centres_means.tsv (over cohorts, intervals
from resampled subjects) and centres_scanners.tsv (how each site measures). People are drawn, not reconstructed: see
`benchmarks.measured`.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.cohorts import settings
from benchmarks.measured import MAPS, READINGS, Measurement, about, columns, read_heads, repeated, true_means
from qnet.baselines.models import Baselines, features_by_fold, models, score_fold
from qnet.evaluation.confounds import site_rows
from qnet.evaluation.statistics import auc_interval, pair_wins, resample_subjects, weighted_auc
from qnet.folds import Folds, ages, demographics, held_out_labels, make_folds, training_labels
from qnet.harmonise import COMBAT, CONTROLS, NONE, Combat, plan, windows
from qnet.networks.predict import scan_scores
from qnet.networks.train_scan import ScanTraining, train_scan_model
from qnet.networks.weights import ENCODER, read_story, write_weights
from recon.phantom import bids
from recon.phantom.cohort import ILL, Simulate, age_mean, age_spread, at_site, cohort, group_shift, mixing
from recon.phantom.tissue import TABLE_TESLA, r2star_at

ROOT = Path(__file__).resolve().parents[1]
ONE, HOME = "one_site", "north"  # design without sites, and the site whose scanner is that of `simulate`
DESIGNS = {
    "sites": ["config/sites.yaml"],
    "sites_confounded": ["config/sites.yaml", "config/sites_confounded.yaml"],
    ONE: [],
}
SCHEMES = {"pooled": "stratified", "site left out": "leave_one_site_out"}
FIRST = "ROI + age (LR)"  # of `qnet.baselines.models`; the one that also learns from the means of images
MEASURED = "Q-Net (config/best.yaml, shipped encoder)"
NUCLEI = "Q-Net (config/best.yaml with config/centres.yaml)"
NETWORKS = {"encoder": MEASURED, "both": NUCLEI}  # by what it reads
LEARNT = (FIRST, "ROI + age (SVM)")
ORACLE, READER = "oracle (true χ and R2*, age)", "reader of the means who knows every scanner"
KEYS = ["design", "reading", "model", "scheme", "harmonisation"]
DRAWS, CONFIDENCE = 2000, 0.95
FOLDS = 4  # of a cohort of one site, which then has as many training subjects as one of four sites
# how the means of each fold are harmonised; a site that is left out is brought to the controls by its own controls
HARMONISATIONS = {NONE: None, COMBAT: Combat(reference_site=None, unseen_site=CONTROLS)}


def people_of(cfg: Simulate) -> pd.DataFrame:
    """Truth of a cohort with what `make_folds` reads: label, group and site, `HOME` where there is one."""
    table = bids.latents(cohort(cfg), cfg)
    site = table["site"] if cfg.sites else HOME
    return table.assign(label=(table["group"] == ILL).astype(int), site=site)


def measured_means(
    people: pd.DataFrame, scanners: Mapping[str, Measurement], rng: np.random.Generator, reading: str = "maps"
) -> pd.DataFrame:
    """Regional means as the scanner of each person's site measures them, by participant."""
    true, found = true_means(people), np.empty((len(people), len(columns(reading))))
    for site, scanner in sorted(scanners.items()):
        here = (people["site"] == site).to_numpy()
        found[here] = scanner.of(true[here], rng)
    return pd.DataFrame(found, people["participant_id"].to_numpy(), columns(reading))


def reader_scores(
    people: pd.DataFrame, means: pd.DataFrame, scanners: Mapping[str, Measurement], cfg: Simulate
) -> np.ndarray:
    r"""Log-likelihood ratio of HH from measured means and age, for who knows groups and scanners exactly, (n,).

    .. math:: s^T V^{-1} (m - a - b f(t) - s / 2), \qquad s = g(t) b' \delta, \quad V = g(t)^2 b' \Sigma b' + E

    with the scanner's offset a, scale b and covariance E of the error, f(t) in its field, and b' the scale from the
    values at 3 T.
    """
    A, delta = mixing(), group_shift(cfg.preset)
    half, p = len(delta) // 2, means.shape[1]
    unit = np.repeat([factor for _, factor in MAPS.values()], half)  # means are in ppm and 1/s
    seen = means.notna().all().to_numpy()
    scores = []
    for row in people.itertuples():
        scanner, b0_tesla = scanners[row.site], at_site(cfg, row.site if cfg.sites else "").b0_tesla
        expected = age_mean(row.age)
        expected[half:] = r2star_at(expected[half:], b0_tesla)
        to_measured = scanner.scale * repeated(unit * np.repeat([1, b0_tesla / TABLE_TESLA], half), p)
        shift = age_spread(row.age) * to_measured * repeated(delta, p)
        sigma = np.tile(A @ A.T, (p // len(delta), p // len(delta)))
        V = age_spread(row.age) ** 2 * (to_measured[:, None] * sigma * to_measured) + scanner.covariance
        usual = scanner.offset + scanner.scale * repeated(unit * expected, p)
        rest = means.loc[row.participant_id].to_numpy() - usual - shift / 2
        scores.append(float(np.linalg.solve(V[np.ix_(seen, seen)], shift[seen]) @ rest[seen]))
    return np.array(scores)


def learnt_scores(
    folds: pd.DataFrame, means: pd.DataFrame, names: Sequence[str], harmonisation: str, params: Baselines
) -> dict[str, pd.Series]:
    """Model → cross-validated P(HH) by participant, as `qnet.baselines.models` makes it."""
    by_fold, _ = features_by_fold(folds, means, about(), HARMONISATIONS[harmonisation])
    nothing = pd.DataFrame(index=means.index)
    rows = []
    for fold, values in by_fold.items():
        chosen = [model for model in models(folds, values, about(), nothing, params) if model.name in names]
        rows += [score_fold(folds, fold, model, 0) for model in chosen]
    scored = pd.concat(rows)
    return {name: of_model.set_index("participant_id")["score"] for name, of_model in scored.groupby("model")}


def network_scores(folds: pd.DataFrame, means: pd.DataFrame, kind: str, params: ScanTraining) -> pd.Series:
    """Cross-validated P(HH) by participant of a head that reads what the shipped encoder measured, p or 2 p means.

    Those of the encoder come first, and for the head `nuclei` the means over the located nuclei after them. Stage 2 is
    trained as in the workflow; harmonised windows take the line of each site off the means of each reading.
    """
    story = read_story(ENCODER)
    p = len(columns())
    mean, sd = (np.array(story[name])[:-1] / units() for name in ("mean", "sd"))
    years, scores, order = ages(folds), {}, folds["participant_id"].tolist()
    planned = None if kind == NONE else plan(folds, HARMONISATIONS[kind])
    for fold in sorted(folds["fold"].unique()):
        common = means.loc[order].to_numpy()
        if planned is not None:
            of_fold = planned[planned["fold"] == fold]
            parts = np.split(common, common.shape[1] // p, axis=1)
            common = np.hstack([without_lines(part, folds, of_fold) for part in parts])
        rows = np.hstack([(common[:, :p] - mean) / sd, common[:, p:]]).astype(np.float32)
        read = {name: row[None] for name, row in zip(order, rows, strict=True)}
        labels = training_labels(folds, fold)
        own, target = np.array([years[name] for name in labels]), np.array([*labels.values()])
        with tempfile.TemporaryDirectory() as folder:
            encoder = f"{folder}/encoder.safetensors"
            write_reader(encoder, story["targets"])
            scans = [read[name][None] for name in labels]
            model, _ = train_scan_model(scans, target, own, params, 0, torch.device("cpu"), [*labels], encoder)
        for name in held_out_labels(folds, fold):
            scores[name] = scan_scores(model, read[name], years[name])[1]
    return pd.Series(scores)


def without_lines(means: np.ndarray, folds: pd.DataFrame, planned: pd.DataFrame) -> np.ndarray:
    """Means (n, p) of one reading, in the order of the folds, as harmonised windows show them."""
    table = pd.DataFrame(means, folds["participant_id"], columns())
    lines = np.array([*windows(table, about(), demographics(folds), folds, planned).values()])
    shift, scale = (np.repeat(lines[:, k::2], means.shape[1] // 2, axis=1) for k in (0, 1))
    return (means - shift) / scale


def units() -> np.ndarray:
    """(p,) by which to divide ppb and 1/s for ppm and 1/s."""
    half = len(columns()) // 2
    return np.repeat([1 / factor for _, factor in MAPS.values()], half)


def write_reader(path: str, targets: Sequence[str]) -> None:
    """An encoder's file for embeddings that are its measurements themselves, of a slice that shows all nuclei."""
    p = len(columns())
    layer = nn.Linear(p, p + 1 + p // 2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(p + 1 + p // 2, p))
        layer.bias.zero_()[p + 1 :] = 30.0  # logits of showing a nucleus
    write_weights(path, nn.ModuleDict({"resnet": nn.ModuleDict({"fc": layer})}), {"targets": [*targets]})


def study(
    design: str, cfg: Simulate, scanners: Mapping[str, Mapping[str, Measurement]], best: Mapping, centres: Mapping
) -> pd.DataFrame:
    """Scores of every reader and model for every person of one cohort: KEYS, participant_id, site, label, score.

    `best` and `centres` are configurations: config/best.yaml, and config/centres.yaml on top of it.
    """
    people = people_of(cfg)
    tables = []

    def add(scores: pd.Series | np.ndarray, *keys: str) -> None:
        told = people[["participant_id", "site", "label"]]
        values = scores.loc[told["participant_id"]].to_numpy() if isinstance(scores, pd.Series) else scores
        tables.append(told.assign(score=values, **dict(zip(KEYS, (design, *keys), strict=True))))

    add(people["oracle_score"].to_numpy(), NONE, ORACLE, NONE, NONE)
    stages = {"encoder": best["train_scan_model"], "both": centres["train_scan_model"]}
    schemes = SCHEMES if cfg.sites else {"pooled": "stratified"}
    for number, reading in enumerate(READINGS if design != "sites_confounded" else READINGS[:1]):
        of_site = scanners[reading]
        means = measured_means(people, of_site, np.random.default_rng([cfg.seed, number]), reading)
        add(reader_scores(people, means, of_site, cfg), reading, READER, NONE, NONE)
        names = {"maps": LEARNT, "both": ()}.get(reading, (FIRST,))
        kinds = HARMONISATIONS if cfg.sites and reading in ("maps", "encoder", "both") else [NONE]
        for (scheme, dealt), kind in product(schemes.items(), kinds):
            folds = make_folds(people, Folds(scheme=dealt, folds=len(cfg.sites) or FOLDS, seed=0))
            if names:
                for name, scores in learnt_scores(folds, means, names, kind, Baselines(**best["baselines"])).items():
                    add(scores, reading, name, scheme, kind)
            if reading in NETWORKS:
                stage = ScanTraining(**stages[reading])
                add(network_scores(folds, means, kind, stage), reading, NETWORKS[reading], scheme, kind)
    return pd.concat(tables, ignore_index=True)


def wins(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) shares of won pairs of patient and control, and which pairs are of one site."""
    labels, site = table["label"].to_numpy(), table["site"].to_numpy(str)
    K = pair_wins(labels, table["score"].to_numpy(), np.arange(len(labels)), len(labels))
    return K, (site[:, None] == site) & (labels[:, None] > labels)


def of_cohort(table: pd.DataFrame) -> dict[str, float]:
    """AUC with DeLong's interval, AUC within sites, and whether the site alone predicts the group of one cohort."""
    labels, site = table["label"].to_numpy(bool), table["site"].to_numpy(str)
    auc, low, high = auc_interval(labels, table["score"].to_numpy(), CONFIDENCE)
    K, same = wins(table)
    alone = next(iter(site_rows(labels, site, np.zeros(len(site), int).astype(str), CONFIDENCE)), {"value": 0.5})
    return {
        "subjects": len(table), "auc": auc, "auc_low": low, "auc_high": high,
        "auc_within_sites": float(K[same].mean()), "auc_site_alone": alone["value"], "flagged": int("flag" in alone),
    }  # fmt: skip


def over_cohorts(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean AUC over cohorts, within sites, and its distance to the oracle of the same people.

    Intervals are percentiles over resamples of subjects, within group and cohort; models share the resamples.
    """
    drawn: dict[tuple, np.ndarray] = {}
    kept: dict[tuple, list[np.ndarray]] = {}
    for (*keys, seed), table in scores.groupby([*KEYS, "cohort"], sort=False):
        labels = table["label"].to_numpy()
        draw = drawn.setdefault((keys[0], seed), resample_subjects(labels, DRAWS, int(seed)))
        weights = np.vstack([np.ones(len(labels)), draw])
        K, same = wins(table)
        auc = weighted_auc(K, weights, labels, 1 - labels)
        within = ((weights @ (K * same)) * weights).sum(1) / ((weights @ same) * weights).sum(1)
        kept.setdefault(tuple(keys), []).append(np.stack([auc, within]))
    means = {keys: np.mean(of_cohorts, axis=0) for keys, of_cohorts in kept.items()}
    rows = []
    for keys, (auc, within) in means.items():
        oracle, oracle_within = means[keys[0], NONE, ORACLE, NONE, NONE]
        row = dict(zip(KEYS, keys, strict=True)) | {"cohorts": len(kept[keys])}
        quantities = {
            "auc": auc, "below_oracle": oracle - auc, "auc_within_sites": within,
            "below_oracle_within_sites": oracle_within - within,
        }  # fmt: skip
        for name, (value, *resampled) in quantities.items():
            low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def scanner_table(scanners: Mapping[str, Mapping[str, Measurement]]) -> pd.DataFrame:
    """Scale of each map, mean offset and SD of the error over nuclei, for every site and reading but `both`, which is
    two of the others."""
    rows = []
    single = {reading: of_site for reading, of_site in scanners.items() if reading != "both"}
    for (reading, of_site), quantity in product(single.items(), MAPS):
        own = [name.startswith(quantity) for name in columns()]
        for site, scanner in of_site.items():
            error = np.sqrt(np.diag(scanner.covariance)[own].mean())
            about_map = {"reading": reading, "map": quantity, "site": site, "heads": scanner.heads}
            found = {"scale": scanner.scale[own][0], "offset": np.nanmean(scanner.offset[own]), "error_sd": error}
            rows.append(about_map | found)
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the scanners, draw the cohorts, write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.centres", description=__doc__)
    parser.add_argument("heads", type=Path, help="folder of one cohort that benchmarks.cohorts wrote")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--work", type=Path, help="folder for stacks and features of the heads; heads/learning")
    parser.add_argument("--arm", default="paper", choices=["paper", "consensus"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--subjects", type=int, default=96)
    chosen = parser.parse_args(arguments)
    best = settings([str(ROOT / "config/best.yaml")])
    centres = settings([str(ROOT / f"config/{name}.yaml") for name in ("best", "centres")])
    scanners = read_heads(chosen.heads, chosen.arm, chosen.work or chosen.heads / "learning", best)
    tables = []
    for (design, overlays), seed in product(DESIGNS.items(), chosen.seeds):
        simulate = settings(["simulate.preset=paper", *(str(ROOT / file) for file in overlays)])["simulate"]
        cfg = Simulate(**simulate | {"seed": seed, "subjects": chosen.subjects})
        tables.append(study(design, cfg, scanners, best, centres).assign(cohort=seed))
    scores = pd.concat(tables, ignore_index=True)
    single = [
        dict(zip([*KEYS, "cohort"], keys, strict=True)) | of_cohort(table)
        for keys, table in scores.groupby([*KEYS, "cohort"], sort=False)
    ]
    means = over_cohorts(scores)
    written = {"centres": pd.DataFrame(single), "centres_means": means, "centres_scanners": scanner_table(scanners)}
    for name, table in written.items():
        table.to_csv(chosen.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4f", na_rep="n/a")
    print(means[[*KEYS, "auc", "below_oracle", "below_oracle_low", "below_oracle_high"]].to_string(index=False))


if __name__ == "__main__":
    main()
