"""2-D slices with phase offsets of their own, on a small head whose field is known."""

import numpy as np
import pytest

from recon.intake.slice_offsets import offset_axis, slice_offsets, without_offsets
from recon.maths.wrap import wrap
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef

N = ef.SHAPE[2]


def scan(offset_rad, axis=2, te_s=ef.TE_S):
    """Signals of echoes whose slices along `axis` have offsets, (slice,) or (slice, echo)."""
    offset = np.broadcast_to(np.reshape(offset_rad, (ef.SHAPE[axis], -1)), (ef.SHAPE[axis], len(te_s)))
    shape = [-1 if a == axis else 1 for a in range(3)]
    return [ef.head(te) * np.exp(1j * offset[:, e].reshape(shape)) for e, te in enumerate(te_s)]


def seen(signals, te_s=ef.TE_S, told=None):
    ends = [0] if len(signals) == 1 else [0, -1]
    return offset_axis([signals[i] for i in ends], [te_s[i] for i in ends], told, "phase.nii.gz")


def stack(signals):
    z = np.stack(signals, -1)
    return np.angle(z).astype(np.float32), np.abs(z)


def offsets(sd_rad, axis=2, seed=1):
    return np.random.default_rng(seed).normal(0, sd_rad, ef.SHAPE[axis])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sd_rad", [0.3, 0.7, 3.0])
def test_offsets_are_seen_along_any_axis(axis, sd_rad):
    found = seen(scan(offsets(sd_rad, axis), axis), told="2D")
    assert found.value == axis
    assert "MRAcquisitionType '2D'" in found.evidence and "were estimated and removed" in found.notes[0]


@pytest.mark.parametrize("every_second_rad", [0.4, np.pi / 2, 1.6, 2.6])
def test_every_second_slice_is_seen_whatever_its_offset(every_second_rad):
    true = every_second_rad * (np.arange(N) % 2)
    signals = scan(true)
    assert seen(signals).value == 2
    found = slice_offsets(*stack(signals), ef.TE_S, 2)
    assert np.abs(np.abs(wrap(np.diff(found[2:-2]))) - every_second_rad).max() < 0.05  # where the head is


@pytest.mark.parametrize("told", [None, "2D", "3D", 7])
def test_a_smooth_field_is_left_alone(told):
    found = seen(scan(np.zeros(N)), told=told)
    assert (found.value, found.notes) == (None, ())


def test_slices_of_alternating_sign_and_a_linear_phase_are_no_offsets():
    k = np.arange(N)
    assert seen(scan(np.pi * (k % 2))).value is None
    assert seen(scan(1.7 * k)).value is None


@pytest.mark.parametrize("sd_rad", [0.3, 0.7, 3.0])
def test_offsets_go_and_the_field_stays(sd_rad):
    true = offsets(sd_rad)
    phase_rad, magnitude = stack(scan(true))
    clean, _ = stack(scan(np.zeros(N)))
    inside = (magnitude > 200).all(-1)
    left = wrap(without_offsets(phase_rad, magnitude, ef.TE_S, 2) - clean)[inside]  # (voxel, echo)
    left = wrap(left - left[0])
    k = np.nonzero(inside)[2]
    rough = left - np.stack([np.polyval(np.polyfit(k, echo, 2), k) for echo in left.T], 1)
    assert np.abs(rough).max() < 0.1  # no stripes
    assert np.abs(wrap(left - left[:, :1])).max() < 1e-3  # the same in all echoes: nothing of the field is touched


def test_offsets_are_zero_in_the_mean_and_nan_free_beyond_the_head():
    phase_rad, magnitude = stack(scan(offsets(0.7)))
    magnitude[:, :, -6:], phase_rad[:, :, -6:] = 0, 0
    found = slice_offsets(phase_rad, magnitude, ef.TE_S, 2)
    assert np.isfinite(found).all() and abs(found.mean()) < 1e-9


def test_offsets_that_differ_from_echo_to_echo_are_refused():
    each = np.random.default_rng(2).normal(0, 0.7, (N, len(ef.TE_S)))
    with pytest.raises(IntakeError, match="the same phase offset in all echoes, or a 3-D acquisition"):
        seen(scan(each))


def test_a_single_echo_cannot_tell_offsets_from_the_field():
    with pytest.raises(IntakeError, match="a single echo: offsets cannot be told from the field"):
        seen(scan(offsets(0.7), te_s=ef.TE_S[:1]), ef.TE_S[:1])
    assert seen(scan(np.zeros(N), te_s=ef.TE_S[2:]), ef.TE_S[2:]).value is None


def own_frequencies(sd_hz):
    hz = np.random.default_rng(4).normal(0, sd_hz, (N, 1))
    return scan(2 * np.pi * hz * np.array(ef.TE_S))


def test_frequencies_of_the_slices_are_noted_and_refused_where_slices_are_told_to_be_2d():
    found = seen(own_frequencies(8.0))
    assert found.value is None
    assert "slices may have a frequency of their own" in found.notes[0] and "along axis 2" in found.notes[0]
    with pytest.raises(IntakeError, match="slices of the same frequency, or a 3-D acquisition"):
        seen(own_frequencies(8.0), told="2D")
    assert seen(own_frequencies(0.2), told="2D").notes == ()
