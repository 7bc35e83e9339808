"""ComBat: known shifts and scales are removed, the published equations hold, and a package finds the same."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from qnet.combat import effect_of_controls, fit, moments, shrink

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"
FEATURES = 40
ONE = np.zeros(FEATURES, int)  # family


def sites(per_site: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Three sites that differ in shift and scale; age raises every feature by 0.05 SD a year, at C all are older."""
    generator = np.random.default_rng(seed)
    site = np.repeat(["A", "B", "C"], per_site)
    index = np.unique(site, return_inverse=True)[1]
    age, sex = generator.normal(50, 12, len(site)) + 8 * (site == "C"), generator.integers(0, 2, len(site))
    true = 0.05 * age[:, None] + 0.4 * sex[:, None] + generator.normal(size=(len(site), FEATURES))
    shift = np.array([0.0, 1.5, -1.0])[:, None] + 0.3 * generator.normal(size=(3, FEATURES))
    scale = np.array([1.0, 1.8, 0.6])[:, None] * np.exp(0.1 * generator.normal(size=(3, FEATURES)))
    base = 0.05 * age[:, None] + 0.4 * sex[:, None]
    values = base + shift[index] + scale[index] * (true - base)
    return {"site": site, "covariates": np.c_[age, sex].astype(float), "values": values}


def harmonised(given: dict[str, np.ndarray], reference: str | None = None, families: np.ndarray = ONE) -> np.ndarray:
    """Values without the effect of the sites, as `fit` on all of them finds it."""
    found, result = (
        fit(given["values"], given["site"], given["covariates"], families, reference),
        given["values"].copy(),
    )
    for name, effect in found.sites.items():
        at = given["site"] == name
        result[at] = found.harmonised(given["values"][at], given["covariates"][at], effect)
    return result


def spread_of_sites(given: dict[str, np.ndarray], values: np.ndarray) -> tuple[float, float]:
    """Largest difference between sites of the mean [SD] and of the log SD of what age and sex leave, over features."""
    rest = values - 0.05 * given["covariates"][:, :1] - 0.4 * given["covariates"][:, 1:]
    parts = [rest[given["site"] == name] for name in "ABC"]
    means, sds = (np.array([measure(part) for part in parts]) for measure in (lambda x: x.mean(0), lambda x: x.std(0)))
    return float(np.ptp(means, axis=0).max()), float(np.ptp(np.log(sds), axis=0).max())


def test_shift_and_scale_go_and_the_effect_of_age_stays():
    given = sites(400)
    before, after = (spread_of_sites(given, values) for values in (given["values"], harmonised(given)))
    assert before[0] > 2 and before[1] > 0.9
    assert after[0] < 0.2 and after[1] < 0.12
    age = np.c_[np.ones(1200), given["covariates"]]
    slope = np.linalg.lstsq(age, harmonised(given), rcond=None)[0][1]
    assert slope == pytest.approx(np.full(FEATURES, 0.05), abs=0.02)


def test_the_reference_keeps_its_values_and_the_others_come_to_it():
    given = sites(400)
    found, at = harmonised(given, "B"), given["site"] == "B"
    assert found[at] == pytest.approx(given["values"][at])
    assert max(spread_of_sites(given, found)) < 0.35
    assert found[~at].std(0) == pytest.approx(found[at].std(0), rel=0.3)


def test_the_posterior_solves_the_published_equations():
    """Equations of Johnson 2007, section 3.2, with a and b of the inverse gamma prior written out."""
    generator = np.random.default_rng(1)
    z = generator.normal(0.5, 1.3, (9, FEATURES)) * np.exp(0.2 * generator.normal(size=FEATURES))
    gamma, delta_2 = shrink(z, ONE)
    n, gamma_hat, delta_hat = len(z), z.mean(0), z.var(0, ddof=1)
    tau_2, m, s_2 = gamma_hat.var(ddof=1), delta_hat.mean(), delta_hat.var(ddof=1)
    a, b = (m**2 + 2 * s_2) / s_2, (m**3 + m * s_2) / s_2
    assert gamma == pytest.approx((n * tau_2 * gamma_hat + delta_2 * gamma_hat.mean()) / (n * tau_2 + delta_2))
    assert delta_2 == pytest.approx((((z - gamma) ** 2).sum(0) / 2 + b) / (n / 2 + a - 1))
    assert gamma.std() < gamma_hat.std() and delta_2.std() < delta_hat.std()


