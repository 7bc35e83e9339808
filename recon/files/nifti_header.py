"""How a NIfTI header lies in its file: the fields that are read here, and their place.

References
----------
https://nifti.nimh.nih.gov: nifti1.h and nifti2.h.
"""

import numpy as np


def _layout(size: int, fields: dict[str, tuple[str, int]]) -> np.dtype:
    """A header of `size` bytes with some fields: {name: (type, first byte)}."""
    formats, offsets = zip(*fields.values(), strict=True)
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": size})


NIFTI_1 = _layout(
    348,
    {
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
        "magic": ("S4", 4), "eol_check": ("4i1", 8), "datatype": ("i2", 12), "bitpix": ("i2", 14), "dim": ("8i8", 16),
        "pixdim": ("8f8", 104), "vox_offset": ("i8", 168), "scl_slope": ("f8", 176), "scl_inter": ("f8", 184),
        "qform_code": ("i4", 344), "sform_code": ("i4", 348),
        "quatern_b": ("f8", 352), "quatern_c": ("f8", 360), "quatern_d": ("f8", 368),
        "qoffset_x": ("f8", 376), "qoffset_y": ("f8", 384), "qoffset_z": ("f8", 392),
        "srow_x": ("4f8", 400), "srow_y": ("4f8", 432), "srow_z": ("4f8", 464), "xyzt_units": ("i4", 500),
    },
)  # fmt: skip
HEADERS = {layout.itemsize: layout for layout in (NIFTI_1, NIFTI_2)}  # by sizeof_hdr, their first field
