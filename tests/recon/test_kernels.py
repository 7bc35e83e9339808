import numpy as np
import pytest
from scipy import fft

from recon.grid import Grid
from recon.maths.boxes import bounding_box, padded_shape
from recon.maths.kernels import convolve, dipole_kernel, sphere_kernel
from tests.recon.physics import VOXEL_SIZE_MM, ball, field_of, grid_mm


def test_sphere_in_the_field_matches_the_analytic_dipole():
    radius, chi = 10.0, 1.0
    field = field_of(chi * ball(radius).astype(np.float32))
    x, y, z = grid_mm()
    r2 = x**2 + y**2 + z**2
    outside = (r2 > 18**2) & (r2 < 28**2)
    volume = ball(radius).sum() * VOXEL_SIZE_MM.prod()
    # delta B/B0 = chi V / (4 pi) (3 cos^2 - 1) / r^3
    analytic = chi * volume / (4 * np.pi) * (3 * z**2 / np.maximum(r2, 1) - 1) / np.maximum(r2, 1) ** 1.5
    assert np.abs(field - analytic)[outside].max() < 0.05 * np.abs(analytic[outside]).max()
    assert abs(field[ball(7)].mean()) < 0.02


def test_field_turns_with_b0():
    chi = ball(6, (8, 0, 0), (48, 48, 48), (1.5, 1.5, 1.5)).astype(np.float32)
    along_z = field_of(chi, (0, 0, 1), (1.5, 1.5, 1.5))
    turned = field_of(np.swapaxes(chi, 0, 2), (1, 0, 0), (1.5, 1.5, 1.5))
    np.testing.assert_allclose(np.swapaxes(turned, 0, 2), along_z, atol=1e-5)


OBLIQUE = np.array([0.36, 0.48, 0.8])


@pytest.mark.parametrize("shape", [(12, 14, 10), (11, 13, 9), (12, 13, 10)])
@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_kernel_turns_with_an_oblique_b0(shape, axes):
    field, turned = point_response(shape, OBLIQUE), point_response(shape, OBLIQUE, axes)
    np.testing.assert_allclose(turned, field.transpose(axes), atol=1e-6)


@pytest.mark.parametrize("shape", [(12, 14, 10), (11, 13, 9)])
def test_mirrored_b0_mirrors_the_field(shape):
    field = point_response(shape, OBLIQUE)
    mirrored = point_response(shape, OBLIQUE * [1, -1, 1])
    np.testing.assert_allclose(np.roll(np.flip(mirrored, 1), 1, 1), field, atol=1e-6)  # about the origin


def point_response(shape, b0_dir, axes=(0, 1, 2)):
    """Cyclic field of a source in the first voxel, on a grid with its axes in another order."""
    shape = tuple(np.array(shape)[list(axes)])
    D = dipole_kernel(shape, Grid(VOXEL_SIZE_MM[list(axes)], b0_dir[list(axes)]))
    return fft.irfftn(D, s=shape)


def test_dipole_stays_in_its_range_and_has_no_mean():
    D = dipole_kernel((16, 18, 20), Grid(VOXEL_SIZE_MM, (0.6, 0, 0.8)))
    assert D[0, 0, 0] == 0
    assert D.min() >= -2 / 3 - 1e-6
    assert D.max() <= 1 / 3 + 1e-6


def test_sphere_mean_keeps_a_constant_and_its_volume():
    shape = (32, 32, 24)
    S = sphere_kernel(shape, VOXEL_SIZE_MM, 6.0)
    point = np.zeros(shape, np.float32)
    point[16, 16, 12] = 1
    mean = convolve(point, S, shape)
    assert S[0, 0, 0] == pytest.approx(1, abs=1e-5)
    assert VOXEL_SIZE_MM.prod() / mean.max() == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.02)


def test_sphere_larger_than_the_grid_is_refused():
    with pytest.raises(ValueError, match="sphere of 30.0 mm"):
        sphere_kernel((16, 16, 16), VOXEL_SIZE_MM, 30.0)


def test_bounding_box_and_padding_hold_the_mask():
    mask = ball(9, (10, -12, 4))
    box = bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    assert all(mask[box].any(axis=tuple(a for a in range(3) if a != axis))[[0, -1]].all() for axis in range(3))
    for length, n, size in zip(padded_shape((31, 37, 23), VOXEL_SIZE_MM, 10), (31, 37, 23), VOXEL_SIZE_MM, strict=True):
        assert length >= n + 10 / size
