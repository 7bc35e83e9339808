r"""Phase that lies mirrored against its magnitude, as after a flip of one of them that the header does not tell.

Phase of neighbours agrees where there is signal, and is random in air. Let S be the voxels with more than the mean
magnitude and S' its mirror image along an axis of the grid. Over neighbours in S but not in S', and in S' but not in S,

.. math:: c = \langle \cos(\phi_{n+1} - \phi_n) \rangle

is 0.68 to 0.97 and 0.03 to 0.58, 0.26 to 0.82 apart, along each axis of nine simulated heads (1.5 to 7 T) and a real
one (3 T, Philips, both echoes), 0.34 and 0.04 with noise to SNR 4. In mirrored phase it is the other way round.
"""

import numpy as np

from recon.maths.boxes import edge_ends
from recon.problems import Problem

APART = 0.15  # by which neighbours must agree better in the mirror image
INCOHERENT = 0.6  # agreement in strong signal above which nothing is mirrored
LEAST_PAIRS = 1000


def mirror_problems(magnitude: np.ndarray, phase_rad: np.ndarray, where: str) -> list[Problem]:
    """A problem where the phase is mirrored along an axis; (X, Y, Z) arrays, `where` the file of the phase."""
    finite = np.isfinite(magnitude) & np.isfinite(phase_rad)
    strong = finite & (magnitude > magnitude.mean(dtype=float, where=finite))
    measured = finite & (magnitude > 0)
    problems = []
    for axis in range(3):
        mirror = np.flip(strong, axis)
        here, pairs = _agreement(phase_rad, measured & strong & ~mirror)
        there, others = _agreement(phase_rad, measured & mirror & ~strong)
        if min(pairs, others) >= LEAST_PAIRS and here < INCOHERENT and there > here + APART:
            found = (
                f"phase mirrored along axis {axis}: its neighbours agree by {here:.2f} where the magnitude is strong "
                f"and by {there:.2f} in the mirror image of these voxels; export both again, or turn one back"
            )
            problems.append(Problem(where, "phase that lies as its magnitude does", found))
    return problems[:1]


def _agreement(phase_rad: np.ndarray, region: np.ndarray) -> tuple[float, int]:
    """Mean cosine of the steps between neighbours in a region, and their number; equal phases were set."""
    total, pairs = 0.0, 0
    phase_rad, region = phase_rad.T, region.T  # the first axis runs fastest, and a mask chooses along the last
    for axis in range(3):
        lower, upper = edge_ends(axis)
        both = region[lower] & region[upper]
        step = phase_rad[upper][both] - phase_rad[lower][both]
        step = step[step != 0]
        total, pairs = total + float(np.cos(step).sum(dtype=float)), pairs + len(step)
    return (total / pairs if pairs else 0.0), pairs
