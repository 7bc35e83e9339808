"""Wrapped phase without what no field makes: offsets that differ between the echoes, and phase singularities."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from recon.grid import Times, Vector
from recon.maths.neighbours import CROSS
from recon.maths.wrap import wrap
from recon.unwrap.bipolar import alternating, odd_even
from recon.unwrap.departures import Departures, echo_departures
from recon.unwrap.loops import common_offset, singular_lines

# smooth departure (rms) of an echo from which it is taken off; heads without any show below 0.005, of 12 other ones,
# two of them real, at most 0.007; a ramp of 0.14 rad (rms) in one echo of four or more was taken off in 9 of 9
LEAST_RAD = 0.1


class Straight(NamedTuple):
    """Phase (X, Y, Z, echo) [rad], wrapped, and the voxels (X, Y, Z) on lines round which it turns, NaN in it."""

    phase_rad: np.ndarray
    singular: np.ndarray


def straightened(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, voxel_size_mm: Vector
) -> Straight:
    """Phase whose echoes lie on straight lines over TE and which turns round no line; the array itself where it does.

    Where the receivers left lines round which all echoes turn by 2 pi, the smooth phase at TE = 0 that makes them is
    taken off, and the voxels on the lines and beside them become NaN: unwrapping leaves them out. Where an echo
    departs smoothly from the straight line over TE, its departure is taken off; a plane that bipolar readouts make is
    left to the stages that know it.

    Parameters
    ----------
    phase_rad : (X, Y, Z, echo) float array [rad], wrapped
    magnitude : (X, Y, Z, echo) float array, or None
    mask : (X, Y, Z) bool array
    te_s : (echo,) ascending [s]
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    straight : Straight
    """
    known = mask & np.isfinite(phase_rad).all(axis=-1)
    lines = singular_lines(phase_rad, magnitude, known)
    if lines.any():
        offset_rad = common_offset(phase_rad, magnitude, known, te_s, voxel_size_mm)
        phase_rad = wrap(phase_rad - offset_rad[..., None]).astype(np.float32)
        lines = ndimage.binary_dilation(lines, CROSS)
        phase_rad[lines] = np.nan
    departures = own_offsets(phase_rad, magnitude, mask, te_s, voxel_size_mm)
    if departures is None:
        return Straight(phase_rad, lines)
    straight = np.empty(phase_rad.shape, np.float32, order="F")  # as files hold them
    for i in range(len(te_s)):
        straight[..., i] = wrap(phase_rad[..., i] - departures.volume(i))
    return Straight(straight, lines)


def silenced(magnitude: np.ndarray, singular: np.ndarray) -> np.ndarray:
    """Magnitude (X, Y, Z, echo) without signal in the singular voxels (X, Y, Z); itself where there are none."""
    return np.where(singular[..., None], 0, magnitude) if singular.any() else magnitude


def own_offsets(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, voxel_size_mm: Vector
) -> Departures | None:
    """Departures that are clearly there and no plane of bipolar readouts; None elsewhere. Arguments as above."""
    found = echo_departures(phase_rad, magnitude, mask, te_s, voxel_size_mm)
    if not clear(found):
        return None
    return found if clear(beyond_bipolar(phase_rad, magnitude, mask, te_s, voxel_size_mm)) else None


def clear(departures: Departures | None) -> bool:
    """Whether an echo departs so far that it matters."""
    return departures is not None and departures.rms_rad.max() > LEAST_RAD


def beyond_bipolar(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, voxel_size_mm: Vector
) -> Departures | None:
    """Departures beside the plane that bipolar readouts make, if any; None with fewer than three echoes."""
    return echo_departures(without_bipolar(phase_rad, magnitude, mask, te_s), magnitude, mask, te_s, voxel_size_mm)


def without_bipolar(phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times) -> np.ndarray:
    """Phase (X, Y, Z, echo) without the plane that bipolar readouts make, where it is clearly there."""
    known = mask & np.isfinite(phase_rad).all(axis=-1)
    theta_rad = odd_even(phase_rad, magnitude, known, te_s, "auto") if known.any() else None
    return phase_rad if theta_rad is None else phase_rad - alternating(theta_rad, len(te_s))
