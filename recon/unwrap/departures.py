"""How far the smooth phase of each echo departs from a straight line over TE."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from recon.grid import Times, Vector
from recon.maths.blocks import block_sum, expand
from recon.maths.boxes import bounding_box
from recon.maths.local_fit import local_linear
from recon.maths.wrap import nearest_turn, turns_rad, wrap
from recon.unwrap.bipolar import EVEN
from recon.unwrap.edge_cost import typical, weighted_cost
from recon.unwrap.spatial import clean, unwrap_volume
from recon.unwrap.temporal import unwrap_smooth

STEP_MM = 2.0  # evenly spaced echoes are sampled about so densely: noise averages out all the same
BLOCK_MM = 6.0  # edge of the blocks over which phasors are summed
SIGMA_MM = 8.0  # width of the smoothing; receivers and eddy currents vary over centimetres
EXACT_RAD = 0.02  # departures below it count alike when the straight line is chosen
REWEIGHTINGS = 30
ALTERNATION_ECHOES = 6  # fewer cannot tell an alternation from a single odd echo


@dataclass(frozen=True, kw_only=True)
class Departures:
    """Smooth departures of the echoes from a straight line over TE.

    Parameters
    ----------
    blocks_rad : (echo, block, block, block) float array [rad]
    rms_rad : (echo,) root mean square over the mask [rad]
    size : (3,) voxels of a block
    box : of the volume, which the blocks cover
    shape : (3,) of the volume
    """

    blocks_rad: np.ndarray
    rms_rad: np.ndarray
    size: tuple[int, ...]
    box: tuple[slice, ...]
    shape: tuple[int, ...]

    def volume(self, echo: int) -> np.ndarray:
        """(X, Y, Z) float32 departure of an echo, counted from 0 [rad]; zero outside the box round the mask."""
        out = np.zeros(self.shape, np.float32)
        out[self.box] = expand(self.blocks_rad[echo], self.size, out[self.box].shape)
        return out


def bends(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    r"""What every three successive echoes show of their departures o, free of field and common offset, modulo 2 pi.

    .. math:: \beta_i = (\phi_{i+2} - \phi_{i+1}) - r_i (\phi_{i+1} - \phi_i), \qquad
              r_i = \frac{TE_{i+2} - TE_{i+1}}{TE_{i+1} - TE_i}

    Where r is 1 no phase need be unwrapped; elsewhere the differences of successive echoes are, in space.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays; magnitude may be None
    mask : (X, Y, Z) bool array
    te_s : (echo,) at least three [s]

    Yields
    ------
    angle_rad : (X, Y, Z) float32
    weight : (X, Y, Z) float32 in 0..1, the square of the least magnitude; 0 outside the mask
    """
    steps = np.diff(te_s)
    signal = None if magnitude is None else [clean(magnitude[..., i]) for i in range(len(te_s))]
    level = 1.0 if signal is None else typical(signal[0][mask])

    def least(*echoes: int) -> np.ndarray:
        if signal is None:
            return mask.astype(np.float32)
        faintest = np.minimum.reduce([signal[i] for i in echoes])
        return np.where(mask, np.minimum(faintest / np.float32(level), 1), 0)

    rises = [np.where(mask, phase_rad[..., i + 1] - phase_rad[..., i], 0).astype(np.float32) for i in range(len(steps))]
    if not evenly_spaced(te_s):
        rises = [
            unwrap_volume(rise, mask, magnitude=least(i, i + 1), cost_of=weighted_cost) for i, rise in enumerate(rises)
        ]
        means = [rise[mask].mean(dtype=float) for rise in rises]
        surest = int(np.argmin(steps))
        for rise, mean, step in zip(rises, means, steps, strict=True):
            rise -= np.float32(turns_rad(mean - means[surest] * step / steps[surest]))
    for i in range(len(te_s) - 2):
        ratio = np.float32(steps[i + 1] / steps[i])
        yield rises[i + 1] - ratio * rises[i], np.square(least(i, i + 1, i + 2))


def weighted_mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean of the values, 0 where nothing has weight."""
    return np.sum(values * weight, dtype=float) / np.maximum(np.sum(weight, dtype=float), 1e-30)


def evenly_spaced(te_s: np.ndarray) -> bool:
    """Whether echo times differ by one and the same step."""
    return bool(np.abs(np.diff(te_s, n=2)).max() < EVEN * (te_s[-1] - te_s[0]))


