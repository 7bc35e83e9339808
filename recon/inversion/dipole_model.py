"""A field as the response of dipoles inside a mask, and how far a measured field is from that."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from recon.grid import Grid, Vector
from recon.inversion.noise import field_noise
from recon.maths.differences import laplacian_kernel
from recon.maths.kernels import dipole_kernel
from recon.maths.spectrum import BoxTransform

MODEL_ERROR = 0.05  # of the field's spread: how far even a noise-free field is from the discrete dipole model
MISFIT_GAIN = 5.0  # weight of what the dipole cannot explain, see `dipole_misfit`
MISFIT_FREE = 0.05  # share of it that the edge of the mask alone explains
LEAST_ERROR = 1e-6  # ppm: a field is never known better
MISFIT_BAND = (0.04, 0.12)  # 1/mm: structures of 8 to 25 mm, where the field is far above its noise


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
    voxel_mm3 : volume of a voxel
    D, laplacian, k : kernels in rfft layout; k in 1/mm
    transform : BoxTransform
    """

    inside: np.ndarray
    spacing: np.ndarray
    voxel_mm3: float
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
            voxel_mm3=float(voxel_size_mm.prod()),
            D=dipole_kernel(transform.grid, grid),
            laplacian=laplacian_kernel(transform.grid, spacing),
            k=wave_number(transform.grid, voxel_size_mm),
            transform=transform,
        )


def dipole_misfit(field_ppm: np.ndarray, model: Model) -> float:
    r"""What no susceptibility explains: power of the field on the cone over that off it.

    A dipole source is silent where D = 0, so that what the cone holds (beyond the share that the mask's edge
    scatters into it) is residual background, anisotropy or motion.

    .. math:: \frac{\langle |k F f|^2 \rangle_{|D| < 0.05}}{\langle |k F f|^2 \rangle_{|D| > 0.2}}
    """
    band = (model.k > MISFIT_BAND[0]) & (model.k < MISFIT_BAND[1])
    size = np.abs(model.D[band])
    power = np.abs(model.k[band] * model.transform.forward(field_ppm)[band]) ** 2
    silent, loud = power[size < 0.05], power[size > 0.2]
    if not (silent.size and loud.size and loud.any()):
        return 0.0
    return float(silent.mean() / loud.mean())


def field_error(field_ppm: np.ndarray, weight: np.ndarray, known: np.ndarray, model: Model) -> float:
    """Standard deviation [ppm] that the regularisation has to bear: noise, discretisation and misfit."""
    values = field_ppm[known]
    spread = 1.4826 * np.median(np.abs(values - np.median(values)))
    misfit = max(dipole_misfit(field_ppm, model) - MISFIT_FREE, 0.0)
    noise = field_noise(field_ppm, known, weight)
    return max(float(np.sqrt(noise**2 + (MODEL_ERROR**2 + MISFIT_GAIN**2 * misfit) * spread**2)), LEAST_ERROR)
