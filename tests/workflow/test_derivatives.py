"""The files that the workflow writes are a valid BIDS derivative, with visits and runs."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from recon.acquisition import Acquisition
from recon.files.io import Volume, write_mask, write_volume
from recon.files.sidecars import protocol, provenance
from recon.files.tables import read_table
from recon.inversion.stage import METHODS as INVERSIONS
from recon.inversion.stage import STAGE as INVERSION
from recon.phantom.bids import RAW_DESCRIPTION
from recon.regions.nuclei import nucleus_labels
from recon.relaxation.stage import METHODS as FITS
from recon.relaxation.stage import STAGE as R2STAR
from recon.settings import defaults
from workflow.lib.record.derivative import SIMULATED_LICENCE
from workflow.lib.record.references import entries, estimation, estimation_of
from workflow.lib.run import Run
from workflow.lib.setup.paths import anat
from workflow.scripts import derivative_description

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
LIKE = Volume(data=np.ones((4, 4, 4), np.float32), affine=np.diag([2.0, 2, 2, 1]))
MAPS = {"Chimap": "ppm", "desc-stage_T1w": "arbitrary"}  # of every scan
MORE = {
    "desc-echo2_Chimap": "ppm",
    "R2starmap": "1/s",
    "desc-misfit_R2starmap": "1",
    "T1map": "s",
    "PDmap": "arbitrary",
}
TE_S = {"Chimap": (0.01, 0.02), "R2starmap": (0.01, 0.02), "desc-echo2_Chimap": (0.02,), "T1map": (0.01,)}
ESTIMATED = {
    "Chimap": estimation_of(INVERSION, defaults("dipole_inversion")),
    "R2starmap": estimation_of(R2STAR, defaults("r2star_map")),
}
MASKS = {"desc-brain_mask": "Brain", "label-BG_mask": "ROI"}
SCANS = {"sub-01": "sub-01", "sub-02_ses-01": "sub-02/ses-01", "sub-02_ses-02_run-1": "sub-02/ses-02",
         "sub-03_run-1": "sub-03", "sub-03_run-2": "sub-03"}  # fmt: skip


def write_derivative(root: Path, scans: dict[str, str], maps: dict[str, str]) -> Path:
    """Every kind of file, tiny, for some scans (name → folder)."""
    links = {"raw": "../../rawdata", "user": "file:///data/labels"}
    derivative_description.main(str(root / "dataset_description.json"), links, simulated=False)
    for scan, folder in scans.items():
        facts = Acquisition(
            te_s=(0.01,), b0_tesla=3.0, b0_dir=(0.0, 0.0, 1.0), voxel_size_mm=(2.0, 2.0, 2.0),
            sources=(f"bids:raw:{folder}/anat/{scan}_echo-1_part-phase_MEGRE.nii.gz",),
            decisions={"PhaseUnits": "rad: the sidecar says so", "Notes": []},
        )  # fmt: skip

        def path(name, scan=scan, folder=folder):
            return root / anat(name).format(scan=scan, folder=folder)

        for name, unit in maps.items():
            about = {"Units": unit, **provenance(facts), **(protocol(facts, TE_S[name]) if name in TE_S else {})}
            write_volume(path(f"{name}.nii.gz"), LIKE.data, LIKE, about | ESTIMATED.get(name, {}))
        for name, kind in MASKS.items():
            write_mask(path(f"{name}.nii.gz"), LIKE.data > 0, LIKE, {"Type": kind, **provenance(facts)})
        write_volume(path("desc-nuclei_dseg.nii.gz"), LIKE.data.astype(np.uint8), LIKE, provenance(facts))
        path("desc-nuclei_stats.tsv").write_text("index\tname\n1\tcaudate\n")
    return root


@pytest.fixture(scope="module")
def derivative(tmp_path_factory) -> Path:
    """Every kind of file for every kind of scan."""
    return write_derivative(tmp_path_factory.mktemp("qnet"), SCANS, MAPS | MORE)


def issues(dataset: Path) -> list[dict]:
    command = [VALIDATOR, dataset, "--format", "json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(run.stdout)["issues"]["issues"]


def test_validator_misses_nothing_but_authors_and_descriptions(derivative):
    found = {(issue["code"], issue.get("subCode")) for issue in issues(derivative)}
    assert found <= {("TOO_FEW_AUTHORS", None), ("SIDECAR_KEY_RECOMMENDED", "Description")}


def test_scans_of_a_single_echo_are_valid_as_well(tmp_path):
    found = issues(write_derivative(tmp_path, {"sub-01": "sub-01"}, MAPS))
    assert [issue for issue in found if issue["severity"] == "error"] == []


def test_validator_looks_at_these_files(derivative):
    stray = derivative / "sub-01/anat/sub-01_echo-2_Chimap.nii.gz"  # echo is no entity of a Chimap
    stray.write_bytes((derivative / "sub-01/anat/sub-01_Chimap.nii.gz").read_bytes())
    try:
        assert any(issue["severity"] == "error" for issue in issues(derivative))
    finally:
        stray.unlink()


def test_description_names_software_sources_and_links(derivative):
    content = json.loads((derivative / "dataset_description.json").read_text())
    assert content["DatasetType"] == "derivative"
    assert {"Name", "Version", "Description"} <= content["GeneratedBy"][0].keys()
    assert [source["URL"] for source in content["SourceDatasets"]] == list(content["DatasetLinks"].values())


def test_labels_of_nuclei_have_names(derivative):
    table = read_table(derivative / "desc-nuclei_dseg.tsv")
    assert list(table["index"]) == list(nucleus_labels())
    assert table["name"].is_unique and table["name"][0] == "caudate L"


def test_sidecar_tells_decisions_and_their_reasons(derivative):
    sidecar = json.loads((derivative / "sub-02/ses-01/anat/sub-02_ses-01_Chimap.json").read_text())
    assert sidecar["Intake"]["PhaseUnits"] == "rad: the sidecar says so"
    assert sidecar["Sources"][0].startswith("bids:raw:sub-02/ses-01/anat/")


@pytest.mark.parametrize(("stage", "method"), [*((INVERSION, m) for m in INVERSIONS), *((R2STAR, m) for m in FITS)])
def test_a_map_names_its_method_and_what_that_is_based_on(stage, method):
    section = defaults(stage.section) | {"method": method}
    told = estimation_of(stage, section)
    assert told["EstimationAlgorithm"] == method
    cited = [
        key for key in stage.method(method).references if entries()[key]["doi"] in told.get("EstimationReference", "")
    ]
    assert set(cited) <= set(stage.method(method).references)
    assert bool(cited) == (method != "irls")  # which cites nobody until it removes the floor of several coils


def test_references_depend_on_the_settings():
    section = defaults("r2star_map") | {"method": "irls", "coils": 8}
    assert "10.1002/mrm.1910380524" in estimation_of(R2STAR, section)["EstimationReference"]
    assert "EstimationReference" not in estimation("two-point formula")


def test_what_is_known_of_the_protocol_is_told_in_the_standard_s_words():
    facts = Acquisition(
        te_s=(0.004, 0.008), b0_tesla=2.89, b0_dir=(0.0, 0.0, 1.0), voxel_size_mm=(1.0, 1.0, 1.0), flip_angle_deg=15.0
    )
    assert protocol(facts, facts.te_s) == {"MagneticFieldStrength": 2.89, "EchoTime": [0.004, 0.008], "FlipAngle": 15.0}
    assert protocol(facts, facts.te_s[:1])["EchoTime"] == 0.004


def test_the_licence_is_that_of_the_raw_data(tmp_path):
    derivative_description.main(str(tmp_path / "dataset_description.json"), {"raw": ".."}, True, SIMULATED_LICENCE)
    content = json.loads((tmp_path / "dataset_description.json").read_text())
    assert content["License"] == SIMULATED_LICENCE == RAW_DESCRIPTION["License"]
    assert content["BIDSVersion"] == "1.11.1"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ({"License": "CC-BY-4.0"}, "CC-BY-4.0"),
        ({}, None),
        ({"License": " "}, None),
        ({"License": 4}, None),
        (None, None),
    ],
)
def test_the_licence_of_the_users_data_is_read(tmp_path, description, expected):
    if description is not None:
        (tmp_path / "dataset_description.json").write_text(json.dumps(description))
    run = SimpleNamespace(simulated=False, bids_dir=str(tmp_path))
    assert Run.licence.func(run) == expected
