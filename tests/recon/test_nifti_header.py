"""The layout of NIfTI headers is that of nibabel, and what is written is what nibabel would write."""

import io
from itertools import product

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.files.nifti_header import NIFTI_1, NIFTI_2, packed_fields

TURNS = {"along the axes": np.eye(3), "turned": Rotation.from_rotvec([0.3, 0.2, -0.4]).as_matrix(),
         "turned far": Rotation.from_rotvec([-2.0, 1.5, 1.2]).as_matrix(),
         "sagittal": np.eye(3)[[2, 0, 1]]}  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), [(NIFTI_1, nib.nifti1.header_dtype), (NIFTI_2, nib.nifti2.header_dtype)])
def test_fields_lie_where_nibabel_has_them(ours, theirs):
    assert ours.itemsize == theirs.itemsize
    assert {name: ours.fields[name] for name in ours.names} == {name: theirs.fields[name] for name in ours.names}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("signs", list(product([1, -1], repeat=3)))
def test_headers_are_those_of_nibabel_byte_by_byte(turn, signs):
    affine = np.eye(4)
    affine[:3] = np.column_stack([TURNS[turn] * np.multiply(signs, [0.6, 0.7, 2.0]), [10, -20, 30.5]])
    for dtype, shape in ((np.float32, (5, 4, 3)), (np.uint8, (5, 4, 3)), (np.int16, (5, 4, 3, 2))):
        pixels = np.zeros(shape, dtype)
        image = nib.Nifti1Image(pixels, None)
        image.header.set_qform(affine, 1)
        image.header.set_sform(affine, 2)
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_slope_inter(0.25, -3)
        image.header["vox_offset"] = 352
        expected = io.BytesIO()
        image.header.write_to(expected)
        assert packed_fields(pixels, affine, 0.25, -3, (1, 2)) == expected.getvalue().ljust(352, b"\0")


def test_a_type_that_nifti_lacks_is_refused():
    with pytest.raises(ValueError, match="expected voxels of a type among uint8, int16"):
        packed_fields(np.zeros((2, 2, 2), np.float16), np.eye(4), 1, 0, (1, 1))
