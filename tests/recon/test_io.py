import gzip
import os

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from recon.acquisition import Acquisition
from recon.files.bids import entities, metadata
from recon.files.io import Volume, atomic, read_box, read_json, read_mask, read_volume, write_json, write_volume
from recon.files.tables import read_table, write_table
from recon.maths.affine import corner_gap, shear


@pytest.fixture
def volume():
    data = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    affine = np.array([[-1.5, 0, 0, 3], [0, 1.5 * 0.8, -2 * 0.6, 4], [0, 1.5 * 0.6, 2 * 0.8, 5], [0, 0, 0, 1.0]])
    return Volume(data=data, affine=affine)


def test_geometry_comes_from_the_affine(volume):
    np.testing.assert_allclose(volume.voxel_size_mm, [1.5, 1.5, 2])
    np.testing.assert_allclose(volume.b0_dir, [0, 0.6, 0.8], atol=1e-12)


@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
def test_volume_survives_the_file(tmp_path, volume, name):
    path = tmp_path / "new folder ü" / name
    write_volume(path, volume.data, like=volume, sidecar={"Units": "ppm"})
    back = read_volume(path)
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-6)
    assert read_json(path.parent / "map.json") == {"Units": "ppm"}
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(["map.json", name])


@pytest.mark.parametrize("name", ["echoes.nii", "echoes.nii.gz"])
def test_a_box_of_every_image_is_read_and_some_images_whole(tmp_path, volume, name):
    echoes = np.stack([volume.data, -volume.data, 2 * volume.data], axis=-1)
    box = (slice(1, 4), slice(2, 7), slice(0, 5))
    for data in (echoes, echoes[..., :1], volume.data):
        write_volume(tmp_path / name, data, like=volume)
        boxed, whole = read_box(tmp_path / name, box, [0, 2])
        np.testing.assert_array_equal(boxed.data, data[box])
        np.testing.assert_allclose(boxed.affine @ [1, 1, 1, 1], volume.affine @ [2, 3, 1, 1], atol=1e-5)
        assert set(whole) == ({0, 2} if data is echoes else {0})
        for number, image in whole.items():
            np.testing.assert_array_equal(image.data, data if data.ndim == 3 else data[..., number])


TURN = Rotation.from_rotvec([0.3, 0.2, -0.4]).as_matrix()
PLACES = {
    "scanner": TURN * [0.6, 0.6, 2.0],
    "first axis to the left": TURN * [-0.6, 0.6, 2.0],
    "rounded": np.round(TURN * [0.6, 0.6, 2.0], 3),
    "sheared": TURN @ np.array([[1, 0.0098, 0], [0, 1, 0.005], [0, 0, 1]]) * [0.6, 0.7, 2.0],
}


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1), (4, 4)])
@pytest.mark.parametrize("place", PLACES)
def test_written_forms_are_one_and_itk_opens_them(tmp_path, place, codes):
    affine = np.eye(4)
    affine[:3] = np.column_stack([PLACES[place], [10, 20, -30]])
    data = np.random.default_rng(0).normal(size=(16, 14, 12)).astype(np.float32)
    path = tmp_path / "map.nii.gz"
    write_volume(path, data, Volume(data=data, affine=affine, codes=codes))
    back, header = read_volume(path), nib.load(path).header
    np.testing.assert_array_equal(back.data, data)
    assert back.codes == codes == (header["qform_code"], header["sform_code"])
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=2e-6)
    assert shear(header.get_sform()) < 1e-6
    np.testing.assert_allclose(back.voxel_size_mm, np.linalg.norm(affine[:3, :3], axis=0), rtol=1e-6)
    assert corner_gap(data.shape, affine, back.affine) < 0.1  # of a voxel
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image).transpose(), data)
    itk = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing() * [[-1], [-1], [1]]  # LPS
    np.testing.assert_allclose(itk, back.affine[:3, :3], atol=2e-6)


def test_axes_that_are_perpendicular_stay_as_they_are(tmp_path, volume):
    write_volume(tmp_path / "map.nii", volume.data, volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "map.nii").affine, volume.affine.astype(np.float32))


@pytest.mark.parametrize(
    ("codes", "kept"), [((1, 1), (1, 1)), ((0, 2), (2, 2)), ((1, 0), (1, 1)), ((2, 1), (2, 1)), ((0, 0), (0, 0))]
)
def test_a_map_has_the_codes_of_its_input(tmp_path, volume, codes, kept):
    image = nib.Nifti1Image(volume.data, None)
    image.header.set_qform(volume.affine, codes[0])
    image.header.set_sform(volume.affine, codes[1])
    nib.save(image, tmp_path / "input.nii")
    source = read_volume(tmp_path / "input.nii")
    write_volume(tmp_path / "map.nii", volume.data, source)
    header = nib.load(tmp_path / "map.nii").header
    assert (header["qform_code"], header["sform_code"]) == kept
    np.testing.assert_allclose(read_volume(tmp_path / "map.nii").affine, source.affine, atol=1e-5)


