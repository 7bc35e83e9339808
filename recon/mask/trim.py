"""The voxels whose phase deserves trust: coherent with their neighbours and above the noise."""

import numpy as np
from scipy import ndimage

from recon.acquisition import choose_echo
from recon.grid import Grid, Times, Vector
from recon.mask.voids import around, signal_voids
from recon.maths.boxes import bounding_box
from recon.maths.neighbours import CROSS, CUBE
from recon.maths.parts import largest_part
from recon.settings import defaults

DEFAULT = defaults("unwrap_phase")
MAGNITUDE_FLOOR = 0.3  # of the median magnitude inside the mask; below it a voxel is mostly noise
RIM_MM = 2.5  # depth of veins on the cortex; iron-rich nuclei lie deeper
VEIN = 2.0  # R2* of veins over that of the typical tissue, at least


def phase_coherence(phase_rad: np.ndarray) -> np.ndarray:
    """How steadily the phase runs around each voxel: 1 for a plane wave, near 0 for noise.

    Unit phasors of the differences between neighbours are averaged over 2 along and 3 x 3 across; the least of the
    three axes counts. A steep but smooth field stays coherent.

    Parameters
    ----------
    phase_rad : (X, Y, Z) float array, wrapped or not

    Returns
    -------
    coherence : (X, Y, Z) float32 in [0, 1]
    """
    coherence = np.ones(phase_rad.shape, np.float32)
    for axis in range(phase_rad.ndim):
        step = np.diff(phase_rad.astype(np.float32), axis=axis)
        mean = [_around(component(step), axis) for component in (np.cos, np.sin)]
        np.minimum(coherence, np.hypot(*mean), out=coherence)
    return coherence


def _around(step: np.ndarray, axis: int) -> np.ndarray:
    """Mean over the two steps that meet in a voxel along `axis`, and over three voxels across."""
    ends = [(1, 1) if a == axis else (0, 0) for a in range(step.ndim)]
    padded = np.moveaxis(np.pad(step, ends, mode="edge" if step.shape[axis] else "constant"), axis, 0)
    both = np.moveaxis((padded[:-1] + padded[1:]) / 2, 0, axis)
    return ndimage.uniform_filter(both, [1 if a == axis else 3 for a in range(step.ndim)], mode="nearest")


def reliable_mask(
    phase_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    grid: Grid,
    *,
    trim_coherence: float = DEFAULT["trim_coherence"],
    trim_echo: int = DEFAULT["trim_echo"],
    trim_r2star_hz: float | None = DEFAULT["trim_r2star_hz"],
) -> np.ndarray:
    """Drop the voxels at the rim and near the sinuses whose phase is noise, and the veins that line the rim.

    Such voxels would spread through background removal. Holes that this leaves inside the brain are kept in the
    mask, because every hole costs a sphere's radius of tissue around it; but signal voids
    (:func:`recon.mask.voids.signal_voids`) are left outside, where their field counts as background: sources much
    stronger than tissue, with no data inside, would spread over the map. Strong sources on the rim, half in and half
    out, are neither background nor local: what decays fast and reaches the rim is left outside, too.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]
    grid : Grid
    trim_coherence : least coherence of the phase; 0 returns the mask as it is
    trim_echo : the echo that is judged, counted from 1
    trim_r2star_hz : from which voxels on the rim are veins [1/s], or from VEIN times the typical R2* of the mask where
        that is more, as at 7 T; None keeps them

    Returns
    -------
    reliable : (X, Y, Z) bool array, within `mask`
    """
    if trim_coherence == 0:
        return mask.copy()
    box = bounding_box(mask)
    signal = np.nan_to_num(magnitude[box], posinf=0).sum(-1)
    inside = mask[box]
    echo = choose_echo(phase_rad.shape[-1], trim_echo)
    good = inside & (phase_coherence(np.nan_to_num(phase_rad[box + (echo,)])) > trim_coherence)
    good &= signal > MAGNITUDE_FLOOR * np.median(signal[inside])
    good = largest_part(ndimage.binary_opening(good, CROSS))
    if not good.any():
        raise ValueError(f"phase coherence: expected voxels above {trim_coherence} in the mask, found none")
    good = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(good, 2), CUBE, iterations=2))[2:-2, 2:-2, 2:-2]
    good &= inside
    if trim_r2star_hz is not None:
        rim = good & ~_deep(good, grid.voxel_size_mm)
        vein_hz = max(trim_r2star_hz, VEIN * typical_r2star_hz(magnitude[box], inside, te_s))
        good &= ~at_the_rim(rim & decays_fast(magnitude[box], te_s, vein_hz), good)
    reliable = np.zeros_like(mask)
    reliable[box] = good
    voids = signal_voids(magnitude, mask, te_s, grid)
    return largest_part(reliable & ~around(voids)) if voids.any() else reliable


def decays_fast(magnitude: np.ndarray, te_s: Times, r2star_hz: float) -> np.ndarray:
    r"""Where :math:`S_n < S_1 e^{-R_2^* (TE_n - TE_1)}` for a given R2*; nowhere with a single echo."""
    return magnitude[..., -1] < magnitude[..., 0] * np.float32(np.exp(-r2star_hz * (te_s[-1] - te_s[0])))


def typical_r2star_hz(magnitude: np.ndarray, mask: np.ndarray, te_s: Times) -> float:
    """R2* [1/s] between the medians of the first and the last echo in a mask; 0 with a single echo or no signal."""
    if len(te_s) < 2 or not mask.any():
        return 0.0
    first, last = (float(np.median(np.nan_to_num(magnitude[..., i][mask], posinf=0))) for i in (0, -1))
    return float(np.log(first / last) / (te_s[-1] - te_s[0])) if first > 0 and last > 0 else 0.0


def _deep(mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """The mask less a rim of RIM_MM along each axis."""
    size = 2 * np.ceil(RIM_MM / np.asarray(voxel_size_mm)).astype(int) + 1
    return ndimage.minimum_filter(mask, size, mode="constant", cval=0)


def at_the_rim(candidates: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The candidates inside `mask` that other candidates, face to face, link with its outside."""
    outside = np.pad(~mask, 1, constant_values=True)
    reached = ndimage.binary_propagation(outside, CROSS, mask=outside | np.pad(candidates, 1))
    return reached[1:-1, 1:-1, 1:-1] & mask
