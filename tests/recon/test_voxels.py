"""Voxels and affine of any NIfTI file are those that nibabel reads, bit by bit, and every file is opened once."""

import gzip
from itertools import product

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.files.io import read_volume
from recon.files.nifti_header import read_header
from recon.files.voxels import stored_images
from recon.problems import ProblemError

KINDS = ["uint8", "int16", "uint16", "int32", "float32", "float64"]
SCALES = [(1, 0), (2, -4096), (1 / 651.74, -np.pi), (1, 5), (0, 3), (np.nan, np.nan), (-2, 1), (1e30, 1e30)]


def write(path, kind, order, scale, two, codes, rng, shape=(3, 4, 5, 2)):
    """An oblique image of random voxels whose header has slope and intercept as they are given."""
    data = (300 * rng.standard_normal(shape)).astype(kind)
    affine = np.eye(4)
    turn = Rotation.from_rotvec(rng.standard_normal(3) * rng.choice([0, 1e-3, 1, np.pi])).as_matrix()
    affine[:3] = np.c_[turn * rng.choice([-1, 1], 3) * rng.uniform(0.3, 4, 3), 50 * rng.standard_normal(3)]
    form, header = (nib.Nifti2Image, nib.Nifti2Header) if two else (nib.Nifti1Image, nib.Nifti1Header)
    image = form(data, affine, header(endianness=order), dtype=data.dtype)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    content = bytearray(image.to_bytes())
    fields = np.frombuffer(content, image.header.structarr.dtype, count=1)
    fields["scl_slope"], fields["scl_inter"] = scale
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(("two", "order"), list(product([False, True], "<>")))
def test_all_is_as_nibabel_reads_it(tmp_path, name, two, order):
    rng = np.random.default_rng(0)
    for kind, scale in product(KINDS, SCALES):
        codes = [(1, 1), (0, 2), (1, 0), (0, 0)][rng.integers(4)]
        path = write(tmp_path / name, kind, order, scale, two, codes, rng)
        theirs = nib.load(path)
        with np.errstate(over="ignore", invalid="ignore"):
            expected = np.asarray(theirs.dataobj, dtype=np.float32)
        ours = read_volume(path)
        np.testing.assert_array_equal(ours.affine, theirs.affine)
        assert ours.data.tobytes("F") == expected.tobytes("F")
        assert ours.data.flags.f_contiguous
        assert read_volume(path, 1).data.tobytes("F") == expected[..., 1].tobytes("F")


def test_a_volume_that_is_not_there_is_refused(tmp_path):
    path = write(tmp_path / "a.nii", "int16", "<", (1, 0), False, (1, 1), np.random.default_rng(0))
    with pytest.raises(ProblemError, match=r"a\.nii: expected at least 3 volumes"):
        read_volume(path, 2)


@pytest.mark.parametrize("fields", [{"dim": (3, 0, 4, 5)}, {"vox_offset": 8}, {"datatype": 32}, {"scl_inter": np.inf}])
def test_a_header_that_does_not_lead_to_voxels_is_refused(tmp_path, fields):
    path = write(tmp_path / "a.nii", "int16", "<", (2, 0), False, (1, 1), np.random.default_rng(0))
    content = bytearray(path.read_bytes())
    header = np.frombuffer(content, nib.nifti1.header_dtype, count=1)
    for key, value in fields.items():
        header[key] = np.resize(value, header[key].shape) if key != "dim" else [[*value, 1, 1, 1, 1]]
    path.write_bytes(bytes(content))
    with pytest.raises(ProblemError, match=r"a\.nii: expected"):
        read_volume(path)


def test_an_altered_packed_file_is_refused_before_its_last_image(tmp_path):
    path = write(tmp_path / "a.nii.gz", "int16", "<", (1, 0), False, (1, 1), np.random.default_rng(0))
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF  # of the checksum
    path.write_bytes(content)
    given = []
    with pytest.raises(ProblemError, match=r"a\.nii\.gz: expected a (readable|complete)"):
        for image in stored_images(path):
            given.append(image)
    assert len(given) < 2


def test_a_header_is_read_without_voxels(tmp_path):
    path = write(tmp_path / "a.nii", "int16", "<", (1, 0), False, (1, 1), np.random.default_rng(0))
    path.write_bytes(path.read_bytes()[:400])
    assert read_header(path).shape == (3, 4, 5, 2)
