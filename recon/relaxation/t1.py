"""Recovery between pulses: T1 and proton density from two flip angles, and the T1-weighted image."""

from typing import NamedTuple

import numpy as np

from recon.settings import defaults

REMOVE_DECAY = defaults("t1w_map")["remove_r2star_decay"]


class T1Fit(NamedTuple):
    """T1 and proton density, zero where the signals allow no T1.

    Parameters
    ----------
    t1_s : float32 [s]
    pd : float32 in units of the signal: with the sensitivity of the receive coil
    """

    t1_s: np.ndarray
    pd: np.ndarray


def t1_weighted(
    magnitude: np.ndarray,
    mask: np.ndarray,
    *,
    r2star_hz: np.ndarray | None,
    te1_s: float,
    remove_r2star_decay: bool = REMOVE_DECAY,
) -> np.ndarray:
    """T1-weighted image from the first echo, its R2* decay undone if so wanted.

    Parameters
    ----------
    magnitude : (X, Y, Z) float array, first echo
    mask : (X, Y, Z) bool array
    r2star_hz : (X, Y, Z) float array [1/s], or None where there is none: the decay stays
    te1_s : first echo time [s]
    remove_r2star_decay : whether the decay until the first echo is undone

    Returns
    -------
    t1w : (X, Y, Z) float32 in units of the magnitude, zero outside `mask` and where the magnitude is not finite
    """
    t1w = np.zeros(mask.shape, np.float32)
    signal = magnitude[mask]
    decay = 1 if r2star_hz is None or not remove_r2star_decay else np.exp(te1_s * r2star_hz[mask])
    t1w[mask] = np.where(np.isfinite(signal), signal, 0) * decay
    return t1w


def variable_flip_angle(
    low: np.ndarray,
    high: np.ndarray,
    *,
    flips_deg: tuple[float, float],
    tr_s: float,
    b1: np.ndarray | float = 1.0,
) -> T1Fit:
    r"""T1 and PD from two spoiled gradient echo images (DESPOT1).

    With the true angles :math:`a = k\, a_\mathrm{nominal}`:
    :math:`E_1 = (S_2/\sin a_2 - S_1/\sin a_1) / (S_2/\tan a_2 - S_1/\tan a_1)`, :math:`T_1 = -TR / \ln E_1`,
    :math:`PD = S_1 (1 - E_1 \cos a_1) / (\sin a_1 (1 - E_1))`. A `b1` that is wrong by a factor c changes T1 by about
    :math:`c^{-2}`.

    Parameters
    ----------
    low, high : float arrays of one shape, signals at the two flip angles with equal R2* weighting
    flips_deg : nominal lower and higher flip angle [degree]
    tr_s : repetition time [s]
    b1 : k, actual over nominal flip angle, one number or an array that broadcasts to the signals

    Returns
    -------
    T1Fit, with the R2* weighting of the signals in `pd`; T1 is not limited from above, and zero where noise, a signal
    that is not finite or a `b1` that is not positive gives no E1 within (0, 1)

    References
    ----------
    .. [1] Deoni et al., MRM 49:515 (2003), doi:10.1002/mrm.10407
    """
    k = np.asarray(b1, np.float32)
    a1, a2 = (k * np.float32(np.deg2rad(flip_deg)) for flip_deg in flips_deg)
    with np.errstate(divide="ignore", invalid="ignore"):
        s1, s2 = low / np.sin(a1), high / np.sin(a2)
        E1 = (s2 - s1) / (s2 * np.cos(a2) - s1 * np.cos(a1))
        valid = (E1 > 0) & (E1 < 1) & (k > 0)
        E1 = np.where(valid, E1, 0.5)
        t1_s = np.where(valid, -tr_s / np.log(E1), 0)
        pd = np.where(valid, s1 * (1 - E1 * np.cos(a1)) / (1 - E1), 0)
    return T1Fit(t1_s.astype(np.float32), pd.astype(np.float32))


def t1_map(
    low: np.ndarray,
    high: np.ndarray,
    mask: np.ndarray,
    *,
    r2star_hz: np.ndarray | None,
    flips_deg: tuple[float, float],
    tr_s: float,
    te_s: float,
    b1: np.ndarray | float = 1.0,
) -> T1Fit:
    """T1 and PD of every voxel of the mask, PD at TE = 0 where R2* is known.

    Parameters
    ----------
    low, high : (X, Y, Z) float arrays, first echo at the lower and at the higher flip angle
    mask : (X, Y, Z) bool array
    r2star_hz : (X, Y, Z) float array [1/s], or None: PD stays as it is at `te_s`
    flips_deg : nominal lower and higher flip angle [degree]
    tr_s, te_s : repetition time and echo time [s]
    b1 : actual over nominal flip angle, one number or a (X, Y, Z) map

    Returns
    -------
    T1Fit of (X, Y, Z) float32 arrays, zero outside `mask` as well
    """
    k = np.broadcast_to(b1, mask.shape)[mask] if np.ndim(b1) else b1
    fit = variable_flip_angle(low[mask], high[mask], flips_deg=flips_deg, tr_s=tr_s, b1=k)
    t1_s, pd = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    decay = 1 if r2star_hz is None else np.exp(np.float32(te_s) * r2star_hz[mask])
    t1_s[mask], pd[mask] = fit.t1_s, fit.pd * decay
    return T1Fit(t1_s, pd)
