"""What a NIfTI header says, and what is wrong with it; no voxel is read."""

import gzip
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon.files.io import header_fields
from recon.intake.geometry import (
    SAME_GRID,
    angle_deg,
    b0_direction,
    corner_gap,
    is_regular,
    matrix_affine,
    quaternion_affine,
    shear,
)  # fmt: skip
from recon.problems import IntakeError, Problem

DATATYPES = {  # NIfTI code: type of a voxel that is a number
    2: "uint8", 4: "int16", 8: "int32", 16: "float32", 64: "float64", 256: "int8", 512: "uint16", 768: "uint32",
    1024: "int64", 1280: "uint64",
}  # fmt: skip
NOT_NUMBERS = {1: "bits", 32: "complex64", 128: "RGB", 1536: "float128", 1792: "complex128", 2048: "complex256",
               2304: "RGBA"}  # fmt: skip
LINE_ENDS = (13, 10, 26, 10)  # in a NIfTI-2 header; they change when the file is copied as text
IN_THE_SCANNER = (1, 2)  # codes of scanner and of aligned coordinates; 3 to 5 are a template's, in which B0 is lost
SINGLE_FILE = {348: (b"n+1", 352), 540: (b"n+2", 544)}  # length of a header: magic, and first byte that can be a voxel
EDGES_MM = (0.05, 20.0)  # voxels outside are in other units or broken
B0_TOLERANCE_DEG = 1.0
SHEAR_TOLERANCE = 0.01
EDGE_TOLERANCE = 0.01  # relative
CHUNK = 1 << 20
MOST_PACKED = 1032  # bytes that one packed byte can hold in gzip's format


@dataclass(frozen=True, kw_only=True)
class Header:
    """What intake needs to know of one NIfTI file.

    Parameters
    ----------
    path : the file
    shape : (X, Y, Z) or (X, Y, Z, volume)
    affine : (4, 4), voxel indices to scanner coordinates [mm]: the sform where it is set, else the qform
    voxel_size_mm : edge lengths of a voxel
    dtype : type of the stored values
    slope, intercept : real value = slope * stored value + intercept; 1 and 0 where the header tells none
    qform_code, sform_code : zero where the form is not set
    forms : the forms that are set, by name
    """

    path: str
    shape: tuple[int, ...]
    affine: np.ndarray
    voxel_size_mm: tuple[float, float, float]
    dtype: str
    slope: float
    intercept: float
    qform_code: int
    sform_code: int
    forms: dict[str, np.ndarray]

    @property
    def in_the_scanner(self) -> bool:
        """Whether a form gives scanner coordinates, so that the direction of B0 is known."""
        return self.qform_code in IN_THE_SCANNER or self.sform_code in IN_THE_SCANNER


def read_facts(path: str | Path) -> Header:
    """Read a header.

    Raises
    ------
    IntakeError
        With all problems of the file and its header; see `orientation_problems` for what the forms leave open.
    """
    path = str(path)
    try:
        fields = header_fields(path)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        found = f"a folder instead of a file ({error})" if os.path.isdir(path) else getattr(error, "strerror", None)
        raise IntakeError([Problem(path, "a readable NIfTI image", found or str(error))]) from None
    with np.errstate(all="ignore"):  # odd numbers are told below
        forms = _forms(fields)
        faults = _layout_faults(fields)
        faults = faults or [*_size_faults(path, fields), *_scale_faults(fields), *_place_faults(fields, forms)]
    if faults:
        raise IntakeError([Problem(path, expected, found) for expected, found in faults])
    return _facts(path, fields, forms)


def _shape(fields: np.void) -> tuple[int, ...]:
    return tuple(int(n) for n in fields["dim"][1 : 1 + int(fields["dim"][0])])


