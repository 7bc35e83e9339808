"""Echoes → one map: SNR-weighted average of susceptibility, or one field fitted over the echo times."""

from dataclasses import dataclass

import numpy as np

from recon.acquisition import Acquisition


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


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """Config section `field_mapping`."""

    fit_offset: bool


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
    chi_ppm : (X, Y, Z, echo) float array [ppm]
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
    used = echo_range(params, chi_ppm.shape[-1])
    inside = chi_ppm[mask][:, used]  # (voxel, echo)
    values = (inside * echo_weights(magnitude[mask][:, used], np.asarray(te_s)[used], params.power)).sum(-1)
    if params.reference == "whole_brain":
        values -= values.mean()
    combined = np.zeros(mask.shape, np.float32)
    combined[mask] = values
    return combined


def field_map(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray,
    mask: np.ndarray,
    acquisition: Acquisition,
    params: FieldMapping,
) -> np.ndarray:
    r"""Fit :math:`\phi_i = \phi_0 + 2 \pi \gamma B_0 \delta\, TE_i` with weights :math:`|S_i|^2`.

    The offset :math:`\phi_0` is taken as zero where `fit_offset` says so and for a single echo.

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array [rad], echoes aligned
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    acquisition : Acquisition
    params : FieldMapping

    Returns
    -------
    field_ppm : (X, Y, Z) float32 [ppm of B0], zero outside `mask`
    """
    te_s = np.asarray(acquisition.te_s, np.float32)
    phase, w = unwrapped_rad[mask], echo_weights(magnitude[mask], np.ones_like(te_s), 2)  # (voxel, echo)
    fit_offset = params.fit_offset and len(te_s) > 1
    dte = te_s - (w * te_s).sum(-1, keepdims=True) if fit_offset else te_s
    slope = (w * dte * phase).sum(-1) / np.maximum((w * dte**2).sum(-1), np.finfo(np.float32).tiny)  # [rad/s]
    field_ppm = np.zeros(mask.shape, np.float32)
    field_ppm[mask] = slope * (acquisition.ppm_per_rad()[0] * te_s[0])
    return field_ppm
