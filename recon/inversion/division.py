"""Truncated k-space division and its iterative refinement of structures."""

import numpy as np
from scipy import ndimage

from recon.inversion.noise import field_noise
from recon.maths.kernels import bounding_box, dipole_kernel, slice_axis
from recon.maths.spectrum import BoxTransform

ZERO_FILL_MM = 80.0  # makes a brain's field of view half as large again, as Haacke 2010 does before the division
ISLAND_VOXELS = 125  # smaller structures are noise (Haacke group's vein mask)


def inverse_kernel(D: np.ndarray, threshold: float, truncation: str = "clamp") -> np.ndarray:
    r"""1/D, truncated inside the cone :math:`|D| < t`.

    ======  ==========================================================================
    clamp   sign(D) / t
    swim    alpha^2 sign(D) / t, alpha falling from 1 at the cone's surface to 0 at D = 0
    zero    0
    ======  ==========================================================================

    With :math:`k_\parallel, k_\perp` along and across B0, the surfaces D = 0 and D = ±t are

    .. math:: k_\parallel = k_0 = k_\perp / \sqrt 2, \quad
              k_\parallel = k_\pm = k_\perp \sqrt{(1 \mp 3t) / (2 \pm 3t)}, \quad
              \alpha = \left| \frac{|k_\parallel| - k_0}{k_\pm - k_0} \right|

    so that alpha depends on the angle of k alone, that is on D, however B0 lies in the grid.

    Parameters
    ----------
    D : float32 array, dipole in k-space
    threshold : t, below 2/3
    truncation : `clamp`, `swim` or `zero`

    Returns
    -------
    G : float32 array like D, zero where D is zero (k = 0)

    References
    ----------
    .. [1] Shmueli et al., MRM 62:1510 (2009), doi:10.1002/mrm.22135
    .. [2] Haacke et al., J Magn Reson Imaging 32:663 (2010), doi:10.1002/jmri.22276
    """
    t = np.float32(threshold)
    size = np.abs(D)
    G = np.sign(D) / np.maximum(size, t)
    if truncation == "zero":
        G[size < t] = 0
    elif truncation == "swim":
        cone = size < t
        inside = D[cone]
        G[cone] *= (_rise(inside) / _rise(np.copysign(t, inside))) ** 2
    return G


def _rise(D: np.ndarray) -> np.ndarray:
    """Distance of k from the surface D = 0 along B0, over k across B0; the poles themselves are infinitely far."""
    along, across = np.maximum(1 / 3 - D, 0), np.float32(2 / 3) + D  # squared cosine and sine
    return np.abs(np.sqrt(along / across) - np.float32(np.sqrt(0.5)))


def smoothed(bright: np.ndarray, normal: int) -> np.ndarray:
    """Majority of the 3 x 3 neighbours in the slice across `normal`: their median exceeds what `bright` does."""
    slices = np.moveaxis(bright, normal, -1)
    count = np.pad(slices, ((1, 1), (1, 1), (0, 0)), mode="edge").astype(np.uint8)
    count = count[:-2] + count[1:-1] + count[2:]
    return np.moveaxis(count[:, :-2] + count[:, 1:-1] + count[:, 2:] >= 5, -1, normal)


def structure_mask(
    chi_ppm: np.ndarray, mask: np.ndarray, r2star_hz: np.ndarray | None, normal: int, params
) -> np.ndarray:
    r"""Nuclei and veins, the structures M whose susceptibility the iteration keeps.

    Literally :math:`\chi > t` of the paper; with `structure: r2star_or_chi` also what decays fast, so that a
    nucleus does not fall out of M when its iron is low. Islands below 125 voxels are dropped.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) float array [ppm]
    mask : (X, Y, Z) bool array
    r2star_hz : (X, Y, Z) float array [1/s], or None where there is none
    normal : axis across the slices
    params : DipoleInversion

    Returns
    -------
    M : (X, Y, Z) bool array
    """
    M = smoothed(chi_ppm > params.iteration_threshold, normal)
    if params.structure == "r2star_or_chi" and r2star_hz is not None:
        M |= smoothed(r2star_hz > params.structure_r2star_hz, normal)
    labels, _ = ndimage.label(M & mask)
    large = np.bincount(labels.ravel()) >= ISLAND_VOXELS
    large[0] = False
    return large[labels]


def tkd(field_ppm, mask, voxel_size_mm, b0_dir, params, r2star_hz=None, precision=None, magnitude=None, workers=1):
    r"""Truncated k-space division, with the iterative replacement inside the cone.

    .. math:: X = F f \cdot G, \quad G = 1/D \text{ where } |D| > t

    and truncated elsewhere, see :func:`inverse_kernel`. For `method: iterative_tkd` then, with C the cone
    :math:`|D| < t` and M the structures, found once and shared by all echoes:

    .. math:: X \leftarrow (1 - C) X + C F(M F^{-1} X)

    Shapes, units and further parameters as in :func:`recon.inversion.stage.dipole_inversion`.

    References
    ----------
    .. [1] Shmueli et al., MRM 62:1510 (2009), doi:10.1002/mrm.22135
    .. [2] Tang et al., MRM 69:1396 (2013), doi:10.1002/mrm.24384
    """
    box = bounding_box(mask)
    inside = mask[box]
    transform = BoxTransform.padded(inside.shape, voxel_size_mm, workers, ZERO_FILL_MM)
    D = dipole_kernel(transform.grid, voxel_size_mm, b0_dir)
    G = inverse_kernel(D, params.threshold, params.truncation)
    cone = np.abs(D) < params.threshold
    del D

    chi_ppm = np.zeros(field_ppm.shape, np.float32)
    fields, maps = (v[..., None] if v.ndim == 3 else v for v in (field_ppm, chi_ppm))
    weights = []
    for i in range(fields.shape[-1]):
        field = np.where(inside & np.isfinite(fields[(*box, i)]), fields[(*box, i)], 0).astype(np.float32)
        weights.append(1 / max(field_noise(field, inside), 1e-6) ** 2 if fields.shape[-1] > 1 else 1.0)
        X = transform.forward(field)
        X *= G
        maps[(*box, i)] = np.where(inside, transform.inverse(X), 0)
    if params.method == "tkd":
        return chi_ppm

    del G
    mean = np.average(maps[box], axis=-1, weights=weights)
    normal = slice_axis(voxel_size_mm, b0_dir)
    M = structure_mask(mean, inside, None if r2star_hz is None else r2star_hz[box], normal, params)
    for i in range(fields.shape[-1]):
        maps[(*box, i)] = np.where(inside, _refine(maps[(*box, i)], M, cone, params.iterations, transform), 0)
    return chi_ppm


def _refine(chi_ppm, M, cone, iterations, transform):
    """Replace the cone by the structures' own spectrum, `iterations` times."""
    outside = transform.forward(chi_ppm)
    outside *= ~cone  # never changes
    for _ in range(iterations):
        X = transform.forward(M * chi_ppm)
        X *= cone
        X += outside
        chi_ppm = transform.inverse(X)
    return chi_ppm
