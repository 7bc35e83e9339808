"""Small objects with a known field, for the tests of the reconstruction."""

import numpy as np

from recon.acquisition import Acquisition
from recon.grid import Grid
from recon.maths.kernels import convolve, dipole_kernel

VOXEL_SIZE_MM = np.array([1.5, 1.5, 2.0])
SHAPE = (64, 72, 48)
GRID = Grid(VOXEL_SIZE_MM)


def grid_mm(shape=SHAPE, voxel_size_mm=VOXEL_SIZE_MM) -> list[np.ndarray]:
    """Coordinates [mm] of every voxel from the centre of the grid."""
    axes = [(np.arange(n) - n // 2) * v for n, v in zip(shape, voxel_size_mm, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def ball(radius_mm: float, centre_mm=(0, 0, 0), shape=SHAPE, voxel_size_mm=VOXEL_SIZE_MM) -> np.ndarray:
    """True inside a ball."""
    return sum((x - c) ** 2 for x, c in zip(grid_mm(shape, voxel_size_mm), centre_mm, strict=True)) < radius_mm**2


def nuclei(shape=SHAPE, voxel_size_mm=VOXEL_SIZE_MM) -> np.ndarray:
    """chi [ppm]: two balls of 0.14 and two of 0.07 ppm in a sea of zero."""
    chi = np.zeros(shape, np.float32)
    for side in (-1, 1):
        chi[ball(7, (side * 14, 4, 0), shape, voxel_size_mm)] = 0.14
        chi[ball(7, (side * 14, -16, 4), shape, voxel_size_mm)] = 0.07
    return chi


def field_of(chi_ppm: np.ndarray, b0_dir=(0, 0, 1), voxel_size_mm=VOXEL_SIZE_MM) -> np.ndarray:
    """Field [ppm] of a susceptibility distribution, zero-padded to twice the grid."""
    shape = tuple(2 * n for n in chi_ppm.shape)
    return convolve(chi_ppm, dipole_kernel(shape, Grid(voxel_size_mm, b0_dir)), shape)


def acquisition(n_echoes: int = 6, **changes) -> Acquisition:
    """The paper's echo train on the test grid."""
    facts = {
        "te_s": tuple(0.005 * (i + 1) for i in range(n_echoes)),
        "b0_tesla": 3.0,
        "b0_dir": (0.0, 0.0, 1.0),
        "voxel_size_mm": tuple(VOXEL_SIZE_MM),
    }
    return Acquisition(**(facts | changes))


def signal(chi_ppm, field_ppm, facts: Acquisition, snr=100.0, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and wrapped phase [rad] of every echo; R2* is 20 + 120 chi [1/s]."""
    te_s = np.asarray(facts.te_s)
    phase = field_ppm[..., None] / facts.ppm_per_rad()
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(*phase.shape, 2)) @ [1, 1j] / snr
    echoes = np.exp(-(20 + 120 * chi_ppm[..., None]) * te_s + 1j * phase) + noise
    return np.abs(echoes).astype(np.float32), np.angle(echoes).astype(np.float32)


def slope(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Slope of the regression of an estimate on the truth inside a mask."""
    return float(np.polyfit(truth[mask], estimate[mask], 1)[0])
