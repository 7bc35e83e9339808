"""What total variation may, and may not, take from the magnitude."""

import numpy as np
import pytest
from scipy import ndimage

from recon.inversion import dipole_inversion
from tests.recon.physics import GRID, SHAPE, ball, field_of, grid_mm, slope
from tests.recon.test_inversion import TV

TE_S = np.array([0.005, 0.015, 0.030])
BRAIN = ball(40)
PLAIN = TV | {"tv_prior": "none"}
SIDES = [ball(6, (side * 14, 4, 0)) for side in (-1, 1)]
X, Y, Z = grid_mm()


def folds(shift=(0, 0, 0)):
    """White matter in a folded cortex, the folds shifted by phases [rad]."""
    a, b, c = shift
    return ball(34) & (np.sin(X / 4 + a) + np.sin(Y / 5 + b) + np.sin(Z / 4.5 + c) > -0.6)


WHITE = folds()
TISSUE = np.where(WHITE, -0.03, 0.015).astype(np.float32) * BRAIN
NUCLEI = sum(chi * side.astype(np.float32) for chi, side in zip((0.08, 0.16), SIDES, strict=True))
CHI = np.where(SIDES[0] | SIDES[1], NUCLEI, TISSUE).astype(np.float32)


def magnitude(r2star_hz):
    """T1-weighted echoes of cortex and white matter."""
    return (np.where(WHITE, 1000, 750)[..., None] * np.exp(-r2star_hz[..., None] * TE_S)).astype(np.float32)


SAME_DECAY = magnitude(np.where(WHITE, 20.0, 17.0))  # nuclei do not show
DECAY = magnitude(np.where(SIDES[0], 30.0, np.where(SIDES[1], 38.0, np.where(WHITE, 20.0, 17.0))))


def noisy(field_ppm, sd=0.004):
    return field_ppm + sd * np.random.default_rng(0).standard_normal(SHAPE, np.float32)


def invert(field_ppm, echoes, params=TV):
    return dipole_inversion(field_ppm, BRAIN, GRID, **params, magnitude=echoes)


def error(estimate, truth):
    e, t = (v[BRAIN] - v[BRAIN].mean() for v in (estimate, truth))
    return np.linalg.norm(e - t) / np.linalg.norm(t)


@pytest.fixture(scope="module")
def field():
    return noisy(field_of(CHI))


def test_edges_that_magnitude_shows_are_measured_better(field):
    assert error(invert(field, SAME_DECAY), CHI) < 0.85 * error(invert(field, SAME_DECAY, PLAIN), CHI)


@pytest.mark.parametrize("echoes", [SAME_DECAY, DECAY], ids=["nuclei hidden", "nuclei shown"])
def test_nuclei_are_to_scale_whether_magnitude_shows_them_or_not(field, echoes):
    estimate, core = invert(field, echoes), [ndimage.binary_erosion(side) for side in SIDES]
    difference = estimate[core[1]].mean() - estimate[core[0]].mean()
    assert difference == pytest.approx(0.08, abs=0.006)


def test_a_dark_spot_without_iron_gets_none(field):
    spot = ball(5, (0, -18, 8))
    dark = SAME_DECAY * np.where(spot, np.exp(-30 * TE_S)[:, None, None, None], 1).transpose(1, 2, 3, 0)
    change = (invert(field, dark.astype(np.float32)) - invert(field, SAME_DECAY))[spot]
    assert abs(change.mean()) < 0.004


def test_anatomy_without_susceptibility_is_not_printed():
    flat = noisy(field_of(NUCLEI.astype(np.float32)))
    estimate = invert(flat, SAME_DECAY)
    assert (
        abs(slope(estimate, np.where(WHITE, 1.0, 0.0), BRAIN & ~ndimage.binary_dilation(NUCLEI > 0, iterations=3)))
        < 0.002
    )


STRONG = magnitude(np.where(WHITE, 28.0, 12.0))  # both T1 weighting and decay


@pytest.mark.parametrize("seed", range(3))
def test_a_brain_of_one_susceptibility_shows_none_of_its_contrast(seed):
    noise = 0.004 * np.random.default_rng(seed).standard_normal(SHAPE, np.float32)
    background = field_of(0.1 * ball(6, (0, 50, -10)).astype(np.float32))
    flat = noise + background
    estimate = invert(flat, STRONG)
    np.testing.assert_array_equal(estimate, invert(flat, None, PLAIN))
    inner, rng = ball(28), np.random.default_rng(seed)
    chance = [np.corrcoef(estimate[inner], folds(rng.uniform(0, 2 * np.pi, 3))[inner])[0, 1] for _ in range(30)]
    assert abs(np.corrcoef(estimate[inner], WHITE[inner])[0, 1]) < 3 * np.std(chance)


def test_susceptibility_that_magnitude_does_not_show_is_measured_all_the_same(field):
    other = np.roll(STRONG, (9, 13, 7), axis=(0, 1, 2))
    np.testing.assert_array_equal(invert(field, other), invert(field, None, PLAIN))


def test_inputs_stay(field):
    echoes = DECAY.copy()
    echoes.flags.writeable = False
    invert(field, echoes)


def test_without_magnitude_the_prior_changes_nothing(field):
    np.testing.assert_array_equal(invert(field, None), invert(field, None, PLAIN))


@pytest.mark.parametrize("bad", [np.nan, 0.0, np.inf])
def test_a_magnitude_with_bad_voxels_gives_a_finite_map(field, bad):
    echoes = DECAY.copy()
    echoes[28:34, 30:34, 20:24] = bad
    assert np.isfinite(invert(field, echoes)).all()
