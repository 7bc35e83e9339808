"""Maps → what the networks see: a stack of axial slices per subject, full and cropped."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qnet.atomic import atomic
from qnet.images.view import resample_labels, resample_slice, square_view

INPUTS = ("full", "crop")
MARGIN_MM = 5.0  # around the brain, which the background must not show


@dataclass(frozen=True, kw_only=True)
class SliceStack:
    """Which slices are taken and how they are sampled."""

    slices: int
    image_size: int
    full_fov_mm: float
    crop_fov_mm: float


def participant_of(path: str | Path) -> str:
    """`…/sub-01_stack.npz` or `…/sub-01_ses-02_stack.npz` → `sub-01`."""
    scan, found, _ = Path(path).name.partition("_stack.npz")
    if not found or not scan.startswith("sub-"):
        raise ValueError(f"{path}: expected a file name sub-<label>[_ses-<label>][_run-<number>]_stack.npz")
    return scan.split("_")[0]


def read_canonical(path: str | Path, volume: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Image with axes turned to right, anterior, superior → (X, Y, Z) float32 and its affine (4, 4) to scanner mm.

    `volume` picks one volume of a 4-D image.
    """
    import nibabel  # only this reader needs it; networks are trained without

    image: Any = nibabel.load(path)
    if volume is not None and len(image.shape) == 4:
        image = image.slicer[..., volume]
    image = nibabel.as_closest_canonical(image)
    data = image.get_fdata(dtype=np.float32)
    if data.ndim != 3 or not np.isfinite(data).all():
        raise ValueError(f"{path}: expected a finite 3-D volume, found shape {data.shape}")
    return data, image.affine


