"""Background field removal: total field → local field."""

from typing import Any

import numpy as np

from recon.background.boundary import METHODS as BOUNDARY
from recon.background.projection import METHODS as PROJECTION
from recon.background.spherical import METHODS as SPHERICAL
from recon.grid import Grid
from recon.registry import Stage
from recon.settings import defaults

METHODS = SPHERICAL | BOUNDARY | PROJECTION
DEFAULT = defaults("local_field")
STAGE = Stage(section="local_field", methods=METHODS)


def local_field(
    field_ppm: np.ndarray,
    mask: np.ndarray,
    grid: Grid,
    *,
    method: str = DEFAULT["method"],
    magnitude: np.ndarray | None = None,
    workers: int = 1,
    **settings: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Remove the field of sources outside `mask`.

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]
        Values outside `mask` are not read; spikes and what is not finite inside are replaced by their neighbours.
    mask : (X, Y, Z) bool array
    grid : Grid
    method : one of METHODS
    magnitude : (X, Y, Z, echo) float array, optional, for the methods that need it
    workers : threads of the transforms
    settings : of the method, by the names of its own parameters

    Returns
    -------
    local_ppm : float32 array like `field_ppm` [ppm], zero outside `eroded`
    eroded : (X, Y, Z) bool array, the part of `mask` in which the method knows the local field

    Raises
    ------
    ValueError
        For a method that does not exist, or settings that are none of its own.

    Examples
    --------
    >>> x, y, z = np.indices((20, 20, 20)) - 10.0
    >>> mask = x**2 + y**2 + z**2 < 81
    >>> local_ppm, eroded = local_field(0.01 * x + 0.02, mask, Grid((1, 1, 1)), method="lbv")  # background alone
    >>> bool(np.abs(local_ppm).max() < 1e-4)
    True
    """
    return STAGE.run(method, field_ppm, mask, grid, settings=settings, magnitude=magnitude, workers=workers)
