"""The benchmark of spoilt signals: every fault spoils, what is written is read as it is, and silence is told."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.heads import Head
from benchmarks.signal_faults import FURTHER, REQUIRED, Scan, ramps, turned_sign
from benchmarks.signals import new, silently_ruined, write_scan
from recon.acquisition import Acquisition
from recon.intake.decide import PrepareEchoes
from recon.intake.echoes import prepare_echoes
from recon.intake.series import series_of
from recon.settings import shipped


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Head:
    """A ball whose field grows towards its rim, in noise, with more voxels than a fault needs to be seen."""
    rng, te_s = np.random.default_rng(0), np.array([0.005, 0.01, 0.015])
    acquisition = Acquisition(te_s=tuple(te_s), b0_tesla=3.0, voxel_size_mm=(8.0, 8.0, 8.0), b0_dir=(0.0, 0.28, 0.96))
    index = np.indices((24, 26, 20)) - np.array([12, 13, 10])[:, None, None, None]
    away = np.square(index).sum(0)
    brain, scalp, total_ppm = away < 50, (away > 64) & (away < 81), 0.002 * away.astype(np.float32)
    rad = total_ppm[..., None] / acquisition.ppm_per_rad()
    signal = (brain + 2.0 * scalp)[..., None] * np.exp(1j * rad - 20 * te_s)
    signal += 0.02 * (rng.standard_normal(signal.shape) + 1j * rng.standard_normal(signal.shape))
    empty = Head(folder=tmp_path_factory.mktemp("ball"), acquisition=acquisition, affine=())
    return empty.keep(
        magnitude=np.abs(signal).astype(np.float32), phase=np.angle(signal).astype(np.float32),
        brain=brain, total_ppm=total_ppm,
    )  # fmt: skip


@pytest.fixture
def sound(head) -> Scan:
    return Scan(head=head, magnitude=head["magnitude"], phase_rad=head["phase"])


@pytest.mark.parametrize("fault", [*REQUIRED.values(), *FURTHER.values()], ids=[*REQUIRED, *FURTHER])
def test_a_fault_spoils_the_scan_and_not_its_source(fault, sound):
    before = sound.signal.copy()
    spoilt = fault(sound)
    assert spoilt.magnitude.shape == spoilt.phase_rad.shape == before.shape
    assert np.isfinite(spoilt.signal).all() and (spoilt.magnitude >= 0).all()
    change = np.abs(spoilt.signal - before)[sound.brain].max()
    assert spoilt.facts or change > 0.01 * np.abs(before)[sound.brain].mean()
    np.testing.assert_array_equal(sound.signal, before)


def test_the_intake_reads_what_is_written(head, sound, tmp_path):
    spoilt = ramps(sound)
    magnitude, phase_rad, acquisition, _ = prepare_echoes(
        series_of(*write_scan(spoilt, tmp_path)), PrepareEchoes(**shipped()["prepare_echoes"])
    )
    np.testing.assert_allclose(magnitude, spoilt.magnitude, rtol=1e-6)
    np.testing.assert_allclose(np.exp(1j * phase_rad), np.exp(1j * spoilt.phase_rad), atol=1e-5)
    np.testing.assert_allclose(acquisition.b0_dir, head.acquisition.b0_dir, atol=1e-5)
    assert turned_sign(sound).phase_rad == pytest.approx(-sound.phase_rad, abs=1e-6)


def test_sentences_that_differ_by_numbers_are_not_new():
    assert new(["R2* is 3.5 1/s.", "Cracks: 4"], ["R2* is 12 1/s."]) == "Cracks: 4"


def test_a_ruined_map_of_which_nothing_is_said_is_told():
    rows = pd.DataFrame({
        "untouched_percent": [40.0] * 4, "nrmse_percent": [51, 51, 49, np.nan], "said": ["", "Cracks", "", "refused"],
    })  # fmt: skip
    assert silently_ruined(rows).index.tolist() == [0]
