"""Tell the brain's own slow field from the background by the sources that each would need."""

import numpy as np
from scipy import fft, ndimage

from recon.background.harmonic import harmonic_extension
from recon.grid import Grid, Vector
from recon.maths.blocks import Coarse, expand
from recon.maths.boxes import bounding_box, padded_shape
from recon.maths.kernels import dipole_kernel
from recon.maths.solve import conjugate_gradients
from recon.maths.tissue_rule import evidence, tissue_factors

CHI_RIM_PPM, CHI_DEEP_PPM = 0.015, 0.3  # spread of susceptibility in the cortex, and where nuclei and large veins lie
DEEP_MM = 20.0  # below the surface
CHI_OUTSIDE_PPM = 0.5  # spread of the equivalent sources that a slow remainder of background needs around it
NOISE_PPM = 0.0005  # of a field fitted to several echoes, averaged over a coarse voxel
SHELL_MM = 30.0  # of exterior that may hold sources, beyond which none can be told from nearer ones
ITERATIONS = 25
WHOLE = 0.99  # share from which a coarse voxel counts as one of the inside


def background_remainder(
    field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, *, sources_inside: bool = True, workers: int = 1
) -> np.ndarray:
    r"""The part of a field that sources outside the mask explain better than sources inside.

    Sources everywhere are estimated with Gaussian priors of spread :math:`s`: narrow in the cortex, where a source is
    hardly told from one outside, wider in the depth and outside,

    .. math:: \min_u \|m (D \ast s u - f)\|^2 / \sigma^2 + \|u\|^2

    by conjugate gradients. The field of those outside, being smooth inside the mask, is sought on a coarse, nearly
    isotropic grid.

    Parameters
    ----------
    field_ppm : (X, Y, Z) float array [ppm], without the strong background
    mask : (X, Y, Z) bool array
    grid : Grid
    sources_inside : whether there may be any; without, all that sources outside can explain is background
    workers : threads of the transforms

    Returns
    -------
    background_ppm : (X, Y, Z) float32 [ppm], zero outside `mask`

    References
    ----------
    .. [1] Liu et al., NMR Biomed 24:1129 (2011), doi:10.1002/nbm.1670: exterior dipoles
    .. [2] Liu et al., MRM 78:303 (2017), doi:10.1002/mrm.26331: both at once, with a prior
    """
    box = bounding_box(mask)
    blocks = Coarse.of(mask[box], grid)
    depth = _spread_inside(blocks.measured, blocks.grid.voxel_size_mm)
    spread_ppm = depth if sources_inside else np.zeros_like(depth)
    outer_ppm, _ = _sources(blocks.mean(field_ppm[box]), blocks.measured, spread_ppm, blocks.grid, workers)
    background_ppm = np.zeros(mask.shape, np.float32)
    background_ppm[box] = np.where(mask[box], expand(outer_ppm, blocks.factor, mask[box].shape, centred=True), 0)
    return background_ppm


def factors_of_field(
    field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, *, contrasts: np.ndarray, workers: int = 1
) -> np.ndarray:
    """What a total field says that the contrasts of magnitude are worth, found wholly on the coarse grid.

    Boundary values take the strong background off, the sources inside that explain the rest are a first map, and
    :func:`recon.maths.tissue_rule.tissue_factors` reads the factors from it, which count as far as
    :func:`recon.maths.tissue_rule.evidence` trusts them. Parameters as in :func:`background_remainder`, and

    contrasts : (contrast, X, Y, Z) float32 of :func:`recon.maths.contrast.tissue_contrasts`

    Returns
    -------
    factors_ppm : (contrast,) float32 [ppm]; zero where no coarse voxel lies inside the mask, or nothing speaks for them
    """
    box = bounding_box(mask)
    blocks = Coarse.of(mask[box], grid)
    whole = blocks.measured > WHOLE
    if not whole.any():
        return np.zeros(len(contrasts), np.float32)
    total_ppm = blocks.mean(field_ppm[box])
    local_ppm = total_ppm - harmonic_extension(total_ppm, whole, blocks.grid.voxel_size_mm)
    measured = whole.astype(np.float32)
    spread_ppm = _spread_inside(measured, blocks.grid.voxel_size_mm)
    _, chi_ppm = _sources(local_ppm, measured, spread_ppm, blocks.grid, workers)
    coarse = np.stack([blocks.mean(c[box]) for c in contrasts])
    factors_ppm = tissue_factors(chi_ppm, coarse, whole)
    found = evidence(chi_ppm, np.tensordot(factors_ppm, coarse, 1), whole, blocks.grid.voxel_size_mm)
    return np.float32(found.trust) * factors_ppm


def _sources(
    field_ppm: np.ndarray, measured: np.ndarray, spread_ppm: np.ndarray, grid: Grid, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Field of the sources outside, and susceptibility of those inside, on the grid.

    The grid's voxels were `measured` to a share in 0..1; there the sources have the prior spread `spread_ppm`.
    """
    f = np.where(measured > 0, field_ppm - np.average(field_ppm, weights=measured), 0).astype(np.float32)
    shape = padded_shape(f.shape, grid.voxel_size_mm, 2 * SHELL_MM)
    around = [((n - k) // 2, n - k - (n - k) // 2) for n, k in zip(shape, f.shape, strict=True)]
    m, f, spread_ppm = (np.pad(v, around) for v in (measured, f, spread_ppm))
    D = dipole_kernel(shape, grid)
    s = (CHI_OUTSIDE_PPM + m * (spread_ppm - CHI_OUTSIDE_PPM)).astype(np.float32)

    def field_of(chi: np.ndarray) -> np.ndarray:
        return fft.irfftn(D * fft.rfftn(chi, workers=workers), s=shape, workers=workers)

    def normal(u: np.ndarray) -> np.ndarray:
        return s * field_of(m * field_of(s * u)) + NOISE_PPM**2 * u

    chi = s * conjugate_gradients(normal, s * field_of(m * f), np.zeros_like(s), iterations=ITERATIONS)
    centre = tuple(slice(a, n - b) for (a, b), n in zip(around, shape, strict=True))
    return field_of((1 - m) * chi)[centre], chi[centre]


def _spread_inside(m: np.ndarray, voxel_size_mm: Vector) -> np.ndarray:
    """Prior spread [ppm] of the susceptibility at each depth, from the surface of the measured region inwards."""
    depth_mm = ndimage.distance_transform_edt(m > 0.5, voxel_size_mm)
    return CHI_RIM_PPM + (CHI_DEEP_PPM - CHI_RIM_PPM) * np.minimum(depth_mm / DEEP_MM, 1)
