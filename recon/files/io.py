"""Files in and out: NIfTI volumes, masks and JSON. The only place of `recon` that knows nibabel."""

import errno
import gzip
import json
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon.files.atomic import atomic
from recon.files.nifti_header import HEADERS

GZIP_LEVEL = 1  # float maps hardly shrink further; level 1 writes five times faster than the default


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Voxel data with its place in the scanner.

    Parameters
    ----------
    data : (X, Y, Z) or (X, Y, Z, echo) float32 array
    affine : (4, 4) array
        Voxel indices to scanner coordinates [mm], RAS+.
    """

    data: np.ndarray
    affine: np.ndarray

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


def _nibabel():
    """nibabel, set up. Its import takes half a second, which a plan of the workflow, without any image, never pays."""
    import nibabel

    nibabel.openers.Opener.default_compresslevel = GZIP_LEVEL
    return nibabel


def read_header(path: str | Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and (4, 4) affine of a NIfTI file, without its voxels; ValueError names a file that is not NIfTI."""
    try:
        image = _nibabel().load(path)
    except Exception as error:  # of many kinds where a file is broken
        raise ValueError(f"{path}: expected a readable NIfTI image, found: {error}") from None
    return image.shape, image.affine


def _no_pipe(path: str | Path) -> None:
    """Raise OSError where reading might never end: a pipe, a socket or a device."""
    kind = os.stat(path).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise OSError(errno.EINVAL, "a pipe or a device instead of a file", str(path))


def header_fields(path: str | Path) -> np.void:
    """The header of a NIfTI-1 or NIfTI-2 file, its fields as stored: nothing is checked, nothing repaired.

    Raises
    ------
    OSError, EOFError, zlib.error
        Where the file cannot be opened.
    ValueError
        Where it does not begin with such a header.
    """
    _no_pipe(path)
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        start = file.read(max(HEADERS))
    for order in "<>":
        header = HEADERS.get(int(np.frombuffer(start[:4].ljust(4, b"\0"), f"{order}i4")[0]))
        if header is not None and len(start) >= np.dtype(header).itemsize:
            return np.frombuffer(start, np.dtype(header).newbyteorder(order), count=1)[0]
    raise ValueError("no NIfTI header" if start else "an empty file")


def read_volume(path: str | Path) -> Volume:
    """Read a NIfTI image as float32; ValueError names a file that cannot be read whole."""
    _, affine = read_header(path)
    try:
        data = np.asarray(_nibabel().load(path).dataobj, dtype=np.float32)
    except Exception as error:
        raise ValueError(f"{path}: expected a complete NIfTI image, found: {error}") from None
    return Volume(data=data, affine=affine)


def read_image(path: str | Path, volume: int | None = None) -> Volume:
    """Read one 3-D image as float32, `volume` of a 4-D file; ValueError names a file that cannot be read whole."""
    shape, affine = read_header(path)
    try:
        stored = _nibabel().load(path).dataobj
        with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes Inf
            data = np.asarray(stored if volume is None else stored[..., volume], dtype=np.float32)
        data = data.reshape(shape[:3], order="A")  # a fourth axis of one image
    except Exception as error:
        raise ValueError(f"{path}: expected a complete NIfTI image, found: {error}") from None
    return Volume(data=data, affine=affine)


def stored_dtype(path: str | Path) -> np.dtype:
    """Type of the voxels in a NIfTI file, before slope and intercept; ValueError names a file that is not NIfTI."""
    read_header(path)
    return _nibabel().load(path).get_data_dtype()


def check_gzip(path: str | Path) -> None:
    """Read a compressed file to its end, where its checksum stands; ValueError names a file that was altered."""
    try:
        with gzip.open(path) as file:
            while file.read(2**20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a complete gzip file, found: {error}") from None


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask: (X, Y, Z) bool; ValueError where it is not 3-D or selects nothing."""
    data = read_volume(path).data
    mask = np.nan_to_num(data) > 0.5
    if mask.ndim != 3 or not mask.any():
        raise ValueError(
            f"{path}: expected a 3-D mask that is not empty, found shape {data.shape}, {mask.sum()} voxels"
        )
    return mask


def write_volume(path: str | Path, data: np.ndarray, like: Volume, sidecar: dict | None = None) -> None:
    """Write `data` on the grid of `like`: float32, or uint8 for labels; `sidecar` becomes the JSON file beside it."""
    dtype = np.uint8 if data.dtype in (np.bool_, np.uint8) else np.float32
    write_stored(path, data.astype(dtype, copy=False), like.affine, 1, 0, sidecar)


def write_stored(
    path: str | Path, pixels: np.ndarray, affine: np.ndarray, slope: float, intercept: float, sidecar: dict | None
) -> None:
    """Write pixels as they are, of any NIfTI type; a reader sees ``slope * pixels + intercept``."""
    nibabel = _nibabel()
    image = nibabel.Nifti1Image(np.ascontiguousarray(pixels), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(slope, intercept)
    with atomic(path) as temporary:
        nibabel.save(image, temporary)
    if sidecar is not None:
        write_json(sidecar_path(path), sidecar)


def write_mask(path: str | Path, mask: np.ndarray, like: Volume, sidecar: dict | None = None) -> None:
    """Write a (X, Y, Z) bool mask as uint8."""
    write_volume(path, mask.astype(np.uint8), like, sidecar)


def sidecar_path(path: str | Path) -> Path:
    """The JSON file that belongs to a NIfTI file."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def _unique(pairs: list[tuple[str, object]]) -> dict:
    """The object that JSON pairs make; ValueError where a key stands twice with different values: which one counts?"""
    content: dict = {}
    for key, value in pairs:
        if key in content and content[key] != value:
            raise ValueError(f"the key {key[:40]!r} twice, with different values")
        content[key] = value
    return content


def read_json(path: str | Path) -> dict:
    """Read a JSON object; ValueError names a file that is none."""
    try:
        _no_pipe(path)
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a JSON file, found: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def write_json(path: str | Path, content: dict) -> None:
    """Write a JSON object, indented."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a text, UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