def test_families_have_priors_of_their_own_and_a_feature_alone_has_none():
    z = np.random.default_rng(2).normal(size=(12, FEATURES))
    z[:, 20:] += 5
    families = np.repeat([0, 1, 2], [20, 19, 1])
    gamma, delta_2 = shrink(z, families)
    assert gamma[:20] == pytest.approx(shrink(z[:, :20], families[:20])[0])
    assert (gamma[-1], delta_2[-1]) == pytest.approx((z[:, -1].mean(), z[:, -1].var(ddof=1)))
    assert np.isnan(moments(z[0], families)[0][-1])


def test_a_single_subject_has_a_shift_and_no_scale():
    gamma, delta_2 = shrink(np.full((1, FEATURES), 2.0) + 0.1 * np.arange(FEATURES), ONE)
    assert (delta_2 == 1).all()
    assert gamma[0] > 2.0 and gamma[-1] < 5.9  # drawn together


def test_what_is_missing_takes_no_part_and_what_is_constant_stays():
    given = sites(50)
    given["values"][:, 1] = 7.0
    given["values"][3, 0] = np.nan
    given["values"][given["site"] == "C", 2] = np.nan
    found = harmonised(given)
    assert (np.isnan(found) == np.isnan(given["values"])).all()
    assert found[:, 1] == pytest.approx(np.full(150, 7.0))
    without = {name: np.delete(value, 3, axis=0) for name, value in given.items()}
    alone = fit(without["values"], without["site"], without["covariates"], ONE)
    both = fit(given["values"], given["site"], given["covariates"], ONE)
    assert both.slopes[:, 0] == pytest.approx(alone.slopes[:, 0]) and both.sd[0] == pytest.approx(alone.sd[0])


def test_a_covariate_that_the_site_tells_is_not_kept():
    given = sites(30)
    given["covariates"][:, 1] = given["site"] == "A"
    found = fit(given["values"], given["site"], given["covariates"], ONE)
    assert found.kept.tolist() == [True, False] and (found.slopes[1] == 0).all()
    given["covariates"][::4, 0] = np.nan  # unknown ages count as the mean one
    assert np.isfinite(fit(given["values"], given["site"], given["covariates"], ONE).mean).all()


def test_one_site_is_left_as_it_is():
    given = {name: value[:50] for name, value in sites(50).items()}
    assert harmonised(given) == pytest.approx(given["values"])


def test_controls_bring_a_site_to_the_controls_of_the_training():
    generator = np.random.default_rng(3)
    training = generator.normal(-0.5, 0.8, (300, FEATURES))
    site = 2.0 + 1.5 * generator.normal(-0.5, 0.8, (300, FEATURES))
    brought = effect_of_controls(site, training, ONE).remove(site)
    assert brought.mean(0) == pytest.approx(training.mean(0), abs=0.05)
    assert brought.std(0) == pytest.approx(training.std(0), rel=0.1)


PEER = """
import json, sys, numpy as np, pandas as pd
np.int = int  # the package is older than NumPy 1.24
from neuroCombat import neuroCombat
g = np.load(sys.argv[1])
people = pd.DataFrame({"site": g["site"], "age": g["covariates"][:, 0], "sex": g["covariates"][:, 1]})
mean, B = (neuroCombat(g["values"].T.copy(), people, "site", ["sex"], ["age"], ref_batch=ref)["data"].T
           for ref in (None, "B"))
np.savez(sys.argv[2], mean=mean, B=B)
"""


@pytest.mark.skipif(not PYTHON.is_file(), reason="needs neurocombat in benchmarks/.venv, which `make bench` builds")
def test_a_package_harmonises_so_too(tmp_path):
    given = sites(20)
    np.savez(tmp_path / "given.npz", **given)
    command = [PYTHON, "-c", PEER, tmp_path / "given.npz", tmp_path / "found.npz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if "No module named 'neuroCombat'" in done.stderr:
        pytest.skip("neurocombat is not in benchmarks/.venv")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as theirs:
        for name, reference in (("mean", None), ("B", "B")):
            assert harmonised(given, reference) == pytest.approx(
                theirs[name], abs=1e-4
            )  # they stop at a change of 1e-4
