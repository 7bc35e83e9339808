import numpy as np
import pytest

from recon.combine import combine_echoes, echo_range, echo_weights
from tests.recon.physics import ball

PARAMS = {"first_echo": 2, "last_echo": 6, "power": 2, "reference": "none"}
TE_S = np.array([0.005, 0.010, 0.015, 0.020, 0.025, 0.030])


def test_weights_sum_to_one_and_match_the_noise_of_each_echo():
    magnitude = np.exp(-20 * TE_S[1:])[None]
    w = echo_weights(magnitude, TE_S[1:], 2)
    np.testing.assert_allclose(w.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(w[0], [0.08, 0.14, 0.21, 0.26, 0.31], atol=0.006)


def test_weights_without_signal_are_equal():
    np.testing.assert_allclose(echo_weights(np.zeros((1, 4)), TE_S[:4], 2), 0.25)


def test_average_of_equal_echoes_is_the_echo_and_the_first_echo_does_not_enter():
    chi = np.full((4, 4, 4, 6), 0.1, np.float32)
    chi[..., 0] = 99
    mask = np.ones((4, 4, 4), bool)
    np.testing.assert_allclose(combine_echoes(chi, np.ones_like(chi), mask, TE_S, **PARAMS), 0.1, rtol=1e-5)


def test_inverse_variance_weights_beat_equal_ones():
    rng = np.random.default_rng(0)
    magnitude = np.exp(-30 * TE_S) * np.ones((20, 20, 20, 1), np.float32)
    noise = rng.normal(size=magnitude.shape) / (magnitude * TE_S)
    mask = np.ones(magnitude.shape[:3], bool)
    weighted = combine_echoes(noise, magnitude, mask, TE_S, **PARAMS)
    assert weighted.std() < 0.97 * noise[..., 1:].mean(-1).std()


def test_whole_brain_reference_has_zero_mean():
    chi = np.random.default_rng(0).normal(0.3, 0.1, (8, 8, 8, 6)).astype(np.float32)
    mask = ball(20, shape=(8, 8, 8))
    params = PARAMS | {"reference": "whole_brain"}
    combined = combine_echoes(chi, np.ones_like(chi), mask, TE_S, **params)
    assert abs(combined[mask].mean()) < 1e-5
    assert not combined[~mask].any()


@pytest.mark.parametrize(("n_echoes", "used"), [(6, (1, 6)), (3, (1, 3)), (2, (1, 2)), (1, (0, 1)), (8, (1, 6))])
def test_short_trains_use_what_they_have(n_echoes, used):
    assert echo_range(n_echoes, first_echo=2, last_echo=6) == slice(*used)


def test_weights_sum_to_one_in_every_voxel_whatever_the_magnitude():
    magnitude = np.random.default_rng(0).exponential(1, (9, 8, 7, 6)).astype(np.float32)
    magnitude[0, 0, 0], magnitude[1, 0, 0, 2], magnitude[2, 0, 0, 3] = 0, np.nan, np.inf
    for power in (1, 2):
        w = echo_weights(magnitude, TE_S, power)
        np.testing.assert_allclose(w.sum(-1), 1, rtol=1e-5)
        assert (w >= 0).all()
    assert w[1, 0, 0, 2] == w[2, 0, 0, 3] == 0


@pytest.mark.parametrize("reference", ["none", "whole_brain"])
def test_one_map_of_all_echoes_is_referenced_only(reference):
    chi = np.random.default_rng(0).normal(0.3, 0.1, (8, 8, 8)).astype(np.float32)
    mask = ball(6, shape=chi.shape)
    params = PARAMS | {"reference": reference}
    combined = combine_echoes(chi, np.ones((*chi.shape, 6)), mask, TE_S, **params)
    shift = chi[mask].mean() if reference == "whole_brain" else 0
    np.testing.assert_allclose(combined, np.where(mask, chi - shift, 0), atol=1e-6)


def test_inputs_stay():
    chi, magnitude, mask = np.ones((4, 4, 4, 6), np.float32), np.ones((4, 4, 4, 6)), np.ones((4, 4, 4), bool)
    for array in (chi, magnitude, mask):
        array.flags.writeable = False
    combine_echoes(chi, magnitude, mask, TE_S, **(PARAMS | {"reference": "whole_brain"}))


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(ValueError, match="expected first_echo not above last_echo, found 6 and 2"):
        echo_range(6, first_echo=6, last_echo=2)
