"""Whether every echo was unwrapped without cracks, and whether the echoes lie on one straight line over TE."""

from typing import NamedTuple

import numpy as np

from recon.check.agreement import agreement
from recon.check.quality import Quality
from recon.grid import Times, Vector
from recon.maths.boxes import bounding_box, edge_ends
from recon.maths.in_mask import in_mask
from recon.maths.wrap import wrap
from recon.unwrap.departures import echo_departures
from recon.unwrap.straighten import LEAST_RAD, without_bipolar

# per mille of the neighbours, in any echo; simulated heads of 1.5 x 1.5 x 3 mm at SNR 10 to 40, last echo at 30 ms,
# have up to 0.1 (`weighted`) or 2.0 (`best_path`); a last echo with a ramp of its own: 22. Jumps that the field
# explains are no fault: at 7 T sound heads have up to 36
MOST_CRACKS = 3.0
UNTOLD = {  # number of echoes → what they cannot tell
    1: (
        "A single echo: no R2*, the phase at TE = 0 stays in the field, and lines round which the phase turns by 2π "
        "cannot be told from a steep field.",
    ),
    2: (
        "Two echoes: whether each has a phase offset of its own cannot be judged; any two lie on a straight line "
        "over TE.",
    ),
}


class Jumps(NamedTuple):
    """Neighbours (voxels that share a face) in a mask whose phase differs by more than half a turn.

    Parameters
    ----------
    all : (echo,) number of such neighbours
    cracks : (echo,) those among them that no field explains: the steps of the other echoes are no match
    neighbours : number of all neighbours in the mask
    """

    all: np.ndarray
    cracks: np.ndarray
    neighbours: int

    def per_mille(self, count: np.ndarray) -> list[float]:
        """Counts as a share of all neighbours."""
        return [round(1000 * float(n) / max(self.neighbours, 1), 3) for n in count]


def neighbour_jumps(unwrapped_rad: np.ndarray, mask: np.ndarray, te_s: Times) -> Jumps:
    r"""Count the neighbours whose unwrapped phase differs by more than half a turn, echo by echo.

    In a late echo a steep field does that, too; then the steps :math:`\Delta_i` of all echoes are in proportion to
    TE. A jump is a crack where it lies more than half a turn off the median over the echoes:

    .. math:: |\Delta_i| > \pi \;\wedge\; |\Delta_i - TE_i\, \mathrm{med}_j(\Delta_j / TE_j)| > \pi

    Parameters
    ----------
    unwrapped_rad : (X, Y, Z, echo) float array [rad]
    mask : (X, Y, Z) bool array
    te_s : (echo,) [s]

    Returns
    -------
    jumps : Jumps
    """
    te_s = np.asarray(te_s, dtype=np.float32)
    box = bounding_box(mask)
    mask, unwrapped_rad = mask[box], unwrapped_rad[box]
    jumps, cracks, neighbours = np.zeros(len(te_s), int), np.zeros(len(te_s), int), 0
    for axis in range(3):
        lower, upper = edge_ends(axis)
        both = mask[lower] & mask[upper]
        neighbours += int(np.count_nonzero(both))
        apart = np.zeros_like(both)  # pairs that are far apart in an echo: few, the others are not kept
        for echo in np.moveaxis(unwrapped_rad, -1, 0):
            with np.errstate(invalid="ignore"):  # outside the mask
                apart |= np.abs(echo[upper] - echo[lower]) > np.pi
        apart &= both
        step = unwrapped_rad[upper][apart] - unwrapped_rad[lower][apart]  # (pair, echo)
        far = np.abs(step) > np.pi
        field = np.median(step / te_s, axis=1, keepdims=True) * te_s
        jumps += far.sum(axis=0)
        cracks += (far & (np.abs(step - field) > np.pi)).sum(axis=0)
    return Jumps(jumps, cracks, neighbours)


def taken_off(phase_rad: np.ndarray, unwrapped_rad: np.ndarray, mask: np.ndarray, common: bool) -> list[float]:
    """Root mean square (echo,) [rad] over the mask of what was taken off the phase before unwrapping.

    With `common`, only that by which an echo differs from the mean of all.
    """

    def off(echo: int) -> np.ndarray:
        phase, unwrapped = (in_mask(of[..., echo], mask) for of in (phase_rad, unwrapped_rad))
        return wrap(phase - unwrapped)

    echoes = range(phase_rad.shape[-1])
    mean = np.angle(sum(np.exp(1j * off(echo)) for echo in echoes)) if common else None
    squares = (np.square(off(i) if mean is None else wrap(off(i) - mean)) for i in echoes)
    return [round(float(np.sqrt(square.sum() / max(square.size, 1))), 3) for square in squares]


