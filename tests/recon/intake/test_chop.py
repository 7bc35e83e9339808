import numpy as np
import pytest

from recon.files.io import Volume
from recon.intake.chop import CLEAR, alternation, chop_axis, correlations
from recon.intake.vendors import GE, PHILIPS, SIEMENS
from recon.phantom import signal
from recon.phantom.anatomy import anatomy
from recon.phantom.cohort import Simulate, subject
from recon.phantom.field import head_field
from recon.problems import IntakeError
from tests.recon.intake import echo_files as ef


def decided(found, setting="auto", vendor=GE):
    return chop_axis(found, setting, vendor, "p.nii")


@pytest.fixture(scope="module")
def oblique_head():
    """First echo of a phantom with thick oblique slices, no shim, at 7 T and a low SNR."""
    cfg = Simulate(preset="easy", subjects=2, seed=1, voxel_size_mm=(3.0, 3.0, 4.0), te_s=(0.006,), tr_s=0.03,
                   flip_angles_deg=(20.0,), b0_tesla=7.0, b0_tilt_deg=25.0, snr=10.0, vendor="reference",
                   sites={})  # fmt: skip
    head = anatomy(subject(cfg, 0), cfg.voxel_size_mm, cfg.b0_tilt_deg)
    grid = Volume(data=head.chi_ppm, affine=head.affine)
    field_ppm = head_field(head.chi_ppm, head.brain, grid.voxel_size_mm, grid.b0_dir)
    return next(signal.acquire(head, field_ppm, cfg, np.random.default_rng(0)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_alternating_slices_are_found_in_a_head_with_strong_gradients(oblique_head, axis):
    found = correlations(oblique_head * alternation(oblique_head.shape, axis))
    assert decided(found).value == axis
    assert min(abs(c) for c in found) > CLEAR + 0.2


def test_a_head_that_does_not_alternate_stays(oblique_head):
    assert decided(correlations(oblique_head), vendor=SIEMENS).value is None


def test_two_negations_are_none():
    z = ef.head(0.004)
    np.testing.assert_array_equal(z * alternation(z.shape, 1) * alternation(z.shape, 1), z)


def test_ge_without_alternation_gets_a_note_on_the_sign():
    decision = decided((0.9, 0.9, 0.9))
    assert "do not alternate" in decision.reason
    assert '--config "prepare_echoes={phase_sign: 1}"' in decision.notes[0]


def test_alternation_of_another_vendor_is_undone_and_noted():
    decision = decided((0.9, 0.9, -0.9), vendor=PHILIPS)
    assert decision.value == 2
    assert "only those of GE are known to do this" in decision.notes[0]


def test_doubt_is_refused_for_ge_with_the_choice_to_set():
    with pytest.raises(IntakeError, match=r"p\.nii: .*, found correlation .* -0\.20") as refused:
        decided((0.9, 0.9, -0.2))
    assert all(
        f'--config "prepare_echoes={{slice_chop: {choice}}}"' in str(refused.value) for choice in ("never", "always")
    )


def test_doubt_is_noted_for_other_vendors():
    decision = decided((0.9, 0.9, 0.1), vendor=None)
    assert decision.value is None
    assert "not clear" in decision.notes[0]


def test_alternation_along_two_axes_is_refused():
    with pytest.raises(IntakeError, match="along one axis at most"):
        decided((0.9, -0.9, -0.8), vendor=None)


@pytest.mark.parametrize(
    ("setting", "found", "axis"),
    [
        ("never", (0.9, 0.9, -0.9), None),
        ("always", (0.9, -0.1, 0.2), 1),
        ("always", (0.9, 0.9, 0.9), 2),
        ("never", (0.1, 0.1, 0.1), None),
    ],
)
def test_the_config_overrules_the_images(setting, found, axis):
    decision = decided(found, setting)
    assert decision.value == axis
    assert "prepare_echoes.slice_chop" in decision.reason


def test_one_slice_tells_nothing():
    assert correlations(ef.head(0.004)[:, :, 12:13])[2] == 0
