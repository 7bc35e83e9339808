"""Phase that was flipped against its magnitude is refused; a head as it is, and what looks like it, passes."""

import numpy as np
import pytest

from recon.intake.decide import decide
from recon.intake.mirrored import mirror_problems
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef


def head(te_s=ef.TE_S[0], noise=10.0):
    """A head that lies beside the middle of the field of view along every axis."""
    return np.roll(ef.head(te_s, noise), (3, -3, 3), (0, 1, 2))


def problems(magnitude, phase_rad):
    return [str(problem) for problem in mirror_problems(magnitude, phase_rad, "phase.nii", 2 * np.pi)]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_phase_that_is_mirrored_is_refused_with_the_axis(axis):
    z = head()
    (told,) = problems(np.abs(z), np.flip(np.angle(z), axis))
    assert told.startswith("phase.nii: expected phase that lies as its magnitude does")
    assert f"mirrored along axis {axis}" in told


@pytest.mark.parametrize("noise", [1.0, 10.0, 150.0])
def test_a_head_as_it_is_passes(noise):
    z = head(noise=noise)
    assert problems(np.abs(z), np.angle(z)) == []


def test_phase_that_was_set_outside_the_head_is_no_witness():
    z = head(noise=150.0)
    inside = np.abs(z) > np.abs(z).mean()
    assert problems(np.abs(z), np.where(inside, np.angle(z), 0.5)) == []
    assert problems(np.where(inside, np.abs(z), 0), np.where(inside, np.angle(z), 0.01 * np.arange(24))) == []


def test_voxels_that_are_not_finite_do_not_count():
    z = head()
    magnitude, phase = np.abs(z), np.flip(np.angle(z), 1).copy()
    magnitude[0, 0, 0], phase[5, 5, 5] = np.inf, np.nan
    assert len(problems(magnitude, phase)) == 1


@pytest.mark.parametrize("echoes", [range(len(ef.TE_S)), *([echo] for echo in range(len(ef.TE_S)))])
def test_a_series_with_mirrored_phase_is_refused(tmp_path, echoes):
    signals = [head(te_s) for te_s in ef.TE_S]
    magnitude, phase = [np.abs(z) for z in signals], [np.angle(z) for z in signals]
    decide(ef.files(tmp_path, magnitude, phase, Units="rad"), ef.AUTO)
    with pytest.raises(IntakeError, match=r"phase mirrored along axis 0"):
        turned = [p[::-1] if echo in echoes else p for echo, p in enumerate(phase)]
        decide(ef.files(tmp_path, magnitude, turned, Units="rad"), ef.AUTO)
