"""A header is understood as the standard says, or refused with file, expectation and finding."""

import gzip
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.files.io import read_volume
from recon.intake.geometry import describe
from recon.intake.headers import checked_header, form_notes, grid_problems, orientation_problems
from recon.problems import IntakeError
from tests.recon.intake.raw_files import AFFINE, SHAPE, edit_header, write_nifti


def oblique(degrees=20.0, signs=(1, 1, 1), voxel_size_mm=(1.0, 1.5, 2.0)) -> np.ndarray:
    """An affine turned about an odd axis."""
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array([1, 2, 2]) / 3).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array(signs) * voxel_size_mm
    affine[:3, 3] = -30, 20, 5
    return affine


def refusal(path) -> str:
    with pytest.raises(IntakeError) as error:
        checked_header(path)
    assert all(problem.file == str(path) for problem in error.value.problems)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("codes", [(1, 1), (0, 2), (1, 0), (0, 0)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_shape_and_affine_are_those_of_the_reader(tmp_path, name, codes, signs):
    path = write_nifti(tmp_path / name, affine=oblique(signs=signs), codes=codes)
    header, image = checked_header(path), nib.load(path)
    assert header.shape == image.shape
    np.testing.assert_allclose(header.affine, image.affine, atol=1e-5)


def test_a_swapped_byte_order_and_nifti_2_are_read(tmp_path):
    image = nib.Nifti2Image(np.zeros((3, 4, 5), np.float32), oblique())
    nib.save(image, tmp_path / "two.nii")
    swapped = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), oblique(), nib.Nifti1Header(endianness=">"))
    nib.save(swapped, tmp_path / "swapped.nii")
    for name in ("two.nii", "swapped.nii"):
        header = checked_header(tmp_path / name)
        assert header.shape == (3, 4, 5)
        np.testing.assert_allclose(header.affine, oblique(), atol=1e-5)


def test_a_nifti_2_file_that_was_copied_as_text_is_refused(tmp_path):
    image = nib.Nifti2Image(np.zeros((3, 4, 5), np.float32), AFFINE)
    nib.save(image, tmp_path / "two.nii")
    content = (tmp_path / "two.nii").read_bytes()
    (tmp_path / "two.nii").write_bytes(content.replace(b"\r\n\x1a\n", b"\n\n\x1a\n", 1))
    assert "expected (13, 10, 26, 10) as eol_check, found (10, 10, 26, 10)" in refusal(tmp_path / "two.nii")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"scl_slope": 2, "scl_inter": -4096}, (2, -4096)),
        ({"scl_slope": np.nan, "scl_inter": np.nan}, (1, 0)),
        ({"scl_slope": 0, "scl_inter": 5}, (1, 0)),
    ],
)
def test_slope_and_intercept(tmp_path, fields, expected):
    header = checked_header(write_nifti(tmp_path / "a.nii", **fields))
    assert (header.slope, header.intercept) == expected


