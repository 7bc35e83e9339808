"""What an edge between two voxels costs: the less, the surer that the phase steps by less than half a turn."""

from collections.abc import Callable
from itertools import product

import numpy as np

from recon.maths.boxes import edge_ends
from recon.maths.wrap import in_rad

Cost = Callable[[int], np.ndarray]  # axis → (X, Y, Z) float32 costs of the edges along it, one shorter on that axis
# phase in fixed point, magnitude or None, mask, stretch of the axes → Cost
EdgeCost = Callable[[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray], Cost]
Direction = tuple[int, ...]  # a step in voxels

NOISE = np.float32(np.pi**2 / 3)  # mean square of a wrapped difference of noise [rad^2]
FAINT = 0.03  # of the median magnitude; no voxel counts as fainter
AXES: list[Direction] = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
LINES: list[Direction] = [d for d in product((-1, 0, 1), repeat=3) if d > (0, 0, 0)]  # all 13 through a voxel


def typical(magnitude: np.ndarray) -> float:
    """Median of the magnitudes above 0; 1 where there are none."""
    signal = magnitude[magnitude > 0]
    return float(np.median(signal)) if signal.size else 1.0


def step_rad(phase: np.ndarray, axis: int) -> np.ndarray:
    """Wrapped differences along `axis` [rad], float32, of fixed-point phase."""
    lower, upper = edge_ends(axis)
    return in_rad(phase[upper] - phase[lower])


def steepness(phase: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean |step| [rad] along each of the three axes inside the mask; nan where the mask has no edge."""
    mean = np.full(3, np.nan)
    for axis in range(3):
        lower, upper = edge_ends(axis)
        both = mask[lower] & mask[upper]
        if both.any():
            mean[axis] = np.abs(step_rad(phase, axis)).mean(where=both)
    return mean


def roughness(
    phase: np.ndarray, mask: np.ndarray, directions: list[Direction], missing_rad2: np.float32, rewrap: bool
) -> np.ndarray:
    r"""Sum over directions of the squared second difference, :math:`[W(p_- - p) - W(p - p_+)]^2`.

    Parameters
    ----------
    phase : (X, Y, Z) int16, fixed point
    mask : (X, Y, Z) bool array
    directions : steps from a voxel to its neighbour
    missing_rad2 : takes the place of a direction that leaves the mask
    rewrap : wrap the second difference itself as well

    Returns
    -------
    roughness : (X, Y, Z) float32 [rad^2]
    """
    rough = np.zeros(phase.shape, np.float32)
    for direction in directions:
        before, here, after = (
            tuple(
                slice(1 + side * d, n - 1 + side * d) if d else slice(None)
                for d, n in zip(direction, phase.shape, strict=True)
            )
            for side in (-1, 0, 1)
        )
        bend = np.subtract(
            phase[before] - phase[here], phase[here] - phase[after], dtype=np.int16 if rewrap else np.int32
        )
        term = np.full(phase.shape, missing_rad2)
        term[here] = np.where(mask[before] & mask[after], np.square(in_rad(bend)), missing_rad2)
        rough += term
    return rough


def best_path_cost(phase: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, stretch: np.ndarray) -> Cost:
    """Cost of an edge: roughness of its two voxels over all 13 lines, as published.

    A line that leaves the mask counts as noise would; the published code gives the whole voxel a random cost.

    References
    ----------
    .. [1] Abdul-Rahman et al., Appl Opt 46:6623 (2007), doi:10.1364/AO.46.006623
    """
    rough = roughness(phase, mask, LINES, missing_rad2=2 * NOISE, rewrap=False)

    def cost(axis: int) -> np.ndarray:
        lower, upper = edge_ends(axis)
        return rough[lower] + rough[upper]

    return cost


def weighted_cost(phase: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, stretch: np.ndarray) -> Cost:
    r"""Cost of an edge: roughness of its voxels plus its step, dearer where the signal is faint or voxels are long.

    .. math:: c_{ab} = f_{axis}^2\, \frac{R_a + R_b + 4\, W(p_b - p_a)^2}{\min(m_a, m_b)}

    R is the roughness over the three axes and m the magnitude over its median, at most 1. A step that is near half a
    turn may well be more than that, and so may any step along the axis on which the phase runs `f` times steeper.
    The idea of joining phase and magnitude coherence is that of ROMEO [1]_, the formula is not.

    Parameters
    ----------
    phase : (X, Y, Z) int16, fixed point
    magnitude : (X, Y, Z) float32 >= 0, or None
    mask : (X, Y, Z) bool array
    stretch : (3,) f, relative mean step along the axes

    References
    ----------
    .. [1] Dymerska et al., Magn Reson Med 85:2294 (2021), doi:10.1002/mrm.28563
    """
    rough = roughness(phase, mask, AXES, missing_rad2=NOISE, rewrap=True)
    level = None if magnitude is None else np.clip(magnitude / np.float32(typical(magnitude[mask])), FAINT, 1)

    def cost(axis: int) -> np.ndarray:
        lower, upper = edge_ends(axis)
        step = step_rad(phase, axis)
        step *= step
        step *= 4
        step += rough[lower]
        step += rough[upper]
        step *= np.float32(stretch[axis] ** 2)
        if level is not None:
            step /= np.minimum(level[lower], level[upper])
        return step

    return cost
