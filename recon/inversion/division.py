"""Truncated k-space division and its iterative refinement of structures."""

from collections.abc import Callable

import numpy as np

from recon.grid import Grid
from recon.inversion.noise import field_noise
from recon.maths.boxes import bounding_box, slice_axis
from recon.maths.kernels import dipole_kernel
from recon.maths.parts import large_parts
from recon.maths.spectrum import BoxTransform
from recon.needs import NEEDS, STRUCTURES
from recon.registry import Method, look_up
from recon.settings import defaults

DEFAULT = defaults("dipole_inversion")
ZERO_FILL_MM = 80.0  # makes a brain's field of view half as large again, as Haacke 2010 does before the division
ISLAND_VOXELS = 125  # smaller structures are noise (Haacke group's vein mask)


def inverse_kernel(D: np.ndarray, threshold: float, truncation: str) -> np.ndarray:
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
    cone = size < t
    G[cone] = look_up(TRUNCATIONS, truncation, "dipole_inversion.truncation")(G[cone], D[cone], t)
    return G


def _swim(clamped: np.ndarray, D: np.ndarray, t: np.float32) -> np.ndarray:
    """alpha^2 sign(D) / t."""
    return clamped * (_rise(D) / _rise(np.copysign(t, D))) ** 2


def _rise(D: np.ndarray) -> np.ndarray:
    """Distance of k from the surface D = 0 along B0, over k across B0; the poles themselves are infinitely far."""
    along, across = np.maximum(1 / 3 - D, 0), np.float32(2 / 3) + D  # squared cosine and sine
    return np.abs(np.sqrt(along / across) - np.float32(np.sqrt(0.5)))


# 1/D inside the cone, from sign(D) / t, D and t
TRUNCATIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.float32], np.ndarray]] = {
    "clamp": lambda clamped, D, t: clamped,
    "swim": _swim,
    "zero": lambda clamped, D, t: np.zeros_like(clamped),
}


def smoothed(bright: np.ndarray, normal: int) -> np.ndarray:
    """Majority of the 3 x 3 neighbours in the slice across `normal`: their median exceeds what `bright` does."""
    slices = np.moveaxis(bright, normal, -1)
    count = np.pad(slices, ((1, 1), (1, 1), (0, 0)), mode="edge").astype(np.uint8)
    count = count[:-2] + count[1:-1] + count[2:]
    return np.moveaxis(count[:, :-2] + count[:, 1:-1] + count[:, 2:] >= 5, -1, normal)


def structure_mask(
    chi_ppm: np.ndarray,
    mask: np.ndarray,
    normal: int,
    *,
    r2star_hz: np.ndarray | None = None,
    iteration_threshold: float = DEFAULT["iteration_threshold"],
    structure: str = DEFAULT["structure"],
    structure_r2star_hz: float = DEFAULT["structure_r2star_hz"],
) -> np.ndarray:
    r"""Nuclei and veins, the structures M whose susceptibility the iteration keeps.

    Literally :math:`\chi > t` of the paper; with `structure: r2star_or_chi` also what decays fast, so that a
    nucleus does not fall out of M when its iron is low. Islands below 125 voxels are dropped.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) float array [ppm]
    mask : (X, Y, Z) bool array
    normal : axis across the slices
    r2star_hz : (X, Y, Z) float array [1/s], or None where there is none
    iteration_threshold : t [ppm]
    structure : `r2star_or_chi` or `chi`
    structure_r2star_hz : R2* above which a voxel counts [1/s]

    Returns
    -------
    M : (X, Y, Z) bool array
    """
    M = smoothed(chi_ppm > iteration_threshold, normal)
    if look_up(STRUCTURES, structure, "dipole_inversion.structure") and r2star_hz is not None:
        M |= smoothed(r2star_hz > structure_r2star_hz, normal)
    return large_parts(M & mask, ISLAND_VOXELS)


def tkd(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    threshold: float = DEFAULT["threshold"],
    truncation: str = DEFAULT["truncation"],
    workers: int = 1,
) -> np.ndarray:
    r"""Truncated k-space division.

    .. math:: X = F f \cdot G, \quad G = 1/D \text{ where } |D| > t

    and truncated elsewhere, see :func:`inverse_kernel`. Arrays and result as in
    :func:`recon.inversion.stage.dipole_inversion`.

    Parameters
    ----------
    threshold : t, below 2/3
    truncation : `clamp`, `swim` or `zero`
    workers : threads of the transforms

    References
    ----------
    .. [1] Shmueli et al., MRM 62:1510 (2009), doi:10.1002/mrm.22135

    Examples
    --------
    >>> field_ppm, mask = np.zeros((8, 8, 8), np.float32), np.ones((8, 8, 8), bool)
    >>> field_ppm[4, 4, 4] = 0.1
    >>> tkd(field_ppm, mask, Grid((1, 1, 1)), threshold=0.2).shape
    (8, 8, 8)
    """
    return _divide(field_ppm, mask, grid, threshold, truncation, workers)[0]


