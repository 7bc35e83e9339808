"""Files in and out: NIfTI volumes, masks and JSON. Nothing here checks a header."""

import io
import json
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recon.files.atomic import atomic
from recon.files.nifti_header import no_pipe, packed_fields
from recon.files.packed import packing
from recon.files.voxels import StoredImage, stored_images, stored_whole
from recon.maths.affine import of_box, orthonormal
from recon.problems import Problem, ProblemError

SCANNER = (1, 1)  # qform and sform both give coordinates of the scanner


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Voxel data with its place in the scanner.

    Parameters
    ----------
    data : (X, Y, Z) or (X, Y, Z, echo) float32 array
    affine : (4, 4) array
        Voxel indices to scanner coordinates [mm], RAS+.
    codes : NIfTI codes of the qform and the sform, for files on this grid
    """

    data: np.ndarray
    affine: np.ndarray
    codes: tuple[int, int] = SCANNER

    @property
    def voxel_size_mm(self) -> np.ndarray:
        """(3,) edge lengths of a voxel [mm]."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def b0_dir(self) -> np.ndarray:
        """(3,) unit vector of the main field in voxel axes: the scanner's z axis seen from the voxel grid."""
        axes = self.affine[:3, :3] / self.voxel_size_mm
        b0_dir = np.linalg.solve(axes, [0.0, 0.0, 1.0])
        return b0_dir / np.linalg.norm(b0_dir)


def read_volume(path: str | Path, volume: int | None = None) -> Volume:
    """Read a NIfTI image as float32, or the one 3-D image `volume` of a 4-D file.

    Raises
    ------
    ProblemError
        Names a file that is no NIfTI image or cannot be read whole.
    """
    image = stored_whole(path) if volume is None else _nth(path, volume)
    return Volume(data=image.values(), affine=image.header.affine, codes=image.header.codes)


def read_box(path: str | Path, box: tuple[slice, ...], keep: Collection[int] = ()) -> tuple[Volume, dict[int, Volume]]:
    """Read the 3-D images of a file one after the other: of each what lies in a box, of some the whole.

    Parameters
    ----------
    path : NIfTI
    box : (3,) slices
    keep : numbers of the images that are wanted whole as well

    Returns
    -------
    boxed : (x, y, z) or (x, y, z, echo) in the box
    whole : number → image (X, Y, Z)

    Raises
    ------
    ProblemError
        Names a file that is no NIfTI image or cannot be read whole.
    """
    boxed, whole = None, {}
    for number, image in enumerate(stored_images(path)):
        header, values = image.header, image.values()
        if boxed is None:
            data = np.empty((*values[box].shape, *header.shape[3:]), np.float32, order="F")
            boxed = Volume(data=data, affine=of_box(header.affine, box), codes=header.codes)
        boxed.data.reshape((*data.shape[:3], -1), order="F")[..., number] = values[box]
        if number in keep:
            whole[number] = Volume(data=values, affine=header.affine, codes=header.codes)
        del image, values  # before the next is read
    assert boxed is not None  # a file holds an image at least
    return boxed, whole


def _nth(path: str | Path, volume: int) -> StoredImage:
    image = next(islice(stored_images(path), volume, None), None)
    if image is None:
        raise ProblemError([Problem(str(path), f"at least {volume + 1} volumes", "fewer")])
    return image


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask: (X, Y, Z) bool; ProblemError where it is not 3-D or selects nothing."""
    data = read_volume(path).data
    mask = data > 0.5  # NaN is not
    if mask.ndim != 3 or not mask.any():
        found = f"shape {data.shape}, {mask.sum()} voxels"
        raise ProblemError([Problem(str(path), "a 3-D mask that is not empty", found)])
    return mask


def write_volume(path: str | Path, data: np.ndarray, like: Volume, sidecar: dict | None = None) -> None:
    """Write `data` on the grid of `like`: float32, or uint8 for labels; `sidecar` becomes the JSON file beside it."""
    dtype = np.uint8 if data.dtype in (np.bool_, np.uint8) else np.float32
    write_stored(path, data.astype(dtype, copy=False), like.affine, 1, 0, sidecar, codes=like.codes)


def write_stored(
    path: str | Path,
    pixels: np.ndarray,
    affine: np.ndarray,
    slope: float,
    intercept: float,
    sidecar: dict | None,
    codes: tuple[int, int] = SCANNER,
) -> None:
    """Write pixels as they are, of any NIfTI type; a reader sees ``slope * pixels + intercept``.

    Qform and sform, of the given codes, hold the same affine with perpendicular axes, so that every reader places the
    voxels alike, whichever form it takes.
    """
    header = packed_fields(pixels, orthonormal(affine, pixels.shape), slope, intercept, codes)
    with atomic(path) as temporary, temporary.open("wb") as stored, _packed(stored, temporary) as file:
        _write_image(file, header, pixels)
    if sidecar is not None:
        write_json(sidecar_path(path), sidecar)


def packed_image(pixels: np.ndarray, affine: np.ndarray, slope: float) -> bytes:
    """The .nii.gz file of (X, Y, Z) pixels, in memory; a reader sees ``slope * pixels``."""
    stream = io.BytesIO()
    with packing(stream) as file:
        header = packed_fields(pixels, orthonormal(affine, pixels.shape), slope, 0.0, SCANNER)
        _write_image(file, header, pixels)
    return stream.getvalue()


def _write_image(file: BinaryIO, header: bytes, pixels: np.ndarray) -> None:
    file.write(header)
    for volume in np.moveaxis(pixels.reshape((*pixels.shape[:3], -1), order="F"), -1, 0):
        # one at a time: an array of another memory order than the file's is never copied whole
        native = np.asarray(volume, dtype=pixels.dtype.newbyteorder("="), order="F")
        file.write(native.reshape(-1, order="F").data)


def _packed(file: BinaryIO, name: Path) -> AbstractContextManager[BinaryIO]:
    """What to write to: packed where the name ends on .gz."""
    return packing(file) if name.suffix == ".gz" else nullcontext(file)


def write_mask(path: str | Path, mask: np.ndarray, like: Volume, sidecar: dict | None = None) -> None:
    """Write a (X, Y, Z) bool mask as uint8."""
    write_volume(path, mask.astype(np.uint8), like, sidecar)


def sidecar_path(path: str | Path) -> Path:
    """The JSON file that belongs to a NIfTI file."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def _unique(pairs: list[tuple[str, object]]) -> dict:
    """The object that JSON pairs make; ValueError where a key occurs twice with different values: which one counts?"""
    content: dict = {}
    for key, value in pairs:
        if key in content and content[key] != value:
            raise ValueError(f"the key {key[:40]!r} twice, with different values")
        content[key] = value
    return content


def read_json(path: str | Path) -> dict:
    """Read a JSON object; ProblemError names a file that is none."""
    try:
        no_pipe(path)
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise ProblemError([Problem(str(path), "a JSON file", str(error))]) from None
    if not isinstance(content, dict):
        raise ProblemError([Problem(str(path), "a JSON object", type(content).__name__)])
    return content


def write_json(path: str | Path, content: dict) -> None:
    """Write a JSON object, indented."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a text, UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
