"""The page warns of cracks, of echoes off the line, and of what it cannot judge."""

import numpy as np
import pytest

from recon.check.agreement import agreement
from recon.check.phase import MOST_CRACKS, neighbour_jumps, phase_quality
from recon.unwrap import unwrap_phase
from recon.unwrap.straighten import straightened
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, ball, grid_mm

MASK = ball(34)
NOWHERE = np.zeros(SHAPE, bool)
TE_S = 0.005 * np.arange(1, 7)
X, Y, _ = grid_mm()
LINEAR = (0.02 * X[..., None] * TE_S / TE_S[0] + 0.3).astype(np.float32)
TURN = np.float32(2 * np.pi)


def check(unwrapped, wrapped=None, singular=NOWHERE, echoes=6):
    wrapped = np.angle(np.exp(1j * unwrapped)) if wrapped is None else wrapped
    part = [a[..., :echoes] for a in (wrapped, unwrapped)]
    found = phase_quality(*part, None, MASK, singular, TE_S[:echoes], VOXEL_SIZE_MM)
    assert found.warnings[: len(found.broken)] == found.broken
    return found.facts, found.warnings


def test_jumps_are_counted_echo_by_echo_inside_the_mask_alone():
    unwrapped = LINEAR.copy()
    unwrapped[30, 36, 24, 2] += TURN  # six faces
    unwrapped[~MASK] += TURN * np.random.default_rng(0).integers(-3, 4, (~MASK).sum())[:, None]
    jumps = neighbour_jumps(unwrapped, MASK, TE_S)
    assert jumps.all.tolist() == jumps.cracks.tolist() == [0, 0, 6, 0, 0, 0]
    assert 2.7 * MASK.sum() < jumps.neighbours < 3 * MASK.sum()


def test_a_steep_field_jumps_but_is_no_crack():
    unwrapped = LINEAR + (0.7 * TE_S / TE_S[0]).astype(np.float32) * (X > 0)[..., None]
    jumps = neighbour_jumps(unwrapped, MASK, TE_S)
    assert (jumps.all > 0).tolist() == [False] * 4 + [True] * 2
    assert not jumps.cracks.any()
    assert jumps.per_mille(jumps.all)[5] > MOST_CRACKS
    assert check(unwrapped)[1] == []


def test_a_clean_scan_raises_no_warning():
    facts, warnings = check(LINEAR)
    assert warnings == []
    assert len(facts) == 5 and all(
        unit in name for name, unit in zip(facts, ("‰", "‰", "rad", "rad", "%"), strict=True)
    )


def test_a_crack_is_told_with_its_echo():
    unwrapped = LINEAR + TURN * (np.arange(6) == 4) * (X > 6)[..., None]
    _, warnings = check(unwrapped)
    assert len(warnings) == 1
    assert warnings[0].startswith("Unwrapped phase: expected at most 3 ‰") and "echo 5 (TE 25.0 ms)" in warnings[0]


def test_offsets_that_were_taken_off_are_told_with_what_remains():
    wrapped = np.angle(np.exp(1j * (LINEAR + (np.arange(6) == 5) * 0.06 * X[..., None]))).astype(np.float32)
    straight = straightened(wrapped, None, MASK, TE_S, VOXEL_SIZE_MM).phase_rad
    facts, warnings = check(unwrap_phase(straight, MASK, TE_S), wrapped)
    assert len(warnings) == 1 and "taken off before unwrapping; 0.00 rad remain" in warnings[0]
    rms = facts["smooth phase of its own taken off each echo, rms [rad]"]
    assert rms[5] == pytest.approx(0.06 * np.sqrt(np.mean(X[MASK] ** 2)), rel=0.05)
    assert max(rms[:5]) < 0.03


def test_offsets_that_remain_are_told():
    _, warnings = check(LINEAR + (np.arange(6) == 5) * 0.03 * X[..., None])
    assert len(warnings) == 1 and "Offsets of single echoes distort χ" in warnings[0]


@pytest.mark.parametrize(("echoes", "notes"), [(1, ["A single echo"]), (2, ["Two echoes"]), (3, []), (6, [])])
def test_what_so_few_echoes_cannot_tell_is_a_note_and_no_warning(echoes, notes):
    phase, nowhere = LINEAR[..., :echoes], np.zeros_like(MASK)
    found = phase_quality(phase, phase, np.ones(phase.shape), MASK, nowhere, TE_S[:echoes], (2, 2, 2))
    assert [note.partition(":")[0] for note in found.notes] == notes
    assert found.warnings == [] and found.broken == []


def test_bipolar_readouts_are_no_offsets_of_single_echoes():
    plane = (0.3 + 0.01 * X)[..., None] * (-1.0) ** np.arange(6)
    assert check(LINEAR + plane)[1] == []


def test_singularities_are_told_with_their_share():
    singular = ball(3)
    facts, warnings = check(LINEAR, singular=singular)
    share = 100 * singular.sum() / MASK.sum()
    assert facts["voxels on phase singularities, left out [% of the mask]"] == pytest.approx(share)
    assert len(warnings) == 1 and f"{share:.2g} % of the voxels" in warnings[0]


SNR = 300 * np.exp(-20 * TE_S[0]) / 10


def noisy(ripple_rad=0.0):
    """Phase [rad] and magnitude of echoes at SNR 30 and R2* of 20 1/s, the fourth with a ripple."""
    rng = np.random.default_rng(0)
    phase = LINEAR + ripple_rad * np.sin(X / 3)[..., None] * (np.arange(6) == 3)
    signal = 300 * np.exp(-20 * TE_S + 1j * phase) + 10 * (
        rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape)
    )
    return (phase + np.angle(signal * np.exp(-1j * phase))).astype(np.float32), np.abs(signal).astype(np.float32)


def test_echoes_that_differ_by_noise_agree():
    found = agreement(*noisy(), MASK, TE_S, SNR)
    np.testing.assert_allclose(found.over_noise, 1, atol=0.15)
    assert found.warnings(TE_S) == []


def test_an_echo_with_phase_of_its_own_that_is_not_smooth_is_told():
    phase, magnitude = noisy(ripple_rad=0.8)
    warning = phase_quality(phase, phase, magnitude, MASK, NOWHERE, TE_S, VOXEL_SIZE_MM, snr=SNR).warnings[0]
    assert warning.startswith("Phase over TE, voxel by voxel: expected") and "echo 4 (TE 20.0 ms)" in warning


def test_two_echoes_or_no_magnitude_cannot_disagree():
    assert agreement(LINEAR, None, MASK, TE_S, SNR) is None
    assert agreement(*(a[..., :2] for a in noisy()), MASK, TE_S[:2], SNR) is None
    assert agreement(*noisy(), MASK, TE_S, np.nan) is None
