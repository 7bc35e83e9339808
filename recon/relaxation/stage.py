"""Decay of the echoes: R2* of every voxel, how well one exponential describes it, and a check by another method."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv

from recon.relaxation.decay import arlo, irls, r2star_arlo, residual, scaled

FLOOR_SNR = 4.0  # above it the noise floor raises ln S by less than 2e-5
SAMPLE_VOXELS = 1 << 16  # evenly spaced voxels that give a median to better than 1 %
SLAB_VOXELS = 1 << 17  # of the grid, brain or not, fitted at once: stays in the cache


@dataclass(frozen=True, kw_only=True)
class R2starMap:
    """Config section `r2star_map`."""

    method: str
    iterations: int
    maximum_hz: float


class R2starFit(NamedTuple):
    """R2* and the goodness of its fit.

    Parameters
    ----------
    r2star_hz : (X, Y, Z) float32 [1/s] within [0, `maximum_hz`], zero outside the mask
    misfit : (X, Y, Z) float32 [noise standard deviations]
        RMS distance of the echoes from the exponential, per degree of freedom: about 1 where noise explains it,
        more where the decay is not exponential (dephasing across the voxel, flow, motion). Zero outside the mask and
        in voxels with fewer than three echoes, which leave no residual.
    noise : standard deviation of the real and of the imaginary noise, in units of the magnitude; 0 if unknown
    """

    r2star_hz: np.ndarray
    misfit: np.ndarray
    noise: float


def uniform(te_s: np.ndarray) -> bool:
    """Are there at least three echo times, with equal steps?"""
    dte = np.diff(te_s)
    return len(dte) > 1 and np.ptp(dte) <= 1e-3 * dte[0]


def since_first(te_s: np.ndarray) -> np.ndarray:
    """Echo times [s] after the earliest: (echo, 1) float32."""
    te_s = np.asarray(te_s)
    return (te_s - te_s.min()).astype(np.float32)[:, None]


def sample(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of `volume` (X, Y, Z[, echo]) in evenly spaced voxels of the mask: (N[, echo]) float32."""
    voxels = np.flatnonzero(mask)
    return volume[np.unravel_index(voxels[:: 1 + len(voxels) // SAMPLE_VOXELS], mask.shape)].astype(np.float32)


def noise_level(magnitude: np.ndarray, mask: np.ndarray, te_s: np.ndarray, params: R2starMap) -> float:
    r"""Noise standard deviation from the residuals of the fit, which need no air around the head.

    Where one exponential describes the decay, the squared residual over :math:`\sigma^2` follows a chi-squared
    distribution with two degrees of freedom less than echoes; the median ignores the voxels with another decay.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s], in the order of the echoes
    params : R2starMap

    Returns
    -------
    sigma of the real and of the imaginary part in units of the magnitude; 0 with fewer than three echoes
    """
    freedom = len(te_s) - 2
    signal, scale = scaled(sample(magnitude, mask).T)
    complete = (signal > 0).all(0)
    if freedom < 1 or not complete.any():
        return 0.0
    signal, t = signal[:, complete], since_first(te_s)
    rms = residual(signal, t, irls(signal, t, params.iterations, params.maximum_hz)) * scale[complete]
    median_chi2 = 2 * gammaincinv(freedom / 2, 0.5)
    return float(np.median(rms) / np.sqrt(median_chi2 / freedom))


def fit_voxels(magnitude: np.ndarray, t: np.ndarray, noise: float, params: R2starMap) -> tuple[np.ndarray, np.ndarray]:
    """R2* [1/s] and misfit of (echo, N) voxels, by ascending `t`; those near the noise floor are fitted once more."""
    signal, scale = scaled(magnitude)
    usable, limits = (signal > 0).sum(0), (params.iterations, params.maximum_hz)
    line = arlo(signal, t, params.maximum_hz) if params.method == "arlo" else irls(signal, t, *limits)
    if noise == 0:
        return line.r2star_hz * (usable > 1), np.zeros_like(scale)
    log_noise = np.float32(np.log(noise)) - np.log(scale)
    low = line.at(t[-1]) < np.log(FLOOR_SNR) + log_noise
    if params.method == "irls" and low.any():
        line.a[low], line.r2star_hz[low] = irls(signal[:, low], t, *limits, log_noise[low])
    return line.r2star_hz * (usable > 1), residual(signal, t, line) * (usable > 2) * scale / noise


def slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    """Slices of the first axis, of about `SLAB_VOXELS` each."""
    step = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    return (slice(i, i + step) for i in range(0, shape[0], step))


def r2star_fit(
    magnitude: np.ndarray, mask: np.ndarray, te_s: np.ndarray, params: R2starMap, workers: int = 1
) -> R2starFit:
    """R2* of every voxel with signal in at least two echoes, and the goodness of the fit.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) array; echoes that are not positive and finite are left out, voxel by voxel
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s], in the order of the echoes
    params : R2starMap
    workers : threads

    Returns
    -------
    R2starFit

    Raises
    ------
    ValueError
        With fewer than two echo times; for ARLO with fewer than three or unequal steps between them.
    """
    order = np.argsort(te_s)
    sorted_te_s = np.asarray(te_s)[order]
    if len(np.unique(sorted_te_s)) < 2:
        raise ValueError(f"R2*: expected at least two echoes, found echo times {list(te_s)} s")
    if params.method == "arlo" and not uniform(sorted_te_s):
        raise ValueError(f"ARLO: expected at least three equally spaced echo times, found {list(te_s)} s")
    noise, t = noise_level(magnitude, mask, te_s, params), since_first(sorted_te_s)
    r2star_hz, misfit = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    # slabs run along memory: files are read with X fastest
    view = np.transpose if magnitude.strides[0] < magnitude.strides[2] else np.asarray
    echoes, inside = [view(magnitude[..., i]) for i in order], view(mask)

    def fit_slab(slab: slice) -> None:
        here = inside[slab]
        values = np.stack([echo[slab][here] for echo in echoes]).astype(np.float32, copy=False)
        view(r2star_hz)[slab][here], view(misfit)[slab][here] = fit_voxels(values, t, noise, params)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fit_slab, slabs(inside.shape)))
    return R2starFit(r2star_hz, misfit, noise)


def r2star_map(
    magnitude: np.ndarray, mask: np.ndarray, te_s: np.ndarray, params: R2starMap, workers: int = 1
) -> np.ndarray:
    """The map alone of `r2star_fit`: (X, Y, Z) float32 [1/s], zero outside `mask`."""
    return r2star_fit(magnitude, mask, te_s, params, workers).r2star_hz


def arlo_difference(magnitude: np.ndarray, mask: np.ndarray, te_s: np.ndarray, r2star_hz: np.ndarray) -> float | None:
    """Cross-check: median over the mask of (ARLO - R2*) / R2*, or None where the echoes are not uniform.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s], in the order of the echoes
    r2star_hz : (X, Y, Z) float array [1/s], to be checked
    """
    order = np.argsort(te_s)
    sorted_te_s = np.asarray(te_s)[order]
    checked = mask & (r2star_hz > 0)
    if not uniform(sorted_te_s):
        return None
    signal, _ = scaled(sample(magnitude, checked).T[order])
    complete = (signal > 0).all(0)
    if not complete.any():
        return None
    arlo_hz = r2star_arlo(signal, sorted_te_s[1] - sorted_te_s[0])
    return float(np.median((arlo_hz / sample(r2star_hz, checked))[complete]) - 1)
