"""Background removal by projection onto dipole fields: PDF."""

import numpy as np

from recon.background.echoes import remove_from_echoes
from recon.background.harmonic import harmonic_extension
from recon.background.sources import background_remainder
from recon.grid import Grid
from recon.maths.boxes import bounding_box
from recon.registry import Method


def pdf(field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, *, workers: int = 1) -> tuple[np.ndarray, np.ndarray]:
    r"""Projection onto dipole fields: subtract what sources outside the mask explain of the field.

    .. math:: f_L = f - P f, \quad P f = d \ast \arg\min_{\chi_o} \| m (d \ast \chi_o - f) \|

    Any harmonic field h is one of sources outside, so that P h = h and

    .. math:: f - P f = (f - h) - P (f - h)

    With the h that takes the field's values at the rim (:func:`recon.background.harmonic.harmonic_extension`) the
    strong and steep background is gone before: the projection of what is left is smooth, and is found on a coarse
    grid with few conjugate gradients. Every voxel of the mask is kept. Arrays and result as in
    :func:`recon.background.stage.local_field`.

    Parameters
    ----------
    workers : threads of the transforms

    References
    ----------
    .. [1] Liu et al., NMR Biomed 24:1129 (2011), doi:10.1002/nbm.1670
    """
    box = bounding_box(mask)
    inside = mask[box]

    def remove(field: np.ndarray) -> np.ndarray:
        rest_ppm = field - harmonic_extension(field, inside, grid.voxel_size_mm)
        return rest_ppm - background_remainder(rest_ppm, inside, grid, sources_inside=False, workers=workers)

    return remove_from_echoes(field_ppm, inside, grid, box=box, kept=inside, remove=remove)


METHODS = {
    "pdf": Method(
        run=pdf,
        sentence="""projection onto dipole fields {{ cite("liu2011") }}, with sources outside the brain on a coarse grid
            for what its boundary values {{ cite("zhou2014") }} leave.""",
    ),
}
