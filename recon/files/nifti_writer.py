"""Everything before the voxels of a NIfTI-1 file, byte by byte as nibabel writes it, which takes as long to import as
half a stage takes to run.

References
----------
https://nifti.nimh.nih.gov: nifti1.h.
.. [1] Bar-Itzhack, J Guid Control Dyn 23:1085 (2000), doi:10.2514/2.4654: the quaternion nearest to a rotation
"""

import sys

import numpy as np

from recon.files.nifti_header import DATATYPES, NIFTI_1

CODES = {kind: code for code, kind in DATATYPES.items()}
MILLIMETRES, SECONDS = 2, 8
FIRST_VOXEL = 352  # behind the header and four bytes that say that there are no extensions


def header_bytes(
    pixels: np.ndarray, place: np.ndarray, slope: float, intercept: float, codes: tuple[int, int]
) -> bytes:
    """Header of an image whose qform and sform hold the same affine.

    Parameters
    ----------
    pixels : as they are stored, three axes or more
    place : (4, 4) voxel indices to scanner coordinates [mm], with perpendicular axes
    slope, intercept : a reader sees ``slope * pixels + intercept``
    codes : of the qform and the sform

    Raises
    ------
    ValueError
        An axis is longer than NIfTI-1 can tell.
    """
    if max(pixels.shape) > np.iinfo(np.int16).max:
        raise ValueError(f"expected at most {np.iinfo(np.int16).max} voxels along an axis, found {pixels.shape}")
    content = np.zeros(1, NIFTI_1)
    header = content[0]
    edges_mm = np.linalg.norm(place[:3, :3], axis=0)
    axes = place[:3, :3] / edges_mm
    handed = 1.0 if np.linalg.det(axes) > 0 else -1.0
    header["dim"] = (pixels.ndim, *pixels.shape, *(1,) * (7 - pixels.ndim))
    header["datatype"], header["bitpix"] = CODES[pixels.dtype.name], 8 * pixels.dtype.itemsize
    header["pixdim"] = (handed, *edges_mm, 1, 1, 1, 1)
    header["vox_offset"], header["scl_slope"], header["scl_inter"] = FIRST_VOXEL, slope, intercept
    header["xyzt_units"] = MILLIMETRES + SECONDS
    header["qform_code"], header["sform_code"] = codes
    for name, value in zip("bcd", quaternion(axes * [1, 1, handed])[1:], strict=True):
        header[f"quatern_{name}"] = value
    for axis, name in enumerate("xyz"):
        header[f"qoffset_{name}"], header[f"srow_{name}"] = place[axis, 3], place[axis]
    header["magic"] = b"n+1"
    size = NIFTI_1.itemsize.to_bytes(4, sys.byteorder)  # which the layout leaves out: it is known before it is read
    return (size + content.tobytes()[4:]).ljust(FIRST_VOXEL, b"\0")


def quaternion(rotation: np.ndarray) -> np.ndarray:
    r"""The unit quaternion (w, x, y, z), w >= 0, of a (3, 3) rotation.

    It is the eigenvector of the largest eigenvalue of the symmetric matrix below [1]_, whose diagonal and last row hold
    sums and differences of the rotation's elements.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    K = np.array([
        [xx - yy - zz, yx + xy, zx + xz, zy - yz],
        [yx + xy, yy - xx - zz, zy + yz, xz - zx],
        [zx + xz, zy + yz, zz - xx - yy, yx - xy],
        [zy - yz, xz - zx, yx - xy, xx + yy + zz],
    ]) / 3  # fmt: skip
    x, y, z, w = np.linalg.eigh(K)[1][:, -1]
    found = np.array([w, x, y, z])
    return -found if w < 0 else found
