"""Decay of the echoes: R2* of every voxel, how well one exponential describes it, and a check by another method."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincinv

from recon.grid import Times
from recon.problems import to_type
from recon.registry import Method, Stage
from recon.relaxation.decay import (
    Line,
    arlo_line,
    floor_line,
    floor_residual,
    irls_line,
    r2star_arlo,
    residual,
    scaled,
)
from recon.relaxation.noise_floor import Noise, air_power
from recon.settings import defaults

DEFAULT = defaults("r2star_map")
FLOOR_SNR = 4.0  # above it the noise floor raises ln S by less than 2e-5
AIR = "air"  # the number of coils is measured there
NOISE_STEPS = 4  # in which noise and noise floor agree
SAMPLE_VOXELS = 1 << 16  # evenly spaced voxels that give a median to better than 1 %
SLAB_VOXELS = 1 << 17  # of the grid, brain or not, fitted at once: stays in the cache


class R2starFit(NamedTuple):
    """R2*, the signal at TE = 0 and the goodness of the fit.

    Parameters
    ----------
    r2star_hz : (X, Y, Z) float32 [1/s] within [0, `maximum_hz`], zero outside the mask
    s0 : (X, Y, Z) float32 in units of the magnitude, the fitted exponential at TE = 0; zero outside the mask and where
        fewer than two echoes have signal
    misfit : (X, Y, Z) float32 [noise standard deviations]
        RMS distance of the echoes from the exponential, per degree of freedom: about 1 where noise explains it,
        more where the decay is not exponential (dephasing across the voxel, flow, motion). Zero outside the mask and
        in voxels with fewer than three echoes, which leave no residual.
    noise : standard deviation of the real and of the imaginary noise of a coil, in units of the magnitude; 0 if unknown
    coils : with independent noise whose squares were summed; 1 for one coil or a weighted, complex combination
    """

    r2star_hz: np.ndarray
    s0: np.ndarray
    misfit: np.ndarray
    noise: float
    coils: float = 1


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
    signal, scale = complete_voxels(magnitude, mask)
    if len(te_s) < 3 or not signal.size:
        return 0.0
    t = since_first(te_s)
    rms = residual(signal, t, irls_line(signal, t, iterations=iterations, maximum_hz=maximum_hz)) * scale
    return float(np.median(rms) / median_rms(len(te_s)))


def complete_voxels(magnitude: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced voxels of the mask that have every echo: (echo, N) over the (N,) largest of each, and that."""
    signal, scale = scaled(sample(magnitude, mask).T)
    complete = (signal > 0).all(0)
    return signal[:, complete], scale[complete]


def median_rms(n_echoes: int) -> float:
    """Median of the RMS residual of a line through that many echoes, over the standard deviation of the noise."""
    freedom = n_echoes - 2
    return float(np.sqrt(2 * gammaincinv(freedom / 2, 0.5) / freedom))


def noise_of_coils(
    magnitude: np.ndarray, mask: np.ndarray, te_s: Times, *, coils: int | str, iterations: int, maximum_hz: float
) -> Noise:
    """Noise and number of coils; residual and noise floor depend on each other, so both are improved in turn.

    Parameters
    ----------
    magnitude, mask, te_s, iterations, maximum_hz : see :func:`noise_level`
    coils : their number, or `air`: from the mean square in air, :func:`recon.relaxation.noise_floor.air_power`

    Returns
    -------
    Noise

    Raises
    ------
    ValueError
        Several coils and fewer than three echoes, which leave no residual; no noise in air where that is to be read.
    """
    noise = noise_level(magnitude, mask, te_s, iterations=iterations, maximum_hz=maximum_hz)
    if coils == 1:
        return Noise(noise, 1)
    signal, scale = complete_voxels(magnitude, mask)
    if not signal.size:
        return Noise(0.0, 1)
    if noise == 0:
        line = to_type("r2star_map.coils", 1)
        raise ValueError(f"r2star_map.coils: expected three echoes or more for {coils}, found {len(te_s)}: {line}")
    power, t = air_power(magnitude, mask) if coils == AIR else None, since_first(te_s)
    found = Noise.of(noise, coils, power)
    for _ in range(NOISE_STEPS):
        floor = {"coils": found.coils, "log_noise": np.float32(np.log(found.sigma)) - np.log(scale)}
        rms = floor_residual(signal, t, floor_line(signal, t, maximum_hz=maximum_hz, **floor), **floor)
        found = Noise.of(found.sigma * float(np.median(rms)) / median_rms(len(te_s)), coils, power)
    return found


# of (echo, N) signals at (echo, 1) times, and of the logarithm of the noise where the noise floor is to count
LineFit = Callable[[np.ndarray, np.ndarray, np.ndarray | None], Line]


