"""What is wrong with a NIfTI header, and with two that should have one grid; no voxel is read."""

import math
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from recon.files.nifti_header import DATATYPES, IN_THE_SCANNER, Header, read_header
from recon.files.packed import DAMAGE, open_packed
from recon.intake.geometry import angle_deg, b0_direction, is_regular
from recon.maths.affine import SAME_GRID, corner_gap, shear
from recon.problems import IntakeError, Problem, ProblemError

LINE_ENDS = (13, 10, 26, 10)  # in a NIfTI-2 header; they change when the file is copied as text
SINGLE_FILE = {348: (b"n+1", 352), 540: (b"n+2", 544)}  # length of a header: magic, and first byte that can be a voxel
EDGES_MM = (0.05, 20.0)  # voxels outside are in other units or broken
B0_TOLERANCE_DEG = 1.0
FORMS_APART = 1.0  # of a voxel edge, by which two forms of one header may place a corner apart: both were rounded
SHEAR_TOLERANCE = 0.01
EDGE_TOLERANCE = 0.01  # relative
REMEDY = ": where the sform is right, `fslorient -copysform2qform FILE` makes them equal, else `-copyqform2sform`"
OTHER_GRID = "put one in its place that was made on that grid"
CHUNK = 1 << 20
MOST_PACKED = 1032  # bytes that one packed byte can hold in gzip's format


def checked_header(path: str | Path) -> Header:
    """Read a header whose fields agree with each other and with the size of the file.

    Raises
    ------
    IntakeError
        With all problems of the file and its header; see `orientation_problems` for what the forms leave open.
    """
    try:
        header = read_header(path)
    except ProblemError as error:
        raise IntakeError(error.problems) from None
    with np.errstate(all="ignore"):  # odd numbers are reported below
        faults = _layout_faults(header)
        faults = faults or [*_size_faults(header), *_scale_faults(header.fields), *_place_faults(header)]
    if faults:
        raise IntakeError([Problem(header.path, expected, found) for expected, found in faults])
    return header


def _layout_faults(header: Header) -> list[tuple[str, str]]:
    """(expected, found) of what the fields must say before the others mean anything."""
    faults, fields = [], header.fields
    magic, first_voxel = SINGLE_FILE[fields.dtype.itemsize]
    offset = float(fields["vox_offset"])
    n_axes, bits = int(fields["dim"][0]), int(fields["bitpix"])
    if fields["magic"].item() != magic:
        faults.append((f"a NIfTI file with header and voxels in one (magic {magic!r})", repr(fields["magic"].item())))
    if not (3 <= n_axes <= 7 and len(header.shape) in (3, 4)):
        faults.append(("a 3-D or 4-D image", f"{n_axes} dimensions"))
    elif min(header.shape) < 1:
        faults.append(("a positive number of voxels along each axis", str(header.shape)))
    if header.kind not in DATATYPES.values():
        faults.append(("voxels that are real numbers", header.kind))
    elif bits != (size := 8 * np.dtype(header.kind).itemsize):
        faults.append((f"{size} bits a voxel, as the datatype {header.kind} has", f"{bits} (bitpix)"))
    line_ends = tuple(fields["eol_check"].tolist()) if "eol_check" in (fields.dtype.names or ()) else LINE_ENDS
    if line_ends not in (LINE_ENDS, (0, 0, 0, 0)):
        faults.append((f"{LINE_ENDS} as eol_check", f"{line_ends}: copied as text?"))
    if not first_voxel <= offset < math.inf:
        faults.append((f"voxels from byte {first_voxel} on (vox_offset)", f"{offset:g}"))
    return faults


def _size_faults(header: Header) -> list[tuple[str, str]]:
    """(expected, found) where the file is shorter than its header says, or longer: whose voxels are these, then?"""
    needed = int(header.fields["vox_offset"]) + math.prod(header.shape) * np.dtype(header.kind).itemsize
    path = header.path
    size = _unpacked_size(path, needed) if path.endswith(".gz") else os.path.getsize(path)
    if size == needed:
        return []
    found = f"{size}: truncated?" if size < needed else "more: do header and voxels belong together?"
    return [(f"{needed} bytes for {header.shape} voxels", found)]


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
        with open_packed(path) as file:
            while size <= needed and (chunk := file.read1(CHUNK)):
                size += len(chunk)
    except DAMAGE:
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


def _place_faults(header: Header) -> tuple[tuple[str, str], ...]:
    """(expected, found) of where the voxels lie: judged once for headers with equal fields, as a scan's often are."""
    return _faults_of_fields(header.fields.tobytes(), header.fields.dtype)


@lru_cache(maxsize=64)
def _faults_of_fields(stored: bytes, layout: np.dtype) -> tuple[tuple[str, str], ...]:
    return tuple(_faults_of_place(Header(path="", fields=np.frombuffer(stored, layout)[0])))


def _faults_of_place(header: Header) -> list[tuple[str, str]]:
    """(expected, found) of the voxel size, its unit, and the forms."""
    edges = np.array(header.voxel_size_mm)
    if not ((edges >= EDGES_MM[0]) & (edges <= EDGES_MM[1])).all():
        return [(f"voxel edges from {EDGES_MM[0]:g} to {EDGES_MM[1]:g} mm (pixdim)", _listed(edges))]
    unit = int(header.fields["xyzt_units"]) & 7  # the lower three bits
    if unit not in (0, 2):
        return [("millimetres as unit of the voxel size (xyzt_units 2)", f"unit {unit} (1 metre, 3 micrometre)")]
    return _form_faults(header, edges)


