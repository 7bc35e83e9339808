import numpy as np
import pytest

from recon.maths.contrast import KNOTS, tissue_contrasts
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, grid_mm

BRAIN = ball(36)
WHITE, FLUID = ball(26), ball(36) & ~ball(31)  # cortex between them
TE_S = np.array([0.005, 0.030])
STEPS = len(KNOTS) - 1


def echoes(gain=1.0, te_s=TE_S):
    """White matter, cortex and fluid: ever darker, ever slower."""
    s0, r2star_hz = np.full(SHAPE, 750.0), np.full(SHAPE, 17.0)
    s0[WHITE], r2star_hz[WHITE] = 1000, 20
    s0[FLUID], r2star_hz[FLUID] = 500, 4
    return (s0 * gain)[..., None] * np.exp(-r2star_hz[..., None] * te_s)


def contrasts(magnitude):
    return tissue_contrasts(magnitude, BRAIN, VOXEL_SIZE_MM)


def test_t1_weighting_and_decay_rise_in_steps_from_zero_to_one():
    shown = contrasts(echoes())
    assert len(shown) == 2 * STEPS
    assert shown.dtype == np.float32
    assert np.ptp(shown[:, BRAIN], axis=1) == pytest.approx(1, abs=1e-5)


def test_susceptibility_that_is_linear_in_neither_is_a_sum_of_them():
    chi = np.where(WHITE, -0.03, 0.015)  # of cortex and of fluid alike
    pure = BRAIN & ~(ball(28) & ~ball(24)) & ~(ball(33) & ~ball(29))
    X = np.column_stack([*contrasts(echoes())[:, pure], np.ones(pure.sum())])
    rest = chi[pure] - X @ np.linalg.lstsq(X, chi[pure], rcond=None)[0]
    assert rest.std() < 0.15 * chi[pure].std()


def test_the_coils_hardly_show():
    x, *_ = grid_mm()
    plain, uneven = contrasts(echoes()), contrasts(echoes(np.exp(x / 200)))
    assert np.abs(uneven - plain)[STEPS:].max() < 1e-3  # decay: not at all
    assert (uneven - plain)[:STEPS, BRAIN].std() < 0.35 * plain[:STEPS, BRAIN].std()


def test_units_do_not_matter():
    np.testing.assert_allclose(contrasts(echoes(1e-3)), contrasts(echoes()), atol=1e-3)


def test_they_have_zero_mean_and_end_at_the_mask():
    shown = contrasts(echoes())
    assert np.abs(shown[:, BRAIN].mean(1, dtype=float)).max() < 1e-5
    assert not shown[:, ~BRAIN].any()


def test_what_lies_outside_is_not_read():
    np.testing.assert_array_equal(contrasts(np.where(BRAIN[..., None], echoes(), np.nan)), contrasts(echoes()))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9, np.nan, np.inf])
def test_a_void_is_finite(value):
    dark = echoes()
    dark[30:34, 30:34, 20:24] = value
    assert np.isfinite(contrasts(dark)).all()


def test_one_echo_has_no_decay():
    assert len(contrasts(echoes()[..., :1])) == STEPS


def test_a_flat_image_and_an_empty_mask_show_nothing():
    assert not contrasts(np.ones((*SHAPE, 2))).any()
    assert len(tissue_contrasts(echoes(), np.zeros(SHAPE, bool), VOXEL_SIZE_MM)) == 0


def test_inputs_stay():
    magnitude, mask = echoes(), BRAIN.copy()
    magnitude.flags.writeable = mask.flags.writeable = False
    tissue_contrasts(magnitude, mask, VOXEL_SIZE_MM)
