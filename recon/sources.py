"""Tell the brain's own slow field from the background by the sources that each would need."""

import numpy as np
from scipy import fft, ndimage

from recon.blocks import block_sum, coarser, expand
from recon.contrast import tissue_contrasts
from recon.kernels import bounding_box, dipole_kernel, padded_shape
from recon.solve import conjugate_gradients

CHI_RIM_PPM, CHI_DEEP_PPM = 0.03, 0.15  # spread of susceptibility in the cortex, and where nuclei and large veins lie
DEEP_MM = 20.0  # below the surface
CHI_CONTRAST_PPM = 0.1  # spread of what a unit of a tissue contrast is worth
CHI_OUTSIDE_PPM = 0.5  # spread of the equivalent sources that a slow remainder of background needs around it
NOISE_PPM = 0.0005  # of a field fitted to several echoes, averaged over a coarse voxel
SHELL_MM = 30.0  # of exterior that may hold sources, beyond which none is told from nearer ones
ITERATIONS = 40


def background_remainder(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    voxel_size_mm: np.ndarray,
    b0_dir: np.ndarray,
    magnitude: np.ndarray | None = None,
    workers: int = 1,
) -> np.ndarray:
    r"""The part of a field that sources outside the mask explain better than sources inside.

    Sources everywhere are estimated with Gaussian priors of spread :math:`s`: narrow in the cortex, where a source is
    hardly told from one outside, wider in the depth and outside. Inside, susceptibility may also follow the contrasts
    :math:`c_j` between tissues that magnitude shows, by factors :math:`a_j` that the field decides,

    .. math:: \min \|m (D \ast \chi - f)\|^2 / \sigma^2 + \|u\|^2 + \|a / \tau\|^2,
              \quad \chi = s u + \textstyle\sum_j a_j c_j,

    by conjugate gradients for u and a; the field of the outer sources is returned. Being smooth inside the mask, it is
    sought on a coarse, nearly isotropic grid.

    Parameters
    ----------
    field_ppm : (X, Y, Z) float array [ppm], without the strong background
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    b0_dir : (3,) unit vector of B0 in voxel axes
    magnitude : (X, Y, Z, echo) float array, finite, optional
    workers : threads of the transforms

    Returns
    -------
    background_ppm : (X, Y, Z) float32 [ppm], zero outside `mask`

    References
    ----------
    .. [1] Liu et al., NMR Biomed 24:1129 (2011), doi:10.1002/nbm.1670: exterior dipoles
    .. [2] Liu et al., MRM 78:303 (2017), doi:10.1002/mrm.26331: both at once, with a prior
    """
    box, factor = bounding_box(mask), coarser(voxel_size_mm)
    coarse_mm, inside = np.asarray(voxel_size_mm) * factor, mask[box]
    count = block_sum(inside.astype(np.float32), factor)
    measured = count / np.float32(np.prod(factor))  # share of each block

    def coarse(values: np.ndarray) -> np.ndarray:
        """Mean over the measured voxels of each block."""
        return block_sum(np.where(inside, values[box], 0).astype(np.float32), factor) / np.maximum(count, 1)

    contrasts = np.zeros((0, *measured.shape), np.float32)
    if magnitude is not None:
        ends = sorted({0, magnitude.shape[-1] - 1})
        echoes = [coarse(np.nan_to_num(magnitude[..., echo], posinf=0)) for echo in ends]
        contrasts = tissue_contrasts(np.stack(echoes, -1), measured, coarse_mm)
    outer = _field_of_outer_sources(coarse(field_ppm), measured, contrasts, coarse_mm, b0_dir, workers)
    background_ppm = np.zeros(mask.shape, np.float32)
    background_ppm[box] = np.where(inside, expand(outer, factor, inside.shape), 0)
    return background_ppm


def _field_of_outer_sources(
    field_ppm: np.ndarray,
    measured: np.ndarray,
    contrasts: np.ndarray,
    voxel_size_mm: np.ndarray,
    b0_dir: np.ndarray,
    workers: int,
) -> np.ndarray:
    """Field of the sources outside on the coarse grid, whose voxels were `measured` to a share in 0..1."""
    f = np.where(measured > 0, field_ppm - np.average(field_ppm, weights=measured), 0).astype(np.float32)
    shape = padded_shape(f.shape, voxel_size_mm, 2 * SHELL_MM)
    around = [((n - k) // 2, n - k - (n - k) // 2) for n, k in zip(shape, f.shape, strict=True)]
    m, f = np.pad(measured, around), np.pad(f, around)
    c = CHI_CONTRAST_PPM * np.pad(contrasts, [(0, 0), *around])
    D = dipole_kernel(shape, voxel_size_mm, b0_dir)
    s = (CHI_OUTSIDE_PPM + m * (_spread_inside(m, voxel_size_mm) - CHI_OUTSIDE_PPM)).astype(np.float32)

    def field_of(chi: np.ndarray) -> np.ndarray:
        return fft.irfftn(D * fft.rfftn(chi, workers=workers), s=shape, workers=workers)

    def field_of_unknown(x: np.ndarray) -> np.ndarray:
        u, a = x[: s.size].reshape(shape), x[s.size :]
        return field_of(s * u + sum(factor * contrast for factor, contrast in zip(a, c, strict=True)))

    def adjoint(residual: np.ndarray) -> np.ndarray:
        r = field_of(m * residual)
        # in double precision: a sum over all voxels, of which rounding would be seen
        return np.concatenate(
            [(s * r).ravel(), [np.sum(contrast * r, dtype=float) for contrast in c]], dtype=np.float32
        )

    def normal(x: np.ndarray) -> np.ndarray:
        return adjoint(field_of_unknown(x)) + NOISE_PPM**2 * x

    x = conjugate_gradients(normal, adjoint(f), np.zeros(s.size + len(c), np.float32), iterations=ITERATIONS)
    u = x[: s.size].reshape(shape)
    return field_of((1 - m) * s * u)[tuple(slice(a, n - b) for (a, b), n in zip(around, shape, strict=True))]


def _spread_inside(m: np.ndarray, voxel_size_mm: np.ndarray) -> np.ndarray:
    """Prior spread [ppm] of the susceptibility at each depth, from the surface of the measured region inwards."""
    depth_mm = ndimage.distance_transform_edt(m > 0.5, voxel_size_mm)
    return CHI_RIM_PPM + (CHI_DEEP_PPM - CHI_RIM_PPM) * np.minimum(depth_mm / DEEP_MM, 1)
