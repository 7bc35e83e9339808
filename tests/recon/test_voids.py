"""Signal voids: found where there is next to no signal in the depth, left out of the mask, harmless to the rest."""

import numpy as np
import pytest

from recon.acquisition import Acquisition
from recon.grid import Grid
from recon.mask.trim import reliable_mask
from recon.mask.voids import around, signal_voids
from recon.phantom.field import forward_field
from recon.pipeline import reconstruct
from recon.settings import arm, shipped

GRID = Grid((2.0, 2.0, 2.0))
SHAPE = (56, 56, 56)
TE_S = (0.005, 0.010, 0.015, 0.020, 0.025, 0.030)
SCAN = Acquisition(te_s=TE_S, b0_tesla=3.0, b0_dir=(0.0, 0.0, 1.0), voxel_size_mm=GRID.voxel_size_mm)


def ball(radius_mm, centre_mm=(0, 0, 0)):
    centre = (np.array(SHAPE) - 1) / 2 + np.array(centre_mm) / 2
    return sum((i - c) ** 2 for i, c in zip(np.indices(SHAPE), centre, strict=True)) < (radius_mm / 2) ** 2


BRAIN, NUCLEUS = ball(50), ball(9, (-22, 0, 0))
LESION = ball(11, (20, 5, 6))


def echoes(lesion, lesion_ppm=1.0, lesion_hz=300.0, snr=40.0):
    """Phase [rad] and magnitude of a ball of tissue with a nucleus of 0.1 ppm, and a lesion."""
    rng = np.random.default_rng(0)
    chi_ppm = np.where(BRAIN, rng.normal(0, 0.01, SHAPE) + 0.1 * NUCLEUS + lesion_ppm * lesion, 0).astype(np.float32)
    field_ppm = forward_field(chi_ppm, GRID.voxel_size_mm, GRID.b0_dir)
    rate_hz = 20 + 30.0 * NUCLEUS + lesion_hz * lesion
    signal = np.stack(
        [
            BRAIN * np.exp(-rate_hz * te + 1j * field_ppm / ppm)
            for te, ppm in zip(TE_S, SCAN.ppm_per_rad(), strict=True)
        ],
        axis=-1,
    )
    signal += rng.normal(0, 1 / snr, (*signal.shape, 2)) @ [1, 1j]
    return np.angle(signal).astype(np.float32), np.abs(signal).astype(np.float32)


@pytest.mark.parametrize(("snr", "share"), [(15.0, 0.9), (40.0, 0.99), (200.0, 0.99)])
def test_a_lesion_without_signal_is_found_and_a_nucleus_is_not(snr, share):
    _, magnitude = echoes(LESION, snr=snr)
    found = signal_voids(magnitude, BRAIN, TE_S, GRID)
    assert (found & LESION).sum() > share * LESION.sum()
    assert not (found & ~around(LESION)).any()


@pytest.mark.parametrize(
    ("lesion", "lesion_hz"),
    [(ball(0), 0.0), (ball(4, (20, 0, 0)), 300.0), (LESION, 80.0), (BRAIN & ~ball(47), 300.0)],
    ids=["none", "small", "some signal", "rim"],
)
def test_there_is_no_void_without_a_dark_region_in_the_depth(lesion, lesion_hz):
    _, magnitude = echoes(lesion, lesion_hz=lesion_hz)
    assert not signal_voids(magnitude, BRAIN, TE_S, GRID).any()


def test_the_reliable_mask_leaves_out_a_void_and_what_touches_it():
    phase_rad, magnitude = echoes(LESION)
    reliable = reliable_mask(phase_rad, magnitude, BRAIN, TE_S, GRID, trim_echo=2)
    assert not (reliable & LESION).any()
    assert reliable[ball(44) & ~around(around(LESION))].all()
    literal = reliable_mask(phase_rad, magnitude, BRAIN, TE_S, GRID, trim_coherence=0)
    np.testing.assert_array_equal(literal, BRAIN)


@pytest.mark.parametrize(
    ("pipeline", "lesion_ppm"),
    [("consensus", 1.0), ("consensus", -1.0), ("paper", 1.0)],
    ids=["consensus, haemorrhage", "consensus, calcification", "paper, haemorrhage"],
)
def test_a_void_leaves_the_rest_of_the_map_as_it_was(pipeline, lesion_ppm):
    """The nucleus keeps its susceptibility and the reference stays, whatever the lesion's sign."""
    chosen = arm(shipped() | {"pipeline": pipeline})
    sound, lesioned = (reconstruct(*echoes(lesion, lesion_ppm), BRAIN, SCAN, chosen) for lesion in (ball(0), LESION))
    far = sound.mask & lesioned.mask & ~ball(15, (20, 5, 6))
    change_ppm = (lesioned.chi_ppm - sound.chi_ppm)[far]
    assert abs(change_ppm.mean()) < 0.003
    assert (lesioned.chi_ppm - sound.chi_ppm)[NUCLEUS].mean() == pytest.approx(0, abs=0.01)
    assert not lesioned.chi_ppm[LESION].any()
    assert lesioned.chi_ppm[lesioned.mask].mean() == pytest.approx(0, abs=1e-6)