def read_registration(nuclei: str | Path) -> np.ndarray:
    """Scanner mm (RAS+) → MNI mm (RAS+), (4, 4), from the sidecar beside the labels of the nuclei."""
    nuclei = Path(nuclei)
    sidecar = nuclei.with_name(nuclei.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    wanted = f"{sidecar}: expected the key Registration.SubjectToMNI, a 4 x 4 matrix that locate_nuclei writes"
    if not sidecar.is_file():
        raise FileNotFoundError(f"{wanted}, found no such file")
    found = json.loads(sidecar.read_text()).get("Registration", {}).get("SubjectToMNI")
    matrix = np.array(found, float)
    if matrix.shape != (4, 4):
        raise ValueError(f"{wanted}, found {found}")
    return matrix


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


def outside_brain(magnitude: np.ndarray, mask: np.ndarray, voxel_size_mm: np.ndarray) -> np.ndarray:
    """Magnitude (X, Y, Z) with nothing left within `MARGIN_MM` of the brain, mask (X, Y, Z) bool."""
    from scipy.ndimage import distance_transform_edt

    return np.where(distance_transform_edt(~mask, voxel_size_mm) > MARGIN_MM, magnitude, 0)


def _on_one_grid(chi: str, others: dict[str, tuple]) -> None:
    """Check volumes and affines, by path, against those of the first, `chi`."""
    volume, affine = others[chi]
    for path, (own_volume, own_affine) in others.items():
        if own_volume.shape != volume.shape or not np.allclose(own_affine, affine, atol=1e-3):
            raise ValueError(f"{path}: expected the grid of {chi}, found another one {own_volume.shape}")


def slice_stack(
    chi: str, r2star: str, t1w: str, box: str, nuclei: str, mask: str, magnitude: str, params: SliceStack
) -> dict[str, np.ndarray]:
    """Cut the slices through the basal ganglia out of the maps of one scan, which share a grid.

    Slices are axial in the volume's own frame, after its axes are turned to right, anterior, superior.
    The full image is centred on the brain (where both χ and T1W are nonzero), the cropped one on the box.

    Parameters
    ----------
    chi, r2star, t1w : path
        Susceptibility [ppm], R2* [1/s] and T1-weighted image [a.u.].
    box : path
        Mask whose extent gives the slice range and the centre of the crop.
    nuclei : path
        Labels; the sidecar beside it holds the registration to MNI space.
    mask : path
        Brain.
    magnitude : path
        Echoes (4-D) [a.u.]; the first one is used.
    params : SliceStack

    Returns
    -------
    dict
        For both inputs, `full` and `crop`, with rows and columns as in `qnet.images.view.View`:

        - `full`: (T, 3, S, S) float32, channels QSM, R2*, T1W in physical units
        - `full_nuclei`: (T, S, S) uint8, labels
        - `full_brain`: (T, S, S) bool
        - `full_to_mni`: (T, 3, 4) float32, (column, row, slices above this one, 1) → MNI [mm]

        and `slice`: (T,) int, index from the most inferior slice; `background`: (T, S, S) float32, full field of
        view: first echo where it is farther than 5 mm from the brain, over its 99th percentile there.

    Raises
    ------
    ValueError
        Grids differ, a map is not finite, the box is empty, the volume has fewer than T slices or the sidecar lacks
        the registration.
    FileNotFoundError
        There is no sidecar.
    """
    images = {path: read_canonical(path) for path in (chi, r2star, t1w, box, nuclei, mask)}
    images[magnitude] = read_canonical(magnitude, volume=0)
    _on_one_grid(chi, images)
    maps, affine = [images[path][0] for path in (chi, r2star, t1w)], images[chi][1]
    voxel_size_mm = np.linalg.norm(affine[:3, :3], axis=0)
    inside, to_mni = images[mask][0] > 0.5, read_registration(nuclei) @ affine

    low, high = _corners(images[box][0] > 0.5, f"{box}: expected a box, found an empty mask, as no nuclei were located")
    try:
        index = pick_slices(low[2], high[2], params.slices, inside.shape[2])
    except ValueError as error:
        raise ValueError(f"{chi}: {error}") from None
    brain = np.argwhere((maps[0] != 0) & (maps[2] != 0))
    if not len(brain):
        raise ValueError(f"{t1w}: expected a brain, found no voxel that is nonzero here and in {chi}")

    grid = voxel_size_mm[:2]
    views = {
        "full": square_view(grid, brain.mean(0)[:2] * grid, params.full_fov_mm, params.image_size),
        "crop": square_view(grid, (low + high)[:2] / 2 * grid, params.crop_fov_mm, params.image_size),
    }
    stack = {"slice": index}
    for name, view in views.items():
        stack[name] = np.stack([[resample_slice(volume[:, :, z], view) for volume in maps] for z in index])
        stack[f"{name}_nuclei"] = np.stack([resample_labels(images[nuclei][0][:, :, z], view) for z in index])
        stack[f"{name}_brain"] = np.stack([resample_labels(inside[:, :, z], view) for z in index]).astype(bool)
        stack[f"{name}_to_mni"] = np.stack([(to_mni @ view.to_voxel(z))[:3] for z in index]).astype(np.float32)
    outside = outside_brain(images[magnitude][0], inside, voxel_size_mm)
    background = np.stack([resample_slice(outside[:, :, z], views["full"]) for z in index])
    scale = np.percentile(background[background > 0], 99) if background.any() else 1
    stack["background"] = (background / scale).astype(np.float32)
    return stack


def _corners(mask: np.ndarray, complaint: str) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest index (3,) of the voxels of a mask, both inside."""
    index = np.argwhere(mask)
    if not len(index):
        raise ValueError(complaint)
    return index.min(0), index.max(0)


def write_stack(path: str | Path, stack: dict[str, np.ndarray]) -> None:
    with atomic(path) as part:
        np.savez(part, allow_pickle=False, **stack)


def read_stack(path: str | Path, input_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (T, 3, S, S) of one input in physical units, and slice indices (T,)."""
    if input_name not in INPUTS:
        raise ValueError(f"{path}: expected one of the inputs {', '.join(INPUTS)}, found {input_name!r}")
    return read_array(path, input_name), read_array(path, "slice")


def read_array(path: str | Path, name: str) -> np.ndarray:
    """One array of a stack; the names are those of `slice_stack`."""
    with np.load(path, allow_pickle=False) as stack:
        if name not in stack:
            raise ValueError(f"{path}: expected an array {name!r}, found {sorted(stack)}; run slice_stack again")
        return stack[name]
