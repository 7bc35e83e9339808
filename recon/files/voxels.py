"""The voxels of a NIfTI file: as they are stored, and what they mean. Every file is opened and read once."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recon.files.nifti_header import DATATYPES, Header, open_at_voxels
from recon.files.packed import DAMAGE
from recon.maths.pieces import in_blocks
from recon.problems import Problem, ProblemError

CHUNK = 2**20


class StoredImage(NamedTuple):
    """Voxels as a file holds them: (X, Y, Z) or (X, Y, Z, volume) of any type, the first axis running fastest."""

    header: Header
    stored: np.ndarray

    def values(self, out: np.ndarray | None = None) -> np.ndarray:
        """Slope and intercept applied: float32; what that cannot hold becomes Inf.

        `out` : to hold them, see :func:`recon.maths.pieces.in_blocks`
        """
        slope, intercept = np.float64(self.header.slope), np.float64(self.header.intercept)
        with np.errstate(over="ignore", invalid="ignore"):
            if slope != 1 or intercept != 0:
                return in_blocks(lambda stored: stored * slope + intercept, self.stored, out=out)
            if out is None:
                return np.asarray(self.stored, dtype=np.float32)
            out[...] = self.stored
            return out


def stored_images(path: str | Path) -> Iterator[StoredImage]:
    """The 3-D images of a file, see `images_behind`; ProblemError where it does not begin with a header."""
    with open_at_voxels(path) as (header, stream):
        yield from images_behind(header, stream)


def images_behind(header: Header, stream: BufferedIOBase) -> Iterator[StoredImage]:
    """The 3-D images of a file that `open_at_voxels` has opened, one after the other, read when they are asked for.

    Raises
    ------
    ProblemError
        Where an image cannot be read whole, or where the file does not end as it should: a packed one is read to its
        end, where its checksum is, before the last image is given.
    """
    shape = header.shape[:3]
    if not header.path.endswith(".gz"):
        yield from (StoredImage(header, _mapped(header, shape, i)) for i in range(header.volumes))
        return
    _skip_to_voxels(header, stream)
    for _ in range(1, header.volumes):
        yield StoredImage(header, _unpacked(header, shape, stream))  # no name for it here, or it would outlive its use
    yield StoredImage(header, _last_unpacked(header, shape, stream))


def stored_whole(path: str | Path) -> StoredImage:
    """All voxels of a file in its own shape; ProblemError where it cannot be read whole."""
    with open_at_voxels(path) as (header, stream):
        if not str(path).endswith(".gz"):
            return StoredImage(header, _mapped(header, header.shape))
        _skip_to_voxels(header, stream)
        return StoredImage(header, _last_unpacked(header, header.shape, stream))


def _dtype(header: Header) -> np.dtype:
    """Type of the stored values in the file's byte order; ProblemError where they cannot be numbers."""
    if min(header.shape, default=0) < 1:
        raise ProblemError([Problem(header.path, "a complete NIfTI image", f"shape {header.shape}")])
    if header.kind not in DATATYPES.values():
        raise ProblemError([Problem(header.path, "voxels that are real numbers", header.kind)])
    if not math.isfinite(header.intercept):
        raise ProblemError([Problem(header.path, "a finite scl_inter", f"{header.intercept:g}")])
    return np.dtype(header.kind).newbyteorder(header.fields["dim"].dtype.byteorder)


def _first_byte(header: Header) -> int:
    offset = float(header.fields["vox_offset"])
    if not header.fields.dtype.itemsize <= offset < math.inf:
        raise ProblemError([Problem(header.path, "voxels after the header (vox_offset)", f"byte {offset:g}")])
    return int(offset)


def _mapped(header: Header, shape: tuple[int, ...], number: int = 0) -> np.ndarray:
    """Voxels of an unpacked file, mapped into memory: read when they are looked at, and not changed in the file.

    `number`: of the image of this shape, each mapped for itself: what was looked at goes with it.
    """
    dtype, offset = _dtype(header), _first_byte(header)
    try:
        return np.memmap(header.path, dtype, "c", offset + number * math.prod(shape) * dtype.itemsize, shape, order="F")
    except (OSError, ValueError) as error:
        raise ProblemError([Problem(header.path, "a complete NIfTI image", str(error))]) from None


def _skip_to_voxels(header: Header, stream: BufferedIOBase) -> None:
    _fill(header, stream, np.empty(_first_byte(header) - header.fields.dtype.itemsize, np.uint8))


def _unpacked(header: Header, shape: tuple[int, ...], stream: BufferedIOBase) -> np.ndarray:
    """The next voxels of a packed file."""
    try:
        image = np.empty(shape, _dtype(header), order="F")
    except MemoryError as error:
        raise ProblemError([Problem(header.path, "a complete NIfTI image", str(error))]) from None
    _fill(header, stream, image.reshape(-1, order="F").view(np.uint8))
    return image


def _last_unpacked(header: Header, shape: tuple[int, ...], stream: BufferedIOBase) -> np.ndarray:
    """The last voxels of a packed file, which is then read to its end, so that its checksum is compared."""
    image = _unpacked(header, shape, stream)
    with _packed_file(header):
        while stream.read(CHUNK):
            pass
    return image


def _fill(header: Header, stream: BufferedIOBase, target: np.ndarray) -> None:
    """Read as many bytes as the (n,) uint8 array `target` has."""
    room, filled = target.data, 0
    with _packed_file(header):
        while filled < len(room):
            count = stream.readinto(room[filled:])
            if not count:
                raise EOFError(f"{filled} of {len(room)} bytes")
            filled += count


@contextmanager
def _packed_file(header: Header) -> Iterator[None]:
    """What gzip raises, as ProblemError."""
    try:
        yield
    except DAMAGE as error:
        raise ProblemError([Problem(header.path, "a complete gzip file", str(error))]) from None
