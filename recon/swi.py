"""Susceptibility-weighted image and its minimum intensity projection, from one echo."""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import minimum_filter1d

from recon.acquisition import Acquisition
from recon.grid import Grid, Vector
from recon.maths.boxes import slice_axis
from recon.problems import to_type

BEST_TE_B0 = 0.06  # s T: 40 ms at 1.5 T in Haacke 2004, thus 20 ms at 3 T


@dataclass(frozen=True, kw_only=True)
class SwiMap:
    """Settings.

    Parameters
    ----------
    make : whether the images are wanted
    phase_power : n, how often the phase mask multiplies the magnitude
    filter_mm : voxel edge of the low-resolution image whose phase is taken off
    projection_mm : thickness of the slab of the projection
    """

    make: bool
    phase_power: float
    filter_mm: float
    projection_mm: float


def best_echo(acquisition: Acquisition) -> int:
    """Index from 0 of the echo whose TE × B0 is nearest to that at which veins were first shown."""
    return int(np.argmin(np.abs(np.asarray(acquisition.te_s) * acquisition.b0_tesla - BEST_TE_B0)))


def swi_maps(
    magnitude: np.ndarray, phase_rad: np.ndarray, mask: np.ndarray, grid: Grid, settings: SwiMap
) -> dict[str, np.ndarray]:
    r"""Magnitude times a mask of the high-pass filtered phase :math:`\varphi`, and its minimum over a slab.

    The complex image over its low-resolution copy has the phase of what is small: the phase of the coils and the field
    of distant sources, which are smooth, cancel, with their wraps. Paramagnetic sources advance the phase, as the
    intake hands it on (the paper's systems delay it, and its mask has the other sign), so that

    .. math:: S \left(1 - \max(\varphi, 0) / \pi\right)^n

    darkens veins that run along the main field, and blood.

    Parameters
    ----------
    magnitude, phase_rad : (X, Y, Z) of one echo; phase in rad
    mask : (X, Y, Z) bool; outside the images are zero, and no minimum counts it
    grid : Grid
    settings : SwiMap

    Returns
    -------
    maps : (X, Y, Z) float32 by suffix: `swi` and `minIP`, in units of the magnitude; the slab is centred on each slice

    Raises
    ------
    ValueError
        The filter is not coarser than the voxels.

    References
    ----------
    .. [1] Haacke et al., MRM 52:612 (2004), doi:10.1002/mrm.20198
    """
    through = slice_axis(grid)
    phase_rad = high_pass(magnitude, phase_rad, grid.voxel_size_mm, settings.filter_mm, through)
    swi = np.where(mask, magnitude * (1 - np.maximum(phase_rad, 0) / np.pi) ** settings.phase_power, 0)
    slices = max(1, round(settings.projection_mm / grid.voxel_size_mm[through]))
    least = minimum_filter1d(np.where(mask, swi, np.inf), slices, axis=through, mode="nearest")
    return {"swi": swi.astype(np.float32), "minIP": np.where(mask, least, 0).astype(np.float32)}


def high_pass(
    magnitude: np.ndarray, phase_rad: np.ndarray, voxel_size_mm: Vector, filter_mm: float, through: int
) -> np.ndarray:
    """Phase [rad] of an image over its copy of voxels of `filter_mm`, slice by slice across the axis `through`.

    The copy keeps the middle of each slice's k-space, |k| < 1 / (2 filter_mm), under a Hann window.
    """
    check_filter(filter_mm, voxel_size_mm, through)
    across = [axis for axis in range(3) if axis != through]
    image = np.moveaxis(magnitude * np.exp(1j * phase_rad), through, 0)
    windows = [_hann(image.shape[1 + i], voxel_size_mm[axis], filter_mm) for i, axis in enumerate(across)]
    kept = windows[0][:, None] * windows[1]
    found = np.stack([np.angle(part * np.conj(fft.ifft2(fft.fft2(part) * kept))) for part in image])
    return np.moveaxis(found, 0, through)


def check_filter(filter_mm: float, voxel_size_mm: Vector, through: int) -> None:
    """ValueError where the filter is not coarser than the voxels within slices, whose axis is `through`."""
    largest_mm = max(mm for axis, mm in enumerate(voxel_size_mm) if axis != through)
    if filter_mm <= largest_mm:
        raise ValueError(
            f"swi_map.filter_mm: expected more than the voxels' {largest_mm:g} mm, found {filter_mm:g}; "
            f"{to_type('swi_map.filter_mm', f'{2 * largest_mm:g}')}"
        )


def _hann(count: int, edge_mm: float, filter_mm: float) -> np.ndarray:
    """(count,) window in the order of the FFT: one at the middle of k-space, zero from 1 / (2 filter_mm)."""
    share = 2 * filter_mm * np.abs(fft.fftfreq(count, edge_mm))
    return np.where(share < 1, (1 + np.cos(np.pi * share)) / 2, 0)
