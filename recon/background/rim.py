"""The rim of a mask, less the voxels from which the field cannot be continued inwards."""

import numpy as np
from scipy import ndimage

from recon.grid import Vector
from recon.maths.neighbours import CROSS, laplacian_weights, neighbour_mean
from recon.maths.parts import largest_part

STEEP_PPM = 0.008  # from the neighbours' mean: above what cortex, white matter and CSF do to each other
STEEP_DEVIATIONS = 6.0  # and robust standard deviations, where the field is noisier than that
TISSUE_PPM = 0.04  # local field of tissue: 99.9 % of the brain stays below in simulated heads without lesions
TISSUE_DEVIATIONS = 6.0  # and robust standard deviations, where the field is noisier than that
DEEPEST_MM = 4.0  # peeled at most: the veins and sinuses that line the brain are about that wide


def continuable(
    field_ppm: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector, steep_ppm: float = STEEP_PPM
) -> np.ndarray:
    """Peel the voxels at the rim beside which the field is too steep for the grid: along a sinus, a vein or bone.

    The field of sources outside equals the weighted mean over a voxel's neighbours only where the grid resolves it. A
    boundary value beside a strong source is one point of a steep field, yet reaches as far into the brain as the
    stretch of rim is wide that it stands for. A voxel of the outermost layer goes where it touches one whose field
    differs from its neighbours' mean by more than `steep_ppm`, layer by layer, to a depth of about `DEEPEST_MM`.

    Parameters
    ----------
    field_ppm : (X, Y, Z) float array; not read outside `mask`, and what is not finite counts as steep
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    steep_ppm : [ppm]

    Returns
    -------
    kept : (X, Y, Z) bool array within `mask`, its largest part without new holes; `mask` where too little would stay
    """
    finite = mask & np.isfinite(field_ppm)
    field = np.where(finite, field_ppm, 0).astype(np.float32)
    mean, known = neighbour_mean(field, finite, laplacian_weights(voxel_size_mm).astype(np.float32))
    distance = np.abs(field - mean)
    inner = ndimage.binary_erosion(mask, CROSS)
    trusted = distance[inner & finite & known]
    deviation = np.median(trusted[:: max(trusted.size // 100_000, 1)]) / 0.6745 if trusted.size else 0.0
    steep = mask & ~(finite & (distance <= max(steep_ppm, STEEP_DEVIATIONS * deviation)))
    kept = mask.copy()
    for _ in range(max(round(DEEPEST_MM / np.prod(voxel_size_mm) ** (1 / 3)), 1)):
        inner = ndimage.binary_erosion(kept, CROSS)
        beside = ndimage.binary_dilation(steep & inner, CROSS)
        if not (beside & kept & ~inner).any():
            break
        kept &= inner | ~beside
    if kept.sum() == mask.sum():
        return kept
    kept = ndimage.binary_fill_holes(largest_part(ndimage.binary_opening(kept, CROSS))) & mask
    return kept if kept.any() else mask.copy()


def plausible(local_ppm: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Leave out the voxels near the rim whose local field is stronger than that of tissue.

    Beside air the grid does not resolve the field, and what no removal explains stays in the first voxels. Measured on
    heads of eight generators (`python -m benchmarks.generalisation`, the true field in the whole brain): below 1 % of
    the voxels held up to 70 % of the error. A strong source that touches the rim goes as well, so this is for
    those who have no magnitude to tell it from air.

    Parameters
    ----------
    local_ppm : (X, Y, Z) float array [ppm]
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    kept : (X, Y, Z) bool array within `mask`
    """
    distance = np.abs(local_ppm - np.median(local_ppm[mask]))
    limit_ppm = max(TISSUE_PPM, TISSUE_DEVIATIONS * np.median(distance[mask]) / 0.6745)
    near = ndimage.distance_transform_edt(mask, voxel_size_mm) < DEEPEST_MM
    return mask & ~(near & (distance > limit_ppm))