def _layout_faults(fields: np.void) -> list[tuple[str, str]]:
    """(expected, found) of what the fields must say before the others mean anything."""
    faults = []
    magic, first_voxel = SINGLE_FILE[fields.dtype.itemsize]
    code, offset = int(fields["datatype"]), float(fields["vox_offset"])
    n_axes, bits = int(fields["dim"][0]), int(fields["bitpix"])
    if fields["magic"].item() != magic:
        faults.append((f"a NIfTI file with header and voxels in one (magic {magic!r})", repr(fields["magic"].item())))
    if n_axes not in (3, 4):
        faults.append(("a 3-D or 4-D image", f"{n_axes} dimensions"))
    elif min(_shape(fields)) < 1:
        faults.append(("a positive number of voxels along each axis", str(_shape(fields))))
    if code not in DATATYPES:
        faults.append(("voxels that are real numbers", NOT_NUMBERS.get(code, f"datatype code {code}")))
    elif bits != (size := 8 * np.dtype(DATATYPES[code]).itemsize):
        faults.append((f"{size} bits a voxel, as the datatype {DATATYPES[code]} has", f"{bits} (bitpix)"))
    if "eol_check" in fields.dtype.names and tuple(fields["eol_check"].tolist()) not in (LINE_ENDS, (0, 0, 0, 0)):
        faults.append((f"{LINE_ENDS} as eol_check", f"{tuple(fields['eol_check'].tolist())}: copied as text?"))
    if not first_voxel <= offset < math.inf:
        faults.append((f"voxels from byte {first_voxel} on (vox_offset)", f"{offset:g}"))
    return faults


def _size_faults(path: str, fields: np.void) -> list[tuple[str, str]]:
    """(expected, found) where the file is shorter than its header says, or longer: whose voxels are these, then?"""
    itemsize = np.dtype(DATATYPES[int(fields["datatype"])]).itemsize
    needed = int(fields["vox_offset"]) + math.prod(_shape(fields)) * itemsize
    size = _unpacked_size(path, needed) if path.endswith(".gz") else os.path.getsize(path)
    if size == needed:
        return []
    found = f"{size}: truncated?" if size < needed else "more: do header and voxels belong together?"
    return [(f"{needed} bytes for {_shape(fields)} voxels", found)]


def _unpacked_size(path: str, needed: int) -> int:
    """Bytes in a gzip file, counted only where its trailer does not say `needed`; a broken stream counts to its break.

    The trailer gives the size modulo 2^32 of the last member alone (RFC 1952), so that it can confirm but not refuse.
    """
    with open(path, "rb") as packed:
        possible = packed.seek(-4, os.SEEK_END) * MOST_PACKED >= needed
        if possible and int.from_bytes(packed.read(4), "little") == needed % 2**32:
            return needed
    size = 0
    try:
        with gzip.open(path, "rb") as file:
            while size <= needed and (chunk := file.read1(CHUNK)):
                size += len(chunk)
    except (OSError, EOFError, zlib.error):
        return min(size, needed - 1)  # something of the file is lost, be it the end of the stream alone
    return size


