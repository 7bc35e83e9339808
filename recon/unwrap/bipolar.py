"""What bipolar readouts add to the phase of every second echo."""

import numpy as np

from recon.grid import Times
from recon.maths.wrap import in_rad, wrap
from recon.registry import look_up
from recon.unwrap.edge_cost import weighted_cost
from recon.unwrap.spatial import clean, unwrap_in_space

SAMPLES = 100_000  # voxels to which the bipolar plane is fitted
OUTLIER_RAD = 1.0  # from the plane; such a voxel is left out of the fit
REFINEMENTS = 3
EVEN = 1e-3  # of the echo train; spacing more uneven needs the field
LEAST_RAD = {"auto": 0.1, "always": -np.inf, "never": np.inf}  # odd-even phase (rms) from which it is corrected


def witnesses(mask: np.ndarray) -> np.ndarray:
    """(voxel, 3) indices of about `SAMPLES` voxels spread evenly over the mask."""
    inside = np.flatnonzero(mask)
    return np.stack(np.unravel_index(inside[:: max(1, len(inside) // SAMPLES)], mask.shape), axis=1)


def field_rate(phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: np.ndarray) -> np.ndarray:
    """Angular frequency [rad/s] of every voxel from the first two echoes of one polarity, unwrapped in space."""
    difference = phase_rad[..., 2] - phase_rad[..., 0]
    mask = mask & np.isfinite(difference)
    signal = None if magnitude is None else np.minimum(clean(magnitude[..., 0]), clean(magnitude[..., 2]))
    wrapped = np.where(mask, difference, 0).astype(np.float32)
    unwrapped = in_rad(unwrap_in_space(wrapped, signal, mask, weighted_cost)) if mask.any() else wrapped
    return np.where(mask, unwrapped, 0) / (te_s[2] - te_s[0])


def alternations(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, rate: np.ndarray, te_s: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Four times the bipolar phase from every three successive echoes, modulo 2 pi.

    .. math:: 4 \theta = \pm [\phi_i - 2 \phi_{i+1} + \phi_{i+2} - \omega (TE_i - 2 TE_{i+1} + TE_{i+2})]

    The sign is the polarity of echo i.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo); magnitude may be None
    rate : (X, Y, Z) omega [rad/s], or (1, 1, 1)
    te_s : (echo,) [s]
    at : (voxel, 3) indices

    Returns
    -------
    angle_rad : (voxel, triple)
    weight : (voxel, triple) square of the least magnitude, 0 where anything is not finite
    """
    phase = phase_rad[tuple(at.T)].astype(float)
    signal = np.ones_like(phase) if magnitude is None else magnitude[tuple(at.T)].astype(float)
    good = np.isfinite(phase).all(axis=1) & np.isfinite(signal).all(axis=1)
    phase[~good], signal[~good] = 0, 0
    drift = np.broadcast_to(rate, phase_rad.shape[:3])[tuple(at.T)][:, None] * (te_s[:-2] - 2 * te_s[1:-1] + te_s[2:])
    sign = (-1) ** np.arange(len(te_s) - 2)
    angle = sign * (phase[:, :-2] - 2 * phase[:, 1:-1] + phase[:, 2:] - drift)
    return angle, np.minimum(np.minimum(signal[:, :-2], signal[:, 1:-1]), signal[:, 2:]) ** 2


def bipolar_offset(phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times) -> np.ndarray:
    r"""The plane by which bipolar readouts raise the 1st, 3rd … echo and lower the 2nd, 4th …

    .. math:: \phi_i = \phi_0 + \omega TE_i + (-1)^i \theta, \qquad \theta = c + g \cdot x, \qquad i = 0, 1, \dots

    The slopes come from products of neighbours, then the plane from a robust fit to what they leave; only echoes of
    uneven spacing need their field unwrapped. The constant is known up to multiples of pi / 2, which evenly spaced
    echoes cannot tell from a uniform field of 1 / (2 dTE): the smallest is taken.

    Parameters
    ----------
    phase_rad : (X, Y, Z, echo) float array, wrapped or not
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array, at least one voxel
    te_s : (echo,) [s], need not be evenly spaced

    Returns
    -------
    theta_rad : (X, Y, Z) float32

    Raises
    ------
    ValueError
        with fewer than three echoes
    """
    te_s = np.asarray(te_s, dtype=float)
    if len(te_s) < 3:
        raise ValueError(f"bipolar correction: expected at least 3 echoes, found {len(te_s)}")
    even = np.abs(np.diff(te_s, n=2)).max() < EVEN * (te_s[-1] - te_s[0])
    rate = np.zeros((1, 1, 1)) if even else field_rate(phase_rad, magnitude, mask, te_s)
    at = witnesses(mask)
    angle, weight = alternations(phase_rad, magnitude, rate, te_s, at)
    slope = np.zeros(3)
    for axis, step in enumerate(np.eye(3, dtype=int)):
        beyond = np.minimum(at + step, np.array(mask.shape) - 1)
        pair = (mask[tuple(beyond.T)] & (beyond != at).any(axis=1))[:, None]
        angle_b, weight_b = alternations(phase_rad, magnitude, rate, te_s, beyond)
        slope[axis] = np.angle(np.sum(pair * np.minimum(weight, weight_b) * np.exp(1j * (angle_b - angle)))) / 4
    centre = at.mean(axis=0)
    return plane_volume(fit_plane(angle, weight, at - centre, slope), centre, mask.shape)


def odd_even(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, bipolar: str
) -> np.ndarray | None:
    """What bipolar readouts add to even and take from odd echoes, (X, Y, Z) [rad]; None where there is nothing.

    `bipolar` is `always`, `never`, or `auto` for a plane that is clearly there. Arguments as in
    :func:`bipolar_offset`; fewer than three echoes show nothing.
    """
    least_rad = look_up(LEAST_RAD, bipolar, "field_mapping.bipolar")
    if least_rad == np.inf or len(te_s) < 3:
        return None
    theta_rad = bipolar_offset(phase_rad, magnitude, mask, te_s)
    rms = np.sqrt(np.mean(np.square(theta_rad[mask])))
    return theta_rad if rms > least_rad else None


def alternating(theta_rad: np.ndarray, n_echoes: int) -> np.ndarray:
    """(X, Y, Z, echo) float32: `theta_rad` in the 1st, 3rd … echo, its negative in the 2nd, 4th …"""
    return theta_rad[..., None] * np.where(np.arange(n_echoes) % 2, -1, 1).astype(np.float32)


def fit_plane(angle_rad: np.ndarray, weight: np.ndarray, x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The plane whose fourfold is `angle_rad` (voxel, triple) modulo 2 pi, from a slope that is nearly right.

    Returns
    -------
    plane : (4,) value at x = 0 and slopes along x [rad]
    """
    design = np.column_stack([np.ones(len(x)), x])
    plane = np.concatenate([[0], slope])
    plane[0] = np.angle(np.sum(weight * np.exp(1j * (angle_rad - 4 * (design @ plane)[:, None])))) / 4
    for _ in range(REFINEMENTS):
        residual = wrap(angle_rad - 4 * (design @ plane)[:, None])
        w = weight * (np.abs(residual) < OUTLIER_RAD)
        normal = design.T @ (w.sum(axis=1)[:, None] * design)
        plane += np.linalg.pinv(normal, hermitian=True) @ (design.T @ (w * residual).sum(axis=1)) / 4
    return plane


def plane_volume(plane: np.ndarray, centre: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(X, Y, Z) float32 values of a plane given at `centre` by its value and slopes along the voxel axes."""
    x, y, z = (g * (np.arange(n) - c) for g, n, c in zip(plane[1:], shape, centre, strict=True))
    return (plane[0] + x[:, None, None] + y[:, None] + z).astype(np.float32)
