"""Maps in which magnitude tells tissues apart."""

import numpy as np
from scipy import ndimage

DARK = 0.05  # of the median magnitude: below it the logarithm is that of noise
SLOW_MM = 30.0  # standard deviation over which the receive coils' sensitivity varies
WIDEST = 2.0  # largest logarithm of a ratio: beyond it lie voids


def tissue_contrasts(magnitude: np.ndarray, share: np.ndarray, voxel_size_mm: np.ndarray) -> np.ndarray:
    r"""Logarithm of the first echo without its slow part, and of first over last echo: T1 weighting and decay.

    .. math:: \ln |S_1| - G \ast \ln |S_1|, \quad \ln |S_1| - \ln |S_n|

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array; one echo has no decay to show
    share : (X, Y, Z) float array in 0..1, how much of each voxel counts
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    contrasts : (contrast, X, Y, Z) float32, mean 0 over `share`, zero outside
    """
    floor = DARK * np.median(magnitude[..., 0][share > 0.5]) if (share > 0.5).any() else 0.0
    logs = [np.log(np.maximum(magnitude[..., echo], max(floor, 1e-6))) for echo in (0, -1)]
    sigma = SLOW_MM / np.asarray(voxel_size_mm)
    slow = ndimage.gaussian_filter(logs[0] * share, sigma) / np.maximum(ndimage.gaussian_filter(share, sigma), 1e-3)
    contrasts = [logs[0] - slow]
    if magnitude.shape[-1] > 1:
        contrasts.append(np.clip(logs[0] - logs[1], 0, WIDEST))
    inside = share > 0
    return np.stack(
        [np.where(inside, share * (c - np.average(c, weights=share)), 0).astype(np.float32) for c in contrasts]
    )