def _scale_faults(fields: np.void) -> list[tuple[str, str]]:
    """(expected, found) of slope and intercept; a slope of zero or NaN means that there is none."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return []
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        return [("finite scl_slope and scl_inter", f"{slope:g} and {intercept:g}")]
    return [("a positive scl_slope; a negative one turns the sign of the phase", f"{slope:g}")] if slope < 0 else []


def _place_faults(fields: np.void, forms: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """(expected, found) of the voxel size, its unit, and the forms."""
    edges = fields["pixdim"][1:4].astype(float)
    if not ((edges >= EDGES_MM[0]) & (edges <= EDGES_MM[1])).all():
        return [(f"voxel edges from {EDGES_MM[0]:g} to {EDGES_MM[1]:g} mm (pixdim)", _listed(edges))]
    unit = int(fields["xyzt_units"]) & 7  # the lower three bits
    if unit not in (0, 2):
        return [("millimetres as unit of the voxel size (xyzt_units 2)", f"unit {unit} (1 metre, 3 micrometre)")]
    return _form_faults(fields, forms, edges)


def _form_faults(fields: np.void, forms: dict[str, np.ndarray], edges: np.ndarray) -> list[tuple[str, str]]:
    """(expected, found) of qform and sform, each for itself and against each other."""
    codes = {name: int(fields[f"{name}_code"]) for name in ("qform", "sform")}
    if not all(0 <= code <= 5 for code in codes.values()):
        return [("a qform_code and a sform_code from 0 to 5", f"{codes['qform']} and {codes['sform']}")]
    if codes["qform"] and float(fields["pixdim"][0]) not in (-1, 0, 1):
        return [("-1 or 1 as qfac (pixdim[0])", f"{fields['pixdim'][0]:g}")]
    faults = [fault for name, affine in forms.items() for fault in _affine_faults(name, affine, edges)]
    if not faults and len(forms) == 2:
        angle = angle_deg(*map(b0_direction, forms.values()))
        if angle > B0_TOLERANCE_DEG:
            faults.append(("one direction of B0 from qform and sform", f"two that are {angle:.1f} degrees apart"))
    return faults


def _affine_faults(name: str, affine: np.ndarray, edges_mm: np.ndarray) -> list[tuple[str, str]]:
    """(expected, found) of one form."""
    if not is_regular(affine):
        return [(f"a finite, invertible {name}", _listed(affine[:3].ravel()))]
    own = np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(own / edges_mm - 1).max() > EDGE_TOLERANCE:
        return [(f"the voxel size of pixdim {_listed(edges_mm)} mm in the {name}", f"{_listed(own)} mm")]
    if shear(affine) > SHEAR_TOLERANCE:
        angle = np.degrees(np.arccos(shear(affine)))
        return [(f"perpendicular voxel axes in the {name}", f"axes at {angle:.1f} degrees: sheared, resample it first")]
    return []


def _listed(values: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"


def _forms(fields: np.void) -> dict[str, np.ndarray]:
    """The forms that are set, that which gives the affine first."""
    makers = {"sform": matrix_affine, "qform": quaternion_affine}
    return {name: make(fields) for name, make in makers.items() if fields[f"{name}_code"]}


def _unplaced(shape: tuple[int, ...], edges_mm: np.ndarray) -> np.ndarray:
    """The affine that readers (nibabel) assume where no form is set: centred, the first axis to the left."""
    scale = np.diag([-1.0, 1, 1]) * edges_mm
    return np.block([[scale, -scale @ (np.array(shape[:3])[:, None] - 1) / 2], [np.zeros(3), 1]])


def _facts(path: str, fields: np.void, forms: dict[str, np.ndarray]) -> Header:
    """The Header of fields without faults."""
    edges = fields["pixdim"][1:4].astype(float)
    scaled = math.isfinite(fields["scl_slope"]) and fields["scl_slope"] != 0
    return Header(
        path=path,
        shape=_shape(fields),
        affine=next(iter(forms.values())) if forms else _unplaced(_shape(fields), edges),
        voxel_size_mm=tuple(edges.tolist()),
        dtype=DATATYPES[int(fields["datatype"])],
        slope=float(fields["scl_slope"]) if scaled else 1.0,
        intercept=float(fields["scl_inter"]) if scaled else 0.0,
        qform_code=int(fields["qform_code"]),
        sform_code=int(fields["sform_code"]),
        forms=forms,
    )


def orientation_problems(header: Header, stated_b0: tuple[float, float, float] | None) -> list[Problem]:
    """Problems where the direction of B0 is unknown, or where the sidecar's `B0_dir` contradicts the header's."""
    codes = f"qform_code {header.qform_code} and sform_code {header.sform_code}"
    if not header.in_the_scanner and stated_b0 is None:
        expected = (
            "scanner coordinates (qform or sform, code 1 or 2), or B0_dir in its sidecar (unit vector, voxel axes)"
        )
        return [Problem(header.path, expected, codes)]
    if header.in_the_scanner and stated_b0 is not None:
        angle = angle_deg(b0_direction(header.affine), stated_b0)
        if angle > B0_TOLERANCE_DEG:
            found = f"B0_dir {list(stated_b0)}, {angle:.1f} degrees away"
            return [Problem(header.path, f"the sidecar's B0_dir as the affine has it ({codes})", found)]
    return []


def grid_problems(header: Header, reference: Header) -> list[Problem]:
    """Problems where the voxels of an image are not those of the reference; both files are named."""
    expected = f"the grid of {reference.path}, {reference.shape[:3]} voxels of {_listed(reference.voxel_size_mm)} mm"
    if header.shape[:3] != reference.shape[:3]:
        return [Problem(header.path, expected, f"{header.shape[:3]} of {_listed(header.voxel_size_mm)} mm")]
    gap = corner_gap(reference.shape, reference.affine, header.affine)
    if gap <= SAME_GRID:
        return []
    found = f"another affine: {_listed(header.voxel_size_mm)} mm, corners up to {gap:.2g} voxels away"
    return [Problem(header.path, expected, found)]
