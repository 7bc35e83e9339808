"""The header of a NIfTI-1 or NIfTI-2 file: where its fields lie, and what they mean. Nothing is checked or repaired.

References
----------
https://nifti.nimh.nih.gov: nifti1.h and nifti2.h.
"""

import errno
import math
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from typing import Literal

import numpy as np

from recon.files.packed import DAMAGE, open_packed
from recon.maths.affine import SAME_GRID, corner_gap
from recon.problems import Problem, ProblemError

DATATYPES = {  # NIfTI code: type of a voxel that is a number
    2: "uint8", 4: "int16", 8: "int32", 16: "float32", 64: "float64", 256: "int8", 512: "uint16", 768: "uint32",
    1024: "int64", 1280: "uint64",
}  # fmt: skip
NOT_NUMBERS = {1: "bits", 32: "complex64", 128: "RGB", 1536: "float128", 1792: "complex128", 2048: "complex256",
               2304: "RGBA"}  # fmt: skip
IN_THE_SCANNER = (1, 2)  # codes of scanner and of aligned coordinates; 3 to 5 are a template's, in which B0 is lost
CODES = {1: "scanner", 2: "aligned", 3: "Talairach", 4: "MNI 152", 5: "another template"}
FIRST_VOXEL = 352  # byte: after the header come four that tell of extensions, of which there are none
MM_AND_S = 2 | 8  # units of space and time
ORDERS: tuple[Literal["<"], Literal[">"]] = ("<", ">")


def _layout(size: int, fields: dict[str, tuple[str, int]]) -> np.dtype:
    """A header of `size` bytes with some fields: {name: (type, first byte)}."""
    formats, offsets = zip(*fields.values(), strict=True)
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": size})


NIFTI_1 = _layout(
    348,
    {
        "sizeof_hdr": ("i4", 0),
        "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72), "pixdim": ("8f4", 76),
        "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116), "xyzt_units": ("u1", 123),
        "qform_code": ("i2", 252), "sform_code": ("i2", 254),
        "quatern_b": ("f4", 256), "quatern_c": ("f4", 260), "quatern_d": ("f4", 264),
        "qoffset_x": ("f4", 268), "qoffset_y": ("f4", 272), "qoffset_z": ("f4", 276),
        "srow_x": ("4f4", 280), "srow_y": ("4f4", 296), "srow_z": ("4f4", 312), "magic": ("S4", 344),
    },
)  # fmt: skip
NIFTI_2 = _layout(
    540,
    {
        "sizeof_hdr": ("i4", 0),
        "magic": ("S4", 4), "eol_check": ("4i1", 8), "datatype": ("i2", 12), "bitpix": ("i2", 14), "dim": ("8i8", 16),
        "pixdim": ("8f8", 104), "vox_offset": ("i8", 168), "scl_slope": ("f8", 176), "scl_inter": ("f8", 184),
        "qform_code": ("i4", 344), "sform_code": ("i4", 348),
        "quatern_b": ("f8", 352), "quatern_c": ("f8", 360), "quatern_d": ("f8", 368),
        "qoffset_x": ("f8", 376), "qoffset_y": ("f8", 384), "qoffset_z": ("f8", 392),
        "srow_x": ("4f8", 400), "srow_y": ("4f8", 432), "srow_z": ("4f8", 464), "xyzt_units": ("i4", 500),
    },
)  # fmt: skip
LAYOUTS = {layout.itemsize: layout for layout in (NIFTI_1, NIFTI_2)}  # by sizeof_hdr, their first field


