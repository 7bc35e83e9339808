"""Scores over the whole brain, and choices that never see the generator that judges them."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest

from benchmarks.choose import leave_one_out, mean_ranks
from benchmarks.generalisation import varied
from benchmarks.peers import PYTHON, ROOT
from benchmarks.scores import chi_scores, hfen_percent, lesion_scores, map_scores
from recon.check.metrics import nrmse_percent, xsim

SHAPE = (24, 24, 24)


@pytest.fixture
def brain() -> np.ndarray:
    x, y, z = np.indices(SHAPE) - 11.5
    return x**2 + y**2 + z**2 < 100


@pytest.fixture
def truth(brain) -> np.ndarray:
    return np.where(brain, np.random.default_rng(0).normal(0, 0.05, SHAPE), 0).astype(np.float32)


def test_a_perfect_map_is_perfect(truth, brain):
    scores = chi_scores(truth, brain, truth, brain, np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    assert scores["nrmse_percent"] == pytest.approx(0, abs=1e-3) and scores["xsim"] == pytest.approx(1)
    assert scores["hfen_percent"] == pytest.approx(0, abs=1e-3) and scores["kept_percent"] == 100


def test_what_is_dropped_counts_as_zero(truth, brain):
    support = brain & (np.indices(SHAPE)[2] > 8)
    scores = map_scores(truth, support, truth, brain)
    lost = np.linalg.norm(truth[brain & ~support]) / np.linalg.norm(truth[brain])
    assert scores["nrmse_percent"] == pytest.approx(100 * lost, rel=0.05)
    assert scores["support_nrmse_percent"] == pytest.approx(0, abs=1e-3)
    assert scores["kept_percent"] == pytest.approx(100 * support.sum() / brain.sum())


def test_detrending_forgives_a_factor_alone(truth, brain):
    scores = map_scores(0.5 * truth, brain, truth, brain)
    assert scores["nrmse_percent"] == pytest.approx(50, rel=1e-3)
    assert scores["nrmse_detrended_percent"] == pytest.approx(0, abs=1e-3)


def test_a_calcification_at_half_its_strength_has_half_its_moment(truth, brain):
    lesions = np.zeros(SHAPE, np.uint8)
    lesions[11:13, 11:13, 11:13] = 1
    strong = np.where(lesions == 1, -2, 0).astype(np.float32)
    scores = lesion_scores(strong / 2, strong, lesions, brain)
    assert scores["calcification_moment_percent"] == pytest.approx(50)
    assert scores["streaks_percent"] == pytest.approx(0, abs=1e-6)
    assert lesion_scores(truth, truth, 0 * lesions, brain) == {}


QSM_CI = {"nrmse": 27.983761, "hfen": 27.585773, "xsim": 0.9411708}  # of the maps below, printed by qsm-ci 0.6.2


@pytest.fixture
def maps(truth, brain):
    """Estimate, truth and mask, padded: filters differ where a volume ends."""
    estimate = np.where(brain, 0.8 * truth + 0.01 * np.random.default_rng(1).standard_normal(SHAPE), 0)
    return [np.pad(x, 8) for x in (estimate, truth, brain)]


def test_scores_are_those_of_qsm_ci(maps):
    assert nrmse_percent(*maps) == pytest.approx(QSM_CI["nrmse"], rel=1e-4)
    assert hfen_percent(*maps) == pytest.approx(QSM_CI["hfen"], rel=1e-4)
    assert xsim(*maps) == pytest.approx(QSM_CI["xsim"], rel=1e-4)


@pytest.mark.skipif(not PYTHON.is_file(), reason="needs qsm-ci in benchmarks/.venv, which `make bench` builds")
def test_qsm_ci_still_scores_so(maps, tmp_path):
    np.savez(tmp_path / "maps.npz", **dict(zip(("estimate", "truth", "mask"), maps, strict=True)))
    script = (
        "import sys, json, numpy as np\n"
        "from qsm_ci.qsm_eval import score_arrays\n"
        "g = np.load(sys.argv[1])\n"
        "print(json.dumps(score_arrays(g['estimate'], g['truth'], g['mask'])[0]))"
    )
    command = [PYTHON, "-c", script, tmp_path / "maps.npz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if "No module named 'qsm_ci'" in done.stderr:
        pytest.skip("qsm-ci is not in benchmarks/.venv")
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    assert {name: theirs[name] for name in QSM_CI} == pytest.approx(QSM_CI, rel=1e-4)


def rows(values: dict[str, dict[str, float]]) -> pd.DataFrame:
    """A record of one metric: generator → variant → NRMSE."""
    return pd.DataFrame(
        [
            {"generator": g, "stage": "chain, true mask", "variant": v, "metric": m, "value": x if m != "xsim" else -x}
            for g, line in values.items()
            for v, x in line.items()
            for m in ("nrmse_percent", "xsim", "hfen_percent")
        ]
    )


def test_the_choice_does_not_see_the_generator_that_judges_it():
    table = {"a": {"on": 20, "off": 30}, "b": {"on": 21, "off": 25}, "c": {"on": 40, "off": 10}}
    chosen = leave_one_out(rows(table)).set_index(["left_out", "metric"])
    assert chosen.loc[("c", "nrmse_percent"), "chosen"] == "on"
    assert chosen.loc[("c", "nrmse_percent"), "value"] == 40 and chosen.loc[("c", "nrmse_percent"), "best"] == 10


def test_ranks_are_means_over_generators():
    table = {"a": {"on": 20, "off": 30}, "b": {"on": 21, "off": 20}}
    assert mean_ranks(rows(table)).loc["all"].to_dict() == {"on": 1.5, "off": 1.5}


def test_a_variant_names_a_setting_that_exists():
    assert varied(["dipole_inversion.tv_prior=none"])["dipole_inversion"]["tv_prior"] == "none"
    with pytest.raises(ValueError, match="SECTION.KEY=VALUE"):
        varied(["dipole_inversion.nothing=1"])