BAD_HEADERS = [
    ({"dim": [5, 4, 5, 1, 3, 2, 1, 1]}, "expected a 3-D or 4-D image, found 5 dimensions"),
    ({"dim": (0, 8)}, "expected a 3-D or 4-D image, found 8 dimensions"),
    ({"dim": (0, 2)}, "expected a 3-D or 4-D image, found 2 dimensions"),
    ({"dim": (0, -1)}, "found -1 dimensions"),
    ({"dim": (1, 0)}, "expected a positive number of voxels along each axis, found (0, 5, 6)"),
    ({"dim": (2, -5)}, "expected a positive number of voxels along each axis, found (4, -5, 6)"),
    ({"dim": (1, 30000)}, "for (30000, 5, 6) voxels, found 592: truncated?"),
    ({"pixdim": (1, 0)}, "expected voxel edges from 0.05 to 20 mm (pixdim), found [0, 2, 2]"),
    ({"pixdim": (2, -2)}, "expected voxel edges from 0.05 to 20 mm (pixdim), found [2, -2, 2]"),
    ({"pixdim": (3, np.nan)}, "found [2, 2, nan]"),
    ({"pixdim": (3, np.inf)}, "found [2, 2, inf]"),
    ({"pixdim": (1, 0.002)}, "found [0.002, 2, 2]"),
    ({"pixdim": (0, 7)}, "expected -1 or 1 as qfac (pixdim[0]), found 7"),
    ({"xyzt_units": 1}, "expected millimetres as unit of the voxel size (xyzt_units 2), found unit 1"),
    ({"srow_x": (0, np.nan)}, "expected a finite, invertible sform, found [nan"),
    ({"srow_x": (0, 0)}, "expected a finite, invertible sform, found [0, 0"),
    ({"quatern_b": 1.5}, "expected a finite, invertible qform, found [nan"),
    ({"srow_z": (2, 3)}, "expected the voxel size of pixdim [2, 2, 2] mm in the sform, found [2, 2, 3] mm"),
    ({"qform_code": -3}, "expected a qform_code and a sform_code from 0 to 5, found -3 and 1"),
    ({"datatype": 32, "bitpix": 64}, "expected voxels that are real numbers, found complex64"),
    ({"datatype": 128, "bitpix": 24}, "expected voxels that are real numbers, found RGB"),
    ({"datatype": 999}, "expected voxels that are real numbers, found datatype code 999"),
    ({"bitpix": 32}, "expected 16 bits a voxel, as the datatype int16 has, found 32 (bitpix)"),
    ({"scl_slope": np.inf}, "expected finite scl_slope and scl_inter, found inf"),
    ({"scl_slope": 1, "scl_inter": np.nan}, "expected finite scl_slope and scl_inter, found 1 and nan"),
    ({"scl_slope": -1}, "expected a positive scl_slope; a negative one turns the sign of the phase, found -1"),
    ({"vox_offset": 0}, "expected voxels from byte 352 on (vox_offset), found 0"),
    ({"vox_offset": np.nan}, "expected voxels from byte 352 on (vox_offset), found nan"),
    ({"magic": b"ni1"}, "expected a NIfTI file with header and voxels in one (magic b'n+1'), found b'ni1'"),
    ({"sizeof_hdr": 12}, "expected a readable NIfTI image, found no NIfTI header"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_HEADERS, ids=[str(fields) for fields, _ in BAD_HEADERS])
def test_bad_headers_are_refused(tmp_path, fields, message):
    assert message in refusal(write_nifti(tmp_path / "bad.nii", **fields))


def test_a_sheared_affine_is_refused(tmp_path):
    sheared = np.eye(4)
    sheared[:2, 1] = np.sin(np.radians(5)), np.cos(np.radians(5))
    path = write_nifti(tmp_path / "a.nii", affine=np.eye(4), codes=(0, 1), srow_x=(1, sheared[0, 1]),
                       srow_y=(1, sheared[1, 1]))  # fmt: skip
    assert "expected perpendicular voxel axes in the sform, found axes at 85.0 degrees" in refusal(path)


def test_forms_that_disagree_on_b0_are_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii", affine=oblique(20))
    sform = oblique(40)
    edit_header(path, **{f"srow_{axis}": row for axis, row in zip("xyz", sform[:3], strict=True)})
    assert "expected one direction of B0 from qform and sform, found two that are" in refusal(path)


def with_forms(path, qform, sform, codes=(1, 1)):
    """An image of two forms that may differ."""
    image = nib.Nifti1Image(np.zeros(SHAPE, np.int16), None)
    image.header.set_qform(qform, codes[0])
    image.header.set_sform(sform, codes[1])
    nib.save(image, path)
    return path


def about_b0(degrees, affine) -> np.ndarray:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return turn @ affine


def moved(affine, *by_mm) -> np.ndarray:
    shifted = affine.copy()
    shifted[:3, 3] += by_mm
    return shifted


MIRROR = np.diag([-1.0, 1, 1, 1])
RIVALS = {  # the sform of an image with the qform oblique(): the message
    "mirror": (MIRROR @ oblique(), "expected qform and sform of one handedness, found sform (code {s}"),
    "mirrored axis": (oblique(signs=(-1, 1, 1)), "expected qform and sform of one handedness"),
    "turn about B0": (about_b0(90, oblique()), "expected one place of the voxels from qform and sform"),
    "half a turn about B0": (about_b0(180, oblique()), "expected one place of the voxels from qform and sform"),
    "shift": (moved(oblique(), 0, 0, 30), "expected one place of the voxels from qform and sform"),
}


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1), (2, 2), (4, 5)])
@pytest.mark.parametrize("rival", RIVALS)
def test_forms_that_place_the_voxels_differently_are_refused(tmp_path, rival, codes):
    sform, message = RIVALS[rival]
    told = refusal(with_forms(tmp_path / "a.nii", oblique(), sform, codes))
    assert message.format(s=codes[1]) in told
    assert "fslorient -copysform2qform FILE" in told


