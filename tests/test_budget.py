"""What a chain's error is made of: the parts are exact, and each answers to its own cause."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.budget import PARTS, budget, divide, squared
from benchmarks.heads import Head
from recon.acquisition import Acquisition
from recon.phantom.field import forward_field
from recon.settings import shipped

SHAPE, SIZE_MM, TE_S = (40, 48, 40), (4.0, 4.0, 4.0), (0.01, 0.02, 0.03)


def test_parts_add_up_to_the_squared_error():
    parts = divide([9.0, 7.0, 6.0, 2.0], 3.0, 48.0)
    assert parts["nrmse_percent"] == pytest.approx(50)
    assert [parts[name] for name in PARTS] == pytest.approx([700 / 12, 100 / 12, 200 / 12, 200 / 12])
    assert sum(parts[name] for name in PARTS) == pytest.approx(100)


def test_the_reference_is_no_error_within_the_mask():
    rng = np.random.default_rng(0)
    truth, mask = rng.normal(size=(5, 5, 5)), rng.random((5, 5, 5)) > 0.5
    assert squared(truth + 7, truth, mask) == pytest.approx(0)


def head(folder: Path, noise_sd: float) -> Head:
    """A ball of a brain with two nuclei in a head, and a source beside it."""
    grid_mm = np.stack(np.indices(SHAPE), axis=-1) * 4.0 - [78, 94, 78]
    radius = np.linalg.norm(grid_mm / [58, 70, 58], axis=-1)
    brain = radius < 1
    chi_ppm = np.zeros(SHAPE, np.float32)
    for x in (-20, 20):
        chi_ppm[np.linalg.norm(grid_mm - [x, 0, 0], axis=-1) < 11] = 0.12
    chi_ppm[np.linalg.norm(grid_mm - [0, 84, -10], axis=-1) < 12] = 4.0
    total_ppm = forward_field(chi_ppm, np.array(SIZE_MM), np.array([0, 0, 1.0]))
    scan = Acquisition(te_s=TE_S, b0_tesla=3.0, b0_dir=(0, 0, 1), voxel_size_mm=SIZE_MM)
    signal = np.select([brain, radius < 1.12, radius < 1.25], [1000.0, 50.0, 600.0], 0)[..., None]
    echoes = signal * np.exp(-20 * np.array(TE_S)) * np.exp(1j * total_ppm[..., None] / scan.ppm_per_rad())
    rng = np.random.default_rng(0)
    echoes = echoes + noise_sd * (rng.normal(size=echoes.shape) + 1j * rng.normal(size=echoes.shape))
    made = Head(folder=folder, acquisition=scan, affine=())
    return made.keep(
        magnitude=np.abs(echoes).astype(np.float32),
        phase=np.angle(echoes).astype(np.float32),
        brain=brain,
        chi_ppm=chi_ppm,
        total_ppm=total_ppm,
    )


@pytest.fixture
def parts_of(tmp_path):
    """Squared error of each part over that of the truth, for a noise and a truncation of SHARP."""

    def run(noise_sd: float, truncation: float) -> dict[str, float]:
        arm = shipped() | {"local_field": shipped()["local_field"] | {"threshold": truncation}}
        found = budget(head(tmp_path, noise_sd), arm)
        return {name: found[name] / 100 * (found["nrmse_percent"] / 100) ** 2 for name in PARTS}

    return run


def test_noise_raises_the_part_of_noise(parts_of):
    quiet, noisy = parts_of(2.0, 0.05), parts_of(40.0, 0.05)
    assert quiet["noise"] < 0.02 < 0.1 < noisy["noise"]
    assert noisy["streaks"] == pytest.approx(quiet["streaks"], rel=0.1)


def test_what_sharp_takes_raises_the_part_of_the_slow_field(parts_of):
    fine, coarse = parts_of(2.0, 0.05), parts_of(2.0, 0.3)
    assert coarse["slow field"] > 1.3 * fine["slow field"]
    assert coarse["streaks"] == pytest.approx(fine["streaks"])
