"""Dipole inversion: local field → susceptibility."""

from dataclasses import dataclass

import numpy as np

from recon.inversion.division import tkd
from recon.inversion.total_variation import total_variation


@dataclass(frozen=True, kw_only=True)
class DipoleInversion:
    """Config section `dipole_inversion`."""

    method: str
    threshold: float
    truncation: str
    iterations: int
    iteration_threshold: float
    structure: str
    structure_r2star_hz: float
    tv_weight: float
    tv_iterations: int
    tv_tolerance: float
    tv_outside: float
    tv_prior: str


METHODS = {"tkd": tkd, "iterative_tkd": tkd, "tv": total_variation}


def dipole_inversion(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    voxel_size_mm: np.ndarray,
    b0_dir: np.ndarray,
    params: DipoleInversion,
    r2star_hz: np.ndarray | None = None,
    precision: np.ndarray | None = None,
    magnitude: np.ndarray | None = None,
    workers: int = 1,
) -> np.ndarray:
    """Invert the dipole model by `params.method`.

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]
        Local field; values outside `mask` are not read, and what is not finite counts as unknown.
    mask : (X, Y, Z) bool array
    voxel_size_mm : (3,) [mm]
    b0_dir : (3,) unit vector of B0 in voxel axes
    params : DipoleInversion
    r2star_hz : (X, Y, Z) float array [1/s], optional
        Helps `iterative_tkd` to find structures, see :func:`recon.inversion.division.structure_mask`.
    precision : (X, Y, Z) float array, optional
        Reciprocal noise of the field, relative (:func:`recon.field.stage.field_precision`); weighs the data of `tv`.
    magnitude : (X, Y, Z, echo) float array, optional
        Shows where tissues differ, to `tv` with the prior `tissue`.
    workers : threads of the transforms

    Returns
    -------
    chi_ppm : float32 array like `field_ppm` [ppm], zero outside `mask`, not referenced
    """
    invert = METHODS[params.method]
    return invert(field_ppm, mask, voxel_size_mm, b0_dir, params, r2star_hz, precision, magnitude, workers)