@pytest.mark.parametrize("codes", [(1, 4), (2, 3), (4, 1), (5, 2)])
@pytest.mark.parametrize("mirror", [MIRROR @ oblique(), oblique(signs=(-1, 1, 1))])
def test_a_mirror_is_refused_even_where_one_form_is_a_template_s(tmp_path, mirror, codes):
    told = refusal(with_forms(tmp_path / "a.nii", oblique(), mirror, codes))
    assert "one a mirror image of the other: left and right may be exchanged" in told


TEMPLATE = moved(about_b0(7, oblique(35) * [1.1, 1.1, 1.1, 1]), 0, 30, 0)  # an affine registration scales, too


@pytest.mark.parametrize(
    ("codes", "used"), [((1, 4), "qform"), ((2, 3), "qform"), ((4, 1), "sform"), ((5, 2), "sform")]
)
def test_the_form_of_the_scanner_places_the_voxels_and_this_is_told(tmp_path, codes, used):
    forms = (oblique(), TEMPLATE) if used == "qform" else (TEMPLATE, oblique())
    path = with_forms(tmp_path / "a.nii", *forms, codes)
    edit_header(path, pixdim=[1, 1.0, 1.5, 2.0, 1, 0, 0, 0])  # which the qform shares
    header = checked_header(path)
    np.testing.assert_allclose(header.affine, oblique(), atol=1e-5)
    (note,) = form_notes(header)
    other = {"qform": "sform", "sform": "qform"}[used]
    assert f"a.nii: placed by its {used} (code {dict(zip(('qform', 'sform'), codes, strict=True))[used]}" in note
    assert f"; its {other} (code" in note
    assert re.search(r"up to \d+ mm away, is not used", note)


@pytest.mark.parametrize("sform", [oblique(), np.round(oblique(), 3), moved(oblique(), 0.01, 0, 0)])
def test_forms_that_agree_but_for_rounding_pass_without_a_note(tmp_path, sform):
    header = checked_header(with_forms(tmp_path / "a.nii", oblique(), sform))
    assert form_notes(header) == []
    assert header.placed_by == "sform (code 1, scanner)"


def test_forms_less_than_a_voxel_apart_pass_with_a_note(tmp_path):
    (note,) = form_notes(checked_header(with_forms(tmp_path / "a.nii", oblique(), moved(oblique(), 0.5, 0, 0))))
    assert "placed by its sform (code 1, scanner); its qform (code 1, scanner), up to 0.5 mm away" in note


