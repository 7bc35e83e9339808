"""Susceptibility of every echo → one map, the SNR-weighted average, referenced."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class CombineEchoes:
    """Config section `combine_echoes`."""

    first_echo: int
    last_echo: int
    power: int
    reference: str

    def __post_init__(self) -> None:
        if self.first_echo > self.last_echo:
            raise ValueError(
                f"combine_echoes: expected first_echo up to last_echo, found {self.first_echo} and {self.last_echo}"
            )


def echo_range(params: CombineEchoes, n_echoes: int) -> slice:
    """The echoes that enter the average, at least the last one of a short train."""
    return slice(min(params.first_echo, n_echoes) - 1, min(params.last_echo, n_echoes))


def echo_weights(magnitude: np.ndarray, te_s: np.ndarray, power: int) -> np.ndarray:
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
    chi_ppm: np.ndarray, magnitude: np.ndarray, mask: np.ndarray, te_s: np.ndarray, params: CombineEchoes
) -> np.ndarray:
    """Average the echoes' susceptibility maps by SNR and set the reference.

    Parameters
    ----------
    chi_ppm : (X, Y, Z, echo) float array [ppm], or (X, Y, Z) of all echoes, which is referenced only
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]
    params : CombineEchoes

    Returns
    -------
    chi_ppm : (X, Y, Z) float32 [ppm], zero outside `mask`; with reference `whole_brain` its mean inside is zero

    References
    ----------
    .. [1] Gharabaghi et al., Front Neurosci 14:581474 (2020), doi:10.3389/fnins.2020.581474
    """
    values = chi_ppm[mask]  # (voxel,) or (voxel, echo)
    if chi_ppm.ndim == 4:
        used = echo_range(params, chi_ppm.shape[-1])
        w = echo_weights(magnitude[mask][:, used], np.asarray(te_s)[used], params.power)
        values = np.einsum("ve,ve->v", values[:, used], w)
    if params.reference == "whole_brain":
        values = values - values.mean()
    combined = np.zeros(mask.shape, np.float32)
    combined[mask] = values
    return combined
