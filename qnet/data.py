"""Maps → what the networks see: a stack of axial slices per subject, full and cropped."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

INPUTS = ("full", "crop")


@dataclass(frozen=True, kw_only=True)
class SliceStack:
    """Which slices are taken and how they are sampled."""

    slices: int
    image_size: int
    full_fov_mm: float
    crop_fov_mm: float


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` once the block has ended well."""
    path = Path(path)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def participant_of(path: str | Path) -> str:
    """`…/sub-01_stack.npz` or `…/sub-01_ses-02_stack.npz` → `sub-01`."""
    scan, found, _ = Path(path).name.partition("_stack.npz")
    if not found or not scan.startswith("sub-"):
        raise ValueError(f"{path}: expected a file name sub-<label>[_ses-<label>][_run-<number>]_stack.npz")
    return scan.split("_")[0]


def _read_canonical(path: str | Path):
    """Volume with axes turned to right, anterior, superior → (X, Y, Z) float32 and its affine."""
    import nibabel  # only this reader needs it; networks are trained without

    image = nibabel.as_closest_canonical(nibabel.load(path))
    data = image.get_fdata(dtype=np.float32)
    if data.ndim != 3 or not np.isfinite(data).all():
        raise ValueError(f"{path}: expected a finite 3-D volume, found shape {data.shape}")
    return data, image.affine


def pick_slices(first: int, last: int, count: int, available: int) -> np.ndarray:
    """Centres of `count` equal parts of the slices first..last (inclusive).

    A range shorter than `count` is widened about its centre as far as the volume allows.

    Returns
    -------
    (count,) int array, increasing, without repeats
    """
    if count > available:
        raise ValueError(f"expected at least {count} slices, found a volume of {available}")
    length = max(last - first + 1, count)
    start = (first + last + 1 - length) // 2 if length == count else first
    start = min(max(start, 0), available - length)
    return start + np.floor((np.arange(count) + 0.5) * length / count).astype(int)


def resample_slice(image, voxel_size_mm, centre_mm, fov_mm: float, size: int) -> np.ndarray:
    """Sample one axial slice on a square grid, linearly, after a Gaussian against aliasing.

    Parameters
    ----------
    image : (X, Y) float array, axes towards right and anterior
    voxel_size_mm, centre_mm : (2,) [mm]
        Position of a voxel is its index times the voxel size.
    fov_mm : float [mm]
        Side of the square.
    size : int
        Pixels along a side.

    Returns
    -------
    (size, size) float32 array
        Row 0 is anterior, column 0 is the subject's right (radiological view); zero outside `image`.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    pixel_mm = fov_mm / size
    voxel_size_mm, centre_mm = np.asarray(voxel_size_mm), np.asarray(centre_mm)
    sigma = np.maximum(pixel_mm / voxel_size_mm - 1, 0) / 2  # half the excess of the new pixel over the old
    offset_mm = (np.arange(size) - (size - 1) / 2) * pixel_mm
    x, y = (centre_mm[:, None] - offset_mm) / voxel_size_mm[:, None]
    columns, rows = np.meshgrid(x, y)
    smooth = gaussian_filter(image.astype(np.float32), sigma)
    return map_coordinates(smooth, [columns, rows], order=1, mode="constant").astype(np.float32)


def slice_stack(chi: str, r2star: str, t1w: str, box: str, params: SliceStack) -> dict[str, np.ndarray]:
    """Cut the slices through the basal ganglia out of three maps on one grid.

    Slices are axial in the volume's own frame, after its axes are turned to right, anterior, superior.
    The full image is centred on the brain (where both χ and T1W are nonzero), the cropped one on the box.

    Parameters
    ----------
    chi, r2star, t1w : path
        Susceptibility [ppm], R2* [1/s] and T1-weighted image [a.u.].
    box : path
        Mask whose extent gives the slice range and the centre of the crop.
    params : SliceStack

    Returns
    -------
    dict
        `full` and `crop`: (T, 3, S, S) float32, channels QSM, R2*, T1W, unstretched, rows and columns as in
        `resample_slice`; `slice`: (T,) int, index from the most inferior slice.

    Raises
    ------
    ValueError
        Grids differ, a map is not finite, the box is empty or the volume has fewer than T slices.
    """
    paths = (chi, r2star, t1w, box)
    volumes, affines = zip(*map(_read_canonical, paths), strict=True)
    for path, volume, affine in zip(paths, volumes, affines, strict=True):
        if volume.shape != volumes[0].shape or not np.allclose(affine, affines[0], atol=1e-3):
            raise ValueError(f"{path}: expected the grid of {chi}, found another one {volume.shape}")
    corners = np.argwhere(volumes[3] > 0.5)
    if not len(corners):
        raise ValueError(f"{box}: expected a box, found an empty mask")
    low, high = corners.min(0), corners.max(0)
    try:
        index = pick_slices(low[2], high[2], params.slices, volumes[0].shape[2])
    except ValueError as error:
        raise ValueError(f"{chi}: {error}") from None

    voxel_size_mm = np.linalg.norm(affines[0][:3, :3], axis=0)
    brain = np.argwhere((volumes[0] != 0) & (volumes[2] != 0))
    if not len(brain):
        raise ValueError(f"{t1w}: expected a brain, found no voxel that is nonzero here and in {chi}")
    views = {
        "full": (brain.mean(0), params.full_fov_mm),
        "crop": ((low + high) / 2, params.crop_fov_mm),
    }
    stack = {"slice": index}
    for name, (centre, fov_mm) in views.items():
        grid = (voxel_size_mm[:2], (centre * voxel_size_mm)[:2], fov_mm, params.image_size)
        images = [[resample_slice(volume[:, :, z], *grid) for volume in volumes[:3]] for z in index]
        stack[name] = np.stack(images)  # (T, 3, S, S)
    return stack


def write_stack(path: str | Path, stack: dict[str, np.ndarray]) -> None:
    with atomic(path) as part:
        np.savez(part, **stack)


def read_stack(path: str | Path, input_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (T, 3, S, S) of one input in physical units, and slice indices (T,)."""
    with np.load(path, allow_pickle=False) as stack:
        if input_name not in stack:
            raise ValueError(f"{path}: expected an input of {INPUTS}, found {input_name!r} asked for")
        return stack[input_name], stack["slice"]


def stretch(images: np.ndarray, percentiles) -> np.ndarray:
    """Histogram stretching: each channel of each image linearly to [0, 1] between two of its percentiles.

    Parameters
    ----------
    images : (N, 3, S, S) float array
    percentiles : (2,) [%]

    Returns
    -------
    (N, 3, S, S) float32 array; a constant channel becomes zero
    """
    low, high = np.percentile(images, percentiles, axis=(-2, -1), keepdims=True)
    width = np.where(high > low, high - low, np.inf)
    return np.clip((images - low) / width, 0, 1).astype(np.float32)
