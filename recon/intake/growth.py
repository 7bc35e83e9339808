r"""Whether the phase of all echoes grows with TE in the same way: none has another sign or stands in another's place.

From voxel to voxel the phase of echo e steps by :math:`d_e = c + g TE_e`. Uniform parts of the steps, as of bipolar
readouts, slices of alternating sign and echoes with a ramp of their own, are taken off along each axis. With
:math:`K_{ij}` the correlation of the steps of two echoes,

- an echo of the other sign has negative K with all others: the signs of the leading eigenvector of K;
- the steps of an echo have the size :math:`a_e`, the leading eigenvector of their covariance, the diagonal from steps
  one behind the other, which share no voxel and no noise. Sizes in another order than the echo times, that in order
  would be proportional to them, are exchanged echoes. Sizes that grow faster than TE, as :math:`TE - t`, are of phase
  relative to an earlier echo at t.

Measured on eight generated heads (SYNTHETIC DATA, 1.5 to 7 T, 3 to 12 echoes, two or three of them, SNR down to 5)
and a real one (3 T, two echoes): K of each echo with the others 0.06 to 0.98, no order but that of TE. In a crop of
24 mm (7 T) c is most of the phase, and nothing is judged.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recon.grid import Times
from recon.intake.contents import GROWTH
from recon.maths.finite import finite_part
from recon.maths.wrap import wrap
from recon.problems import Problem

STEP_MM = 2.0
LEAST_MM = 50.0  # of two axes: in a smaller piece coils may make more of the phase than the field does
CANDIDATES = 2**15  # places along each axis that are tried
PARTS = 4  # of the image, which must agree
LEAST_STEPS = 500  # in each of them
ALIKE = 0.05  # mean correlation with the other echoes, of either sign, below which an echo is not judged
PROPORTIONAL = 1.5  # by which sizes in order may depart from one multiple of TE
# of the step in log TE, by which the sizes of two echoes must be in the other order; 0 where the signal is as well
EXCHANGED = 0.5
RELATIVE = 0.2  # of the first TE, at which the phase of unlike echoes would have begun


class Places(NamedTuple):
    """Voxels that are compared, along one axis: (4, n) flat indices, the first axis running fastest.

    The steps from the first to the second and from the third to the fourth are one behind the other.
    """

    voxels: np.ndarray


class Growth(NamedTuple):
    """What the steps of all echoes tell.

    Parameters
    ----------
    negative : (echo,) bool, which echoes run against the others; where as many run either way, the later ones
    alike : (echo,) mean correlation with the others, after the signs are put right
    size : (echo,) of the steps of each echo, in any unit
    """

    negative: np.ndarray
    alike: np.ndarray
    size: np.ndarray


def places(magnitude: np.ndarray, voxel_size_mm: Sequence[float]) -> list[Places]:
    """Where the first echo's magnitude (X, Y, Z) is strong, along each axis; nothing of a small piece."""
    if np.sum(np.multiply(magnitude.shape, voxel_size_mm) >= LEAST_MM) < 2:
        return []
    flat = magnitude.reshape(-1, order="F")
    tried = np.arange(flat.size)
    if flat.size > CANDIDATES:
        tried = np.sort(np.random.default_rng(0).integers(0, flat.size, CANDIDATES))
    some = finite_part(flat[tried])
    level = float(some.mean(dtype=float)) if some.size else np.inf
    at = np.unravel_index(tried, magnitude.shape, order="F")
    stride = np.cumprod([1, *magnitude.shape[:2]])
    found = []
    for axis in range(3):
        step = max(1, round(STEP_MM / voxel_size_mm[axis]))
        within = tried[at[axis] + 2 * step + 1 < magnitude.shape[axis]]
        voxels = within + stride[axis] * np.array([0, step, step + 1, 2 * step + 1])[:, None]
        found.append(Places(voxels[:, (flat[voxels] > level).all(axis=0)]))
    return found


