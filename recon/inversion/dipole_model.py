"""A field as the response of dipoles inside a mask, and how far a measured field is from that."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from recon.grid import Grid, Vector
from recon.inversion.noise import Steps, field_noise
from recon.maths.differences import laplacian_kernel
from recon.maths.kernels import dipole_kernel
from recon.maths.spectrum import BoxTransform

MODEL_ERROR = 0.05  # of the field's spread: how far even a noise-free field is from the discrete dipole model
LEAST_ERROR = 1e-6  # ppm: a field is never known better


def wave_number(shape: tuple[int, ...], voxel_size_mm: Vector) -> np.ndarray:
    """|k| [1/mm] in rfft layout."""
    vx, vy, vz = voxel_size_mm
    x, y, z = (
        k.astype(np.float32) ** 2
        for k in (fft.fftfreq(shape[0], vx), fft.fftfreq(shape[1], vy), fft.rfftfreq(shape[2], vz))
    )
    return np.sqrt(x[:, None, None] + y[None, :, None] + z[None, None, :])


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the field is made of: a dipole kernel, a mask and the grids between which they act.

    Parameters
    ----------
    inside : (X, Y, Z) bool array, box of the mask
    spacing : (3,) voxel size over its geometric mean, so that one weight serves all resolutions
    grid : Grid of the voxels
    D, laplacian, k : kernels in rfft layout; k in 1/mm
    transform : BoxTransform
    """

    inside: np.ndarray
    spacing: np.ndarray
    grid: Grid
    D: np.ndarray
    laplacian: np.ndarray
    k: np.ndarray
    transform: BoxTransform

    @classmethod
    def of(cls, inside: np.ndarray, grid: Grid, workers: int = 1) -> "Model":
        """Kernels for a mask in its box."""
        voxel_size_mm = np.asarray(grid.voxel_size_mm)
        spacing = voxel_size_mm / voxel_size_mm.prod() ** (1 / 3)
        transform = BoxTransform.padded(inside.shape, voxel_size_mm, workers)
        return cls(
            inside=inside,
            spacing=spacing,
            grid=grid,
            D=dipole_kernel(transform.grid, grid),
            laplacian=laplacian_kernel(transform.grid, spacing),
            k=wave_number(transform.grid, voxel_size_mm),
            transform=transform,
        )


def field_error(field_ppm: np.ndarray, weight: np.ndarray, known: np.ndarray, steps: Steps) -> float:
    """Standard deviation [ppm] that the regularisation has to bear: noise and discretisation."""
    values = field_ppm[known]
    spread = 1.4826 * np.median(np.abs(values - np.median(values)))
    noise = field_noise(field_ppm, known, weight, steps)
    return max(float(np.hypot(noise, MODEL_ERROR * spread)), LEAST_ERROR)