def fit_voxels(
    magnitude: np.ndarray, t: np.ndarray, noise: float, fit: LineFit, fit_near_noise: LineFit | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R2* [1/s], signal at t = 0 and misfit of (echo, N) voxels, by ascending `t`.

    Voxels near the noise floor are fitted once more.
    """
    signal, scale = scaled(magnitude)
    usable = (signal > 0).sum(0)
    line = fit(signal, t, None)
    misfit = np.zeros_like(scale)
    if noise > 0:
        log_noise = np.float32(np.log(noise)) - np.log(scale)
        low = line.at(t[-1]) < np.log(FLOOR_SNR) + log_noise
        if fit_near_noise and low.any():
            line.a[low], line.r2star_hz[low] = fit_near_noise(signal[:, low], t, log_noise[low])
        misfit = residual(signal, t, line) * (usable > 2) * scale / noise
    return line.r2star_hz * (usable > 1), np.exp(line.a) * scale * (usable > 1), misfit


def fit_voxels_of_coils(
    magnitude: np.ndarray, t: np.ndarray, noise: Noise, maximum_hz: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same above the noise floor of several coils, which reaches far: every voxel is fitted with it."""
    signal, scale = scaled(magnitude)
    usable = (signal > 0).sum(0)
    floor = {"coils": noise.coils, "log_noise": np.float32(np.log(noise.sigma)) - np.log(scale)}
    line = floor_line(signal, t, maximum_hz=maximum_hz, **floor)
    misfit = floor_residual(signal, t, line, **floor) * (usable > 2)
    return line.r2star_hz * (usable > 1), np.exp(line.a) * scale * (usable > 1), misfit


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
    coils: int | str = DEFAULT["coils"],
    workers: int = 1,
) -> R2starFit:
    """Log-linear fit, weighted by the fitted signal squared, see :func:`recon.relaxation.decay.irls_line`.

    Arrays and result as in :func:`r2star_fit`.

    Parameters
    ----------
    iterations : reweightings
    maximum_hz : largest R2* [1/s]
    coils : whose squares were summed, see :func:`recon.relaxation.decay.floor_line`; `air`: measured around the head
    workers : threads
    """
    if coils != 1:
        floor = noise_of_coils(magnitude, mask, te_s, coils=coils, iterations=iterations, maximum_hz=maximum_hz)
        if floor.sigma > 0:
            above = partial(fit_voxels_of_coils, noise=floor, maximum_hz=maximum_hz)
            return _fit_slabs(magnitude, mask, te_s, above, floor, workers)

    def fit(signal: np.ndarray, t: np.ndarray, log_noise: np.ndarray | None) -> Line:
        return irls_line(signal, t, iterations=iterations, maximum_hz=maximum_hz, log_noise=log_noise)

    noise = noise_level(magnitude, mask, te_s, iterations=iterations, maximum_hz=maximum_hz)
    near = partial(fit_voxels, noise=noise, fit=fit, fit_near_noise=fit)
    return _fit_slabs(magnitude, mask, te_s, near, Noise(noise, 1), workers)


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
    plain = partial(fit_voxels, noise=noise, fit=fit, fit_near_noise=None)
    return _fit_slabs(magnitude, mask, te_s, plain, Noise(noise, 1), workers)


def _fit_slabs(
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    fit: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    noise: Noise,
    workers: int,
) -> R2starFit:
    """Fit the voxels of the mask, a slab of the grid at a time."""
    order = np.argsort(te_s)
    t, first_s = since_first(np.asarray(te_s)[order]), np.float32(np.min(te_s))
    maps = r2star_hz, s0, misfit = [np.zeros(mask.shape, np.float32) for _ in range(3)]
    # slabs run along memory: files are read with X fastest
    view = np.transpose if magnitude.strides[0] < magnitude.strides[2] else np.asarray
    echoes, inside = [view(magnitude[..., i]) for i in order], view(mask)

    def fit_slab(slab: slice) -> None:
        here = inside[slab]
        values = np.stack([echo[slab][here] for echo in echoes]).astype(np.float32, copy=False)
        rate_hz, first, distance = fit(values, t)
        for volume, data in zip(maps, (rate_hz, first * np.exp(rate_hz * first_s), distance), strict=True):
            view(volume)[slab][here] = data

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fit_slab, slabs(inside.shape)))
    return R2starFit(r2star_hz, s0, misfit, noise.sigma, noise.coils)


METHODS = {
    "irls": Method(
        run=irls,
        sentence="""R2* was fitted to the logarithm of the magnitude, weighted by the fitted signal squared
            ({{ iterations | n }} reweightings) and corrected for the noise floor, limited to
            {{ maximum_hz | n }} s⁻¹.{% if coils != 1 %} The floor was that of the root of the sum of squares of
            {{ "as many coils as the noise in air shows" if coils == "air" else coils | n ~ " coils" }}
            {{ cite("constantinides1997") }}; squared signals were fitted above it.{% endif %}""",
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


def decay_maps(fit: R2starFit, *, t2star_and_s0: bool = DEFAULT["t2star_and_s0"]) -> dict[str, np.ndarray]:
    """The same decay in other words.

    Parameters
    ----------
    fit : R2starFit
    t2star_and_s0 : whether they are wanted

    Returns
    -------
    maps : (X, Y, Z) float32 by BIDS suffix, none if not wanted: `T2starmap` [s], 1 / R2*, zero where R2* is zero, and
        `S0map` in units of the magnitude, so that the echoes are S0 exp(-TE / T2*)
    """
    if not t2star_and_s0:
        return {}
    decays = fit.r2star_hz > 0
    return {"T2starmap": np.divide(1, fit.r2star_hz, where=decays, out=np.zeros_like(fit.r2star_hz)), "S0map": fit.s0}


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
