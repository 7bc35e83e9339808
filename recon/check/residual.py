"""How far a susceptibility map is from explaining the local field that it was made from."""

import numpy as np

from recon.acquisition import Acquisition
from recon.combine import DEFAULT, echo_weights
from recon.maths.boxes import bounding_box
from recon.maths.kernels import dipole_kernel
from recon.maths.spectrum import BoxTransform


def field_residual(
    local_ppm: np.ndarray, chi_ppm: np.ndarray, magnitude: np.ndarray, acquisition: Acquisition, *, workers: int = 1
) -> float:
    r"""Root mean square of :math:`d \ast \chi - f` over the voxels with susceptibility [ppm], its mean taken off.

    A truncated or regularised map of a sound field leaves the field's noise and a part of the smallest structures. More
    is left of a field that no susceptibility has: of cracks of 2π, of motion, of echoes that do not fit each other.

    Parameters
    ----------
    local_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]; of several, the average by SNR
    chi_ppm : (X, Y, Z) float array [ppm], exactly zero where no susceptibility was computed
    magnitude : (X, Y, Z, echo) float array
    acquisition : Acquisition
    workers : threads of the transforms

    Returns
    -------
    residual_ppm : NaN where there is no susceptibility
    """
    known = (chi_ppm != 0) & np.isfinite(chi_ppm)
    if not known.any():
        return np.nan
    box = bounding_box(known)
    inside = known[box]
    field = local_ppm[box][inside]
    if local_ppm.ndim == 4:
        weights = echo_weights(magnitude[box][inside], acquisition.te_s, DEFAULT["power"])
        field = np.einsum("ve,ve->v", field, weights)
    transform = BoxTransform.padded(inside.shape, acquisition.voxel_size_mm, workers)
    D = dipole_kernel(transform.grid, acquisition.grid)
    chi = chi_ppm[box] - chi_ppm[known].mean()  # a constant, which the reference has chosen, is no source
    explained = transform.inverse(D * transform.forward(np.where(inside, chi, 0).astype(np.float32)))
    return float(np.std(explained[inside] - field))
