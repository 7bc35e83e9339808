r"""Phase that lies mirrored against its magnitude, as after a flip of one of them that the header does not tell.

Phase of neighbours agrees where there is signal, and is random in air. Let S be the voxels with more than the mean
magnitude and S' its mirror image along an axis of the grid. Over neighbours in S but not in S', and in S' but not in S,

.. math:: c = \langle \cos(\phi_{n+1} - \phi_n) \rangle

is by 0.26 to 0.80 larger in the first, along each axis of eight generated heads, with noise to SNR 10 as well
(`python -m benchmarks.intake_checks`). In mirrored phase it is the other way round.
"""

from collections.abc import Iterator

import numpy as np

from recon.maths.boxes import edge_ends
from recon.maths.pieces import slice_pairs
from recon.problems import Problem

APART = 0.15  # by which neighbours must agree better in the mirror image
INCOHERENT = 0.6  # agreement in strong signal above which nothing is mirrored
LEAST_PAIRS = 1000


def mirror_problems(magnitude: np.ndarray, phase: np.ndarray, where: str, turn: float) -> list[Problem]:
    """A problem where the phase is mirrored along an axis.

    Parameters
    ----------
    magnitude, phase : (X, Y, Z) of one echo, the phase in any unit
    where : the file of the phase
    turn : what stands for 2 pi in that unit
    """
    phase, rad = slice_pairs(phase), 2 * np.pi / turn
    for axis, (own, mirror) in enumerate(regions(slice_pairs(magnitude), phase)):
        here, pairs = agreement(phase, own, rad)
        if pairs < LEAST_PAIRS or here >= INCOHERENT:
            continue
        there, others = agreement(phase, mirror, rad)
        if others >= LEAST_PAIRS and there > here + APART:
            found = (
                f"phase mirrored along axis {axis}: its neighbours agree by {here:.2f} where the magnitude is strong "
                f"and by {there:.2f} in the mirror image of these voxels; export both again, or turn one back"
            )
            return [Problem(where, "phase that lies as its magnitude does", found)]
    return []


def regions(magnitude: np.ndarray, phase: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For a flip along each axis of pairs of slices: where there is strong signal and none mirrored, and conversely."""
    finite = np.isfinite(magnitude) & np.isfinite(phase)
    strong = finite & (magnitude > magnitude.mean(dtype=float, where=finite))
    measured = finite & (magnitude > 0)
    slices = (2, 3) if magnitude.shape[3] > 1 else (2,)  # pairs of slices: the two of each, and their order
    for flipped in ((0,), (1,), slices):
        mirror = np.flip(strong, flipped)
        yield measured & strong & ~mirror, measured & mirror & ~strong


def agreement(phase: np.ndarray, region: np.ndarray, rad: float) -> tuple[float, int]:
    """Mean cosine of the steps between neighbours in a region, `rad` radians a unit, and their number.

    Equal values were set.
    """
    total, pairs = 0.0, 0
    phase, region = phase.T, region.T  # the first axis runs fastest, and a mask chooses along the last
    for axis in (1, 2, 3):
        lower, upper = edge_ends(axis)
        both = region[lower] & region[upper]
        step = phase[upper][both] - phase[lower][both]
        step = step[step != 0]
        total, pairs = total + float(np.cos(rad * step).sum(dtype=float)), pairs + len(step)
    return (total / pairs if pairs else 0.0), pairs
