"""Susceptibility-weighted images: what darkens, what does not, and which way the phase counts."""

from dataclasses import replace

import numpy as np
import pytest

from recon.acquisition import GAMMA_HZ_PER_T, Acquisition
from recon.grid import Grid
from recon.swi import BEST_TE_B0, SwiMap, best_echo, high_pass, swi_maps

SETTINGS = SwiMap(make=True, phase_power=4, filter_mm=4.0, projection_mm=8.0)
SHAPE, SIZE_MM, TE_S, B0_TESLA = (96, 80, 12), (0.6, 0.6, 2.0), 0.02, 3.0
GRID = Grid(SIZE_MM, (0.0, 0.0, 1.0))
X, Y, Z = np.meshgrid(*((np.arange(n) - n // 2) * size for n, size in zip(SHAPE, SIZE_MM, strict=True)), indexing="ij")
BRAIN = (X / 26) ** 2 + (Y / 22) ** 2 < 1
VEIN = np.hypot(X - 3, Y + 2) < 0.9  # mm
AROUND = (np.hypot(X - 3, Y + 2) > 6) & ((X / 22) ** 2 + (Y / 18) ** 2 < 1)


def phase_of(chi_ppm: float) -> np.ndarray:
    """Of a vein along the field: larger by χ/3 within the cylinder (Lorentz sphere), the same around it."""
    return 2 * np.pi * GAMMA_HZ_PER_T * 1e-6 * B0_TESLA * TE_S * chi_ppm / 3 * VEIN


def made(phase_rad: np.ndarray, settings: SwiMap = SETTINGS) -> np.ndarray:
    return swi_maps(1000.0 * BRAIN, phase_rad, BRAIN, GRID, settings)["swi"] / 1000


def test_a_vein_is_dark_and_its_surroundings_stay_as_they_are():
    swi = made(phase_of(0.45))
    assert swi[VEIN].mean() < 0.15
    assert swi[AROUND].min() > 0.97
    assert not swi[~BRAIN].any()


def test_the_darkening_follows_the_mask_of_the_phase():
    phase_rad = phase_of(0.2)
    filtered = high_pass(1000.0 * BRAIN, phase_rad, SIZE_MM, 4.0, 2)
    np.testing.assert_allclose(filtered[VEIN], phase_rad[VEIN], rtol=0.25)  # the filter keeps most of so small a vein
    for power in (1, 4):
        expected = (1 - filtered[VEIN] / np.pi) ** power
        np.testing.assert_allclose(made(phase_rad, replace(SETTINGS, phase_power=power))[VEIN], expected, rtol=1e-5)


def test_what_delays_the_phase_is_not_darkened():
    """The intake hands on a phase that paramagnetic sources advance: calcium, or a wrong sign, stays bright."""
    assert made(phase_of(-0.45))[VEIN].min() > 0.99


def test_the_phase_of_coils_and_of_distant_sources_does_not_count():
    background = 1.7 + 0.25 * X - 0.3 * Y + 0.004 * X**2 + 0.9 * Z  # rad, several turns
    wrapped = np.angle(np.exp(1j * (phase_of(0.45) + background)))
    assert np.ptp(background[BRAIN]) > 6 * np.pi
    plain, found = made(phase_of(0.45)), made(wrapped)
    assert found[VEIN].mean() < 0.2
    np.testing.assert_allclose(np.median(found[AROUND]), 1, atol=0.02)
    assert abs(found[VEIN].mean() - plain[VEIN].mean()) < 0.05


def test_the_projection_takes_the_least_of_the_slab_and_nothing_outside_the_brain():
    phase_rad = phase_of(0.45) * (np.arange(SHAPE[2]) == 6)
    inner = BRAIN & (Z < 8)
    maps = swi_maps(1000.0 * inner, phase_rad, inner, GRID, SETTINGS)
    dark = [z for z in range(SHAPE[2]) if maps["minIP"][VEIN[..., z], z].mean() < 500 and inner[..., z].any()]
    assert dark == [5, 6, 7, 8]  # four slices of 2 mm
    assert maps["minIP"][inner & AROUND].min() > 970
    assert (maps["minIP"] <= maps["swi"]).all()


def test_the_slices_are_found_whichever_way_the_image_is_stored():
    rng = np.random.default_rng(0)
    magnitude, phase_rad, mask = (
        rng.uniform(1, 2, (6, 40, 36)),
        rng.normal(size=(6, 40, 36)),
        np.ones((6, 40, 36), bool),
    )
    first = swi_maps(magnitude, phase_rad, mask, Grid((2.0, 0.6, 0.7), (1.0, 0.0, 0.0)), SETTINGS)
    turned = (x.transpose(2, 1, 0) for x in (magnitude, phase_rad, mask))
    last = swi_maps(*turned, Grid((0.7, 0.6, 2.0), (0.0, 0.0, 1.0)), SETTINGS)
    for name in first:
        np.testing.assert_allclose(first[name].transpose(2, 1, 0), last[name], rtol=1e-5)


@pytest.mark.parametrize(("b0_tesla", "expected_s"), [(1.5, 0.030), (3.0, 0.020), (7.0, 0.010)])
def test_the_echo_is_that_of_the_usual_echo_time(b0_tesla, expected_s):
    te_s = (0.005, 0.010, 0.015, 0.020, 0.025, 0.030)
    facts = Acquisition(te_s=te_s, b0_tesla=b0_tesla, b0_dir=(0, 0, 1), voxel_size_mm=(1, 1, 1))
    assert te_s[best_echo(facts)] == expected_s and BEST_TE_B0 == 0.06


def test_a_filter_that_would_leave_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"swi_map.filter_mm: expected more than the voxels' 0.6 mm, found 0.5; --config"
    ):
        high_pass(1000.0 * BRAIN, phase_of(0.45), SIZE_MM, 0.5, 2)
