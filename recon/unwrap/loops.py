"""Loops with a turn of 2 pi: where the phase is singular and no unwrapping is right."""

import numpy as np
from scipy import ndimage

from recon.grid import Times, Vector
from recon.maths.boxes import bounding_box, edge_ends
from recon.maths.parts import large_parts
from recon.maths.wrap import TURN, fixed_point
from recon.unwrap.edge_cost import typical, weighted_cost
from recon.unwrap.spatial import clean, unwrap_volume

LEAST_VOXELS = 40  # along a line, four round a face; simulated heads have 4 at most in two echoes up to 20 ms
MOST_ACROSS = 8  # voxels of such a line for a step along it
LEAST_NEAR = 80  # the same where faces may turn beside each other; heads without a line have 27 at most
WITNESSES = 3  # echoes that must turn alike
FAINT = 0.3  # of the median magnitude
SIGMA_MM = 3.0  # width of the smoothing: a few voxels, so that the line stays where it is


def face_turns(phase_rad: np.ndarray, mask: np.ndarray, axis: int) -> np.ndarray:
    r"""Turns of the phase round every face of four voxels that is normal to `axis`.

    The wrapped differences along the four edges, added up, are 0 for any phase that can be unwrapped, and a multiple of
    :math:`2 \pi` round a phase singularity.

    Parameters
    ----------
    phase_rad : (X, Y, Z) float array, finite inside `mask`
    mask : (X, Y, Z) bool array
    axis : of the voxel grid

    Returns
    -------
    turns : int8, one shorter than the volume along the two other axes; 0 where a corner lies outside the mask

    References
    ----------
    .. [1] Goldstein et al., Radio Sci 23:713 (1988), doi:10.1029/RS023i004p00713
    """
    a, b = (other for other in range(3) if other != axis)
    phase = fixed_point(np.where(mask, phase_rad, 0).astype(np.float32))

    def steps(volume: np.ndarray, along: int) -> np.ndarray:
        lower, upper = edge_ends(along)
        return (volume[upper] - volume[lower]).astype(np.int32)  # int16 differences wrap

    def both(volume: np.ndarray, along: int) -> np.ndarray:
        lower, upper = edge_ends(along)
        return volume[upper] & volume[lower]

    curl = np.diff(steps(phase, b), axis=a) - np.diff(steps(phase, a), axis=b)
    return np.where(both(both(mask, a), b), curl // TURN, 0).astype(np.int8)


def corners(faces: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """The (X, Y, Z) voxels at the corners of faces normal to `axis`, laid out as :func:`face_turns` does."""
    a, b = (other for other in range(3) if other != axis)
    voxels = np.zeros(shape, bool)
    for along_a in edge_ends(a):
        for along_b in edge_ends(b):
            voxels[along_a][along_b] |= faces
    return voxels


def singular_lines(phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray) -> np.ndarray:
    """Voxels along lines round which the first echoes turn alike: no field does that, but receivers ill combined.

    Where the field varies fast or the signal is faint faces turn as well, but others in each echo. A line between two
    faces turns round either of them, from echo to echo as noise will, and must be longer to count. Of two echoes, which
    prove less than three, faint voxels are left out.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays, phase finite inside `mask`; magnitude may be None
    mask : (X, Y, Z) bool array

    Returns
    -------
    lines : (X, Y, Z) bool array; nowhere with a single echo, whose own loops prove nothing
    """
    found = np.zeros(mask.shape, bool)
    if phase_rad.shape[-1] > 1 and mask.any():
        box = bounding_box(mask)
        found[box] = _lines_in_box(phase_rad[box], None if magnitude is None else magnitude[box], mask[box])
    return found


def _lines_in_box(phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray) -> np.ndarray:
    lines, near = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    n_echoes = phase_rad.shape[-1]
    if n_echoes == 2 and magnitude is not None:
        level = clean(magnitude.min(axis=-1))
        mask = mask & (level > FAINT * typical(level[mask]))
    for axis in range(3):
        alike = beside = face_turns(phase_rad[..., 0], mask, axis)
        for i in range(1, min(n_echoes, WITNESSES)):
            if beside.any():
                turns = face_turns(phase_rad[..., i], mask, axis)
                alike, beside = np.where(alike == turns, alike, 0), _with_a_neighbour(beside, turns, axis)
        if beside.any():
            lines |= corners(alike != 0, axis, mask.shape)
            near |= corners(beside != 0, axis, mask.shape)
    if not (lines.any() or near.any()):
        return lines
    return large_parts(lines, LEAST_VOXELS) | _thin(large_parts(near, LEAST_NEAR))


def _thin(parts: np.ndarray) -> np.ndarray:
    """The parts of a (X, Y, Z) bool mask that are lines; in a region of noise they are clumps."""
    labels, _ = ndimage.label(parts)
    sizes = np.bincount(labels.ravel())
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if sizes[label] > MOST_ACROSS * max(s.stop - s.start for s in box):
            labels[box][labels[box] == label] = 0
    return labels > 0


def _with_a_neighbour(turns: np.ndarray, others: np.ndarray, axis: int) -> np.ndarray:
    """The turns of faces beside which, or round which, another echo turns alike: noise moves a line by a face."""
    size = [1 if a == axis else 3 for a in range(3)]
    found = np.zeros_like(turns)
    for sign in np.unique(turns[turns != 0]):
        found[(turns == sign) & ndimage.maximum_filter(others == sign, size, mode="constant", cval=0)] = sign
    return found


def common_offset(
    phase_rad: np.ndarray, magnitude: np.ndarray | None, mask: np.ndarray, te_s: Times, voxel_size_mm: Vector
) -> np.ndarray:
    r"""Smooth phase at TE = 0 that may be singular: the angle of a smoothed phasor.

    .. math:: \phi_0 = \arg\, G \ast |S_1|^2 e^{i (\phi_1 - \omega TE_1)}, \qquad
              \omega\, (TE_2 - TE_1) = U(\phi_2 - \phi_1)

    The difference of two echoes does not hold what they have in common, and is unwrapped (U) in space.

    Parameters
    ----------
    phase_rad, magnitude : (X, Y, Z, echo) float arrays, finite inside `mask`; magnitude may be None
    mask : (X, Y, Z) bool array
    te_s : (echo,) at least two [s]
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    offset_rad : (X, Y, Z) float32, within half a turn of 0; zero outside the mask

    References
    ----------
    .. [1] Eckstein et al., Magn Reson Med 79:2996 (2018), doi:10.1002/mrm.26963
    """
    first, second = (np.where(mask, phase_rad[..., i], 0).astype(np.float32) for i in range(2))
    weight = mask.astype(np.float32)
    signal = None
    if magnitude is not None:
        signal = np.minimum(clean(magnitude[..., 0]), clean(magnitude[..., 1]))
        weight *= np.square(signal / np.float32(typical(signal[mask])))
    rise = unwrap_volume(second - first, mask, magnitude=signal, cost_of=weighted_cost)
    angle = first - rise * np.float32(te_s[0] / (te_s[1] - te_s[0]))
    sigma = SIGMA_MM / np.asarray(voxel_size_mm)
    sine, cosine = (ndimage.gaussian_filter(weight * part(angle), sigma, mode="constant") for part in (np.sin, np.cos))
    return np.where(mask, np.arctan2(sine, cosine), 0)
