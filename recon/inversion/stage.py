"""Dipole inversion: local field → susceptibility."""

from typing import Any

import numpy as np

from recon.grid import Grid
from recon.inversion.direct import METHODS as DIRECT
from recon.inversion.division import METHODS as DIVISION
from recon.inversion.total_variation import METHODS as TOTAL_VARIATION
from recon.inversion.unrolling import METHODS as UNROLLED
from recon.registry import Stage
from recon.settings import defaults

METHODS = DIVISION | TOTAL_VARIATION | UNROLLED | DIRECT
DEFAULT = defaults("dipole_inversion")
STAGE = Stage(section="dipole_inversion", methods=METHODS)


def dipole_inversion(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    method: str = DEFAULT["method"],
    r2star_hz: np.ndarray | None = None,
    precision: np.ndarray | None = None,
    magnitude: np.ndarray | None = None,
    workers: int = 1,
    **settings: Any,
) -> np.ndarray:
    """Invert the dipole model.

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]
        Local field; values outside `mask` are not read, and what is not finite counts as unknown.
    mask : (X, Y, Z) bool array
    grid : Grid
    method : one of METHODS
    r2star_hz : (X, Y, Z) float array [1/s], optional
        Helps `iterative_tkd` to find structures, see :func:`recon.inversion.division.structure_mask`.
    precision : (X, Y, Z) float array, optional
        Reciprocal noise of the field, relative (:func:`recon.field.stage.field_precision`); weighs the data of `tv`.
    magnitude : (X, Y, Z, echo) float array, optional
        Shows where tissues differ, to `tv` with the prior `tissue`.
    workers : threads of the transforms
    settings : of the method, by the names of its own parameters

    Returns
    -------
    chi_ppm : float32 array like `field_ppm` [ppm], zero outside `mask`, not referenced

    Raises
    ------
    ValueError
        For a method that does not exist, or settings that are none of its own.

    Examples
    --------
    >>> field_ppm, mask = np.zeros((8, 8, 8), np.float32), np.ones((8, 8, 8), bool)
    >>> field_ppm[4, 4, 4] = 0.1
    >>> dipole_inversion(field_ppm, mask, Grid((1, 1, 1)), method="tkd", threshold=0.2).dtype
    dtype('float32')
    """
    inputs = {"r2star_hz": r2star_hz, "precision": precision, "magnitude": magnitude, "workers": workers}
    return STAGE.run(method, field_ppm, mask, grid, settings=settings, **inputs)
