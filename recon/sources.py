"""Tell the brain's own slow field from the background by the sources that each would need."""

import numpy as np
from scipy import fft, ndimage

from recon.blocks import block_sum, coarser, expand
from recon.kernels import bounding_box, dipole_kernel, padded_shape
from recon.solve import conjugate_gradients

CHI_RIM_PPM, CHI_DEEP_PPM = 0.03, 0.15  # spread of susceptibility in the cortex, and where nuclei and large veins lie
DEEP_MM = 20.0  # below the surface
CHI_OUTSIDE_PPM = 0.2  # spread of the equivalent sources that a slow remainder of background needs around it
NOISE_PPM = 0.0005  # of a field fitted to several echoes, averaged over a coarse voxel
SHELL_MM = 30.0  # of exterior that may hold sources, beyond which none is told from nearer ones
ITERATIONS = 40


def background_remainder(
    field_ppm: np.ndarray, mask: np.ndarray, voxel_size_mm: np.ndarray, b0_dir: np.ndarray, workers: int = 1
) -> np.ndarray:
    r"""The part of a field that sources outside the mask explain better than sources inside.

    Sources everywhere are estimated with Gaussian priors of spread :math:`s`: narrow in the cortex, where a source is
    hardly told from one outside, wider in the depth and outside,

    .. math:: \min_\chi \|m (D \ast \chi - f)\|^2 / \sigma^2 + \|\chi / s\|^2,

    by conjugate gradients for :math:`u = \chi / s`; the field of the outer ones is returned. Being smooth inside the
    mask, it is sought on a coarse, nearly isotropic grid.

    Parameters
    ----------
    field_ppm : (X, Y, Z) float array [ppm], without the strong background
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    b0_dir : (3,) unit vector of B0 in voxel axes
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
    coarse_mm = np.asarray(voxel_size_mm) * factor
    count = block_sum(mask[box].astype(np.float32), factor)
    f = block_sum(np.where(mask[box], field_ppm[box], 0).astype(np.float32), factor) / np.maximum(count, 1)
    m = count / np.float32(np.prod(factor))  # share of each coarse voxel that was measured
    f = np.where(m > 0, f - np.average(f, weights=m), 0).astype(np.float32)
    shape = padded_shape(m.shape, coarse_mm, 2 * SHELL_MM)
    offset = [(n - k) // 2 for n, k in zip(shape, m.shape, strict=True)]
    around = [(o, n - k - o) for o, n, k in zip(offset, shape, m.shape, strict=True)]
    m, f = np.pad(m, around), np.pad(f, around)
    D = dipole_kernel(shape, coarse_mm, b0_dir)
    s = (CHI_OUTSIDE_PPM + m * (_spread_inside(m, coarse_mm) - CHI_OUTSIDE_PPM)).astype(np.float32)

    def field_of(chi: np.ndarray) -> np.ndarray:
        return fft.irfftn(D * fft.rfftn(chi, workers=workers), s=shape, workers=workers)

    def normal(u: np.ndarray) -> np.ndarray:
        return s * field_of(m * field_of(s * u)) + NOISE_PPM**2 * u

    u = conjugate_gradients(normal, s * field_of(m * f), np.zeros_like(s), iterations=ITERATIONS)
    outer = field_of((1 - m) * s * u)[tuple(slice(a, n - b) for (a, b), n in zip(around, shape, strict=True))]
    background_ppm = np.zeros(mask.shape, np.float32)
    background_ppm[box] = np.where(mask[box], expand(outer, factor, mask[box].shape), 0)
    return background_ppm


def _spread_inside(m: np.ndarray, voxel_size_mm: np.ndarray) -> np.ndarray:
    """Prior spread [ppm] of the susceptibility at each depth, from the surface of the measured region inwards."""
    depth_mm = ndimage.distance_transform_edt(m > 0.5, voxel_size_mm)
    return CHI_RIM_PPM + (CHI_DEEP_PPM - CHI_RIM_PPM) * np.minimum(depth_mm / DEEP_MM, 1)
