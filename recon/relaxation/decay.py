"""Fits of an exponential decay to (echo, N) signals, whatever their place in the image."""

from typing import NamedTuple

import numpy as np

TINY = np.finfo(np.float32).tiny
FLOOR_STEPS = 8  # reweightings near the noise floor
LARGEST_STEP = 1.0  # of ln A in one of them


class Line(NamedTuple):
    r"""Fitted :math:`\ln S = a - R_2^* t` of (N,) voxels."""

    a: np.ndarray
    r2star_hz: np.ndarray

    def at(self, t: np.ndarray) -> np.ndarray:
        """Value of the line, (echo, N), at the times `t` (echo, 1) [s]."""
        return self.a - self.r2star_hz * t


def scaled(magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each voxel of (echo, N) over its largest echo, and that (N,) scale; what is no positive number becomes zero."""
    signal = np.where((magnitude > 0) & (magnitude < np.inf), magnitude, np.float32(0))
    scale = signal.max(0)
    scale[scale == 0] = 1
    return signal / scale, scale


def log_signal(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the echoes, zero for missing ones, and which are usable."""
    usable = signal > 0
    return np.log(signal, where=usable, out=np.zeros_like(signal)), usable


def weighted_line(w: np.ndarray, y: np.ndarray, t: np.ndarray, maximum_hz: float) -> Line:
    """Weighted least squares over the echoes; R2* is kept within [0, `maximum_hz`] by turning about the centroid.

    Parameters
    ----------
    w, y : (echo, N) float32 weights and values
    t : (echo, 1) float32 [s]
    maximum_hz : largest R2* [1/s]
    """
    wt = w * t
    W, Wt, Wtt = w.sum(0), wt.sum(0), (wt * t).sum(0)
    Wy, Wty = (w * y).sum(0), (wt * y).sum(0)
    r2star_hz = (Wt * Wy - W * Wty) / np.maximum(W * Wtt - Wt * Wt, TINY)
    r2star_hz = np.clip(r2star_hz, 0, np.float32(maximum_hz))
    return Line((Wy + r2star_hz * Wt) / np.maximum(W, TINY), r2star_hz)


def log_excess(x: np.ndarray) -> np.ndarray:
    r"""Mean of ln S over ln A for a Rician magnitude S, :math:`E_1(x) / 2` with :math:`x = A^2 / 2\sigma^2`, to 2.3 %.

    :math:`E_1(x) \approx e^{-x} \ln\left(1 + \frac{e^{-\gamma} + p x}{x + p x^2}\right)` joins the limits
    :math:`-\gamma - \ln x` and :math:`e^{-x} / x` of the exponential integral for a fiftieth of its cost; p = 1.5 keeps
    the error least.
    """
    x = np.maximum(x, TINY)
    return np.exp(-x) * np.log1p((np.float32(np.exp(-np.euler_gamma)) + 1.5 * x) / (x + 1.5 * x * x)) / 2


def irls_line(
    signal: np.ndarray, t: np.ndarray, *, iterations: int, maximum_hz: float, log_noise: np.ndarray | None = None
) -> Line:
    r"""Log-linear fit, weighted by the *fitted* signal squared.

    The noise of :math:`\ln S` grows as :math:`1/A`, A being the true signal. Taking the weights :math:`A^2` from the
    fit and not from the data keeps noise out of them and the estimate unbiased. Near the noise floor, with
    :math:`x = A^2 / 2\sigma^2`, the logarithm of a Rician magnitude has

    .. math:: \mathrm{E} \ln S = \ln A + E_1(x) / 2, \qquad \mathrm{var} \ln S \approx (1 - e^{-x}) / 2x,
              \qquad \partial\, \mathrm{E} \ln S / \partial \ln A = 1 - e^{-x},

    so that the excess :math:`E_1 / 2` is subtracted and the weight falls to :math:`A^2 (1 - e^{-x})`.

    Parameters
    ----------
    signal : (echo, N) float32, at most 1; zeros mark missing echoes
    t : (echo, 1) float32 [s]
    iterations : reweightings
    maximum_hz : largest R2* [1/s]
    log_noise : (N,) float32 logarithm of sigma in units of `signal`; None ignores the noise floor

    Returns
    -------
    Line
    """
    y, usable = log_signal(signal)
    line = weighted_line(signal * signal, y, t, maximum_hz)
    for _ in range(iterations):
        w, corrected = np.exp(2 * line.at(t)) * usable, y
        if log_noise is not None:
            x = np.exp(2 * (line.at(t) - log_noise)) / 2
            w, corrected = w * -np.expm1(-x), y - log_excess(x)
        line = weighted_line(w, corrected, t, maximum_hz)
    return line


def floor_line(signal: np.ndarray, t: np.ndarray, *, coils: float, log_noise: np.ndarray, maximum_hz: float) -> Line:
    r"""Fit of the squared signal above the noise floor of several coils.

    The root of the sum of squares of n coils, each with complex noise of standard deviation :math:`\sigma` per part, is
    non-central chi distributed with 2n degrees of freedom [1]_. Its square has, whatever A and n, exactly

    .. math:: \mathrm{E} S^2 = A^2 + 2 n \sigma^2, \qquad \mathrm{var} S^2 = 4 \sigma^2 (A^2 + n \sigma^2).

    With :math:`\eta = \ln A = a - R_2^* t` this is a generalised linear model, solved by its usual reweighting [2]_:
    response :math:`\eta + (S^2 - A^2 - 2 n \sigma^2) / 2 A^2`, weights :math:`A^4 / (A^2 + n \sigma^2)`, both of the
    fitted A. The first line goes through what is left of each echo after subtraction.

    Parameters
    ----------
    signal : (echo, N) float32, at most 1; zeros mark missing echoes
    t : (echo, 1) float32 [s]
    coils : n, need not be whole: correlated noise counts for fewer coils
    log_noise : (N,) float32 logarithm of sigma in units of `signal`
    maximum_hz : largest R2* [1/s]

    Returns
    -------
    Line

    References
    ----------
    .. [1] Constantinides et al., MRM 38:852 (1997), doi:10.1002/mrm.1910380524
    .. [2] Nelder and Wedderburn, J R Stat Soc A 135:370 (1972), doi:10.2307/2344614
    """
    usable = signal > 0
    variance = np.exp(2 * log_noise)
    power = np.where(usable, signal * signal - np.float32(2 * coils) * variance, 0)
    y, w = log_signal(np.sqrt(np.maximum(power, 0)))[0], np.maximum(power, 0)
    line = weighted_line(w, y, t, maximum_hz)
    for _ in range(FLOOR_STEPS):
        eta = line.at(t)
        fitted = np.maximum(np.exp(2 * eta), TINY)
        y = eta + np.clip((power / fitted - 1) / 2, -LARGEST_STEP, LARGEST_STEP)
        w = usable * fitted * fitted / (fitted + np.float32(coils) * variance)
        line = weighted_line(w, y, t, maximum_hz)
    return line


def r2star_arlo(magnitude: np.ndarray, step_s: float) -> np.ndarray:
    r"""Auto-regression on linear operations, for at least three uniform echoes.

    With :math:`s_i = \Delta/3 (S_i + 4 S_{i+1} + S_{i+2})` and :math:`d_i = S_i - S_{i+2}`:
    :math:`T_2^* = (\sum s^2 + \Delta/3 \sum s d) / (\Delta/3 \sum d^2 + \sum s d)`.

    Parameters
    ----------
    magnitude : (echo, N) float32
    step_s : time between echoes [s]

    Returns
    -------
    r2star_hz : (N,) float32 [1/s]

    References
    ----------
    .. [1] Pei et al., MRM 73:843 (2015), doi:10.1002/mrm.25137, with its erratum
    """
    third = np.float32(step_s / 3)
    s = third * (magnitude[:-2] + 4 * magnitude[1:-1] + magnitude[2:])
    d = magnitude[:-2] - magnitude[2:]
    s2, sd, d2 = (s * s).sum(0), (s * d).sum(0), (d * d).sum(0)
    return (third * d2 + sd) / np.maximum(s2 + third * sd, TINY)


def arlo_line(signal: np.ndarray, t: np.ndarray, *, maximum_hz: float) -> Line:
    """ARLO as a line through the weighted centroid of the logarithms; R2* is zero where an echo is missing."""
    y, usable = log_signal(signal)
    r2star_hz = r2star_arlo(signal, t[1, 0] - t[0, 0]) * usable.all(0)
    r2star_hz = np.clip(r2star_hz, 0, np.float32(maximum_hz))
    w = np.exp(-2 * r2star_hz * t)
    return Line((w * (y + r2star_hz * t)).sum(0) / w.sum(0), r2star_hz)


def residual(signal: np.ndarray, t: np.ndarray, line: Line) -> np.ndarray:
    """RMS distance of `signal` (echo, N) from the exponential, per degree of freedom, to first order in ln S."""
    y, usable = log_signal(signal)
    distance = usable * np.exp(line.at(t)) * (y - line.at(t))
    return np.sqrt((distance * distance).sum(0) / np.maximum(usable.sum(0) - 2, 1))


def floor_residual(signal: np.ndarray, t: np.ndarray, line: Line, *, coils: float, log_noise: np.ndarray) -> np.ndarray:
    """The same over sigma, around the root mean square signal of several coils; arguments as in :func:`floor_line`."""
    variance = np.exp(2 * log_noise)
    power = np.exp(2 * line.at(t))
    expected = power + np.float32(2 * coils) * variance  # of S^2, whose variance is 4 sigma^2 (power + n sigma^2)
    usable = signal > 0
    spread = variance * (power + np.float32(coils) * variance) / expected
    chi2 = usable * (signal - np.sqrt(expected)) ** 2 / np.maximum(spread, TINY)
    return np.sqrt(chi2.sum(0) / np.maximum(usable.sum(0) - 2, 1))
