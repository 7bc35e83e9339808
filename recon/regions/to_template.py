"""Maps of a subject on the grid of the template, by the affine registration and, where nuclei were bent, with them."""

import numpy as np
from scipy import ndimage

from recon.files.io import Volume
from recon.regions.deformation import LOW_MM, STEP_MM, displaced
from recon.regions.template import read_template

SPACE = "MNI152NLin2009aSym"  # its name in BIDS
EVERY = 2  # voxel of the template of 1 mm
LEAST_KNOWN = 0.5  # share of the weights of an interpolation that falls on measured voxels
ROUNDS = 20  # of the fixed-point iteration; u changes by less than 0.8 mm a mm, see `deformation.LEAST_JACOBIAN`
MNI_CODES = (4, 4)  # of NIfTI: coordinates of MNI 152


def template_grid() -> Volume:
    """The brain of the template on voxels of 2 mm, 1 inside: (X, Y, Z), with its affine to MNI mm."""
    template = read_template()
    inside = template.data[::EVERY, ::EVERY, ::EVERY] > 0
    affine = template.affine @ np.diag([EVERY, EVERY, EVERY, 1.0])
    return Volume(data=inside.astype(np.float32), affine=affine, codes=MNI_CODES)


def displacement_volume(displacement_mm: np.ndarray) -> Volume:
    """The displacement (3, X, Y, Z) of a deformation as an image (X, Y, Z, 3) in MNI space."""
    affine = np.diag([STEP_MM] * 3 + [1.0])
    affine[:3, 3] = LOW_MM
    return Volume(data=np.moveaxis(displacement_mm, 0, -1), affine=affine, codes=MNI_CODES)


def bent_back(points_mm: np.ndarray, displacement_mm: np.ndarray) -> np.ndarray:
    """(N, 3) points of the template → those of the affine registration: x with x + u(x) = y, by x ← y - u(x)."""
    found = points_mm
    for _ in range(ROUNDS):
        found = points_mm - (displaced(found, displacement_mm) - found)
    return found


def to_template(
    data: np.ndarray, affine: np.ndarray, subject_to_mni: np.ndarray, displacement_mm: np.ndarray | None = None
) -> np.ndarray:
    """A map of a subject on :func:`template_grid`.

    Parameters
    ----------
    data : (X, Y, Z) float array of any unit; a voxel that is zero or not finite was not measured
    affine : (4, 4), voxel indices → scanner coordinates [mm]
    subject_to_mni : (4, 4), the affine registration
    displacement_mm : (3, X', Y', Z') of :class:`recon.regions.deformation.Deformation`

    Returns
    -------
    (X'', Y'', Z'') float32 in units of `data`, zero outside the template's brain and where nothing was measured: linear
    interpolation among measured voxels, after a Gaussian where those of the subject are finer than the grid
    """
    grid = template_grid()
    inside = grid.data > 0
    points = np.argwhere(inside) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    if displacement_mm is not None:
        points = bent_back(points, displacement_mm)
    to_voxel = np.linalg.inv(subject_to_mni @ affine)
    index = (points @ to_voxel[:3, :3].T + to_voxel[:3, 3]).T
    known = (np.isfinite(data) & (data != 0)).astype(np.float32)
    edge_mm = np.linalg.norm((subject_to_mni @ affine)[:3, :3], axis=0)
    sigma = 0.4 * np.maximum(EVERY / edge_mm - 1, 0)
    total, share = (
        ndimage.map_coordinates(ndimage.gaussian_filter(part, sigma), index, order=1)
        for part in (np.where(known > 0, data, 0).astype(np.float32), known)
    )
    found = np.zeros(inside.shape, np.float32)
    found[inside] = np.where(share > LEAST_KNOWN, total / np.maximum(share, LEAST_KNOWN), 0)
    return found
