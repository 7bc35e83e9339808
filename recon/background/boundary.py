"""Background removal from boundary values: LBV, and what sources inside and outside say of its remainder."""

import numpy as np
from scipy import ndimage

from recon.background.echoes import Box, Removal, remove_from_echoes
from recon.background.harmonic import harmonic_extension
from recon.background.rim import STEEP_PPM, continuable, plausible
from recon.background.sources import background_remainder, factors_of_field
from recon.grid import Grid, Vector
from recon.maths.boxes import bounding_box
from recon.maths.contrast import tissue_contrasts
from recon.maths.kernels import dipole_kernel
from recon.maths.neighbours import CROSS
from recon.maths.spectrum import BoxTransform
from recon.maths.strong_sources import field_of, strong_sources
from recon.needs import NEEDS
from recon.registry import Method

FALSE_PPM = 0.1  # lbv_sources: a field that far from its neighbours' mean at the rim is a wrong measurement
INDEX = np.moveaxis(np.indices((3, 3, 3)), 0, -1)  # of a structuring element


def lbv(field_ppm: np.ndarray, mask: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Laplacian boundary value method: subtract the harmonic field that takes the total field's values at the rim.

    The rim is first peeled of the voxels beside which the field is too steep for the grid. The local field is taken
    for zero in the outermost layer of voxels, which the mask loses. Arrays and result as in
    :func:`recon.background.stage.local_field`.

    References
    ----------
    .. [1] Zhou et al., NMR Biomed 27:312 (2014), doi:10.1002/nbm.3064
    """
    box = bounding_box(mask)
    inside = _peeled(field_ppm, mask, grid, box)

    def remove(field: np.ndarray) -> np.ndarray:
        return field - harmonic_extension(field, inside, grid.voxel_size_mm)

    kept = _without_rim(inside, grid.voxel_size_mm)
    return remove_from_echoes(field_ppm, inside, grid, box=box, kept=kept, remove=remove)


def lbv_sources(
    field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, *, magnitude: np.ndarray | None = None, workers: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    r"""Boundary values, then the slow field that their zero at the rim has taken from the brain is given back.

    What is left after :func:`lbv` is the local field less the harmonic function that equals it at the rim.
    :func:`recon.background.sources.background_remainder` finds it as the field of sources outside, at the rim as well,
    which is kept but for voxels beside a field that must be wrong. Where `magnitude`
    shows contrasts :math:`c_j` between tissues, the field of what they explain is set aside first, so that little of
    the local field is left at the rim,

    .. math:: f_L = d \ast t + R(f - d \ast t), \quad t = \textstyle\sum_j a_j c_j

    with R the removal, d the dipole and factors :math:`a_j` of :func:`recon.background.sources.factors_of_field`.
    So is the field of sources far stronger than tissue (:mod:`recon.maths.strong_sources`), found in a first result.
    Arrays and result as in :func:`recon.background.stage.local_field`.

    Parameters
    ----------
    magnitude : (X, Y, Z, echo) float array, optional; without it, voxels at the rim whose field is not
        :func:`recon.background.rim.plausible` are left out
    workers : threads of the transforms
    """
    box = bounding_box(mask)
    inside = _peeled(field_ppm, mask, grid, box, FALSE_PPM)
    remove = _told_by_sources(inside, grid, workers)
    if magnitude is not None:
        remove = _beside_tissue(remove, inside, grid, magnitude[box], workers)
    remove = _beside_strong(remove, inside, grid, workers)
    local_ppm, kept = remove_from_echoes(field_ppm, inside, grid, box=box, kept=inside, remove=remove)
    if magnitude is None:
        one = local_ppm if local_ppm.ndim == 3 else local_ppm.mean(-1)
        kept[box] = plausible(one[box], kept[box], grid.voxel_size_mm)
        local_ppm[~kept] = 0
    return local_ppm, kept


def _told_by_sources(inside: np.ndarray, grid: Grid, workers: int) -> Removal:
    """Boundary values, less the remainder that sources outside explain."""

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        local_ppm = field_ppm - harmonic_extension(field_ppm, inside, grid.voxel_size_mm)
        return local_ppm - background_remainder(local_ppm, inside, grid, workers=workers)

    return remove


def _beside_tissue(removed: Removal, inside: np.ndarray, grid: Grid, magnitude: np.ndarray, workers: int) -> Removal:
    """A removal of the field less that of what the contrasts explain, which is added again; as it is without any."""
    contrasts = tissue_contrasts(magnitude, inside, grid.voxel_size_mm)
    if not len(contrasts):
        return removed
    transform = BoxTransform.padded(inside.shape, grid.voxel_size_mm, workers)
    D = dipole_kernel(transform.grid, grid)

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        factors_ppm = factors_of_field(field_ppm, inside, grid, contrasts=contrasts, workers=workers)
        tissue_ppm = transform.inverse(D * transform.forward(np.tensordot(factors_ppm, contrasts, 1)))
        return removed(np.where(inside, field_ppm - tissue_ppm, 0)) + tissue_ppm

    return remove


def _beside_strong(removed: Removal, inside: np.ndarray, grid: Grid, workers: int) -> Removal:
    """A removal of the field less that of strong sources, which is added again; as it is where there are none."""

    def remove(field_ppm: np.ndarray) -> np.ndarray:
        local_ppm = np.where(inside, removed(field_ppm), 0)
        strong_ppm = strong_sources(local_ppm, inside, grid, workers=workers)
        if strong_ppm is None:
            return local_ppm
        transform = BoxTransform.padded(inside.shape, grid.voxel_size_mm, workers)
        D = dipole_kernel(transform.grid, grid)
        own_ppm = field_of(strong_ppm, D, transform)
        return removed(np.where(inside, field_ppm - own_ppm, 0)) + own_ppm

    return remove


def _peeled(field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, box: Box, steep_ppm: float = STEEP_PPM) -> np.ndarray:
    """The mask in its box without the rim from which the field, the mean of all echoes, cannot be continued."""
    one = field_ppm if field_ppm.ndim == 3 else field_ppm.mean(-1)
    return continuable(one[box], mask[box], grid.voxel_size_mm, steep_ppm)


def _without_rim(mask: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """The mask less its outermost voxels, those within a finest voxel edge; as it is where nothing else would stay."""
    fine = np.isclose(voxel_size_mm, np.min(voxel_size_mm), rtol=0.25)
    inner = ndimage.binary_erosion(mask, CROSS & np.all((INDEX == 1) | fine, axis=-1))
    return inner if inner.any() else mask.copy()


METHODS = {
    "lbv": Method(
        run=lbv,
        sentence="""the Laplacian boundary value method {{ cite("zhou2014") }},
            solved from a rim that leaves out voxels next to which the field is too steep for the grid.""",
    ),
    "lbv_sources": Method(
        run=lbv_sources,
        needs=NEEDS["local_field"]["lbv_sources"],
        sentence="""the Laplacian boundary value method {{ cite("zhou2014") }}, and the background left and the local
            field lost near the rim were estimated from sources inside and outside the brain
            {{ cite("liu2011", "liu2017") }}; the field of the susceptibility that follows the contrasts of the
            magnitude, found by robust regression {{ cite("holland1977") }} and weighed by its cross-validated gain
            {{ cite("stone1974", "efron1973") }}, was subtracted before and added back
            afterwards.""",
    ),
}
