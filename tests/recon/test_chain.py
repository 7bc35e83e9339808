"""What must hold for the whole reconstruction, in both arms, with unwrapping and background removal."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from recon.pipeline import Maps, reconstruct
from tests.recon.arms import CONSENSUS, PAPER
from tests.recon.physics import SHAPE, VOXEL_SIZE_MM, acquisition, ball, field_of, nuclei, signal, slope

MASK = ball(42)
CHI = nuclei()
AIR = 9.4 * ball(5, (0, 52, -20)).astype(np.float32)
UP, OBLIQUE = (0.0, 0.0, 1.0), (0.0, 0.28, 0.96)
DIVISION = PAPER.changed(dipole_inversion={"method": "tkd"})
BOTH = pytest.mark.parametrize("params", [PAPER, CONSENSUS], ids=["paper", "consensus"])


@cache
def scene(b0_dir=UP, snr=100.0, **facts):
    """Wrapped phase, magnitude and facts of a head; not to be written to."""
    facts = acquisition(b0_dir=b0_dir, **facts)
    magnitude, phase = signal(CHI, field_of(CHI + AIR, b0_dir), facts, snr)
    return phase, magnitude, facts


@cache
def maps(params, b0_dir=UP):
    """Of an arm, as the head was scanned."""
    phase, magnitude, facts = scene(b0_dir)
    return reconstruct(phase, magnitude, MASK, facts, params)


def difference(a: Maps, b: Maps, where=True):
    """Of two maps [ppm], where both know it."""
    return (a.chi_ppm - b.chi_ppm)[a.mask & b.mask & where]


@BOTH
def test_susceptibility_is_finite_and_near_the_truth(params):
    chi, mask = maps(params).chi_ppm, maps(params).mask
    assert np.isfinite(chi).all()
    assert chi.dtype == np.float32
    assert 0.85 < slope(chi, CHI, mask) < 1.05
    assert np.corrcoef(chi[mask], CHI[mask])[0, 1] > 0.95


@BOTH
def test_nothing_lies_outside_the_mask_and_the_brain_is_the_reference(params):
    result = maps(params)
    assert not (result.mask & ~MASK).any()
    assert not result.chi_ppm[~result.mask].any()
    assert not result.r2star_hz[~MASK].any()
    assert abs(result.chi_ppm[result.mask].mean()) < 1e-5


@BOTH
def test_r2star_comes_along(params):
    result = maps(params)
    assert np.median(result.r2star_hz[CHI == 0.14]) == pytest.approx(20 + 120 * 0.14, rel=0.02)


def test_consensus_keeps_more_of_the_brain():
    assert maps(CONSENSUS).mask.sum() > 1.3 * maps(PAPER).mask.sum()


@BOTH
def test_inputs_stay(params):
    phase, magnitude, facts = scene()
    arrays = phase.copy(), magnitude.copy(), MASK.copy()
    for array in arrays:
        array.flags.writeable = False
    reconstruct(*arrays, facts, params)


@BOTH
def test_a_map_in_ppm_does_not_depend_on_the_main_field(params):
    weak, strong = (
        reconstruct(*(s := scene(snr=1e5, b0_tesla=b0_tesla))[:2], MASK, s[2], params) for b0_tesla in (1.5, 3.0)
    )
    assert np.abs(difference(weak, strong)).max() < 2e-3
    assert (weak.mask ^ strong.mask).sum() < 0.002 * MASK.sum()


@BOTH
def test_half_the_field_for_twice_the_time_gives_the_same_map(params):
    phase, magnitude, facts = scene()
    slow = replace(facts, b0_tesla=1.5, te_s=tuple(2 * te for te in facts.te_s))
    rates = params.changed(  # R2* of the same magnitudes is half as large
        unwrap_phase={"trim_r2star_hz": params["unwrap_phase"]["trim_r2star_hz"] / 2},
        r2star_map={"maximum_hz": params["r2star_map"]["maximum_hz"] / 2},
        dipole_inversion={"structure_r2star_hz": params["dipole_inversion"]["structure_r2star_hz"] / 2},
    )
    result = reconstruct(phase, magnitude, MASK, slow, rates)
    np.testing.assert_array_equal(result.mask, maps(params).mask)
    np.testing.assert_allclose(result.chi_ppm, maps(params).chi_ppm, atol=1e-5)


def reoriented(head, params, axes=(0, 1, 2), flip=()):
    """Reconstruct what a scanner would have stored along other axes; the map is given along the first ones."""
    phase, magnitude, facts = head
    sign = np.where(np.isin(range(3), flip), -1, 1)
    turned = replace(
        facts,
        b0_dir=tuple((np.array(facts.b0_dir) * sign)[list(axes)]),
        voxel_size_mm=tuple(VOXEL_SIZE_MM[list(axes)]),
    )
    arrays = [np.flip(a, flip).transpose(*axes, *range(3, a.ndim)) for a in (phase, magnitude, MASK)]
    result = reconstruct(*arrays, turned, params)
    back = tuple(np.argsort(axes))
    return Maps(
        chi_ppm=np.flip(result.chi_ppm.transpose(back), flip),
        r2star_hz=None,
        mask=np.flip(result.mask.transpose(back), flip),
    )


def same(a: Maps, b: Maps):
    """Equal up to a few voxels at the rim and to where coarse grids begin."""
    assert (a.mask ^ b.mask).sum() < 0.002 * b.mask.sum()
    d = difference(a, b)
    assert np.sqrt(np.mean(d**2)) < 1e-3
    assert np.abs(d).max() < 0.04


@BOTH
@pytest.mark.parametrize(
    ("flip", "b0_dir"), [((0, 1), OBLIQUE), ((0, 1, 2), OBLIQUE), ((2,), UP)], ids=["LPS", "LPI oblique", "RAI"]
)
def test_any_handedness_gives_the_same_map(params, flip, b0_dir):
    same(reoriented(scene(b0_dir), params, flip=flip), maps(params, b0_dir))


@pytest.mark.parametrize(
    ("params", "axes"),
    [(CONSENSUS, (2, 1, 0)), (PAPER, (1, 0, 2)), (DIVISION, (2, 0, 1))],  # PAPER smooths structures in plane
    ids=["consensus", "paper", "paper without iteration"],
)
def test_turning_head_and_b0_turns_the_map(params, axes):
    same(reoriented(scene(OBLIQUE), params, axes), maps(params, OBLIQUE))


def test_noise_around_the_head_is_trimmed_alike_from_every_side():
    phase, magnitude, facts = scene()
    head = ball(38)[..., None]
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, phase.shape).astype(np.float32)
    noisy = np.where(head, phase, noise), np.where(head, magnitude, 0.05 * magnitude), facts
    same(reoriented(noisy, PAPER, flip=(0, 1, 2)), reoriented(noisy, PAPER))


@BOTH
@pytest.mark.parametrize(
    ("bad", "value", "voxel"),
    [
        ("phase", np.nan, (38, 30, 30)),
        ("phase", np.inf, (22, 39, 28)),  # at the edge of a nucleus
        ("magnitude", np.nan, (22, 39, 28)),
        ("magnitude", np.inf, (38, 30, 30)),
    ],
)
def test_bad_voxels_do_not_spread(params, bad, value, voxel):
    phase, magnitude, facts = scene()
    phase, magnitude = phase.copy(), magnitude.copy()
    spoilt = phase if bad == "phase" else magnitude
    spoilt[(*voxel, 2)] = spoilt[0, 0, 0] = value
    result = reconstruct(phase, magnitude, MASK, facts, params)
    assert np.isfinite(result.chi_ppm).all()
    assert np.isfinite(result.r2star_hz).all()
    np.testing.assert_array_equal(result.mask, maps(params).mask)
    near = np.zeros(SHAPE, bool)
    near[voxel] = True
    far = ~ndimage.binary_dilation(near, iterations=3)
    assert np.abs(difference(result, maps(params), far)).max() < 0.015


@BOTH
def test_one_echo_is_enough(params):
    phase, magnitude, facts = scene()
    facts = acquisition(1, te_s=facts.te_s[3:4])
    result = reconstruct(phase[..., 3:4], magnitude[..., 3:4], MASK, facts, params)
    assert result.r2star_hz is None
    assert np.isfinite(result.chi_ppm).all()
    assert 0.8 < slope(result.chi_ppm, CHI, result.mask) < 1.05


@BOTH
def test_threads_do_not_change_the_map(params):
    phase, magnitude, facts = scene()
    result = reconstruct(phase, magnitude, MASK, facts, params, workers=2)
    np.testing.assert_allclose(result.chi_ppm, maps(params).chi_ppm, atol=1e-5)


@BOTH
def test_a_phase_offset_of_the_receiver_is_no_susceptibility(params):
    x = np.linspace(-0.5, 0.5, SHAPE[0], dtype=np.float32)[:, None, None, None]
    phase, magnitude, facts = scene()
    shifted = np.angle(np.exp(1j * (phase + 0.5 + 0.6 * x))).astype(np.float32)
    clean, result = (reconstruct(p, magnitude, MASK, facts, params) for p in (phase, shifted))
    assert np.abs(difference(result, clean)).std() < 5e-3


@BOTH
def test_a_ramp_in_one_echo_is_no_susceptibility(params):
    """As coil combination leaves it; without straightening, a crack of 2π runs through the head."""
    phase, magnitude, facts = scene()
    ramp = np.linspace(-4, 4, SHAPE[0], dtype=np.float32)[:, None, None] - 2
    bent = phase.copy()
    bent[..., -1] = np.angle(np.exp(1j * (bent[..., -1] + ramp)))
    change = difference(reconstruct(bent, magnitude, MASK, facts, params), maps(params))
    assert change.std() < 2e-3
