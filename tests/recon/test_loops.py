"""Phase singularities: found where the receivers made them, and nowhere else."""

import numpy as np
import pytest

from recon.field import field_mapping
from recon.unwrap import unwrap_phase
from recon.unwrap.loops import face_turns, singular_lines
from recon.unwrap.straighten import silenced, straightened
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, acquisition, ball, grid_mm

MASK = ball(34)
FACTS = acquisition()
TE_S = np.asarray(FACTS.te_s)
X, Y, Z = grid_mm()
FIELD_PPM = 0.004 * X + 0.2 * ball(7, (10, -12, 0)) - 0.00005 * Z**2


def vortex(x_mm, y_mm):
    """Phase that turns once round a line along z."""
    return np.arctan2(Y - y_mm, X - x_mm)


def echoes(offset_rad, noise=0.05):
    phase = offset_rad[..., None] + FIELD_PPM[..., None] / FACTS.ppm_per_rad()
    phase = phase + noise * np.random.default_rng(0).standard_normal(phase.shape)
    return np.angle(np.exp(1j * phase)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turns", [1, -1])
def test_faces_on_the_line_turn_once_and_no_others(axis, turns):
    a, b = (o for o in range(3) if o != axis)
    index = np.indices((9, 10, 11))
    phase = turns * np.arctan2(index[b] - 4.4, index[a] - 3.6)
    found = face_turns(phase, np.ones(phase.shape, bool), axis)
    assert set(np.unique(found)) == {0, turns}
    assert (found != 0).sum() == phase.shape[axis]
    for other in (a, b):
        assert not face_turns(phase, np.ones(phase.shape, bool), other).any()


def test_a_steep_ramp_has_no_loops():
    phase = np.angle(np.exp(1j * (2.5 * X + 1.2 * Y)))
    assert not any(face_turns(phase, MASK, axis).any() for axis in range(3))


def test_faces_at_the_edge_of_the_mask_do_not_count():
    phase = np.random.default_rng(0).uniform(-np.pi, np.pi, (6, 7, 8))
    assert not face_turns(phase, np.indices(phase.shape).sum(0) % 2 == 0, 2).any()


def test_noise_and_the_loops_of_one_echo_make_no_line():
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, (*SHAPE, 6)).astype(np.float32)
    faint = ball(12, (10, 0, 0))[..., None]
    phase, magnitude = np.where(faint, noise, echoes(0 * X)), np.where(faint, 0.1, np.ones((*SHAPE, 6)))
    for n_echoes in (2, 3, 6):
        assert not singular_lines(phase[..., :n_echoes], magnitude[..., :n_echoes], MASK).any()
    phase = echoes(0 * X)
    phase[..., 0] = np.angle(np.exp(1j * (phase[..., 0] + vortex(3.3, 4.4))))
    assert not singular_lines(phase, None, MASK).any()
    assert not singular_lines(phase[..., :1], None, MASK).any()


def test_a_line_between_two_faces_is_found_though_each_echo_turns_round_another():
    x_mm, y_mm = X[SHAPE[0] // 2, 0, 0], Y[0, SHAPE[1] // 2 : SHAPE[1] // 2 + 2, 0].mean()  # on the edge of two voxels
    lines = singular_lines(echoes(vortex(x_mm, y_mm), noise=0.1), None, MASK)
    beside = np.hypot(X - x_mm, Y - y_mm) < 2.5 * max(VOXEL_SIZE_MM[:2])
    assert lines.sum() > 80 and not lines[~beside].any()


@pytest.mark.parametrize(
    "offset_rad",
    [vortex(3.3, 4.4), vortex(12.3, 4.4) - vortex(-8.7, 6.1)],
    ids=["one line", "fringe line with two open ends"],
)
@pytest.mark.parametrize("echoes_of_the_field", ["separate", "together"])
def test_the_field_survives_the_receivers_singularities(offset_rad, echoes_of_the_field):
    phase, magnitude = echoes(offset_rad + 0.3), np.ones((*SHAPE, 6), np.float32)
    straight = straightened(phase, magnitude, MASK, TE_S, VOXEL_SIZE_MM)
    inside = straight.singular & MASK
    assert 0 < inside.sum() < 0.03 * MASK.sum()
    assert np.hypot(X - 3.3, Y - 4.4)[inside].min() < 3 or np.hypot(X - 12.3, Y - 4.4)[inside].min() < 3
    unwrapped = unwrap_phase(straight.phase_rad, MASK, TE_S, magnitude=magnitude)
    field = field_mapping(
        unwrapped, silenced(magnitude, straight.singular), MASK, FACTS, echoes=echoes_of_the_field, offset="none"
    )
    error = (field if field.ndim == 3 else field[..., -1]) - FIELD_PPM
    error -= np.median(error[MASK])
    assert np.sqrt(np.mean(error[MASK] ** 2)) < 0.005
    assert np.abs(error[MASK]).max() < 0.06


def test_magnitude_is_touched_only_where_phase_is_singular():
    magnitude = np.ones((4, 5, 6, 2))
    singular = np.zeros((4, 5, 6), bool)
    assert silenced(magnitude, singular) is magnitude
    singular[1, 2, 3] = True
    assert silenced(magnitude, singular).sum() == magnitude.sum() - 2
