"""The phase of all echoes has one sign and stands in the order of TE; heads as they are pass."""

import numpy as np
import pytest

from recon.intake.chop import alternation
from recon.intake.decide import decide
from recon.intake.growth import Growth, growths, order_problems, places, steps
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef

SIEMENS = {"Manufacturer": "Siemens"}
TE_S = np.array(ef.TE_S)


def field_hz(x, y, z):
    """Of sources of some centimetres, beside a shim."""
    return 60 * x + 25 * np.sin(5 * x + 2 * y) + 25 * np.cos(4 * z - 3 * y)


def head(te_s, noise=10.0, offset_rad=0.0, begun_s=0.0):
    """A ball in that field, with a phase offset at TE = 0 (X, Y, Z) [rad]; its phase begins at `begun_s`."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in ef.SHAPE), indexing="ij")
    inside = 1 / (1 + np.exp(20 * (np.sqrt(x**2 + y**2 + z**2) - 0.8)))
    rng = np.random.default_rng(int(1e6 * te_s))
    noisy = noise * (rng.standard_normal(ef.SHAPE) + 1j * rng.standard_normal(ef.SHAPE))
    turned = 2 * np.pi * field_hz(x, y, z) * (te_s - begun_s) + offset_rad
    return (1000 * inside * np.exp(-25 * te_s + 1j * turned) + noisy).astype(np.complex64)


def of(tmp_path, magnitude, phase):
    """What is decided about echoes (echo, X, Y, Z) with these phases [rad]."""
    return decide(
        ef.files(tmp_path, list(magnitude), [ef.siemens_rescaled(np.exp(1j * p)) for p in phase], **SIEMENS), ef.AUTO
    )


def signals(**other):
    z = np.array([head(te_s, **other) for te_s in TE_S])
    return np.abs(z), np.angle(z)


def refused(tmp_path, magnitude, phase):
    with pytest.raises(IntakeError) as error:
        of(tmp_path, magnitude, phase)
    return str(error.value)


@pytest.mark.parametrize("noise", [10.0, 200.0])
@pytest.mark.parametrize("echo", range(3))
def test_an_echo_of_the_other_sign_is_refused(tmp_path, echo, noise):
    magnitude, phase = signals(noise=noise)
    phase[echo] *= -1
    told = refused(tmp_path, magnitude, phase)
    assert f"phase{echo + 1}.nii.gz: expected phase that grows with TE in all echoes" in told
    assert f"the sign of echo {echo + 1} is opposite:" in told and "multiply" in told


def test_real_and_imaginary_parts_of_one_conjugate_echo_are_refused(tmp_path):
    z = [head(te_s) for te_s in TE_S]
    z[1] = z[1].conj()
    with pytest.raises(IntakeError, match="imag2.nii.gz: .* the sign of echo 2 is opposite"):
        decide(ef.cartesian_files(tmp_path, z, **SIEMENS), ef.AUTO)


def test_of_two_echoes_either_may_have_the_wrong_sign(tmp_path):
    magnitude, phase = signals()
    assert "or theirs is wrong" in refused(tmp_path, magnitude[:2], phase[:2] * np.array([1, -1])[:, None, None, None])


@pytest.mark.parametrize(("order", "told"), [([1, 0, 2], "2, 1, 3"), ([0, 2, 1], "1, 3, 2"), ([2, 1, 0], "3, 2, 1")])
def test_phases_in_another_order_are_refused(tmp_path, order, told):
    magnitude, phase = signals()
    assert f"found the order of echoes {told}" in refused(tmp_path, magnitude, phase[order])


@pytest.mark.parametrize(("signal", "refused"), [((90, 100), True), ((100, 90), False)])
def test_of_two_echoes_a_signal_that_grows_supports_a_weak_order_of_the_phase(signal, refused):
    parts = [Growth(np.zeros(2, bool), np.ones(2), size=np.array([1.2 + 0.1 * part, 1])) for part in range(4)]
    problems = order_problems(["e1", "e2"], parts, [0.0023, 0.0046], signal)
    assert bool(problems) == refused
    assert not refused or "(TE 2.3 ms, with 10% less signal)" in problems[0].found


def rough(shape):
    """Phase of a coil that varies over centimetres [rad]."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return 2.0 * np.sin(3 * y + z) + 1.5 * x * z


@pytest.mark.parametrize(
    "added",
    [
        np.zeros((3, 1, 1, 1)),
        np.pi / 2 * (1 - np.stack([alternation(ef.SHAPE, 2)] * 3)),  # slices of alternating sign
        np.array([1, -1, 1])[:, None, None, None] * 0.6 * np.arange(ef.SHAPE[0])[:, None, None],  # bipolar readout
        np.stack([rough(ef.SHAPE)] * 3),  # much larger than what the field makes of the first echo
        np.stack([0.3 * echo * np.broadcast_to(np.arange(ef.SHAPE[1])[:, None], ef.SHAPE) for echo in (2, -1, 0)]),
        np.random.default_rng(0).normal(0, 0.7, ef.SHAPE[2]) * np.ones((3, 1, 1, 1)),  # slices one by one
    ],
    ids=["plain", "chopped", "bipolar", "coil", "ramps", "slices"],
)
@pytest.mark.parametrize("noise", [10.0, 250.0])
def test_true_phase_of_many_kinds_passes(tmp_path, added, noise):
    magnitude, phase = signals(noise=noise)
    of(tmp_path, magnitude, np.angle(np.exp(1j * (phase + added))))


def test_phase_relative_to_an_earlier_echo_is_noted(tmp_path):
    magnitude, phase = signals(begun_s=0.002)
    assert any("the phase grows as if it began at" in note for note in of(tmp_path, magnitude, phase).notes)
    assert not of(tmp_path, *signals()).notes


def test_only_what_is_strong_is_compared_however_long_the_rows_are():
    """Samples at the same place of each row would lie in the air."""
    x, y, z = np.ogrid[-1:1:256j, -1:1:256j, -1:1:128j]
    magnitude = np.where(x**2 + y**2 + z**2 < 0.5, 1.0, 0.01).astype(np.float32)
    found = places(magnitude, (1.0, 1.0, 2.0))
    assert all(len(of.voxels[0]) and (magnitude.reshape(-1, order="F")[of.voxels] == 1).all() for of in found)


def test_small_pieces_and_echoes_that_hardly_correlate_are_not_judged(tmp_path):
    magnitude, phase = signals()
    phase[1] *= -1
    assert places(magnitude[0], (2.0, 2.0, 2.5)) and not places(magnitude[0], (1.0, 1.0, 2.5))
    at, noise = places(magnitude[0], (2.0, 2.0, 2.5)), np.random.default_rng(1).uniform(-np.pi, np.pi, ef.SHAPE)
    assert any(part.negative.any() for part in growths([steps(p, at) for p in phase], 1.0))
    assert growths([steps(p, at) for p in (phase[0], noise, phase[2])], 1.0) == []
