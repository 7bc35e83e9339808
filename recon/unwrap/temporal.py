"""Unwrap a series of echoes in time, from one echo that is unwrapped in space."""

from collections.abc import Iterable

import numpy as np

from recon.maths.blocks import block_sum, expand
from recon.maths.in_mask import in_mask, put_in_mask
from recon.maths.wrap import fixed_point, in_rad, nearest_turn
from recon.unwrap.edge_cost import weighted_cost
from recon.unwrap.spanning_tree import unwrap_along_tree

BLOCK = (4, 4, 4)  # voxels; the offset is taken to be smooth over two of them
OFFSET_SD_RAD = 0.25  # how far a voxel's own offset may lie from the smooth one

Echo = tuple[np.ndarray, np.ndarray, float]  # phase [rad] and weight = 1 / variance [1/rad^2] of every voxel, TE


def unwrap_smooth(phasor: np.ndarray) -> np.ndarray:
    """Phase [rad] of a smooth (X, Y, Z) map of phasors, unwrapped wherever they are not zero."""
    strength = np.abs(phasor)
    mask = strength > 0
    phase_rad = np.angle(phasor).astype(np.float32)
    phase = fixed_point(phase_rad)
    unwrapped = unwrap_along_tree(phase, mask, weighted_cost(phase, strength, mask, np.ones(3)), certain=0.5)
    return np.where(mask, in_rad(unwrapped), 0)


def smooth_offset(first: Echo, second: Echo, mask: np.ndarray) -> np.ndarray:
    r"""Smooth phase at TE = 0 from an unwrapped first and a wrapped second echo.

    With :math:`r = (TE_2 - TE_1) / TE_1`, the phase of :math:`e^{i (\phi_1 + r \phi_1 - \phi_2)}` is
    :math:`r \phi_0`: free of the field and so smooth that it can be averaged and unwrapped on a coarse grid.

    Parameters
    ----------
    first, second : (voxel,) echoes
    mask : (X, Y, Z) bool array of these voxels, in the order of :func:`recon.maths.in_mask.in_mask`

    Returns
    -------
    offset_rad : (voxel,) float32, known up to a constant 2 pi n / r; the one nearest to 0 is taken
    """
    r = np.float32((second[2] - first[2]) / first[2])
    angle = first[0] * (1 + r) - second[0]
    weight = np.minimum(first[1], second[1])
    phasor = np.zeros(mask.shape, np.complex64, order="F")
    put_in_mask(phasor, mask, weight * np.cos(angle) + 1j * (weight * np.sin(angle)))
    coarse = block_sum(phasor, BLOCK)
    for axis in range(3):  # (1 2 1) over blocks
        coarse = coarse + coarse
        part = np.moveaxis(coarse, axis, 0)
        before, after = part[:-1] / 2, part[1:] / 2
        part[1:] += before
        part[:-1] += after
    return in_mask(expand(unwrap_smooth(coarse) / r, BLOCK, mask.shape), mask)


def follow_echoes(first: Echo, later: Iterable[Echo], offset_rad: np.ndarray) -> Iterable[np.ndarray]:
    r"""Unwrap echo after echo, each nearest to the weighted straight line through those before.

    The line may leave the smooth offset :math:`\phi_0` at TE = 0 by an a with a prior of zero mean:

    .. math:: \min_{a, \omega} \; a^2 / \sigma_0^2 + \sum_i w_i (\phi_i - \phi_0 - a - \omega TE_i)^2

    Parameters
    ----------
    first : unwrapped echo
    later : wrapped echoes in the order of TE
    offset_rad : (voxel,) smooth phase at TE = 0

    Yields
    ------
    (voxel,) float32 unwrapped phase of each later echo [rad]
    """
    unwrapped, w, te = first
    unit = np.float32(te)
    s0 = w + np.float32(OFFSET_SD_RAD**-2)
    s1, s2 = w.copy(), w.copy()  # sums of w TE, w TE^2 with TE in units of the first
    y0 = w * (unwrapped - offset_rad)
    y1 = y0.copy()
    for wrapped, w, te in later:
        t = np.float32(te) / unit
        det = s0 * s2 - s1 * s1
        predicted = ((s2 * y0 - s1 * y1) + t * (s0 * y1 - s1 * y0)) / det + offset_rad
        unwrapped = nearest_turn(wrapped, predicted)
        yield unwrapped
        s0 += w
        s1 += w * t
        s2 += w * (t * t)
        y = w * (unwrapped - offset_rad)
        y0 += y
        y1 += y * t
