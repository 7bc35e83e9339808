"""What a finished run hands on: its maps as DICOM, and as BIDS derivatives that name where they come from."""

import json

import numpy as np
import pydicom

from recon.files.io import read_volume
from workflow.__main__ import main


def test_the_maps_of_a_finished_run_are_exported_as_dicom(finished_run, tmp_path):
    run, out = finished_run / "results/tiny", tmp_path / "out"
    assert main(["export-dicom", str(run), str(out), "--scan", "sub-01", "--maps", "chi"]) == 0
    images = [pydicom.dcmread(path) for path in sorted(out.rglob("*.dcm"))]
    chi = read_volume(run / "derivatives/qnet/sub-01/anat/sub-01_Chimap.nii.gz").data
    assert len(images) in chi.shape and {image.PatientID for image in images} == {"sub-01"}
    values = np.concatenate([
        np.ravel(image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)) for image in images
    ])  # fmt: skip
    step = max(float(image.RescaleSlope) for image in images)
    np.testing.assert_allclose(np.sort(values), 1000 * np.sort(chi.ravel()), atol=1.01 * step)  # ppb


def test_every_map_of_a_finished_run_has_a_sidecar_with_its_sources(finished_run):
    derivatives = finished_run / "results/tiny/derivatives/qnet"
    about = json.loads((derivatives / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative" and about["GeneratedBy"]
    maps = sorted((derivatives / "sub-01").rglob("*map.nii.gz"))
    assert any(path.name.endswith("_Chimap.nii.gz") for path in maps)
    for path in maps:
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Units"] and sidecar["Sources"], path.name