def phase_quality(
    phase_rad: np.ndarray,
    unwrapped_rad: np.ndarray,
    magnitude: np.ndarray | None,
    reliable: np.ndarray,
    singular: np.ndarray,
    te_s: Times,
    voxel_size_mm: Vector,
    snr: float = np.nan,
) -> Quality:
    """Check the unwrapped phase of one scan.

    Parameters
    ----------
    phase_rad, unwrapped_rad : (X, Y, Z, echo) as acquired and after straightening and unwrapping [rad]
    magnitude : (X, Y, Z, echo), or None
    reliable, singular : (X, Y, Z) bool, the mask of the phase, and voxels on phase singularities
    te_s : (echo,) [s]
    voxel_size_mm : (3,)
    snr : of the first echo, without which single voxels are not judged

    Returns
    -------
    Quality
        With cracks a map is broken.
    """
    used = reliable & ~singular
    jumps = neighbour_jumps(unwrapped_rad, used, te_s)
    off_rad = taken_off(phase_rad, unwrapped_rad, used, common=bool(singular.any()))
    monopolar_rad = without_bipolar(unwrapped_rad, magnitude, used, te_s)
    left = echo_departures(monopolar_rad, magnitude, used, te_s, voxel_size_mm)
    left_rad = [] if left is None else [round(float(rad), 3) for rad in left.rms_rad]
    alike = agreement(monopolar_rad, magnitude, used, te_s, snr)
    on_lines, in_all = (int(np.count_nonzero(where)) for where in (reliable & singular, reliable))
    share = 100 * on_lines / max(in_all, 1)
    facts: dict[str, float | list[float]] = {
        "neighbours more than half a turn apart, echo by echo [‰]": jumps.per_mille(jumps.all),
        "of these without a field that explains it [‰]": jumps.per_mille(jumps.cracks),
        "smooth phase of its own taken off each echo, rms [rad]": off_rad,
        "distance of each echo from a straight line over TE after that, rms [rad]": left_rad or np.nan,
        "voxels on phase singularities, left out [% of the mask]": share,
    }
    if alike is not None:
        far = [round(float(rad), 3) for rad in alike.median_rad]
        facts["distance of each echo from the line of the others, median over voxels [rad]"] = far
    cracked = crack_warnings(jumps, te_s)
    apart = [] if alike is None else alike.warnings(te_s)
    offsets = [*line_warnings(off_rad, left_rad), *singularity_warnings(share)]
    return Quality(facts, [*cracked, *apart, *offsets], cracked, UNTOLD.get(len(te_s), ()))


def crack_warnings(jumps: Jumps, te_s: Times) -> list[str]:
    """What to say of cracks in the unwrapped phase, of the worst echo."""
    worst = int(np.argmax(jumps.cracks))
    found = jumps.per_mille(jumps.cracks)[worst]
    if found <= MOST_CRACKS:
        return []
    return [
        f"Unwrapped phase: expected at most {MOST_CRACKS:g} ‰ of the neighbours more than half a turn apart where no "
        f"field explains it, found {found:.1f} ‰ in echo {worst + 1} (TE {1000 * te_s[worst]:.1f} ms). Cracks of 2π "
        "run through the maps: look at the pictures of the unwrapped phase, and do not use χ before they are gone."
    ]


def line_warnings(off_rad: list[float], left_rad: list[float]) -> list[str]:
    """What to say where echoes have smooth phase of their own."""
    expected = f"Phase over TE: expected every echo within {LEAST_RAD:g} rad (rms) of a straight line"
    worst = max(left_rad, default=0.0)
    if max(off_rad) > 0:
        each = ", ".join(f"{rad:.2f}" for rad in off_rad)
        said = [
            f"{expected}, found smooth offsets of the echoes of {each} rad, as coil combination and readouts leave "
            f"them. They were taken off before unwrapping; {worst:.2f} rad remain."
        ]
        return [*said, "The remaining offsets distort χ."] if worst > LEAST_RAD else said
    return [f"{expected}, found {worst:.2f} rad. Offsets of single echoes distort χ."] if worst > LEAST_RAD else []


def singularity_warnings(share_percent: float) -> list[str]:
    """What to say where phase turns by 2 pi round lines in all echoes."""
    if not share_percent:
        return []
    return [
        f"Phase singularities: expected no line round which the phase of all echoes turns by 2π, found some, with "
        f"{share_percent:.2g} % of the voxels on them. The offset that makes them, as coil combination leaves it, was "
        "taken off, and the field there is that of the neighbours."
    ]