@pytest.mark.parametrize(
    ("dim", "shape"),
    [
        ([5, 4, 5, 6, 1, 1, 1, 1], (4, 5, 6)),
        ([5, 4, 5, 2, 1, 3, 1, 1], (4, 5, 2, 3)),
        ([5, 4, 5, 2, 3, 1, 1, 1], (4, 5, 2, 3)),
        ([7, 4, 5, 2, 1, 1, 3, 1], (4, 5, 2, 3)),
        ([5, 4, 1, 2, 1, 15, 1, 1], (4, 1, 2, 15)),
    ],
)
def test_axes_of_length_1_behind_the_third_do_not_count(tmp_path, dim, shape):
    path = write_nifti(tmp_path / "a.nii", dim=dim)
    assert checked_header(path).shape == shape
    assert read_volume(path).data.shape == shape


def nothing(path):
    path.write_bytes(b"")


def too_short(path):
    write_nifti(path.with_name("b.nii"))
    path.write_bytes(path.with_name("b.nii").read_bytes()[:-10])


def packed_and_cut(path, at):
    content = np.random.default_rng(0).integers(-4096, 4096, (20, 20, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(content, AFFINE), path)
    path.write_bytes(path.read_bytes()[:at])


BAD_FILES = [
    ("a.nii", lambda path: path.mkdir(), "found a folder instead of a file"),
    ("a.nii.gz", lambda path: path.mkdir(), "found a folder instead of a file"),
    ("a.nii", lambda path: None, "found No such file or directory"),
    ("a.nii.gz", lambda path: path.symlink_to("nowhere"), "found a symbolic link to nothing: fetch"),
    ("a.nii", nothing, "found an empty file"),
    ("a.nii.gz", nothing, "found an empty file"),
    ("a.nii", lambda path: path.write_text("no image"), "found no NIfTI header"),
    ("a.nii.gz", lambda path: path.write_text("no image" * 99), "found Not a gzipped file"),
    ("a.nii", lambda path: path.write_bytes(gzip.compress(b"no image")), "found a file packed by gzip: let its name"),
    ("a.nii.gz", lambda path: path.write_bytes(Path(write_nifti(path.with_suffix(""))).read_bytes()), "not packed"),
    ("a.nii.gz", lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "(git lfs pull)"),
    ("a.nii.gz", lambda path: path.write_text("/annex/objects/MD5E-s1--0.nii.gz\n"), "(datalad get, git annex get)"),
    ("a.nii.gz", lambda path: path.write_text("../../.git/annex/objects/p2/K9/MD5E-s1--0/MD5E-s1--0"), "(datalad get"),
    ("a.nii", lambda path: path.write_text("<!DOCTYPE html>\n<html>404"), "found a web page: download the file anew"),
    ("a.nii", lambda path: path.write_bytes(bytes(128) + b"DICM" + bytes(400)), "found a DICOM file: convert it"),
    ("a.nii", too_short, "expected 592 bytes for (4, 5, 6) voxels, found 582: truncated?"),
    ("a.nii.gz", lambda path: packed_and_cut(path, 40), "expected a readable NIfTI image, found Compressed file ended"),
    ("a.nii.gz", lambda path: packed_and_cut(path, -9), "truncated?"),
    ("a.nii.gz", lambda path: packed_and_cut(path, 9000), "expected 16352 bytes for (20, 20, 20) voxels, found"),
]


@pytest.mark.parametrize(("name", "make", "message"), BAD_FILES)
def test_bad_files_are_refused(tmp_path, name, make, message):
    make(tmp_path / name)
    assert message in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "expected a readable NIfTI image, found a pipe or a device instead of a file" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_voxels_that_the_header_does_not_count_are_refused(tmp_path, name):
    path = write_nifti(tmp_path / name, dim=(3, 5))
    assert "expected 552 bytes for (4, 5, 5) voxels, found more" in refusal(path)


def test_a_compressed_size_beyond_what_gzip_can_pack_is_not_believed(tmp_path):
    nib.save(nib.Nifti2Image(np.zeros(SHAPE, np.int16), AFFINE), tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    np.frombuffer(content, nib.nifti2.header_dtype, count=1)["vox_offset"] += 2**32  # the trailer counts modulo 2^32
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(content)))
    assert "found 784: truncated?" in refusal(tmp_path / "a.nii.gz")


