"""One removal, made ready for a mask, on the field of every echo."""

from collections.abc import Callable

import numpy as np

from recon.background.spikes import without_spikes
from recon.grid import Grid

# of a total field inside the mask's bounding box [ppm], zero outside the mask, to the local field there
Removal = Callable[[np.ndarray], np.ndarray]
Box = tuple[slice, ...]


def remove_from_echoes(
    field_ppm: np.ndarray, inside: np.ndarray, grid: Grid, *, box: Box, kept: np.ndarray, remove: Removal
) -> tuple[np.ndarray, np.ndarray]:
    """Take the background off one field, or off those of several echoes; spikes are replaced first.

    Parameters
    ----------
    field_ppm : (X, Y, Z) or (X, Y, Z, echo) float array [ppm]
    inside : bool array, the mask in its `box`
    grid : Grid
    box : slices of the mask's bounding box
    kept : bool array, the part of `inside` in which the local field is known
    remove : Removal

    Returns
    -------
    local_ppm, eroded : as of :func:`recon.background.stage.local_field`
    """
    local_ppm = np.zeros(field_ppm.shape, np.float32, order="F")  # as files hold them
    eroded = np.zeros(field_ppm.shape[:3], bool, order="F")
    eroded[box] = kept
    for echo in [()] if field_ppm.ndim == 3 else [(i,) for i in range(field_ppm.shape[-1])]:
        field = without_spikes(field_ppm[box + echo], inside, grid.voxel_size_mm)
        np.copyto(local_ppm[box + echo], remove(field), where=kept)
    return local_ppm, eroded
