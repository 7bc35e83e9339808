"""Sources far stronger than tissue: found by size and strength, fitted, and no longer spread over the map."""

import numpy as np
import pytest

from recon.background import local_field
from recon.grid import Grid
from recon.inversion import tv
from recon.maths.kernels import dipole_kernel
from recon.maths.spectrum import BoxTransform
from recon.maths.strong_sources import field_of, strong_sources
from recon.phantom.field import forward_field

SHAPE, EDGE_MM = (40, 44, 36), 3.0
GRID = Grid((EDGE_MM,) * 3, (0, 0, 1))
X, Y, Z = (EDGE_MM * (i - (n - 1) / 2) for i, n in zip(np.indices(SHAPE), SHAPE, strict=True))
BRAIN = X**2 + Y**2 + Z**2 < 48.0**2
TISSUE_PPM = 0.03 * np.sign(np.sin(X / 7) * np.sin(Y / 8) * np.sin(Z / 6)).astype(np.float32) * BRAIN
BESIDE = BRAIN & ((X - 20) ** 2 + Y**2 + Z**2 > 20.0**2) & (X**2 + Y**2 + Z**2 < 40.0**2)


def ball(radius_mm: float, ppm: float) -> np.ndarray:
    return np.where(np.hypot(np.hypot(X - 20, Y), Z) < radius_mm, np.float32(ppm), np.float32(0))


def field(chi_ppm: np.ndarray) -> np.ndarray:
    noise = 5e-4 * np.random.default_rng(0).standard_normal(SHAPE)
    return np.where(BRAIN, forward_field(chi_ppm, np.full(3, EDGE_MM), np.array([0, 0, 1.0])) + noise, 0).astype("f4")


def found(chi_ppm: np.ndarray) -> np.ndarray | None:
    return strong_sources(field(chi_ppm), BRAIN, GRID)


@pytest.mark.parametrize("ppm", [1.0, 0.5, -0.8])
def test_a_strong_source_is_found_where_it_lies_and_fitted(ppm):
    strong_ppm = found(TISSUE_PPM + ball(12, ppm))
    core = ball(9, 1) > 0
    assert strong_ppm[core].mean() == pytest.approx(ppm, rel=0.1)
    assert not strong_ppm[ball(18, 1) == 0].any()


@pytest.mark.parametrize(("radius_mm", "ppm"), [(12, 0.15), (5, 1.0)])
def test_tissue_and_small_veins_are_none(radius_mm, ppm):
    assert found(TISSUE_PPM + ball(radius_mm, ppm)) is None


def test_the_field_of_no_source_is_zero():
    transform = BoxTransform.padded(SHAPE, GRID.voxel_size_mm, 1)
    assert not field_of(np.zeros(SHAPE, np.float32), dipole_kernel(transform.grid, GRID), transform).any()


def test_a_strong_source_hardly_changes_the_map_beside_it():
    errors = []
    for chi_ppm in (TISSUE_PPM, TISSUE_PPM + ball(12, 1.0)):
        local_ppm, eroded = local_field(field(chi_ppm), BRAIN, GRID, method="lbv_sources")
        error = (tv(local_ppm, eroded, GRID) - TISSUE_PPM)[BESIDE & eroded]
        errors.append(float(error.std() / TISSUE_PPM[BESIDE].std()))
    assert errors[1] < 1.3 * errors[0]  # 1.74 without the fit
