"""Noise of a magnitude that several coils make: the root of the sum of their squares."""

from typing import NamedTuple, Self

import numpy as np
from scipy import ndimage

from recon.problems import to_type

TISSUE = 0.3  # of the way from the darkest to the median of the brain, first echo: what is brighter is no air
OUTLIER = 7.0  # times the mean square; noise of a single coil is above it in one voxel of a thousand
CLIPS = 10  # in which the mean settles
FAR_VOXELS = 4  # from tissue: its ringing and blur have faded
LEAST_VOXELS = 1000  # their mean square is then known to a few percent even for one coil
LEAST_COILS = 0.5  # darker air than the noise of half a coil is not its noise
NUMBER = f"set the number of coils, as {to_type('r2star_map.coils', 32)}, or 1 for a combination by weights"


class Noise(NamedTuple):
    """Standard deviation of a coil's real and imaginary part in units of the magnitude, and the number of coils."""

    sigma: float
    coils: float

    @classmethod
    def of(cls, sigma: float, coils: int | str, air: float | None) -> Self:
        r"""As many as given, or as make the mean square :math:`2 n \sigma^2` of the air."""
        if air is None:
            return cls(sigma, float(coils))
        found = air / (2 * sigma**2)
        if found < LEAST_COILS:
            raise ValueError(
                "r2star_map.coils: air: expected noise around the head at least as strong as in the brain, found "
                f"{100 * found:.0f} % of its power (darkened on the scanner?); {NUMBER}"
            )
        return cls(sigma, found)


def air_power(magnitude: np.ndarray, mask: np.ndarray) -> float:
    r"""Mean square of the magnitude in air, :math:`2 n \sigma^2` for n coils.

    Noise is alike in all echoes, whereas ghosts and ringing of the head fade: the echo with the lowest mean counts.
    Bounds are those of one coil, the widest distribution; that of more coils is narrower.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array, brain

    Returns
    -------
    power : in units of the magnitude squared

    Raises
    ------
    ValueError
        Where fewer than `LEAST_VOXELS` voxels with noise lie around the head: a crop, or air that was set to zero.
    """
    first = np.nan_to_num(magnitude[..., 0], posinf=0)
    darkest = np.percentile(first[first > 0], 2)
    tissue = first > darkest + TISSUE * (np.median(first[mask]) - darkest)
    tissue = ndimage.binary_opening(tissue) | mask  # specks are noise
    air = ndimage.distance_transform_cdt(~tissue, "chessboard") > FAR_VOXELS
    values = magnitude[air].astype(np.float64)
    values = values[(np.isfinite(values) & (values > 0)).all(1)]
    if len(values) < LEAST_VOXELS:
        raise ValueError(
            f"r2star_map.coils: air: expected {LEAST_VOXELS} voxels or more of air with noise around the head, found "
            f"{len(values)}; {NUMBER}"
        )
    return min(clipped_mean(echo) for echo in (values * values).T)


def clipped_mean(power: np.ndarray) -> float:
    """Mean of (N,) squares without the outliers that remnants of tissue and ghosts are."""
    mean = np.median(power)
    for _ in range(CLIPS):
        mean = power[power < OUTLIER * mean].mean()
    return float(mean)