def steps(values: np.ndarray, at: Sequence[Places]) -> list[np.ndarray]:
    """For each axis (2, n) differences of the values (X, Y, Z) of two steps one behind the other."""
    flat = values.reshape(-1, order="F")
    with np.errstate(invalid="ignore"):
        return [flat[of.voxels[1::2]] - flat[of.voxels[::2]] for of in at]


def angle_steps(real: np.ndarray, imaginary: np.ndarray, at: Sequence[Places]) -> list[np.ndarray]:
    """As `steps`, of the phase [rad] of real and imaginary parts (X, Y, Z)."""
    x, y = (part.reshape(-1, order="F") for part in (real, imaginary))
    phase_rad = [np.arctan2(y[of.voxels], x[of.voxels]) for of in at]
    return [phase[1::2] - phase[::2] for phase in phase_rad]


def growths(echoes: Sequence[Sequence[np.ndarray]], rad: float) -> list[Growth]:
    """`Growth` in each part of the image; none where too few voxels tell, or where echoes are not alike.

    Parameters
    ----------
    echoes : of each echo what `steps` gave
    rad : radians a unit of theirs
    """
    if len(echoes) < 2 or not echoes[0]:
        return []
    turned = [_mean_angle(of_axis, rad) for of_axis in zip(*echoes, strict=True)]
    parts = [_part(echoes, turned, rad, part) for part in range(PARTS)]
    if min(part.shape[2] for part in parts) < LEAST_STEPS:
        return []
    found = [_growth(part) for part in parts]
    return found if min(part.alike.min() for part in found) >= ALIKE else []


def _mean_angle(of_axis: Sequence[np.ndarray], rad: float) -> np.ndarray:
    """(echo, 1, 1) mean direction [rad] of the steps (2, n) of each echo."""
    finite = (rad * step[np.isfinite(step)] for step in of_axis)
    return np.array([np.angle(np.exp(1j * angle).sum()) for angle in finite]).reshape(-1, 1, 1)


def _part(echoes: Sequence[Sequence[np.ndarray]], turned: Sequence[np.ndarray], rad: float, part: int) -> np.ndarray:
    """(echo, 2, n) steps [rad] of one part along all axes, less what is even, where all are within a quarter turn."""
    found = []
    for of_axis, even in zip(zip(*echoes, strict=True), turned, strict=True):
        within = np.stack([np.array_split(step, PARTS, axis=1)[part] for step in of_axis])
        step_rad = wrap(rad * within[..., np.isfinite(within).all(axis=(0, 1))] - even)
        found.append(step_rad[..., (np.abs(step_rad) < np.pi / 2).all(axis=(0, 1))])
    return np.concatenate(found, axis=2)


def _growth(step_rad: np.ndarray) -> Growth:
    """Of (echo, 2, n) steps."""
    n = step_rad.shape[0]
    first, second = step_rad[:, 0], step_rad[:, 1]
    together = (first @ first.T + second @ second.T) / 2
    behind = (first @ second.T + second @ first.T) / 2
    sd = np.sqrt(np.maximum(np.diag(together), np.finfo(float).tiny))
    alike = together / np.outer(sd, sd)
    np.fill_diagonal(alike, 0)
    sign = np.where(np.linalg.eigh(alike)[1][:, -1] < 0, -1, 1)
    sign *= np.sign(2 * sign.sum() + sign[0]).astype(int)  # of most; of as many either way, that of the first echo
    signs = np.outer(sign, sign)
    others = ~np.eye(n, dtype=bool)
    free_of_noise = np.abs(together[others]).sum() / max(np.abs(behind[others]).sum(), np.finfo(float).tiny)
    covariance = signs * together
    np.fill_diagonal(covariance, np.diag(behind) * free_of_noise)
    size = np.linalg.eigh(covariance)[1][:, -1]
    return Growth(sign < 0, (signs * alike).sum(axis=1) / (n - 1), size * np.sign(size.sum()))


