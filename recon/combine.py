"""Susceptibility of every echo → one map, the SNR-weighted average, referenced."""

from typing import NamedTuple

import numpy as np

from recon.grid import Times, Vector
from recon.problems import to_type
from recon.regions.reference import region_names
from recon.registry import look_up
from recon.settings import defaults

DEFAULT = defaults("combine_echoes")
WHOLE_BRAIN, NONE = "whole_brain", "none"  # beside the regions of `recon.regions.reference`
BLOCK_MM = 10.0  # edge of the cubes between which the errors of a map count as independent


class Reference(NamedTuple):
    """What became zero.

    Parameters
    ----------
    name : of the region
    value_ppm : its mean in the map before, which was subtracted
    sd_ppm : standard deviation of its voxels
    error_ppm : standard error of the mean, see :func:`mean_error`; NaN for a region within one cube
    volume_ml : of the region
    above_brain_ppm : its mean less that of the whole mask
    """

    name: str
    value_ppm: float
    sd_ppm: float
    error_ppm: float
    volume_ml: float
    above_brain_ppm: float

    def summary(self) -> dict:
        """For a sidecar: numbers in ppm, the unit of the map, and in ml."""
        numbers = {
            "ReferenceSusceptibility": self.value_ppm,
            "ReferenceStandardDeviation": self.sd_ppm,
            "ReferenceStandardError": self.error_ppm,
            "ReferenceAboveWholeBrain": self.above_brain_ppm,
            "ReferenceVolumeML": self.volume_ml,
        }
        return {"Reference": self.name} | {key: round(value, 6) for key, value in numbers.items() if np.isfinite(value)}


def echo_range(
    n_echoes: int, *, first_echo: int = DEFAULT["first_echo"], last_echo: int = DEFAULT["last_echo"]
) -> slice:
    """The echoes that enter the average, counted from 1, at least the last one of a short train."""
    if first_echo > last_echo:
        raise ValueError(f"combine_echoes: expected first_echo not above last_echo, found {first_echo} and {last_echo}")
    return slice(min(first_echo, n_echoes) - 1, min(last_echo, n_echoes))


def echo_weights(magnitude: np.ndarray, te_s: Times, power: int) -> np.ndarray:
    r""":math:`w_i = (|S_i| TE_i)^p / \sum_j (|S_j| TE_j)^p`, for p = 2 the inverse variance of each echo's map.

    Parameters
    ----------
    magnitude : (..., echo) float array
    te_s : (echo,) [s]
    power : p

    Returns
    -------
    w : (..., echo) float32, sums to 1 over the echoes; equal weights where there is no signal
    """
    w = (np.nan_to_num(np.abs(magnitude), posinf=0) * np.asarray(te_s, np.float32)) ** power
    total = w.sum(-1, keepdims=True)
    return np.where(total > 0, w / np.where(total > 0, total, 1), 1 / w.shape[-1]).astype(np.float32)


def averaged(
    chi_ppm: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    *,
    first_echo: int = DEFAULT["first_echo"],
    last_echo: int = DEFAULT["last_echo"],
    power: int = DEFAULT["power"],
) -> np.ndarray:
    """The average of :func:`combine_echoes` before it is referenced: (voxel,) of the mask [ppm]."""
    values = chi_ppm[mask]  # (voxel,) or (voxel, echo)
    if chi_ppm.ndim == 3:
        return values
    used = echo_range(chi_ppm.shape[-1], first_echo=first_echo, last_echo=last_echo)
    w = echo_weights(magnitude[mask][:, used], np.asarray(te_s)[used], power)
    return np.einsum("ve,ve->v", values[:, used], w)


def reference_voxels(mask: np.ndarray, region: np.ndarray | None, reference: str) -> np.ndarray | None:
    """Voxels whose mean becomes zero.

    Parameters
    ----------
    mask : (X, Y, Z) bool array, where susceptibility is known
    region : (X, Y, Z) bool array of the reference, read where that is neither `whole_brain` nor `none`
    reference : its name

    Returns
    -------
    (X, Y, Z) bool array within `mask`; None without reference

    Raises
    ------
    ValueError
        For an unknown name, or where the region is not given or holds no voxel of the mask.
    """
    look_up(dict.fromkeys((WHOLE_BRAIN, NONE, *region_names())), reference, "combine_echoes.reference")
    if reference in (WHOLE_BRAIN, NONE):
        return mask if reference == WHOLE_BRAIN else None
    if region is None or not (region & mask).any():
        found = "no region" if region is None else "none of its voxels there"
        expected = f"its region where χ is known, found {found}: {to_type('combine_echoes.reference', WHOLE_BRAIN)}"
        raise ValueError(f"combine_echoes.reference: {reference}: expected {expected}")
    return region & mask


