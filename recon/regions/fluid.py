"""Fluid of the ventricles, found from how slowly its signal decays."""

import numpy as np
from scipy import ndimage

from recon.grid import Vector
from recon.maths.boxes import bounding_box

LARGEST_R2STAR_HZ = 5.0  # of fluid up to 3 T, where tissue is above 10; both grow with the field
PUBLISHED_TESLA = 3.0
LEAST_SIGNAL = 0.25  # of the brain's median, last echo: darker voids hold noise, which does not decay either
DEEP = 0.4  # of the largest depth below the surface of the brain: ventricles lie there at every age, sulci do not
LEAST_PART = 0.1  # of the largest connected part; what is smaller is chance


def largest_r2star_hz(b0_tesla: float) -> float:
    """R2* below which a voxel counts as fluid [1/s]: as published at 3 T, and above in proportion to the field."""
    return LARGEST_R2STAR_HZ * max(1.0, b0_tesla / PUBLISHED_TESLA)


def ventricular_fluid(
    r2star_hz: np.ndarray,
    last_echo: np.ndarray,
    brain: np.ndarray,
    known: np.ndarray,
    voxel_size_mm: Vector,
    b0_tesla: float,
) -> np.ndarray:
    """Cerebrospinal fluid in the depth of the brain: slow decay [1]_, and signal.

    Medians over 27 voxels free R2* and signal of noise and take off the outermost voxels, which hold some tissue. Of
    what lies deep the large connected parts stay. Where the field of view cuts the brain, the cut is no surface.

    Parameters
    ----------
    r2star_hz : (X, Y, Z) float array [1/s]
    last_echo : (X, Y, Z) float array, magnitude of the latest echo
    brain : (X, Y, Z) bool array
    known : (X, Y, Z) bool array, where susceptibility is known
    voxel_size_mm : (3,) edge lengths of a voxel
    b0_tesla : main field

    Returns
    -------
    fluid : (X, Y, Z) bool array within `known`, empty where none is found

    References
    ----------
    .. [1] Liu et al., MRM 79:2795 (2018), doi:10.1002/mrm.26946
    """
    fluid = np.zeros(brain.shape, bool)
    if not brain.any():
        return fluid
    depth_mm = ndimage.distance_transform_edt(brain, sampling=voxel_size_mm)
    deep = depth_mm >= DEEP * depth_mm.max()
    box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in bounding_box(deep))
    decay, signal = (ndimage.median_filter(values[box], size=3, mode="nearest") for values in (r2star_hz, last_echo))
    slow = (decay < largest_r2star_hz(b0_tesla)) & (signal > LEAST_SIGNAL * np.median(last_echo[brain]))
    slow &= deep[box] & known[box]
    labels, parts = ndimage.label(slow)
    sizes = np.bincount(labels.ravel(), minlength=parts + 1)
    sizes[0] = 0
    fluid[box] = slow & (sizes >= LEAST_PART * sizes.max())[labels]
    return fluid