@dataclass(frozen=True, kw_only=True, eq=False)
class Header:
    """One NIfTI header.

    Parameters
    ----------
    path : the file
    fields : as they are stored, see NIFTI_1 and NIFTI_2
    """

    path: str
    fields: np.void

    @property
    def shape(self) -> tuple[int, ...]:
        """(X, Y, Z) or (X, Y, Z, volume); of more than four axes, those of length 1 behind the third do not count."""
        axes = tuple(int(n) for n in self.fields["dim"][1 : 1 + int(self.fields["dim"][0])])
        return axes if len(axes) <= 4 else (*axes[:3], *(n for n in axes[3:] if n != 1))

    @property
    def volumes(self) -> int:
        """Number of 3-D images."""
        return math.prod(self.shape[3:])

    @property
    def voxel_size_mm(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel."""
        x, y, z = self.fields["pixdim"][1:4].tolist()
        return x, y, z

    @property
    def kind(self) -> str:
        """Type of the stored values by its name, which NumPy understands where they are numbers."""
        code = int(self.fields["datatype"])
        return (DATATYPES | NOT_NUMBERS).get(code, f"datatype code {code}")

    @property
    def slope(self) -> float:
        """Real value = slope * stored value + intercept; 1 where the header tells none."""
        return float(self.fields["scl_slope"]) if self._scaled else 1.0

    @property
    def intercept(self) -> float:
        """See `slope`; 0 where the header tells none."""
        return float(self.fields["scl_inter"]) if self._scaled else 0.0

    @property
    def _scaled(self) -> bool:
        return math.isfinite(self.fields["scl_slope"]) and self.fields["scl_slope"] != 0

    @property
    def qform_code(self) -> int:
        """Zero where there is no qform."""
        return int(self.fields["qform_code"])

    @property
    def sform_code(self) -> int:
        """Zero where there is no sform."""
        return int(self.fields["sform_code"])

    @cached_property
    def forms(self) -> dict[str, np.ndarray]:
        """The forms that are set, by name, that which gives the affine first: (4, 4) each.

        Coordinates of the scanner (or aligned with them) go before a template's, and the sform before the qform.
        """
        makers = {"sform": _sform, "qform": _qform}
        with np.errstate(all="ignore"):  # whatever the fields hold
            found = {name: make(self.fields) for name, make in makers.items() if self.code(name)}
        return dict(sorted(found.items(), key=lambda form: self.code(form[0]) not in IN_THE_SCANNER))

    def code(self, form: str) -> int:
        """Code of the `qform` or the `sform`."""
        return int(self.fields[f"{form}_code"])

    def told(self, form: str) -> str:
        """`qform (code 1, scanner)`, for messages."""
        return f"{form} (code {self.code(form)}, {CODES.get(self.code(form), 'unknown')})"

    @property
    def affine(self) -> np.ndarray:
        """(4, 4), voxel indices to scanner coordinates [mm]: the first of `forms`."""
        return next(iter(self.forms.values())) if self.forms else _unplaced(self.shape, self.voxel_size_mm)

    @property
    def placed_by(self) -> str:
        """Which form gives the affine: `sform (code 1, scanner)`; `no form` where neither is set."""
        return next(map(self.told, self.forms), "no form")

    @property
    def codes(self) -> tuple[int, int]:
        """qform_code and sform_code that are true of `affine`, for files that hold it in both forms.

        A form keeps its code where that is the scanner's or where it is the affine; no scanner's affine gets the code
        of a template that lies elsewhere.
        """
        used = next(iter(self.forms), "qform")
        q, s = (self.code(form if self._keeps_code(form) else used) for form in ("qform", "sform"))
        return q, s

    def _keeps_code(self, form: str) -> bool:
        if form not in self.forms or self.code(form) in IN_THE_SCANNER:
            return form in self.forms
        return corner_gap((*self.shape, 1, 1, 1)[:3], self.affine, self.forms[form]) <= SAME_GRID

    @property
    def in_the_scanner(self) -> bool:
        """Whether a form gives scanner coordinates, so that the direction of B0 is known."""
        return self.qform_code in IN_THE_SCANNER or self.sform_code in IN_THE_SCANNER


def packed_fields(
    pixels: np.ndarray, affine: np.ndarray, slope: float, intercept: float, codes: tuple[int, int]
) -> bytes:
    """What a NIfTI-1 file holds before its voxels, in this machine's byte order.

    Parameters
    ----------
    pixels : (X, Y, Z) or (X, Y, Z, volume), of a type in `DATATYPES`
    affine : (4, 4) with perpendicular axes, which both forms hold
    slope, intercept : real value = slope * stored value + intercept
    codes : of the qform and the sform

    Raises
    ------
    ValueError
        A type that NIfTI does not know.
    OverflowError
        An axis is longer than NIfTI-1 can tell.
    """
    codes_of = {name: code for code, name in DATATYPES.items()}
    if pixels.dtype.name not in codes_of:
        raise ValueError(f"NIfTI: expected voxels of a type among {', '.join(codes_of)}, found {pixels.dtype.name}")
    edges_mm = np.linalg.norm(affine[:3, :3], axis=0)
    quaternion, handedness = _quaternion(affine[:3, :3] / edges_mm)
    fields = np.zeros((), NIFTI_1)
    values = {
        "sizeof_hdr": NIFTI_1.itemsize, "dim": [pixels.ndim, *pixels.shape, *[1] * (7 - pixels.ndim)],
        "datatype": codes_of[pixels.dtype.name], "bitpix": 8 * pixels.dtype.itemsize,
        "pixdim": [handedness, *edges_mm, 1, 1, 1, 1], "vox_offset": FIRST_VOXEL, "xyzt_units": MM_AND_S,
        "scl_slope": slope, "scl_inter": intercept, "qform_code": codes[0], "sform_code": codes[1], "magic": b"n+1",
    }  # fmt: skip
    values |= {f"quatern_{name}": value for name, value in zip("bcd", quaternion, strict=True)}
    values |= {f"qoffset_{name}": value for name, value in zip("xyz", affine[:3, 3], strict=True)}
    values |= {f"srow_{name}": row for name, row in zip("xyz", affine[:3], strict=True)}
    for name, value in values.items():
        fields[name] = value
    return fields.tobytes().ljust(FIRST_VOXEL, b"\0")


def _quaternion(axes: np.ndarray) -> tuple[np.ndarray, int]:
    """(b, c, d) of perpendicular unit axes, and -1 where the third is turned round so that they are a rotation.

    a = sqrt(1 - b² - c² - d²) is not negative. Of the four ways to them that of the largest component is taken: with
    R + R^T and R - R^T no small number is divided by (Shepperd, J Guid Control 1:223, 1978).
    """
    handedness = -1 if np.linalg.det(axes) < 0 else 1
    r = axes * [1, 1, handedness]
    trace = np.trace(r)
    squares = np.array([trace, *np.diag(r)])  # 4 q_i² = 1 + 2 squares_i - trace
    i = int(np.argmax(squares))
    skew = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    products = np.zeros((4, 4))  # 4 q_i q_j
    products[0, 1:] = products[1:, 0] = skew
    products[1:, 1:] = r + r.T
    np.fill_diagonal(products, 1 + 2 * squares - trace)
    q = products[i] / (2 * np.sqrt(products[i, i]))
    return (-q if q[0] < 0 else q)[1:] + 0.0, handedness


def _sform(fields: np.void) -> np.ndarray:
    return np.array([*(fields[f"srow_{name}"] for name in "xyz"), [0, 0, 0, 1]], dtype=float)


def _qform(fields: np.void) -> np.ndarray:
    """The affine of the quaternion, as exact as nibabel's; not finite where it is none.

    References
    ----------
    NIfTI-1 standard, method 2: a = sqrt(1 - b² - c² - d²), R(a, b, c, d), third axis times qfac (pixdim[0]).
    """
    x, y, z = vector = np.array([fields[f"quatern_{name}"] for name in "bcd"], dtype=np.longdouble)
    w2, slack = 1 - vector @ vector, 3 * np.finfo(fields["quatern_b"].dtype).eps
    affine = np.eye(4)
    if not w2 > -slack:
        return np.full((4, 4), np.nan)
    w = np.sqrt(w2) if w2 >= slack else np.longdouble(0)
    s = 2 / (w * w + x * x + y * y + z * z)
    wx, wy, wz, xx, xy, xz = w * (x * s), w * (y * s), w * (z * s), x * (x * s), x * (y * s), x * (z * s)
    yy, yz, zz = y * (y * s), y * (z * s), z * (z * s)
    rotation = np.array([[1 - (yy + zz), xy - wz, xz + wy], [xy + wz, 1 - (xx + zz), yz - wx],
                         [xz - wy, yz + wx, 1 - (xx + yy)]])  # fmt: skip
    affine[:3, :3] = rotation * fields["pixdim"][1:4] * [1, 1, -1 if fields["pixdim"][0] == -1 else 1]
    affine[:3, 3] = [fields[f"qoffset_{name}"] for name in "xyz"]
    return affine


def _unplaced(shape: tuple[int, ...], edges_mm: tuple[float, float, float]) -> np.ndarray:
    """The affine that readers (nibabel) assume where no form is set: centred, the first axis to the left."""
    scale = np.diag([-1.0, 1, 1]) * edges_mm
    return np.block([[scale, -scale @ (np.array(shape[:3])[:, None] - 1) / 2], [np.zeros(3), 1]])


def no_pipe(path: str | Path) -> None:
    """Raise OSError where reading might never end: a pipe, a socket or a device."""
    kind = os.stat(path).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise OSError(errno.EINVAL, "a pipe or a device instead of a file", str(path))


def read_header(path: str | Path) -> Header:
    """Read the header of a NIfTI file and no voxel; ProblemError where it does not begin with one."""
    with open_at_voxels(path) as (header, _):
        return header


@contextmanager
def open_at_voxels(path: str | Path) -> Iterator[tuple[Header, BufferedIOBase]]:
    """Open a NIfTI file, packed or not: its header, and the stream behind the header's last field.

    Raises
    ------
    ProblemError
        Where the file cannot be opened, or does not begin with a header.
    """
    path = str(path)
    with ExitStack() as stack:
        try:
            no_pipe(path)
            stream = stack.enter_context(_opened(path))
            header = Header(path=path, fields=_fields(stream))
        except DAMAGE + (ValueError,) as error:
            found = f"a folder instead of a file ({error})" if os.path.isdir(path) else getattr(error, "strerror", None)
            raise ProblemError([Problem(path, "a readable NIfTI image", found or str(error))]) from None
        yield header, stream


def _opened(path: str) -> BufferedIOBase:
    """A file as a stream, unpacked where its name says that it is packed."""
    return open_packed(path) if path.endswith(".gz") else open(path, "rb")


def _fields(stream: BufferedIOBase) -> np.void:
    """The fields at the beginning of a stream."""
    start = stream.read(min(LAYOUTS))
    for order in ORDERS:
        size = int(np.frombuffer(start[:4].ljust(4, b"\0"), f"{order}i4")[0])
        if size in LAYOUTS and len(start := start + stream.read(size - len(start))) == size:
            return np.frombuffer(start, LAYOUTS[size].newbyteorder(order), count=1)[0]
    raise ValueError("no NIfTI header" if start else "an empty file")
