"""The layout of NIfTI headers is that of nibabel."""

import nibabel as nib
import pytest

from recon.files.nifti_header import NIFTI_1, NIFTI_2


@pytest.mark.parametrize(("ours", "theirs"), [(NIFTI_1, nib.nifti1.header_dtype), (NIFTI_2, nib.nifti2.header_dtype)])
def test_fields_lie_where_nibabel_has_them(ours, theirs):
    assert ours.itemsize == theirs.itemsize
    assert {name: ours.fields[name] for name in ours.names} == {name: theirs.fields[name] for name in ours.names}
