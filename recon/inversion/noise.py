"""Noise of a field, measured in the field itself."""

import numpy as np

STEP = 2  # voxels; neighbours share noise where a scanner has interpolated


def field_noise(field_ppm: np.ndarray, mask: np.ndarray, weight: np.ndarray | None = None) -> float:
    r"""Robust standard deviation of white noise from the second differences along all three axes at once.

    The filter :math:`[1, -2, 1]^{\otimes 3}` cancels whatever is linear along any axis and gives noise the gain
    :math:`\sqrt{6^3}`; the median absolute deviation then ignores the few voxels where edges remain.

    Parameters
    ----------
    field_ppm : (X, Y, Z) finite float array [ppm]
    mask : (X, Y, Z) bool array
    weight : (X, Y, Z) float array, optional: the noise of `weight * field` is measured

    Returns
    -------
    sd : [ppm]; zero where no voxel has all its neighbours inside `mask`

    References
    ----------
    .. [1] Immerkaer, Comput Vis Image Underst 64:300 (1996), doi:10.1006/cviu.1996.0060
    """
    difference, whole = field_ppm, mask
    if min(mask.shape) <= 2 * STEP:
        return 0.0
    for axis in range(3):
        low, middle, high = _shifted(difference, axis)
        difference = low + high
        difference -= 2 * middle
        low, middle, high = _shifted(whole, axis)
        whole = low & middle & high
    values = np.abs(difference[whole])
    if weight is not None:
        values *= weight[STEP:-STEP, STEP:-STEP, STEP:-STEP][whole]
    return float(1.4826 * np.median(values) / np.sqrt(6**3)) if values.size else 0.0


def _shifted(volume: np.ndarray, axis: int) -> list[np.ndarray]:
    """The volume one step before, at, and one step behind its inner voxels along an axis."""
    inner = volume.shape[axis] - 2 * STEP
    return [volume[(slice(None),) * axis + (slice(start, start + inner),)] for start in (0, STEP, 2 * STEP)]