def off_the_line(departures: np.ndarray, weight: np.ndarray, te_s: np.ndarray) -> np.ndarray:
    r"""Departures without the straight line over TE that no echo can be told from.

    .. math:: \min_{a(x), b(x), c(x)} \; \sum_i \sqrt{\sum_x w\, (d_i - a - b\, TE_i - (-1)^i c)^2}

    The line is a + b TE; c, fitted from six echoes on, is what bipolar readouts add and remains in the departures. The
    sum of the root mean squares, not of the squares: a single odd echo among five or more keeps all of its departure
    and the others none. As the weights of the reweighted fit are those of whole echoes, a and b are as smooth as the
    departures.

    Parameters
    ----------
    departures : (echo, block) [rad]
    weight : (block,) adding up to 1
    te_s : (echo,) [s]

    Returns
    -------
    departures : (echo, block) [rad]
    """
    line = np.column_stack([np.ones(len(te_s)), te_s / te_s[-1]])
    alternation = (-1.0) ** np.arange(len(te_s))[:, None]
    design = np.hstack([line, alternation]) if len(te_s) >= ALTERNATION_ECHOES else line
    departures = departures - turns_off_the_line(departures @ weight, te_s)[:, None]
    of_echo = np.ones((len(te_s), 1))
    for _ in range(REWEIGHTINGS):
        fit = np.linalg.lstsq(design * of_echo, departures * of_echo, rcond=None)[0]
        square = np.square(departures - design @ fit) @ weight + EXACT_RAD**2
        of_echo = square[:, None] ** -0.25  # root of the weight, 1 / rms
    return departures - line @ fit[:2]


def turns_off_the_line(angle_rad: np.ndarray, te_s: np.ndarray) -> np.ndarray:
    """Whole turns (echo,) [rad] beyond the straight line over TE that most angles (echo,) lie near, modulo 2 pi.

    Tried are zero and, with the least slope, the lines through every two successive echoes.
    """
    slopes = wrap(np.diff(angle_rad)) / np.diff(te_s)
    lines = [np.zeros(len(te_s)), *(angle_rad[i] + b * (te_s - te_s[i]) for i, b in enumerate(slopes))]
    nearest = min(lines, key=lambda line: np.abs(wrap(angle_rad - line)).sum())
    return turns_rad(angle_rad - nearest)


def echo_departures(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, voxel_size_mm: Vector
) -> Departures | None:
    """What smooth phase each echo has of its own, beyond a common offset and a field.

    Parameters
    ----------
    phase_rad : (X, Y, Z, echo) float array, wrapped or not
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array
    te_s : (echo,) ascending [s]
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    departures : Departures; None where nothing can be told: fewer than three echoes, no mask, or no signal

    References
    ----------
    .. [1] Eckstein et al., Magn Reson Med 79:2996 (2018), doi:10.1002/mrm.26963, the offset of the receivers at TE = 0
    """
    te_s, voxel_size_mm = np.asarray(te_s, dtype=float), np.asarray(voxel_size_mm, dtype=float)
    mask = mask & np.isfinite(phase_rad).all(axis=-1)
    if len(te_s) < 3 or not mask.any():
        return None
    box = bounding_box(mask)
    apart = np.maximum(np.rint(STEP_MM / voxel_size_mm), 1).astype(int) if evenly_spaced(te_s) else np.ones(3, int)
    sampled = tuple(slice(s.start, s.stop, a) for s, a in zip(box, apart, strict=True))
    inside = mask[sampled]
    size = np.maximum(np.rint(BLOCK_MM / (voxel_size_mm * apart)), 1).astype(int)
    sigma = SIGMA_MM / (voxel_size_mm * apart * size)

    count = block_sum(inside.astype(np.float32), size)
    voxel: tuple[np.ndarray, ...] = np.indices(inside.shape, np.float32, sparse=True)
    position = [
        block_sum(inside * (n - (s - 1) / 2) / s, size) / np.maximum(count, 1) for n, s in zip(voxel, size, strict=True)
    ]
    signal = None if magnitude is None else magnitude[sampled]
    smooth = []
    for angle, weight in bends(phase_rad[sampled], signal, inside, te_s):
        phasor = block_sum(weight * np.cos(angle), size) + 1j * block_sum(weight * np.sin(angle), size)
        calm = ndimage.gaussian_filter(phasor.real, 1) + 1j * ndimage.gaussian_filter(phasor.imag, 1)
        calm = np.where(count > 0, calm, 0)
        if not calm.any():
            return None
        bend = nearest_turn(np.angle(phasor), unwrap_smooth(calm))
        bend += turns_rad(weighted_mean(angle, weight) - weighted_mean(bend, np.abs(phasor)))
        smooth.append(local_linear(bend, np.abs(phasor).astype(float), position, sigma))

    departures = [np.zeros_like(smooth[0])] * 2
    for bend, ratio in zip(smooth, np.diff(te_s)[1:] / np.diff(te_s)[:-1], strict=True):
        departures.append(departures[-1] + ratio * (departures[-1] - departures[-2]) + bend)
    share = count.ravel() / count.sum()
    rest = off_the_line(np.reshape(departures, (len(te_s), -1)), share, te_s)
    return Departures(
        blocks_rad=rest.reshape(len(te_s), *count.shape),
        rms_rad=np.sqrt(np.square(rest) @ share),
        size=tuple(int(n) for n in size * apart),
        box=box,
        shape=mask.shape,
    )
