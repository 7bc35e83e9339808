"""Decay and recovery: R2* from the echoes, T1 and proton density from two flip angles, the T1-weighted image."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class R2starMap:
    """Config section `r2star_map`."""

    method: str
    iterations: int
    maximum_hz: float


@dataclass(frozen=True, kw_only=True)
class T1wMap:
    """Config section `t1w_map`."""

    remove_r2star_decay: bool


def r2star_irls(magnitude: np.ndarray, te_s: np.ndarray, iterations: int) -> np.ndarray:
    r"""Log-linear fit, weighted by the *fitted* signal squared.

    :math:`\ln S_i = \ln S_0 - R_2^* TE_i`. The noise of :math:`\ln S` grows as :math:`1/S`; taking the weights from
    the fit and not from the data keeps noise out of them and the estimate unbiased.

    Parameters
    ----------
    magnitude : (N, echo) float array, positive
    te_s : (echo,) [s], at least two
    iterations : reweightings

    Returns
    -------
    r2star_hz : (N,) float32 [1/s]
    """
    te = np.asarray(te_s, np.float32)
    y = np.log(magnitude)
    w = np.ones_like(y)
    for _ in range(iterations + 1):
        w /= w.sum(-1, keepdims=True)
        te_mean = (w * te).sum(-1, keepdims=True)
        y_mean = (w * y).sum(-1, keepdims=True)
        w_dte = w * (te - te_mean)
        slope = (w_dte * (y - y_mean)).sum(-1, keepdims=True) / (w_dte * (te - te_mean)).sum(-1, keepdims=True)
        # weights from the fit; its constant cancels when they are normalised, and the clip avoids overflow
        w = np.exp(np.clip(2 * slope * (te - te[0]), -30, 30))
    return -slope[:, 0]


def r2star_arlo(magnitude: np.ndarray, te_s: np.ndarray) -> np.ndarray:
    r"""Auto-regression on linear operations, for at least three uniform echoes.

    With :math:`s_i = \Delta/3 (S_i + 4 S_{i+1} + S_{i+2})` and :math:`d_i = S_i - S_{i+2}`:
    :math:`T_2^* = (\sum s^2 + \Delta/3 \sum s d) / (\Delta/3 \sum d^2 + \sum s d)`.

    Parameters
    ----------
    magnitude : (N, echo) float array
    te_s : (echo,) [s]

    Returns
    -------
    r2star_hz : (N,) float32 [1/s]

    References
    ----------
    .. [1] Pei et al., MRM 73:843 (2015), doi:10.1002/mrm.25137, with its erratum
    """
    dte = np.diff(te_s)
    if len(dte) < 2 or np.ptp(dte) > 1e-3 * dte[0]:
        raise ValueError(f"ARLO: expected at least three equally spaced echo times, found {list(te_s)} s")
    third = np.float32(dte[0] / 3)
    s = third * (magnitude[:, :-2] + 4 * magnitude[:, 1:-1] + magnitude[:, 2:])
    d = magnitude[:, :-2] - magnitude[:, 2:]
    s2, sd, d2 = (s * s).sum(-1), (s * d).sum(-1), (d * d).sum(-1)
    return (third * d2 + sd) / np.maximum(s2 + third * sd, np.finfo(np.float32).tiny)


def r2star_map(magnitude: np.ndarray, mask: np.ndarray, te_s: np.ndarray, params: R2starMap) -> np.ndarray:
    """R2* of every voxel with signal in all echoes.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]
    params : R2starMap

    Returns
    -------
    r2star_hz : (X, Y, Z) float32 [1/s] within [0, `maximum_hz`], zero outside `mask`

    Raises
    ------
    ValueError
        With fewer than two echoes.
    """
    if len(te_s) < 2:
        raise ValueError(f"R2*: expected at least two echoes, found echo times {list(te_s)} s")
    fitted = mask & (np.nan_to_num(magnitude) > 0).all(-1)
    signal = magnitude[fitted]
    values = r2star_irls(signal, te_s, params.iterations) if params.method == "irls" else r2star_arlo(signal, te_s)
    r2star_hz = np.zeros(mask.shape, np.float32)
    r2star_hz[fitted] = np.clip(values, 0, params.maximum_hz)
    return r2star_hz


def t1_weighted(magnitude: np.ndarray, mask: np.ndarray, r2star_hz: np.ndarray, te1_s: float, params: T1wMap):
    """T1-weighted image from the first echo, its R2* decay undone where the config says so.

    Parameters
    ----------
    magnitude : (X, Y, Z) float array, first echo
    mask : (X, Y, Z) bool array
    r2star_hz : (X, Y, Z) float array [1/s]
    te1_s : first echo time [s]
    params : T1wMap

    Returns
    -------
    t1w : (X, Y, Z) float32 in units of the magnitude, zero outside `mask`
    """
    decay = np.exp(te1_s * r2star_hz) if params.remove_r2star_decay else 1
    return np.where(mask, np.nan_to_num(magnitude) * decay, 0).astype(np.float32)


def variable_flip_angle(
    low: np.ndarray, high: np.ndarray, flip_low_deg: float, flip_high_deg: float, tr_s: float
) -> tuple[np.ndarray, np.ndarray]:
    r"""T1 and PD from two spoiled gradient echo images (DESPOT1).

    :math:`E_1 = (S_2/\sin a_2 - S_1/\sin a_1) / (S_2/\tan a_2 - S_1/\tan a_1)`, :math:`T_1 = -TR / \ln E_1`.

    Parameters
    ----------
    low, high : float arrays of one shape, signals at the two flip angles with equal R2* weighting
    flip_low_deg, flip_high_deg : [degree]
    tr_s : repetition time [s]

    Returns
    -------
    t1_s : float32 [s], zero where the signals allow no T1
    pd : float32 in units of the signal

    References
    ----------
    .. [1] Deoni et al., MRM 49:515 (2003), doi:10.1002/mrm.10407
    """
    a1, a2 = np.deg2rad([flip_low_deg, flip_high_deg])
    with np.errstate(divide="ignore", invalid="ignore"):
        E1 = (high / np.sin(a2) - low / np.sin(a1)) / (high / np.tan(a2) - low / np.tan(a1))
        valid = (E1 > 0) & (E1 < 1)
        E1 = np.where(valid, E1, 0.5)
        t1_s = np.where(valid, -tr_s / np.log(E1), 0)
        pd = np.where(valid, low * (1 - E1 * np.cos(a1)) / (np.sin(a1) * (1 - E1)), 0)
    return t1_s.astype(np.float32), pd.astype(np.float32)
