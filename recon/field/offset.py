"""Phase that does not grow with TE: the offset at TE = 0, and what bipolar readouts add to every second echo."""

import numpy as np
from scipy import ndimage

from recon.maths.blocks import block_sum, expand
from recon.maths.kernels import bounding_box
from recon.unwrap.spanning_tree import in_rad
from recon.unwrap.spatial import clean, unwrap_in_space

SAMPLES = 100_000  # voxels to which the bipolar plane is fitted
OUTLIER_RAD = 1.0  # from the plane; such a voxel is no witness
REFINEMENTS = 3
EVEN = 1e-3  # of the echo train; spacing more uneven needs the field
RIDGE = 1e-3  # of sigma^2: holds the slope where voxels lie in one plane

BIPOLAR_RAD = 0.1  # odd-even phase (rms) from which `auto` corrects


def wrap(angle_rad: np.ndarray) -> np.ndarray:
    """Angle within half a turn of 0."""
    return angle_rad - 2 * np.pi * np.rint(angle_rad / (2 * np.pi))


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
    unwrapped = in_rad(unwrap_in_space(wrapped, signal, mask, "weighted")) if mask.any() else wrapped
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


def bipolar_offset(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: np.ndarray
) -> np.ndarray:
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
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: np.ndarray, bipolar: str
) -> np.ndarray | None:
    """What bipolar readouts add to even and take from odd echoes, (X, Y, Z) [rad]; None where there is nothing.

    `bipolar` is `always`, `never`, or `auto` for a plane that is clearly there. Arguments as in
    :func:`bipolar_offset`; fewer than three echoes show nothing.
    """
    if bipolar == "never" or len(te_s) < 3:
        return None
    theta_rad = bipolar_offset(phase_rad, magnitude, mask, te_s)
    rms = np.sqrt(np.mean(np.square(theta_rad[mask])))
    return theta_rad if bipolar == "always" or rms > BIPOLAR_RAD else None


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


def line_offset(
    unwrapped_rad: np.ndarray, magnitude: np.ndarray | None, te_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each voxel's weighted straight line through its echoes meets TE = 0.

    Parameters
    ----------
    unwrapped_rad, magnitude : (X, Y, Z, echo); magnitude may be None
    te_s : (echo,) [s]

    Returns
    -------
    offset_rad : (X, Y, Z) float32
    weight : (X, Y, Z) float32, proportional to the inverse of its variance; 0 where nothing is known
    """
    shape = unwrapped_rad.shape[:3]
    s0, s1, s2, y0, y1 = (np.zeros(shape, np.float32) for _ in range(5))
    for i, te in enumerate(np.asarray(te_s, dtype=float) / te_s[-1]):
        t = np.float32(te)
        w = np.ones(shape, np.float32) if magnitude is None else magnitude[..., i].astype(np.float32) ** 2
        y = w * unwrapped_rad[..., i]
        s0 += w
        y0 += y
        w *= t
        y *= t
        s1 += w
        y1 += y
        w *= t
        s2 += w
    weight = s0 - s1 * s1 / s2  # det / s2
    offset = (y0 - y1 * s1 / s2) / weight
    known = np.isfinite(offset) & np.isfinite(weight) & (weight > 0)
    return np.where(known, offset, 0), np.where(known, weight, 0)


def local_linear(value: np.ndarray, weight: np.ndarray, position: list[np.ndarray], sigma: np.ndarray) -> np.ndarray:
    r"""Gaussian-weighted straight fit around every point of a grid, taken at that point: no bias at a rim.

    .. math:: \min_{a, g} \sum_j G(j - i)\, w_j (v_j - a - g \cdot (x_j - i))^2

    Parameters
    ----------
    value, weight : (X, Y, Z)
    position : three (X, Y, Z) arrays, where each value belongs [grid points]
    sigma : (3,) width of G [grid points]

    Returns
    -------
    smooth : (X, Y, Z); 0 far from any weight
    """
    index = np.indices(weight.shape, sparse=True)

    def moment(v: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(weight * v, sigma, mode="constant", truncate=4)

    total = np.maximum(moment(np.ones_like(weight)), 1e-30)
    mean = moment(value) / total
    x = [moment(p) / total for p in position]
    C = np.empty((*weight.shape, 3, 3))
    b = np.empty((*weight.shape, 3, 1))
    for i in range(3):
        b[..., i, 0] = moment(position[i] * value) / total - x[i] * mean
        for j in range(i, 3):
            C[..., i, j] = C[..., j, i] = moment(position[i] * position[j]) / total - x[i] * x[j]
        C[..., i, i] += RIDGE * sigma[i] ** 2
    slope = np.linalg.solve(C, b)[..., 0]
    return mean + sum(slope[..., i] * (index[i] - x[i]) for i in range(3))


def phase_offset(
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray | None,
    mask: np.ndarray,
    te_s: np.ndarray,
    voxel_size_mm: np.ndarray,
    sigma_mm: float,
) -> np.ndarray:
    """Smooth phase at TE = 0: straight lines over TE, smoothed by straight fits in space on a coarser grid.

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array, echoes aligned, bipolar phase removed
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array
    te_s : (echo,) at least two [s]
    voxel_size_mm : (3,) [mm]
    sigma_mm : width of the Gaussian [mm]

    Returns
    -------
    offset_rad : (X, Y, Z) float32, zero outside the mask

    Raises
    ------
    ValueError
        with fewer than two echoes

    References
    ----------
    .. [1] Eckstein et al., Magn Reson Med 79:2996 (2018), doi:10.1002/mrm.26963
    """
    if len(te_s) < 2:
        raise ValueError(f"phase offset: expected at least 2 echoes, found {len(te_s)}")
    smooth = np.zeros(mask.shape, np.float32)
    if not mask.any():
        return smooth
    box = bounding_box(mask)
    inside = mask[box]
    signal = None if magnitude is None else magnitude[box]
    with np.errstate(all="ignore"):  # division by the zero weight of voxels without signal
        offset, weight = line_offset(unwrapped_rad[box], signal, te_s)
    weight *= inside
    weight /= max(weight.max(), np.float32(1e-30))
    size = tuple(int(s) for s in np.maximum(np.rint(sigma_mm / 2 / np.asarray(voxel_size_mm)), 1))
    total = block_sum(weight, size).astype(float)
    share = 1 / np.maximum(total, 1e-30)
    value = block_sum(weight * offset, size) * share
    index = [
        (n - (s - 1) / 2) / s for n, s in zip(np.indices(inside.shape, np.float32, sparse=True), size, strict=True)
    ]
    position = [block_sum(weight * x, size) * share for x in index]
    sigma = sigma_mm / (np.asarray(voxel_size_mm) * size)
    fitted = expand(local_linear(value, total, position, sigma), size, inside.shape)
    smooth[box] = np.where(inside, fitted, 0)
    return smooth