def sign_problems(where: Sequence[str], parts: Sequence[Growth]) -> list[Problem]:
    """A problem of echoes whose phase has the other sign than that of the others; `where` the files of the phase."""
    if not parts or not parts[0].negative.any() or any((part.negative != parts[0].negative).any() for part in parts):
        return []
    against = np.flatnonzero(parts[0].negative)
    alike = min(float(part.alike[against].min()) for part in parts)
    names = ", ".join(f"echo {echo + 1}" for echo in against)
    which = f"the sign of {names} is opposite"
    if 2 * len(against) == len(where):
        which += " to that of the others, or theirs is wrong"
    found = (
        f"{which}: the steps of phase from voxel to voxel correlate by {-alike:.2f} or less with those of the other "
        f"echoes; multiply the phase of the wrong echoes by -1 (of parts, the imaginary one), or export all anew"
    )
    return [Problem(where[against[0]], "phase that grows with TE in all echoes, in the same direction", found)]


def order_problems(
    where: Sequence[str], parts: Sequence[Growth], te_s: Times, signal: Sequence[float]
) -> list[Problem]:
    """A problem of phases, or of whole echoes, that stand in each other's place.

    Parameters
    ----------
    where : files of the phase
    parts : see `growths`
    te_s : ascending [s]
    signal : summed magnitude of each echo; where that grows with TE, less of the phase's order is enough
    """
    if not parts:
        return []
    te_s = np.asarray(te_s, dtype=float)
    size = np.mean([part.size for part in parts], axis=0)
    in_order = np.sort(size) / te_s
    if size.min() <= 0 or in_order.max() > PROPORTIONAL * np.median(in_order):
        return []
    if np.median(in_order) > PROPORTIONAL * in_order.min():
        return []
    i, j = np.triu_indices(len(te_s), 1)
    turned = np.array([np.log(a[i] / a[j]) for a in (size, *(np.abs(part.size) for part in parts))])
    turned /= np.log(te_s[j] / te_s[i])  # -1 in order, 1 exchanged
    worst = int(np.argmax(turned[0]))
    i, j = i[worst], j[worst]
    larger = signal[j] > GROWTH * signal[i]
    if turned[:, worst].min() < (0 if larger else EXCHANGED):
        return []
    told = f", with {1 - signal[i] / signal[j]:.0%} less signal" if larger else ""
    found = (
        f"the order of echoes {', '.join(str(e + 1) for e in np.argsort(size))}: steps of echo {i + 1} (TE "
        f"{1e3 * te_s[i]:.3g} ms{told}) are {size[i] / size[j]:.2f} times those of echo {j + 1} (TE "
        f"{1e3 * te_s[j]:.3g} ms); "
        "put the phases, or their EchoTime, in each other's place, or export all anew"
    )
    return [Problem(where[i], "phase whose steps from voxel to voxel grow in the order of TE", found)]


def relative_notes(parts: Sequence[Growth], te_s: Times) -> list[str]:
    """A note on phase that may have been made relative to an echo before the first one [s]."""
    te_s = np.asarray(te_s, dtype=float)
    if not parts or len(te_s) < 3:
        return []
    sizes = [np.mean([part.size for part in parts], axis=0), *(part.size for part in parts)]
    begun_s = []
    for size in sizes:
        slope, at_zero = np.polyfit(te_s, size, 1)
        begun_s.append(-at_zero / slope if slope > 0 else 0.0)
    if not RELATIVE * te_s[0] <= begun_s[0] <= te_s[0] or min(begun_s) < RELATIVE / 2 * te_s[0]:
        return []
    return [
        f"the phase grows as if it began at {1e3 * begun_s[0]:.2g} ms, not at TE 0: relative to an earlier "
        "echo, or filtered? Then susceptibility is too small; export the phase of each echo itself"
    ]
