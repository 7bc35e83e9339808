"""Noise of a field, measured in the field itself."""

import numpy as np

Steps = tuple[int, int, int]
APART: Steps = (2, 2, 2)  # voxels; neighbours share noise where a scanner has interpolated
BINOMIAL = (1, -6, 15, -20, 15, -6, 1)  # sixth difference: a filter for the end of the spectrum
EMPTY = 0.2  # of the sixth difference over two voxels, below which that over one shows an end without noise


def field_noise(
    field_ppm: np.ndarray, mask: np.ndarray, weight: np.ndarray | None = None, steps: Steps = APART
) -> float:
    r"""Robust standard deviation of white noise from the second differences along all three axes at once.

    The filter :math:`[1, -2, 1]^{\otimes 3}` cancels whatever is linear along any axis and gives noise the gain
    :math:`\sqrt{6^3}`; the median absolute deviation then ignores the few voxels where edges remain.

    Parameters
    ----------
    field_ppm : (X, Y, Z) finite float array [ppm]
    mask : (X, Y, Z) bool array
    weight : (X, Y, Z) float array, optional: the noise of `weight * field` is measured
    steps : (3,) voxels between the values that are compared: the closer, the less of the anatomy is taken for noise

    Returns
    -------
    sd : [ppm]; zero where no voxel has all its neighbours inside `mask`

    References
    ----------
    .. [1] Immerkaer, Comput Vis Image Underst 64:300 (1996), doi:10.1006/cviu.1996.0060
    """
    difference, whole = field_ppm, mask
    if any(n <= 2 * step for n, step in zip(mask.shape, steps, strict=True)):
        return 0.0
    for axis, step in enumerate(steps):
        low, middle, high = _shifted(difference, axis, step)
        difference = low + high
        difference -= 2 * middle
        low, middle, high = _shifted(whole, axis, step)
        whole = low & middle & high
    values = np.abs(difference[whole])
    if weight is not None:
        values *= weight[tuple(slice(step, -step) for step in steps)][whole]
    return float(1.4826 * np.median(values) / np.sqrt(6**3)) if values.size else 0.0


def independent_steps(field_ppm: np.ndarray, mask: np.ndarray) -> Steps:
    r"""How many voxels along each axis lie between two that do not share their noise: one, or two after interpolation.

    Zero-filling leaves the end of the spectrum empty. The sixth difference, with the gain
    :math:`(2 - 2 \cos 2 \pi k)^6`, passes little else. Over a step of two voxels it folds the rest of the spectrum onto
    that end, and white noise has the same spread in both. Anatomy alone, whose spectrum falls slowly, still keeps a
    third.

    Parameters
    ----------
    field_ppm : (X, Y, Z) finite float array [ppm]
    mask : (X, Y, Z) bool array
    """
    x, y, z = (
        1 if _end(field_ppm, mask, axis, 1) >= EMPTY * _end(field_ppm, mask, axis, 2) else 2 for axis in range(3)
    )
    return x, y, z


def _end(field_ppm: np.ndarray, mask: np.ndarray, axis: int, step: int) -> float:
    """Median size of the sixth difference over a step along an axis, where all seven voxels lie in the mask."""
    axis = 2 - axis  # of the transposed volumes, as their last axis runs fastest in most
    across = 1 if axis == 0 else 0  # slices that the cache holds, with the axis in their plane
    fields, masks = (np.moveaxis(volume.T, across, 0) for volume in (field_ppm, mask))
    in_plane = max(axis - 1, 0)
    values = np.concatenate(
        [_sixth_difference(field, inside, in_plane, step) for field, inside in zip(fields, masks, strict=True)]
    )
    return float(np.median(np.abs(values, out=values))) if values.size else 0.0


def _sixth_difference(field_ppm: np.ndarray, mask: np.ndarray, axis: int, step: int) -> np.ndarray:
    """(n,) values where all seven voxels lie in the mask."""
    whole = np.logical_and.reduce(_shifted(mask, axis, step, len(BINOMIAL)))
    difference = np.zeros(whole.shape, field_ppm.dtype)
    for factor, part in zip(BINOMIAL, _shifted(field_ppm, axis, step, len(BINOMIAL)), strict=True):
        difference += np.float32(factor) * part
    return difference[whole]


def _shifted(volume: np.ndarray, axis: int, step: int, count: int = 3) -> list[np.ndarray]:
    """What is left of a volume between its ends, `count` times, each one step further along an axis."""
    inner = max(volume.shape[axis] - (count - 1) * step, 0)
    return [volume[(slice(None),) * axis + (slice(i * step, i * step + inner),)] for i in range(count)]
