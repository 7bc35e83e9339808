import numpy as np
import pytest

from recon.contrast import tissue_contrasts
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, grid_mm

BRAIN = ball(36).astype(np.float32)
NUCLEUS = ball(6, (14, 4, 0))
TE_S = np.array([0.005, 0.030])


def echoes(s0=1000.0, gain=1.0):
    """White matter of 20 1/s with a darker nucleus of 40 1/s."""
    r2star_hz = np.where(NUCLEUS, 40.0, 20.0)[..., None]
    return np.where(NUCLEUS, 0.8, 1.0)[..., None] * s0 * np.asarray(gain)[..., None] * np.exp(-TE_S * r2star_hz)


def step(contrast):
    """Nucleus less its surroundings."""
    return contrast[NUCLEUS].mean() - contrast[ball(10, (14, 4, 0)) & ~NUCLEUS].mean()


def test_both_contrasts_of_a_nucleus_are_its_logarithms():
    t1, decay = tissue_contrasts(echoes(), BRAIN, VOXEL_SIZE_MM)
    assert step(decay) == pytest.approx(20 * np.ptp(TE_S), abs=0.01)
    assert step(t1) == pytest.approx(np.log(0.8) - 20 * TE_S[0], rel=0.1)


def test_the_coils_do_not_show():
    x, *_ = grid_mm()
    plain, uneven = (tissue_contrasts(echoes(gain=g), BRAIN, VOXEL_SIZE_MM) for g in (np.ones(SHAPE), np.exp(x / 80)))
    assert np.abs(uneven - plain)[1].max() < 1e-4
    assert np.ptp((uneven - plain)[0][ball(28)]) < 0.7 * 56 / 80


def test_units_do_not_matter():
    np.testing.assert_allclose(
        tissue_contrasts(echoes(1e-3), BRAIN, VOXEL_SIZE_MM),
        tissue_contrasts(echoes(), BRAIN, VOXEL_SIZE_MM),
        atol=1e-5,
    )


def test_they_have_zero_mean_and_end_at_the_mask():
    contrasts = tissue_contrasts(echoes(), BRAIN, VOXEL_SIZE_MM)
    assert contrasts.dtype == np.float32
    assert np.abs(contrasts.sum((1, 2, 3))).max() < 1e-3 * BRAIN.sum()
    assert not contrasts[:, BRAIN == 0].any()


@pytest.mark.parametrize("value", [0.0, 1e-9])
def test_a_void_is_finite(value):
    dark = echoes()
    dark[30:34, 30:34, 20:24] = value
    assert np.isfinite(tissue_contrasts(dark, BRAIN, VOXEL_SIZE_MM)).all()


def test_one_echo_has_no_decay():
    assert len(tissue_contrasts(echoes()[..., :1], BRAIN, VOXEL_SIZE_MM)) == 1