def test_a_map_of_the_scanner_loses_the_code_of_a_template_that_lies_elsewhere(tmp_path, volume):
    image = nib.Nifti1Image(volume.data, None)
    image.header.set_qform(volume.affine, 1)
    image.header.set_sform(volume.affine + 5 * np.eye(4), 4)
    nib.save(image, tmp_path / "input.nii")
    source = read_volume(tmp_path / "input.nii")
    assert source.codes == (1, 1)
    np.testing.assert_allclose(source.affine, volume.affine, atol=1e-5)


def test_same_data_gives_the_same_bytes(tmp_path, volume):
    for name in ("a", "b"):
        write_volume(tmp_path / name / "map.nii.gz", volume.data, like=volume)
    assert (tmp_path / "a/map.nii.gz").read_bytes() == (tmp_path / "b/map.nii.gz").read_bytes()


def test_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"not an image", gzip.compress(b"0" * 400, mtime=0)])
def test_broken_image_is_named(tmp_path, content):
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.nii\.gz: expected a readable NIfTI"):
        read_volume(path)


def test_truncated_and_missing_images_are_named(tmp_path, volume):
    path = tmp_path / "cut.nii.gz"
    write_volume(path, volume.data, like=volume)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cut\.nii\.gz: expected"):
        read_volume(path)
    with pytest.raises(ValueError, match=r"none\.nii: expected"):
        read_volume(tmp_path / "none.nii")


def test_empty_mask_is_refused(tmp_path, volume):
    write_volume(tmp_path / "mask.nii", np.zeros((6, 7, 8), bool), like=volume)
    with pytest.raises(ValueError, match=r"mask\.nii: expected a 3-D mask that is not empty"):
        read_mask(tmp_path / "mask.nii")


def test_json_and_tables(tmp_path):
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"bad\.json: expected a JSON object, found list"):
        read_json(tmp_path / "bad.json")
    write_table(tmp_path / "t.tsv", pd.DataFrame({"participant_id": ["sub-01"], "age": [np.nan]}))
    assert "n/a" in (tmp_path / "t.tsv").read_text()
    assert read_table(tmp_path / "t.tsv").age.isna().all()


def test_a_pipe_is_no_json_file_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ValueError, match=r"pipe\.json: expected a JSON file in UTF-8, found .* a pipe or a device"):
        read_json(tmp_path / "pipe.json")


def test_a_key_that_stands_twice_with_different_values_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"EchoTime": 0.01, "B": {"C": 1}, "EchoTime": 0.01}')
    assert read_json(tmp_path / "a.json") == {"EchoTime": 0.01, "B": {"C": 1}}
    (tmp_path / "a.json").write_text('{"EchoTime": 0.01, "EchoTime": 0.02}')
    with pytest.raises(ValueError, match=r"a\.json: expected a JSON file in UTF-8, found the key 'EchoTime' twice"):
        read_json(tmp_path / "a.json")


def test_acquisition_survives_the_file_and_knows_its_units(tmp_path):
    facts = Acquisition(te_s=(0.005, 0.010), b0_tesla=3.0, b0_dir=(0, 0, 1), voxel_size_mm=(1, 1, 2))
    facts.write(tmp_path / "a.json")
    assert Acquisition.read(tmp_path / "a.json") == facts
    # 1 ppm at 3 T is 127.7 Hz: 2 pi 127.7 Hz 5 ms = 4.01 rad
    assert 1 / facts.ppm_per_rad()[0] == pytest.approx(4.0127, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"te_s": (5.0, 10.0)}, "milliseconds"),
        ({"te_s": (0.01, 0.005)}, "ascending"),
        ({"te_s": ()}, "ascending"),
        ({"b0_tesla": 3000.0}, "tesla"),
        ({"b0_dir": (0, 0, 2)}, "unit vector"),
        ({"voxel_size_mm": (1, 0, 1)}, "positive mm"),
    ],
)
def test_impossible_acquisitions_are_refused(change, message):
    facts = {"te_s": (0.005,), "b0_tesla": 3.0, "b0_dir": (0, 0, 1), "voxel_size_mm": (1, 1, 1)}
    with pytest.raises(ValueError, match=message):
        Acquisition(**(facts | change))


def test_sidecars_are_inherited_from_general_to_specific(tmp_path):
    anat = tmp_path / "sub-01/anat"
    write_json(tmp_path / "part-phase_MEGRE.json", {"Units": "rad", "FlipAngle": 20})
    write_json(tmp_path / "echo-2_MEGRE.json", {"EchoTime": 0.01})
    write_json(anat / "sub-01_echo-2_part-phase_MEGRE.json", {"FlipAngle": 24})
    write_json(anat / "sub-01_echo-1_part-phase_MEGRE.json", {"EchoTime": 9})
    image = anat / "sub-01_echo-2_part-phase_MEGRE.nii.gz"
    assert entities(image) == {"sub": "01", "echo": "2", "part": "phase", "suffix": "MEGRE"}
    facts = metadata(image, tmp_path.rglob("*.json"))
    assert facts == {"Units": "rad", "FlipAngle": 24, "EchoTime": 0.01}