def iterative_tkd(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    r2star_hz: np.ndarray | None = None,
    threshold: float = DEFAULT["threshold"],
    truncation: str = DEFAULT["truncation"],
    iterations: int = DEFAULT["iterations"],
    iteration_threshold: float = DEFAULT["iteration_threshold"],
    structure: str = DEFAULT["structure"],
    structure_r2star_hz: float = DEFAULT["structure_r2star_hz"],
    workers: int = 1,
) -> np.ndarray:
    r"""Truncated k-space division, then an iterative replacement inside the cone.

    With X of :func:`tkd`, C the cone :math:`|D| < t` and M the structures, found once and shared by all echoes:

    .. math:: X \leftarrow (1 - C) X + C F(M F^{-1} X)

    Arrays and result as in :func:`recon.inversion.stage.dipole_inversion`.

    Parameters
    ----------
    r2star_hz : (X, Y, Z) float array [1/s], optional
    threshold, truncation, workers : as in :func:`tkd`
    iterations : replacements
    iteration_threshold, structure, structure_r2star_hz : as in :func:`structure_mask`

    References
    ----------
    .. [1] Shmueli et al., MRM 62:1510 (2009), doi:10.1002/mrm.22135
    .. [2] Tang et al., MRM 69:1396 (2013), doi:10.1002/mrm.24384
    """
    box = bounding_box(mask)
    inside = mask[box]
    chi_ppm, weights, cone, transform = _divide(field_ppm, mask, grid, threshold, truncation, workers)
    maps = chi_ppm[..., None] if chi_ppm.ndim == 3 else chi_ppm
    mean = np.average(maps[box], axis=-1, weights=weights)
    M = structure_mask(
        mean,
        inside,
        slice_axis(grid),
        r2star_hz=None if r2star_hz is None else r2star_hz[box],
        iteration_threshold=iteration_threshold,
        structure=structure,
        structure_r2star_hz=structure_r2star_hz,
    )
    if iterations:
        refined = _refinement(M, cone, iterations, transform)
        for i in range(maps.shape[-1]):
            maps[box + (i,)] = np.where(inside, refined(maps[box + (i,)]), 0)
    return chi_ppm


def _divide(
    field_ppm: np.ndarray, mask: np.ndarray, grid: Grid, threshold: float, truncation: str, workers: int
) -> tuple[np.ndarray, list[float], np.ndarray, BoxTransform]:
    """Maps of all echoes by division, the weight of each by its noise, the cone, and the transform of the box."""
    box = bounding_box(mask)
    inside = mask[box]
    transform = BoxTransform.padded(inside.shape, grid.voxel_size_mm, workers, ZERO_FILL_MM)
    D = dipole_kernel(transform.grid, grid)
    G = inverse_kernel(D, threshold, truncation)
    cone = np.abs(D) < threshold
    del D

    chi_ppm = np.zeros(field_ppm.shape, np.float32, order="F")  # as files hold them
    fields, maps = (v[..., None] if v.ndim == 3 else v for v in (field_ppm, chi_ppm))
    weights = []
    for i in range(fields.shape[-1]):
        field = np.where(inside & np.isfinite(fields[box + (i,)]), fields[box + (i,)], 0).astype(np.float32)
        weights.append(1 / max(field_noise(field, inside), 1e-6) ** 2 if fields.shape[-1] > 1 else 1.0)
        X = transform.forward(field)
        X *= G
        maps[box + (i,)] = np.where(inside, transform.inverse(X), 0)
    return chi_ppm, weights, cone, transform


def _refinement(
    M: np.ndarray, cone: np.ndarray, iterations: int, transform: BoxTransform
) -> Callable[[np.ndarray], np.ndarray]:
    """A function of a map that replaces the cone by the structures' own spectrum, `iterations` times, at least once.

    Outside the cone nothing ever changes, so that only the lines along x that meet it are transformed again, and only
    the planes across x and their rows along z that hold structures are read again.
    """
    lines, rows = cone.any(0), np.logical_or.reduce(M, axis=2)
    holding = rows.any(1)
    rows, M = rows[holding], M[rows]
    beyond = ~cone[:, lines]
    X = np.zeros((transform.box[0], np.count_nonzero(lines)), np.complex64)

    def refined(chi_ppm: np.ndarray) -> np.ndarray:
        structures_ppm = chi_ppm[holding][rows]
        spectrum = transform.forward(chi_ppm)
        outside = spectrum[:, lines]
        planes = transform.from_across(spectrum)
        for iteration in range(iterations):
            if iteration:
                structures_ppm = transform.rows_from_planes(planes[holding], rows)
            X[holding] = transform.planes_of_rows(M * structures_ppm, rows)[:, lines]
            replaced = transform.across(X)
            np.copyto(replaced, outside, where=beyond)
            planes[:, lines] = transform.from_across(replaced)
        return transform.from_planes(planes)

    return refined


DIVISION = """The field was inverted by truncated k-space division, threshold {{ threshold | n }}, values inside the
    cone {{ {"clamp": "clamped", "swim": "falling to zero as in SWIM", "zero": "set to zero"}[truncation] }}
    {{ cite("shmueli2009", "haacke2010") if truncation == "swim" else cite("shmueli2009") }}."""

METHODS = {
    "iterative_tkd": Method(
        run=iterative_tkd,
        needs=NEEDS["dipole_inversion"]["iterative_tkd"],
        sentence=DIVISION
        + """
            In {{ iterations | n }} iterations the inside of the cone was then replaced by the spectrum of structures
            {{ cite("tang2013") }}, voxels above {{ iteration_threshold | n }}
            ppm{% if structure == "r2star_or_chi" and not single %} or with R2* above {{ structure_r2star_hz | n }} s⁻¹
            {%- endif %}.""",
    ),
    "tkd": Method(run=tkd, sentence=DIVISION),
}
