import numpy as np
import pytest

from recon.acquisition import Acquisition
from recon.check.residual import field_residual
from recon.maths.kernels import dipole_kernel
from recon.maths.spectrum import BoxTransform

SHAPE = (24, 24, 16)
TE_S = (0.005, 0.01)


@pytest.fixture
def scan():
    """Local field and map of blobs in a ball, magnitude, acquisition."""
    acquisition = Acquisition(te_s=TE_S, b0_tesla=3.0, voxel_size_mm=(1.0, 1.0, 2.0), b0_dir=(0.0, 0.0, 1.0))
    r = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    ball = (r**2 * np.reshape((1, 1, 4), (3, 1, 1, 1))).sum(0) < 100
    chi_ppm = np.where(ball, np.random.default_rng(0).normal(0, 0.02, SHAPE), 0)
    chi_ppm[ball] -= chi_ppm[ball].mean()
    transform = BoxTransform.padded(SHAPE, acquisition.voxel_size_mm, 1)
    D = dipole_kernel(transform.grid, acquisition.grid)
    local_ppm = transform.inverse(D * transform.forward(chi_ppm.astype(np.float32)))
    return local_ppm, chi_ppm, np.ones((*SHAPE, len(TE_S))), acquisition


def test_a_map_explains_its_own_field_whatever_its_zero(scan):
    local_ppm, chi_ppm, *rest = scan
    shifted = np.where(chi_ppm != 0, chi_ppm + 0.15, 0)  # as with a nucleus as reference
    assert field_residual(local_ppm, chi_ppm, *rest) < 2e-4
    assert field_residual(local_ppm, shifted, *rest) < 2e-4
    assert field_residual(local_ppm, 1.5 * chi_ppm, *rest) > 1e-3
