import numpy as np
import pytest

from recon.mask.trim import RIM_MM, at_the_rim, decays_fast, phase_coherence, reliable_mask
from tests.recon.physics import GRID, SHAPE, ball, grid_mm

PARAMS = {"trim_coherence": 0.5, "trim_echo": 1, "trim_r2star_hz": 50.0}
TE_S = np.array([0.005, 0.015, 0.025])
BRAIN = ball(34)


def wrap(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def decay(r2star_hz):
    """Magnitude of every echo."""
    return np.exp(-np.asarray(r2star_hz)[..., None] * TE_S).astype(np.float32)


def trim(phase, magnitude, params=PARAMS, mask=BRAIN):
    return reliable_mask(phase, magnitude, mask, TE_S[: phase.shape[-1]], GRID, **params)


@pytest.fixture(scope="module")
def smooth():
    x, y, z = grid_mm()
    return (0.25 * x + 0.1 * y + 0.004 * z**2).astype(np.float32)


@pytest.fixture(scope="module")
def echoes(smooth):
    """Wrapped phase of three echoes without noise."""
    return wrap(smooth[..., None] * TE_S / TE_S[0])


def test_coherence_tells_a_steep_field_from_noise(smooth):
    noise = np.random.default_rng(1).uniform(-np.pi, np.pi, SHAPE)
    core = ball(25)
    assert phase_coherence(wrap(4 * smooth))[core].min() > 0.9
    assert phase_coherence(noise)[core].mean() < 0.35


def test_coherence_of_a_mirror_image_is_the_mirror_image_of_coherence(smooth):
    noise = np.random.default_rng(1).normal(0, 1, SHAPE)
    phase = wrap(smooth + noise)
    mirrored = np.flip(phase_coherence(np.flip(phase)))
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(mirrored[inner], phase_coherence(phase)[inner], atol=1e-5)


def test_trimming_drops_a_noisy_rim_and_keeps_a_hole_inside(smooth):
    core = ball(28)
    rng = np.random.default_rng(0)
    spoilt = (BRAIN & ~core) | ball(4)
    phase = np.where(spoilt, rng.uniform(-np.pi, np.pi, SHAPE), wrap(smooth))[..., None]
    magnitude = np.where(BRAIN & ~core, 0.05, 1.0)[..., None]
    reliable = trim(phase, magnitude)
    assert reliable[ball(4)].all()
    assert (reliable & ~ball(30)).sum() < 0.02 * BRAIN.sum()
    assert reliable[ball(25)].all()


def test_literal_paper_keeps_the_whole_mask(smooth):
    literal = PARAMS | {"trim_coherence": 0}
    np.testing.assert_array_equal(trim(smooth[..., None], smooth[..., None], literal), BRAIN)


def test_what_is_coherent_and_bright_stays(echoes):
    np.testing.assert_array_equal(trim(echoes, decay(np.full(SHAPE, 20.0)))[ball(31)], True)


@pytest.mark.parametrize(("depth_mm", "kept"), [(0, False), (15, True)], ids=["on the rim", "deep"])
@pytest.mark.parametrize(("r2star_hz", "fast"), [(100, True), (30, False)])
def test_a_vein_is_dropped_where_it_reaches_the_rim(echoes, depth_mm, kept, r2star_hz, fast):
    vein = ball(3, (0, 33 - depth_mm, 0)) & BRAIN
    reliable = trim(echoes, decay(np.where(vein, r2star_hz, 20)))
    deep = vein & ball(32)
    assert reliable[deep].mean() == pytest.approx(1 if kept or not fast else 0, abs=0.1)
    assert reliable[ball(29) & ~vein].all()


def test_a_brain_that_decays_fast_all_over_keeps_its_rim(echoes):
    """At 7 T the whole brain decays as fast as veins at 3 T do."""
    vein = ball(3, (0, 33, 0)) & BRAIN
    reliable = trim(echoes, decay(np.where(vein, 140, 60)))
    assert reliable[ball(31) & ~ball(8, (0, 33, 0))].all()
    assert not reliable[vein & ball(32)].any()


def test_a_vein_that_runs_inwards_from_the_rim_is_dropped_only_near_it(echoes):
    x, y, z = grid_mm()
    vein = (np.hypot(x, z) < 3) & (y > 0) & BRAIN
    reliable = trim(echoes, decay(np.where(vein, 100, 20)))
    assert reliable[vein & (y < 34 - RIM_MM - 6)].all()
    assert not reliable[vein & (y > 34 - RIM_MM + 1.5)].any()


def test_faint_voxels_inside_stay_as_holes_would_cost_more(echoes):
    hole = ball(5, (10, 0, 0))
    magnitude = decay(np.full(SHAPE, 20.0)) * np.where(hole, 0.01, 1)[..., None]
    assert trim(echoes, magnitude)[hole].all()


def test_fast_decay_is_that_between_first_and_last_echo():
    magnitude = decay(np.array([49.0, 51.0]))
    np.testing.assert_array_equal(decays_fast(magnitude, TE_S, 50.0), [False, True])
    np.testing.assert_array_equal(decays_fast(magnitude[..., :1], TE_S[:1], 50.0), [False, False])


def test_candidates_reach_the_rim_face_to_face():
    mask = np.zeros((7, 5, 5), bool)
    mask[1:6, 1:4, 1:4] = True
    candidates = np.zeros_like(mask)
    candidates[1:3, 2, 2] = True  # two deep from the left face
    candidates[4, 2, 2] = candidates[5, 1, 2] = True  # the first touches the other, which is at the rim, edge to edge
    expected = candidates.copy()
    expected[4, 2, 2] = False
    np.testing.assert_array_equal(at_the_rim(candidates, mask), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_cost_no_more_than_themselves(echoes, value):
    phase, magnitude = echoes.copy(), decay(np.full(SHAPE, 20.0))
    phase[30, 36, 24, 0] = magnitude[36, 30, 20, 1] = magnitude[0, 0, 0] = value
    np.testing.assert_array_equal(trim(phase, magnitude), trim(echoes, decay(np.full(SHAPE, 20.0))))


def test_a_mask_of_nothing_but_noise_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="expected voxels above 0.9"):
        trim(
            rng.uniform(-np.pi, np.pi, (*SHAPE, 1)).astype(np.float32),
            np.ones((*SHAPE, 1), np.float32),
            PARAMS | {"trim_coherence": 0.9},
        )


def test_inputs_stay(echoes):
    arrays = echoes.copy(), decay(np.full(SHAPE, 20.0)), BRAIN.copy()
    for array in arrays:
        array.flags.writeable = False
    trim(*arrays[:2], mask=arrays[2])