def zero_of(values_ppm: np.ndarray, mask: np.ndarray, voxels: np.ndarray | None) -> np.floating | float:
    """The mean over the (X, Y, Z) `voxels` of the (voxel,) values of a mask; 0 without reference."""
    if voxels is None:
        return 0.0
    return values_ppm.mean() if voxels is mask else values_ppm[voxels[mask]].mean()


def described(
    values_ppm: np.ndarray, mask: np.ndarray, voxels: np.ndarray | None, voxel_size_mm: Vector, reference: str
) -> Reference:
    """The reference of a map.

    Parameters
    ----------
    values_ppm : (voxel,) of the mask, before the reference is subtracted
    mask : (X, Y, Z) bool array
    voxels : of :func:`reference_voxels`
    voxel_size_mm : (3,) edge lengths of a voxel
    reference : its name
    """
    if voxels is None:
        return Reference(reference, *[np.nan] * 5)
    chosen = values_ppm[voxels[mask]]
    return Reference(
        name=reference,
        value_ppm=float(zero_of(values_ppm, mask, voxels)),
        sd_ppm=float(chosen.std(dtype=np.float64)),
        error_ppm=mean_error(chosen, voxels, voxel_size_mm),
        volume_ml=len(chosen) * float(np.prod(voxel_size_mm)) / 1000,
        above_brain_ppm=float(chosen.mean(dtype=np.float64) - values_ppm.mean(dtype=np.float64)),
    )


def mean_error(values: np.ndarray, voxels: np.ndarray, voxel_size_mm: Vector) -> float:
    r"""Standard error of a mean over voxels whose errors are alike in the neighbourhood.

    Sums :math:`e_b` of the deviations within cubes of `BLOCK_MM` are taken as independent, whatever the correlation
    inside: :math:`\mathrm{SE}^2 = \frac{B}{B - 1} \sum_b e_b^2 / N^2` for N voxels in B cubes [1]_. Streaks and shading
    that reach through the whole region are not in it.

    Parameters
    ----------
    values : (N,)
    voxels : (X, Y, Z) bool array of their N places
    voxel_size_mm : (3,) edge lengths of a voxel

    Returns
    -------
    error : in units of `values`; NaN where fewer than two cubes are touched

    References
    ----------
    .. [1] Liang and Zeger, Biometrika 73:13 (1986), doi:10.1093/biomet/73.1.13
    """
    cube = np.zeros((1, 1, 1), np.int64)
    for axis, (count, edge_mm) in enumerate(zip(voxels.shape, voxel_size_mm, strict=True)):
        along = (np.arange(count) * edge_mm // BLOCK_MM).astype(np.int64)
        cube = cube * (along[-1] + 1) + np.expand_dims(along, tuple({0, 1, 2} - {axis}))
    index = cube[voxels]
    sums, counts = np.bincount(index, values - values.mean(dtype=np.float64)), np.bincount(index)
    touched = np.count_nonzero(counts)
    if touched < 2:
        return float("nan")
    return float(np.sqrt(touched / (touched - 1) * np.sum(sums * sums)) / len(values))


def combine_echoes(
    chi_ppm: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
    region: np.ndarray | None = None,
    *,
    first_echo: int = DEFAULT["first_echo"],
    last_echo: int = DEFAULT["last_echo"],
    power: int = DEFAULT["power"],
    reference: str = DEFAULT["reference"],
) -> np.ndarray:
    """Average the echoes' susceptibility maps by SNR and set the reference.

    Parameters
    ----------
    chi_ppm : (X, Y, Z, echo) float array [ppm], or (X, Y, Z) of all echoes, which is referenced only
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]
    region : (X, Y, Z) bool array of the reference, where that is neither `whole_brain` nor `none`
    first_echo, last_echo : of the average, counted from 1
    power : of |S| TE in the weights; 2 is inverse variance
    reference : `whole_brain`, `none`, or the name of `region`

    Returns
    -------
    chi_ppm : (X, Y, Z) float32 [ppm], zero outside `mask`; the mean inside the reference is zero

    References
    ----------
    .. [1] Gharabaghi et al., Front Neurosci 14:581474 (2020), doi:10.3389/fnins.2020.581474

    Examples
    --------
    >>> chi_ppm, mask = np.full((2, 2, 2, 3), 0.1), np.ones((2, 2, 2), bool)
    >>> combine_echoes(chi_ppm, np.ones_like(chi_ppm), mask, [0.01, 0.02, 0.03], reference="none").max().round(3)
    np.float32(0.1)
    """
    echoes = {"first_echo": first_echo, "last_echo": last_echo, "power": power}
    values = averaged(chi_ppm, magnitude, mask, te_s, **echoes)
    return on_grid(values - zero_of(values, mask, reference_voxels(mask, region, reference)), mask)


def on_grid(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(voxel,) values of a mask at their places: (X, Y, Z) float32, zero outside."""
    volume = np.zeros(mask.shape, np.float32)
    volume[mask] = values
    return volume
