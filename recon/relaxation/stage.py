"""Decay of the echoes: R2* of every voxel, how well one exponential describes it, and a check by another method."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincinv

from recon.grid import Times
from recon.registry import Method, Stage
from recon.relaxation.decay import Line, arlo_line, irls_line, r2star_arlo, residual, scaled
from recon.settings import defaults

DEFAULT = defaults("r2star_map")
FLOOR_SNR = 4.0  # above it the noise floor raises ln S by less than 2e-5
SAMPLE_VOXELS = 1 << 16  # evenly spaced voxels that give a median to better than 1 %
SLAB_VOXELS = 1 << 17  # of the grid, brain or not, fitted at once: stays in the cache


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


def uniform(te_s: Times) -> bool:
    """Are there at least three echo times, with equal steps?"""
    dte = np.diff(te_s)
    return len(dte) > 1 and np.ptp(dte) <= 1e-3 * dte[0]


def since_first(te_s: Times) -> np.ndarray:
    """Echo times [s] after the earliest: (echo, 1) float32."""
    te_s = np.asarray(te_s)
    return (te_s - te_s.min()).astype(np.float32)[:, None]


def sample(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of `volume` (X, Y, Z[, echo]) in evenly spaced voxels of the mask: (N[, echo]) float32."""
    voxels = np.flatnonzero(mask)
    return volume[np.unravel_index(voxels[:: 1 + len(voxels) // SAMPLE_VOXELS], mask.shape)].astype(np.float32)


def noise_level(magnitude: np.ndarray, mask: np.ndarray, te_s: Times, *, iterations: int, maximum_hz: float) -> float:
    r"""Noise standard deviation from the residuals of the fit, which need no air around the head.

    Where one exponential describes the decay, the squared residual over :math:`\sigma^2` follows a chi-squared
    distribution with two degrees of freedom less than echoes; the median ignores the voxels with another decay.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s], in the order of the echoes
    iterations, maximum_hz : of the fit, see :func:`irls`

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
    rms = residual(signal, t, irls_line(signal, t, iterations=iterations, maximum_hz=maximum_hz)) * scale[complete]
    median_chi2 = 2 * gammaincinv(freedom / 2, 0.5)
    return float(np.median(rms) / np.sqrt(median_chi2 / freedom))


# of (echo, N) signals at (echo, 1) times, and of the logarithm of the noise where the noise floor is to count
LineFit = Callable[[np.ndarray, np.ndarray, np.ndarray | None], Line]


def fit_voxels(
    magnitude: np.ndarray, t: np.ndarray, noise: float, fit: LineFit, fit_near_noise: LineFit | None
) -> tuple[np.ndarray, np.ndarray]:
    """R2* [1/s] and misfit of (echo, N) voxels, by ascending `t`; those near the noise floor are fitted once more."""
    signal, scale = scaled(magnitude)
    usable = (signal > 0).sum(0)
    line = fit(signal, t, None)
    if noise == 0:
        return line.r2star_hz * (usable > 1), np.zeros_like(scale)
    log_noise = np.float32(np.log(noise)) - np.log(scale)
    low = line.at(t[-1]) < np.log(FLOOR_SNR) + log_noise
    if fit_near_noise and low.any():
        line.a[low], line.r2star_hz[low] = fit_near_noise(signal[:, low], t, log_noise[low])
    return line.r2star_hz * (usable > 1), residual(signal, t, line) * (usable > 2) * scale / noise


def slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    """Slices of the first axis, of about `SLAB_VOXELS` each."""
    step = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    return (slice(i, i + step) for i in range(0, shape[0], step))


def irls(
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    iterations: int = DEFAULT["iterations"],
    maximum_hz: float = DEFAULT["maximum_hz"],
    workers: int = 1,
) -> R2starFit:
    """Log-linear fit, weighted by the fitted signal squared, see :func:`recon.relaxation.decay.irls_line`.

    Arrays and result as in :func:`r2star_fit`.

    Parameters
    ----------
    iterations : reweightings
    maximum_hz : largest R2* [1/s]
    workers : threads
    """

    def fit(signal: np.ndarray, t: np.ndarray, log_noise: np.ndarray | None) -> Line:
        return irls_line(signal, t, iterations=iterations, maximum_hz=maximum_hz, log_noise=log_noise)

    noise = noise_level(magnitude, mask, te_s, iterations=iterations, maximum_hz=maximum_hz)
    return _fit_slabs(magnitude, mask, te_s, noise=noise, fit=fit, fit_near_noise=fit, workers=workers)


def arlo(
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    iterations: int = DEFAULT["iterations"],
    maximum_hz: float = DEFAULT["maximum_hz"],
    workers: int = 1,
) -> R2starFit:
    """Auto-regression on linear operations, see :func:`recon.relaxation.decay.r2star_arlo`.

    Arrays and result as in :func:`r2star_fit`; the noise is that of the fit by :func:`irls`.

    Parameters
    ----------
    iterations : reweightings of the fit that measures the noise
    maximum_hz : largest R2* [1/s]
    workers : threads

    Raises
    ------
    ValueError
        With fewer than three echo times or unequal steps between them.

    References
    ----------
    .. [1] Pei et al., MRM 73:843 (2015), doi:10.1002/mrm.25137, with its erratum
    """
    if not uniform(np.sort(te_s)):
        raise ValueError(f"ARLO: expected at least three equally spaced echo times, found {list(te_s)} s")

    def fit(signal: np.ndarray, t: np.ndarray, log_noise: np.ndarray | None) -> Line:
        return arlo_line(signal, t, maximum_hz=maximum_hz)

    noise = noise_level(magnitude, mask, te_s, iterations=iterations, maximum_hz=maximum_hz)
    return _fit_slabs(magnitude, mask, te_s, noise=noise, fit=fit, fit_near_noise=None, workers=workers)


def _fit_slabs(
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    noise: float,
    fit: LineFit,
    fit_near_noise: LineFit | None,
    workers: int,
) -> R2starFit:
    """Fit the voxels of the mask, a slab of the grid at a time."""
    order = np.argsort(te_s)
    t = since_first(np.asarray(te_s)[order])
    r2star_hz, misfit = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    # slabs run along memory: files are read with X fastest
    view = np.transpose if magnitude.strides[0] < magnitude.strides[2] else np.asarray
    echoes, inside = [view(magnitude[..., i]) for i in order], view(mask)

    def fit_slab(slab: slice) -> None:
        here = inside[slab]
        values = np.stack([echo[slab][here] for echo in echoes]).astype(np.float32, copy=False)
        fitted = fit_voxels(values, t, noise, fit, fit_near_noise)
        view(r2star_hz)[slab][here], view(misfit)[slab][here] = fitted

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fit_slab, slabs(inside.shape)))
    return R2starFit(r2star_hz, misfit, noise)


METHODS = {
    "irls": Method(
        run=irls,
        sentence="""R2* was fitted to the logarithm of the magnitude, weighted by the fitted signal squared
            ({{ iterations | n }} reweightings) and corrected for the noise floor, limited to
            {{ maximum_hz | n }} s⁻¹.""",
    ),
    "arlo": Method(
        run=arlo,
        sentence="""R2* was computed by ARLO {{ cite("pei2015") }}, limited to {{ maximum_hz | n }} s⁻¹.""",
    ),
}
STAGE = Stage(section="r2star_map", methods=METHODS)


def r2star_fit(
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    method: str = DEFAULT["method"],
    workers: int = 1,
    **settings: Any,
) -> R2starFit:
    """R2* of every voxel with signal in at least two echoes, and the goodness of the fit.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) array; echoes that are not positive and finite are left out, voxel by voxel
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s], in the order of the echoes
    method : one of METHODS
    workers : threads
    settings : of the method, by the names of its own parameters

    Returns
    -------
    R2starFit

    Raises
    ------
    ValueError
        With fewer than two echo times, or those that the method cannot use; for a method that does not exist, or
        settings that are none of its own.
    """
    if len(np.unique(te_s)) < 2:
        raise ValueError(f"R2*: expected at least two echoes, found echo times {list(te_s)} s")
    return STAGE.run(method, magnitude, mask, te_s, settings=settings, workers=workers)


def r2star_map(
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    method: str = DEFAULT["method"],
    workers: int = 1,
    **settings: Any,
) -> np.ndarray:
    """The map alone of :func:`r2star_fit`: (X, Y, Z) float32 [1/s], zero outside `mask`.

    Examples
    --------
    >>> te_s = np.array([0.005, 0.010, 0.015])
    >>> magnitude = np.exp(-30 * te_s) * np.ones((2, 2, 2, 1))
    >>> r2star_map(magnitude, np.ones((2, 2, 2), bool), te_s).round().max()
    np.float32(30.0)
    """
    return r2star_fit(magnitude, mask, te_s, method=method, workers=workers, **settings).r2star_hz


def arlo_difference(magnitude: np.ndarray, mask: np.ndarray, te_s: Times, r2star_hz: np.ndarray) -> float | None:
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
