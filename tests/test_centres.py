"""The benchmark of several centres: scanners learnt from heads, people measured by them, scores against the oracle."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.centres import (
    FIRST,
    KEYS,
    NETWORKS,
    NONE,
    ONE,
    ORACLE,
    READER,
    measured_means,
    of_cohort,
    over_cohorts,
    people_of,
    reader_scores,
    scanner_table,
    study,
)
from benchmarks.cohorts import settings
from benchmarks.measured import READINGS, Measurement, about, columns, fit, true_means
from benchmarks.site_alone import LEAN, flagged
from benchmarks.site_alone import main as site_alone
from recon.phantom.cohort import Simulate
from tests.recon.test_sites import CONFOUNDED, SITES

CFG = Simulate(**SITES)
P = len(columns())
QUICK = settings(["config/best.yaml"]) | {
    "baselines": {
        "inverse_regularisation": (0.1,), "feature_counts": (5,), "inner_folds": 2, "components": 2, "permutations": 0,
        "seed": 0,
    }
}  # fmt: skip
QUICK["train_scan_model"] |= {"epochs": 8, "learning_rate": 0.1}
CENTRES = {"train_scan_model": QUICK["train_scan_model"] | {"head": "nuclei", "weight_decay": 1.0}}


def scanner(error_sd: float, offset: float = 0.0, p: int = P) -> Measurement:
    """One that is to scale."""
    return Measurement(offset=np.full(p, offset), scale=np.ones(p), covariance=error_sd**2 * np.eye(p), heads=4)


def by_reading(scanners: dict) -> dict:
    """The same scanners for every reading; those of two readings know both."""
    return dict.fromkeys(READINGS, scanners) | {"both": {site: scanner(1e-6, p=2 * P) for site in scanners}}


@pytest.fixture
def scanners():
    """A perfect scanner at every site, but for errors that are small beside the spread between people."""
    return {site: scanner(1e-6) for site in CFG.sites}


def test_what_a_scanner_does_is_found_from_its_heads():
    rng = np.random.default_rng(2)
    true = rng.normal(1, 0.2, (300, P))
    half = P // 2
    scale = np.repeat([0.8, 1.1], half)
    measured = 0.3 + scale * true + rng.normal(0, 0.05, true.shape)
    found = fit(measured, true, np.full(len(true), "a"))["a"]
    assert found.scale == pytest.approx(scale, abs=0.02)
    assert found.offset == pytest.approx(0.3, abs=0.03)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(0.05, rel=0.15)


def test_the_error_of_few_heads_is_not_too_small():
    rng = np.random.default_rng(3)
    variances = []
    for _ in range(100):
        true = rng.normal(1, 0.2, (4, P))
        (found,) = fit(true + rng.normal(0, 0.05, true.shape), true, np.full(4, "a")).values()
        variances.append(np.diag(found.covariance).mean())
    assert np.mean(variances) == pytest.approx(0.05**2, rel=0.05)


def test_a_mean_that_no_head_has_stays_missing():
    rng = np.random.default_rng(4)
    true = rng.normal(1, 0.2, (5, P))
    measured = true + rng.normal(0, 1e-4, true.shape)
    measured[:, 2] = np.nan
    found = fit(measured, true, np.full(len(true), "a"))["a"]
    assert np.isnan(found.offset[2]) and np.isfinite(np.delete(found.offset, 2)).all()
    assert found.scale == pytest.approx(np.ones(P), abs=1e-3)


def test_people_are_measured_with_scale_offset_and_error_of_their_site(scanners):
    people, rng = people_of(replace(CFG, subjects=480)), np.random.default_rng(5)
    means = measured_means(people, scanners | {"west": scanner(0.01, offset=2.0)}, rng)
    difference = means.to_numpy() - true_means(people)
    west = (people["site"] == "west").to_numpy()
    assert difference[west].mean() == pytest.approx(2.0, abs=0.01)
    assert difference[west].std() == pytest.approx(0.01, rel=0.1)
    assert np.abs(difference[~west]).max() < 1e-5
    assert list(means.columns) == list(about().index)


def test_who_knows_a_perfect_scanner_is_the_oracle(scanners):
    people = people_of(CFG)
    means = measured_means(people, scanners, np.random.default_rng(6))
    assert reader_scores(people, means, scanners, CFG) == pytest.approx(people["oracle_score"].to_numpy(), abs=0.01)


def test_nobody_reads_more_than_the_oracle_from_a_poor_scanner():
    rng = np.random.default_rng(7)
    cfg = replace(CFG, subjects=400)
    poor = {site: scanner(20.0) for site in cfg.sites}
    people = people_of(cfg)
    means = measured_means(people, poor, rng)
    told = people[["site", "label"]]
    assert of_cohort(told.assign(score=reader_scores(people, means, poor, cfg)))["auc"] < 0.65
    assert of_cohort(told.assign(score=people["oracle_score"]))["auc"] > 0.85


def test_every_scheme_and_harmonisation_has_a_row_and_the_oracle_is_the_measure(scanners):
    given = by_reading(scanners), QUICK, CENTRES
    scores = pd.concat(
        study("sites", replace(CFG, seed=seed, subjects=32), *given).assign(cohort=seed) for seed in (1, 2)
    )
    means = over_cohorts(scores).set_index(KEYS)
    of_encoder, of_both = 2 * 2 * 2, 2 * 2
    assert len(means) == 1 + len(READINGS) + 2 * 2 * 2 + 2 * 2 + of_encoder + of_both  # oracle, readers, maps, images
    assert set(means["cohorts"]) == {2}
    oracle = means.loc["sites", NONE, ORACLE, NONE, NONE]
    assert oracle["below_oracle"] == oracle["below_oracle_high"] == 0
    assert oracle["auc_low"] < oracle["auc"] < oracle["auc_high"]
    assert means.loc["sites", "maps", READER, NONE, NONE]["below_oracle"] == pytest.approx(0, abs=0.002)
    assert (means.xs(FIRST, level="model")["auc"] > 0.6).all()
    for network in NETWORKS.values():
        assert (means.xs(network, level="model")["auc"] > 0.6).all()


def test_each_reading_of_a_site_has_the_scale_and_offset_of_both_maps(scanners):
    table = scanner_table(by_reading(scanners | {"north": scanner(0.5, offset=3.0)})).set_index(
        ["reading", "map", "site"]
    )
    assert set(table.index.get_level_values("reading")) == {*READINGS} - {"both"}  # two of the others
    assert (table["scale"] == 1).all()
    assert (table.xs("north", level="site")[["offset", "error_sd"]] == [3.0, 0.5]).all(axis=None)


def test_people_of_one_centre_are_measured_by_the_scanner_of_the_settings(scanners):
    """Its rows are pooled and nothing is harmonised; a second reading of the same means changes no reader."""
    scores = study(ONE, replace(CFG, sites={}, subjects=32), by_reading(scanners), QUICK, CENTRES).assign(cohort=1)
    means = over_cohorts(scores).set_index(KEYS)
    assert set(means.index.get_level_values("harmonisation")) == {NONE}
    assert set(means.index.get_level_values("scheme")) == {NONE, "pooled"}
    assert means.loc[ONE, "both", READER, NONE, NONE]["below_oracle"] == pytest.approx(0, abs=0.01)
    assert of_cohort(scores)["flagged"] == 0


def test_a_site_that_reads_high_passes_for_disease_where_sites_are_confounded(scanners):
    cfg = Simulate(**CONFOUNDED | {"preset": "null", "subjects": 192})  # many, so that chance within sites is near 0.5
    high = scanners | {"north": scanner(1e-6, offset=3.0)}
    scores = study("sites_confounded", cfg, dict.fromkeys(READINGS, high), QUICK, CENTRES)
    learnt = scores[(scores["model"] == FIRST) & (scores["harmonisation"] == NONE)].groupby("scheme")
    found = {scheme: of_cohort(table) for scheme, table in learnt}
    assert found["pooled"]["auc"] > 0.75 and found["pooled"]["flagged"]
    assert abs(found["pooled"]["auc_within_sites"] - 0.5) < 0.25


def test_the_site_alone_is_flagged_where_it_tells_the_groups_and_seldom_elsewhere(capsys):
    assert flagged(96, 2, LEAN, 40) > 0.8 > 0.1 > flagged(96, 4, None, 40)
    site_alone(["--cohorts", "1"])
    assert capsys.readouterr().out.count("% flagged") == 9
