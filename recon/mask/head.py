"""Where the head is in an image: robust intensities, and the middle of the cranium."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from recon.grid import Vector

GRID_MM = 2.0  # finer voxels are averaged to about this size: less noise, faster look-ups
EDGE = 0.1  # of the robust range; what is darker is air or bone
NO_AIR = 0.25  # of the 98th percentile; an image whose 2nd lies above is a crop without air
DEEP = 0.9  # of the largest depth; the centre is the mean of all that lies deeper


@dataclass(frozen=True, kw_only=True)
class Head:
    """A magnitude image on a coarse grid, its robust intensities, and a sphere in the middle of the brain.

    Attributes
    ----------
    image : (x, y, z) float32 array
        Mean magnitude over blocks of `factor` voxels, any unit.
    shape : tuple of int
        Shape of the full image.
    factor : (3,) int array
        Voxels of the full image in a voxel of `image`, along each axis.
    voxel_size_mm : (3,) float array
        Edge lengths of a voxel of `image`.
    low, edge : float
        2nd percentile, and the intensity that separates tissue from air and bone.
    has_air : bool
        False for a crop without background; there, centre, radius and median mean nothing.
    centre_mm, radius_mm : (3,) float array, float
        Sphere in the cranium, from the centre of voxel 0 of `image`: half as wide as a ball of the head's volume.
    median : float
        Median intensity in the sphere.
    """

    image: np.ndarray
    shape: tuple[int, int, int]
    factor: np.ndarray
    voxel_size_mm: np.ndarray
    low: float
    edge: float
    has_air: bool
    centre_mm: np.ndarray
    radius_mm: float
    median: float


def coarsen(image: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Mean over blocks of `factor` voxels; what is left over at the far end of an axis joins no block."""
    size = np.array(image.shape) // factor
    image = image[tuple(slice(n) for n in size * factor)]
    for axis in np.argsort(-factor):  # the strongest reduction first
        image = sum(image[(slice(None),) * axis + (slice(k, None, factor[axis]),)] for k in range(factor[axis]))
    return (image / np.float32(factor.prod())).astype(np.float32, copy=False)


def cranium_centre(head: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Centre [mm] of the largest ball that holds neither outside air nor the edge of the image.

    It lies in the cranium: the neck is thinner, the face full of air, and the image ends below them. So the brain is
    found whatever part of the body shows below it, and whichever axis runs from head to foot; the centre of gravity,
    where BET starts, sinks into the neck.

    Parameters
    ----------
    head : (X, Y, Z) bool array, specks of noise outside the head allowed
    voxel_size_mm : (3,) array

    Returns
    -------
    (3,) float array, from the centre of voxel 0

    Raises
    ------
    ValueError
        Where nothing is thicker than two voxels.
    """
    solid = ndimage.binary_dilation(ndimage.binary_erosion(head, border_value=1))  # opened, the image's edge no edge
    if not solid.any():
        raise ValueError("magnitude: expected a head, found specks")
    outside, _ = ndimage.label(~np.pad(solid, 1))
    depth_mm = ndimage.distance_transform_edt(outside != 1, sampling=voxel_size_mm)[1:-1, 1:-1, 1:-1]
    deep, _ = ndimage.label(depth_mm > DEEP * depth_mm.max())
    core = np.argwhere(deep == deep[np.unravel_index(depth_mm.argmax(), depth_mm.shape)])
    return core.mean(axis=0) * voxel_size_mm


def _within(shape: tuple[int, ...], voxel_size_mm: Vector, centre_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    """Voxels (X, Y, Z) of a ball."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    return sum((a * v - c) ** 2 for a, v, c in zip(axes, voxel_size_mm, centre_mm, strict=True)) < radius_mm**2


def find_head(magnitude: np.ndarray, voxel_size_mm: Vector) -> Head:
    """Find the head in a magnitude image.

    Parameters
    ----------
    magnitude : (X, Y, Z) array
        Magnitude, any unit; values that are not finite count as zero.
    voxel_size_mm : (3,)
        Edge lengths of a voxel.

    Returns
    -------
    Head

    Raises
    ------
    ValueError
        Where the image holds no contrast at all.
    """
    image = np.asarray(magnitude, np.float32)
    if image.ndim != 3:
        raise ValueError(f"magnitude: expected 3 axes, found shape {image.shape}")
    if not np.isfinite(image).all():
        image = np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
    factor = np.clip(np.rint(GRID_MM / np.asarray(voxel_size_mm, float)).astype(int), 1, image.shape)
    coarse = np.ascontiguousarray(coarsen(image, factor))  # the surface looks into it a thousand times
    coarse_size_mm = factor * np.asarray(voxel_size_mm, float)
    low, high = (float(value) for value in np.percentile(coarse, [2, 98]))
    if not high > low:
        raise ValueError(f"magnitude: expected a head, found 2nd and 98th percentile both {low:g}")
    edge, has_air = low + EDGE * (high - low), low <= NO_AIR * high
    bright = coarse > edge
    radius_mm = float((3 * np.count_nonzero(bright) * coarse_size_mm.prod() / (4 * np.pi)) ** (1 / 3) / 2)
    centre_mm = cranium_centre(bright, coarse_size_mm) if has_air else np.zeros(3)
    core = coarse[_within(coarse.shape, coarse_size_mm, centre_mm, radius_mm) & (coarse > low) & (coarse < high)]
    return Head(
        image=coarse,
        shape=image.shape,
        factor=factor,
        voxel_size_mm=coarse_size_mm,
        low=low,
        edge=edge,
        has_air=has_air,
        centre_mm=centre_mm,
        radius_mm=radius_mm,
        median=float(np.median(core)) if core.size else high,
    )
