"""Single voxels whose field cannot be true."""

import numpy as np

from recon.grid import Vector
from recon.maths.neighbours import beside, filled, laplacian_weights, neighbour_mean, neighbour_mean_at

SPIKE_PPM = 0.2  # from the neighbours' mean; the wall of a vein of 0.3 ppm stays below, a turn of 2 pi at 3 T does not
SPIKE_DEVIATIONS = 12.0  # and robust standard deviations, where the field is noisier than that
ROUNDS = 2  # a spike also pulls its neighbours' means


def without_spikes(field_ppm: np.ndarray, mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Replace spikes inside the mask, and what is not finite there, by the mean of the neighbours.

    The mean is the one that a harmonic field equals, so that steep background stays as it is.

    Parameters
    ----------
    field_ppm : (X, Y, Z) float array
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]

    Returns
    -------
    field_ppm : (X, Y, Z) float32, zero outside `mask`
    """
    finite = good = mask & np.isfinite(field_ppm)
    field = np.where(finite, field_ppm, 0).astype(np.float32)
    weights = laplacian_weights(voxel_size_mm).astype(np.float32)
    mean, known = neighbour_mean(field, good, weights)
    distance = np.abs(field - mean)
    for _ in range(ROUNDS):
        trusted = distance[good & known]
        if trusted.size == 0:
            break
        deviation = np.median(trusted[:: max(trusted.size // 100_000, 1)]) / 0.6745
        near = distance <= max(SPIKE_PPM, SPIKE_DEVIATIONS * deviation)
        before, good = good, finite & np.where(known, near, good)  # neighbours of a spike come back once it is out
        touched = beside(np.argwhere(good != before), good.shape)  # the means of all others stay
        places = tuple(touched.T)
        mean_there, known[places] = neighbour_mean_at(touched, field, good, weights)
        distance[places] = np.abs(field[places] - mean_there)
    return filled(field, mask, good, voxel_size_mm)
