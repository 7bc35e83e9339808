"""The user's own brain mask, labels of nuclei, T1-weighted image and B1 map, as maps on the grid of the echoes."""

import numpy as np

from recon.files.io import Volume, read_volume
from recon.problems import IntakeError, Problem
from recon.regions.nuclei import nucleus_labels
from recon.regions.resample import resample, same_grid

B1_RANGE = (0.3, 3.0)  # medians of a map in fractions; those of one in percent lie outside by far


def user_mask(path: str, grid: Volume) -> np.ndarray:
    """The mask as it is: (X, Y, Z) bool; IntakeError unless it lies on `grid` and selects something."""
    mask = np.nan_to_num(on_grid(path, grid).data) > 0.5
    if not mask.any():
        raise IntakeError([Problem(path, "a brain mask that is not empty", "no voxel above 0.5")])
    return mask


def user_labels(path: str, grid: Volume) -> np.ndarray:
    """The labels as they are: (X, Y, Z) uint8; IntakeError unless they lie on `grid` and are in the table."""
    labels = on_grid(path, grid).data
    known, found = list(nucleus_labels()), np.unique(labels)
    unknown = found[~np.isin(found, [0, *known])]
    if len(unknown) or not labels.any():
        wrong = ", ".join(f"{label:g}" for label in (unknown if len(unknown) else found)[:8])
        raise IntakeError([Problem(path, f"labels {known[0]} to {known[-1]} of resources/nuclei.tsv", wrong)])
    return labels.astype(np.uint8)


def user_t1w(path: str, grid: Volume, brain: np.ndarray) -> tuple[np.ndarray, bool]:
    """The image inside the brain on `grid`, and whether it had to be resampled.

    Parameters
    ----------
    path : NIfTI file, registered with the echoes in scanner coordinates
    grid : Volume, the echoes
    brain : (X, Y, Z) bool array

    Returns
    -------
    t1w : (X, Y, Z) float32, zero outside `brain`
    resampled : False where the voxels are those of the file

    Raises
    ------
    IntakeError
        Where the image shows nothing of the brain.
    """
    image = read_volume(path)
    if image.data.ndim != 3:
        raise IntakeError([Problem(path, "a 3-D image", f"shape {image.data.shape}")])
    resampled = not same_grid(image, grid)
    data = resample(image, grid) if resampled else np.nan_to_num(image.data, posinf=0, neginf=0)
    t1w = np.where(brain, data, np.float32(0))
    if not t1w.any():
        raise IntakeError([Problem(path, "an image of the brain in scanner coordinates", "no overlap with it")])
    return t1w, resampled


def user_b1(path: str, grid: Volume) -> np.ndarray:
    """Actual over nominal flip angle on `grid`.

    A map holds fractions or percent. Transmit fields of heads lie between 0.5 and 1.5 up to 7 T, so the median of what
    is above zero tells which.

    Parameters
    ----------
    path : NIfTI file, in scanner coordinates
    grid : Volume, the echoes

    Returns
    -------
    (X, Y, Z) float32, 1 where the flip angle is the nominal one, zero outside the map

    Raises
    ------
    IntakeError
        Where the values are neither fractions nor percent, or none of them lies where the echoes are.
    """
    image = read_volume(path)
    if image.data.ndim != 3:
        raise IntakeError([Problem(path, "a 3-D image", f"shape {image.data.shape}")])
    data = np.nan_to_num(image.data, posinf=0, neginf=0)
    median = float(np.median(data[data > 0])) if (data > 0).any() else 0.0
    unit = next((unit for unit in (1, 100) if B1_RANGE[0] <= median / unit <= B1_RANGE[1]), None)
    if unit is None:
        expected = "actual over nominal flip angle, about 1, or percent, about 100"
        raise IntakeError([Problem(path, expected, f"a median of {median:g}")])
    values = data if same_grid(image, grid) else resample(image, grid)
    if not (values > 0).any():
        raise IntakeError([Problem(path, "a B1 map in scanner coordinates where the echoes are", "none of it there")])
    return (values / unit).astype(np.float32)


def on_grid(path: str, grid: Volume) -> Volume:
    """Read a volume; IntakeError unless its voxels are those of `grid`."""
    volume = read_volume(path)
    if volume.data.ndim != 3 or not same_grid(volume, grid):
        shape, other = grid.data.shape[:3], volume.data.shape
        found = str(other) + (" with another affine" if other == shape else "")
        raise IntakeError([Problem(path, f"the grid of the echoes {shape}", found)])
    return volume