def test_a_forbidden_file_is_refused(tmp_path, monkeypatch):
    path = write_nifti(tmp_path / "a.nii")

    def forbidden(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    assert "expected a readable NIfTI image, found Permission denied" in refusal(path)


def test_a_gzip_file_of_several_members_passes(tmp_path):
    path = Path(write_nifti(tmp_path / "a.nii"))
    content = path.read_bytes()
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]) + gzip.compress(b""))
    assert checked_header(packed).shape == checked_header(path).shape


def test_whatever_the_bytes_the_answer_is_a_header_or_a_problem(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "a.nii"
    write_nifti(path, affine=oblique())
    good = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(500):
        bytes_ = good.copy()
        bytes_[rng.integers(0, 352, 4)] = rng.integers(0, 256, 4)
        path.write_bytes(bytes_.tobytes())
        try:
            header = checked_header(path)
        except IntakeError:
            continue
        np.testing.assert_allclose(header.affine, nib.load(path).affine, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("codes", [(0, 0), (0, 4), (3, 0)])
def test_an_unknown_direction_of_b0_is_refused_unless_the_sidecar_tells_it(tmp_path, codes):
    header = checked_header(write_nifti(tmp_path / "a.nii", codes=codes))
    (problem,) = orientation_problems(header, None)
    assert problem.file == header.path
    assert "or B0_dir in its sidecar" in problem.expected
    assert problem.found == f"qform_code {codes[0]} and sform_code {codes[1]}"
    assert orientation_problems(header, (0.0, 0.0, 1.0)) == []


def test_a_sidecar_that_contradicts_the_affine_is_refused(tmp_path):
    header = checked_header(write_nifti(tmp_path / "a.nii"))
    assert orientation_problems(header, (0.0, 0.0, -1.0)) == []
    assert "90.0 degrees away" in orientation_problems(header, (0.0, 1.0, 0.0))[0].found


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"shape": (4, 5, 7)}, "(4, 5, 7) of [2, 2, 2] mm"),
        ({"affine": np.diag([2.0, 2, 3, 1])}, "another affine: [2, 2, 3] mm"),
        ({"affine": np.diag([-2.0, 2, 2, 1])}, "another affine"),
    ],
)
def test_another_grid_names_both_files(tmp_path, other, found):
    reference = checked_header(write_nifti(tmp_path / "one.nii"))
    (problem,) = grid_problems(checked_header(write_nifti(tmp_path / "other.nii", **other)), reference)
    assert "other.nii" in problem.file
    assert "one.nii, (4, 5, 6) voxels of [2, 2, 2] mm" in problem.expected
    assert found in problem.found


def test_rounded_affines_are_one_grid(tmp_path):
    reference = checked_header(write_nifti(tmp_path / "one.nii", affine=oblique()))
    rounded = checked_header(write_nifti(tmp_path / "other.nii", affine=np.round(oblique(), 4), codes=(0, 1)))
    assert grid_problems(rounded, reference) == []


@pytest.mark.parametrize(
    ("affine", "axes", "obliquity_deg"),
    [
        (np.diag([1, 1, 1, 1.0]), "RAS", 0),
        (np.diag([-1, -1, 3, 1.0]), "LPS", 0),
        (np.array([[0, 0, -2, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]]), "ASL", 0),
        (oblique(20), "RAS", 14.84),
    ],
)
def test_axes_and_obliquity(affine, axes, obliquity_deg):
    geometry = describe(affine)
    assert geometry.axes == axes == "".join(nib.aff2axcodes(affine))
    assert geometry.obliquity_deg == pytest.approx(obliquity_deg, abs=0.05)
    assert np.linalg.norm(geometry.b0_dir) == pytest.approx(1)
