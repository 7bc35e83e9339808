import numpy as np
import pytest

from recon.trim import phase_coherence, reliable_mask
from recon.unwrap import UnwrapPhase
from tests.recon.physics import SHAPE, ball, grid_mm

PARAMS = UnwrapPhase(method="weighted", align_echoes=True, trim_coherence=0.5, trim_echo=1)


def wrap(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


@pytest.fixture(scope="module")
def smooth():
    x, y, z = grid_mm()
    return (0.25 * x + 0.1 * y + 0.004 * z**2).astype(np.float32)


def test_coherence_tells_a_steep_field_from_noise(smooth):
    noise = np.random.default_rng(1).uniform(-np.pi, np.pi, SHAPE)
    core = ball(25)
    assert phase_coherence(wrap(4 * smooth))[core].min() > 0.9
    assert phase_coherence(noise)[core].mean() < 0.3


def test_trimming_drops_a_noisy_rim_and_keeps_a_hole_inside(smooth):
    mask, core = ball(34), ball(28)
    rng = np.random.default_rng(0)
    spoilt = (mask & ~core) | ball(4)
    phase = np.where(spoilt, rng.uniform(-np.pi, np.pi, SHAPE), wrap(smooth))[..., None]
    magnitude = np.where(mask & ~core, 0.05, 1.0)[..., None]
    reliable = reliable_mask(phase, magnitude, mask, PARAMS)
    assert reliable[ball(4)].all()
    assert (reliable & ~ball(30)).sum() < 0.02 * mask.sum()
    assert reliable[ball(25)].all()


def test_literal_paper_keeps_the_whole_mask(smooth):
    literal = UnwrapPhase(method="best_path", align_echoes=True, trim_coherence=0, trim_echo=1)
    mask = ball(30)
    np.testing.assert_array_equal(reliable_mask(smooth[..., None], smooth[..., None], mask, literal), mask)