def _form_faults(header: Header, edges: np.ndarray) -> list[tuple[str, str]]:
    """(expected, found) of qform and sform, each for itself and against each other."""
    codes, qfac = (header.qform_code, header.sform_code), float(header.fields["pixdim"][0])
    if not all(0 <= code <= 5 for code in codes):
        return [("a qform_code and a sform_code from 0 to 5", f"{codes[0]} and {codes[1]}")]
    if header.qform_code and qfac not in (-1, 0, 1):
        return [("-1 or 1 as qfac (pixdim[0])", f"{qfac:g}")]
    irregular = [
        (f"a finite, invertible {name}", _listed(affine[:3].ravel()))
        for name, affine in header.forms.items()
        if not is_regular(affine)
    ]
    if irregular or not header.forms:
        return irregular
    rivals = _rivals(header)
    faults = [fault for name, affine in rivals.items() for fault in _affine_faults(name, affine, edges)]
    return faults or _mirror_faults(header) or (_apart_faults(header) if len(rivals) == 2 else [])


def _rivals(header: Header) -> dict[str, np.ndarray]:
    """The form that is used, and the other where it claims the same: a template's is no rival of the scanner's."""
    placed = {name: header.code(name) in IN_THE_SCANNER for name in header.forms}
    return {name: affine for name, affine in header.forms.items() if placed[name] == header.in_the_scanner}


def _mirror_faults(header: Header) -> list[tuple[str, str]]:
    """(expected, found) of forms one of which is a mirror image of the other: no template is, so that one is wrong."""
    if len({bool(np.linalg.det(affine[:3, :3]) > 0) for affine in header.forms.values()}) < 2:
        return []
    found = f"{_both(header)}, one a mirror image of the other: left and right may be exchanged{REMEDY}"
    return [("qform and sform of one handedness", found)]


def _apart_faults(header: Header) -> list[tuple[str, str]]:
    """(expected, found) of forms that both claim to place the voxels, and do so differently."""
    one, other = header.forms.values()
    angle = angle_deg(b0_direction(one), b0_direction(other))
    if angle > B0_TOLERANCE_DEG:
        return [("one direction of B0 from qform and sform", f"two that are {angle:.1f} degrees apart{REMEDY}")]
    if (gap := corner_gap(header.shape, one, other)) > FORMS_APART:
        found = f"{_both(header)} with corners up to {gap:.1f} voxels apart{REMEDY}"
        return [("one place of the voxels from qform and sform", found)]
    return []


def _both(header: Header) -> str:
    return " and ".join(map(header.told, header.forms))


def form_notes(header: Header) -> list[str]:
    """Which form of a checked header places the voxels, where the two differ: other programs may take the other."""
    if len(header.forms) < 2:
        return []
    (_, one), (other, another) = header.forms.items()
    if (gap := corner_gap(header.shape, one, another)) <= SAME_GRID:
        return []
    apart_mm = gap * np.linalg.norm(one[:3, :3], axis=0).min()
    which = f"placed by its {header.placed_by}; its {header.told(other)}, up to {apart_mm:.2g} mm away, is not used"
    return [f"{os.path.basename(header.path)}: {which}"]


def _affine_faults(name: str, affine: np.ndarray, edges_mm: np.ndarray) -> list[tuple[str, str]]:
    """(expected, found) of one form."""
    own = np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(own / edges_mm - 1).max() > EDGE_TOLERANCE:
        return [(f"the voxel size of pixdim {_listed(edges_mm)} mm in the {name}", f"{_listed(own)} mm")]
    if shear(affine) > SHEAR_TOLERANCE:
        angle = np.degrees(np.arccos(shear(affine)))
        return [(f"perpendicular voxel axes in the {name}", f"axes at {angle:.1f} degrees: sheared, resample it first")]
    return []


def edge_problems(where: str, stated_mm: Sequence[float], image: str, edges_mm: Sequence[float]) -> list[Problem]:
    """Problems where a file states another voxel size [mm] than the header of an image has; both files are named."""
    if np.abs(np.divide(stated_mm, edges_mm) - 1).max() <= EDGE_TOLERANCE:
        return []
    return [Problem(where, f"the voxel size of {image}, {_listed(edges_mm)} mm", f"{_listed(stated_mm)}")]


def _listed(values: Iterable[float]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"


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
            return [
                Problem(
                    header.path,
                    f"the sidecar's B0_dir as the affine has it ({codes})",
                    f"{found}: correct one of the two",
                )
            ]
    return []


def grid_problems(header: Header, reference: Header) -> list[Problem]:
    """Problems where the voxels of an image are not those of the reference; both files are named."""
    expected = f"the grid of {reference.path}, {reference.shape[:3]} voxels of {_listed(reference.voxel_size_mm)} mm"
    if header.shape[:3] != reference.shape[:3]:
        return [
            Problem(header.path, expected, f"{header.shape[:3]} of {_listed(header.voxel_size_mm)} mm: {OTHER_GRID}")
        ]
    gap = corner_gap(reference.shape, reference.affine, header.affine)
    if gap <= SAME_GRID:
        return []
    found = f"another affine: {_listed(header.voxel_size_mm)} mm, corners up to {gap:.2g} voxels away: {OTHER_GRID}"
    return [Problem(header.path, expected, found)]
