"""Susceptibility of every echo → one map, the SNR-weighted average, referenced."""

from collections.abc import Callable

import numpy as np

from recon.grid import Times
from recon.registry import look_up
from recon.settings import defaults

DEFAULT = defaults("combine_echoes")
# (voxel,) susceptibility → the value that becomes zero
REFERENCES: dict[str, Callable[[np.ndarray], np.floating] | None] = {"whole_brain": np.mean, "none": None}


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


def combine_echoes(
    chi_ppm: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    te_s: Times,
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
    first_echo, last_echo : of the average, counted from 1
    power : of |S| TE in the weights; 2 is inverse variance
    reference : `whole_brain` or `none`

    Returns
    -------
    chi_ppm : (X, Y, Z) float32 [ppm], zero outside `mask`; with reference `whole_brain` its mean inside is zero

    References
    ----------
    .. [1] Gharabaghi et al., Front Neurosci 14:581474 (2020), doi:10.3389/fnins.2020.581474

    Examples
    --------
    >>> chi_ppm, mask = np.full((2, 2, 2, 3), 0.1), np.ones((2, 2, 2), bool)
    >>> combine_echoes(chi_ppm, np.ones_like(chi_ppm), mask, [0.01, 0.02, 0.03], reference="none").max().round(3)
    np.float32(0.1)
    """
    values = chi_ppm[mask]  # (voxel,) or (voxel, echo)
    if chi_ppm.ndim == 4:
        used = echo_range(chi_ppm.shape[-1], first_echo=first_echo, last_echo=last_echo)
        w = echo_weights(magnitude[mask][:, used], np.asarray(te_s)[used], power)
        values = np.einsum("ve,ve->v", values[:, used], w)
    zero = look_up(REFERENCES, reference, "combine_echoes.reference")
    if zero is not None:
        values = values - zero(values)
    combined = np.zeros(mask.shape, np.float32)
    combined[mask] = values
    return combined
