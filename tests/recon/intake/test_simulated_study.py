"""A dataset as simulators of the field write it: sparse sidecars, radians that nothing tells, a mask of its own."""

import nibabel as nib
import numpy as np
import pytest

from recon.files.io import write_json
from recon.intake.echoes import prepare_echoes
from recon.intake.index import index
from tests.recon.intake import echo_files as ef

TURN = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
B0_DIR = [0.0, 0.6, 0.8]  # the scanner's z axis in voxel axes


@pytest.fixture
def study(tmp_path):
    affine = np.eye(4)
    affine[:3, :3] = TURN * [2, 2, 2.5]
    anat, stem = tmp_path / "sub-1/anat", "sub-1_acq-low_run-1"
    for echo, te_s in enumerate(ef.TE_S, 1):
        for part, of in (("mag", np.abs), ("phase", np.angle)):
            path = anat / f"{stem}_echo-{echo}_part-{part}_MEGRE.nii"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(of(ef.head(te_s)), affine), path)
            facts = {"EchoTime": te_s, "MagneticFieldStrength": 7, "FlipAngle": 15, "EchoNumber": echo}
            write_json(path.with_suffix(".json"), facts | {"B0_dir": B0_DIR, "RepetitionTime": 0.05})
    write_json(tmp_path / "dataset_description.json", {"Name": "simulated", "BIDSVersion": "1.0.1"})
    for name in ("mask", "dseg", "Chimap"):
        truth = tmp_path / f"derivatives/simulator/sub-1/anat/{stem}_{name}.nii"
        truth.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones(ef.SHAPE, np.int16), affine), truth)
    return tmp_path


def test_the_echoes_are_read_with_notes(study):
    scans, problems = index(study)
    assert problems == {}
    scan = scans["sub-1_run-1"]
    mask, labels = sorted(scan.notes, reverse=True)
    assert labels.startswith("not used: sub-1_acq-low_run-1_dseg.nii (no sub-1_acq-low_run-1_dseg.tsv beside it")
    assert mask.startswith("not used: sub-1_acq-low_run-1_mask.nii (neither desc-brain_mask nor label-brain_mask")
    magnitude, phase_rad, acquisition, _ = prepare_echoes(scan.series, ef.AUTO)
    np.testing.assert_allclose(acquisition.b0_dir, B0_DIR, atol=1e-6)
    notes = acquisition.decisions["Notes"]
    assert any("phase: taken for radians" in note for note in notes)
    assert any("phase sign: assumed +1" in note for note in notes)
    truth = np.stack(ef.echoes(), axis=-1)
    np.testing.assert_allclose(magnitude, np.abs(truth), rtol=1e-6)
    assert np.abs(np.angle(np.exp(1j * phase_rad) * truth.conj())).max() < 1e-3


@pytest.mark.parametrize("codes", [(1, 4), (2, 5)])
def test_the_qform_places_echoes_that_were_also_registered_with_a_template(study, codes):
    for path in study.glob("sub-1/anat/*.nii"):
        image = nib.load(path)
        data, affine = image.get_fdata(dtype=np.float32).copy(), image.affine  # the file is overwritten
        placed = nib.Nifti1Image(data, None)
        placed.header.set_qform(affine, codes[0])
        placed.header.set_sform(np.diag([2.2, 2.1, 2.6, 1]), codes[1])
        nib.save(placed, path)
    scan = index(study)[0]["sub-1_run-1"]
    _, _, acquisition, grid = prepare_echoes(scan.series, ef.AUTO)
    np.testing.assert_allclose(acquisition.b0_dir, B0_DIR, atol=1e-6)
    assert grid.codes == (codes[0], codes[0])  # of the maps: what they hold is the scanner's
    assert "_echo-1_part-mag_MEGRE.nii: placed by its qform (code " in acquisition.decisions["Notes"][0]
