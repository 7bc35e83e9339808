"""The stages as submissions to QSM-CI: its contract, its placeholders, and run.sh as its runner starts it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from recon.__main__ import main
from recon.files.io import Volume, read_json, read_mask, read_volume, write_json, write_mask, write_volume
from recon.settings import shipped
from tests.pins import ROOT
from tests.recon.physics import acquisition, ball, field_of, nuclei, signal, slope

ENTRIES = sorted((ROOT / "resources/qsm-ci").iterdir())
CONTRACT = {  # stage: what it may read, what it must write (contract v2 of QSM-CI)
    "brain-extraction": ({"magnitude", "params"}, "mask"),
    "field-mapping": ({"phase", "magnitude", "mask", "params"}, "totalfield"),
    "bfr": ({"totalfield", "mask", "params"}, "localfield"),
    "dipole": ({"localfield", "mask", "params"}, "chimap"),
    "end-to-end": ({"phase", "magnitude", "mask", "params"}, "chimap"),
}
PLACEHOLDER = {"TE": [1.0], "B0": 3.0}  # what it writes for stages that work in ppm
SMALL, EDGES_MM = (36, 36, 36), (3.0, 3.0, 3.0)


def manifest(entry: Path) -> dict:
    return yaml.safe_load((entry / "algorithm.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> Path:
    """Every artifact of the contract, small, and the truth of those that a stage makes."""
    folder = tmp_path_factory.mktemp("artifacts")
    chi, mask = nuclei(SMALL, EDGES_MM), ball(40, shape=SMALL, voxel_size_mm=EDGES_MM)
    facts = acquisition(voxel_size_mm=EDGES_MM)
    local = field_of(chi, voxel_size_mm=EDGES_MM)
    source = 4.0 * ball(5, (0, 48, -20), SMALL, EDGES_MM).astype(np.float32)
    total = local + field_of(source, voxel_size_mm=EDGES_MM)
    magnitude, phase = signal(chi, total, facts)
    like = Volume(data=chi, affine=np.diag([*EDGES_MM, 1.0]))
    for name, data in {"magnitude": magnitude * mask[..., None], "phase": phase, "totalfield": total,
                       "localfield": local, "chimap": chi}.items():  # fmt: skip
        write_volume(folder / f"{name}.nii.gz", data, like)
    write_mask(folder / "mask.nii.gz", mask, like)
    grid = {"B0_dir": [0, 0, 1], "voxel_size": list(EDGES_MM)}
    write_json(folder / "params.json", {"TE": list(facts.te_s), "B0": 3.0, **grid})
    return folder


def given(artifacts: Path, folder: Path, names: set[str], **parameters: object) -> Path:
    """The input folder of a stage: what it reads and nothing else."""
    folder.mkdir()
    for name in names - {"params"}:
        (folder / f"{name}.nii.gz").symlink_to(artifacts / f"{name}.nii.gz")
    write_json(folder / "params.json", read_json(artifacts / "params.json") | parameters)
    return folder


def environment(**variables: str) -> dict[str, str]:
    """Where `python3` is the one of the tests, and finds the project."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    modules = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PATH": path, "PYTHONPATH": modules, "OMP_NUM_THREADS": "1"} | variables


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_keeps_the_contract(entry):
    about = manifest(entry)
    reads, _ = CONTRACT[about["stage"]]
    assert about["slug"] == entry.name == f"qnet-{about['stage']}"
    assert set(about["inputs"]) <= reads
    assert about["run"] == "bash run.sh"
    assert {"name", "description", "authors", "citation", "doi", "license", "image"} <= about.keys()
    settings = {parameter["name"]: parameter["default"] for parameter in about.get("parameters", [])}
    assert settings.items() <= {"pipeline": "consensus"}.items() and {"consensus", "pipeline"} <= shipped().keys()


def test_there_is_an_entry_for_every_stage():
    assert {manifest(entry)["stage"] for entry in ENTRIES} == CONTRACT.keys()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_run_sh_makes_what_the_stage_promises(artifacts, tmp_path, entry):
    stage = manifest(entry)["stage"]
    reads, writes = CONTRACT[stage]
    placeholder = {} if "phase" in reads else PLACEHOLDER
    source = given(artifacts, tmp_path / "input", set(manifest(entry)["inputs"]), **placeholder)
    out = tmp_path / "output"
    command = ["bash", entry / "run.sh", source, out]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made, truth = (read_volume(folder / f"{writes}.nii.gz") for folder in (out, artifacts))
    np.testing.assert_allclose(made.affine, truth.affine)
    mask = read_mask(artifacts / "mask.nii.gz")
    if stage == "brain-extraction":
        assert 2 * (made.data * mask).sum() / (made.data.sum() + mask.sum()) > 0.85  # of few voxels
    else:
        known = read_mask(out / "eroded_mask.nii.gz") if (out / "eroded_mask.nii.gz").exists() else mask
        assert slope(made.data, truth.data, known) == pytest.approx(1, abs=0.2)


def test_the_arm_is_a_parameter(artifacts, tmp_path):
    source = given(artifacts, tmp_path / "input", {"localfield", "mask", "params"}, **PLACEHOLDER)
    maps = []
    for arm in ("paper", "consensus"):
        command = ["bash", ROOT / "resources/qsm-ci/qnet-dipole/run.sh", source, tmp_path / arm]
        subprocess.run(command, env=environment(QSMCI_SET_PIPELINE=arm), check=True)
        maps.append(read_volume(tmp_path / arm / "chimap.nii.gz").data)
        assert main(["dipole", str(source), str(tmp_path / f"{arm} again"), "--set", f"pipeline={arm}"]) == 0
        np.testing.assert_array_equal(maps[-1], read_volume(tmp_path / f"{arm} again" / "chimap.nii.gz").data)
    assert np.abs(maps[0] - maps[1]).max() > 0.001


def test_its_own_runner_starts_it_without_echo_times(artifacts, tmp_path):
    files = [f"--{name}={artifacts / name}.nii.gz" for name in ("localfield", "mask")]
    command = [sys.executable, "-m", "qsm_ci.cli", "run", str(ROOT / "resources/qsm-ci/qnet-dipole"), *files]
    command += ["--runner", "local", "--out", str(tmp_path / "out.nii.gz"), "--set", "pipeline=paper"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made, truth = read_volume(tmp_path / "out.nii.gz"), read_volume(artifacts / "chimap.nii.gz")
    assert slope(made.data, truth.data, read_mask(artifacts / "mask.nii.gz")) == pytest.approx(1, abs=0.2)


# what stands in params.json where a stage does not need it


@pytest.mark.parametrize(
    ("stage", "parameters"),
    [("bfr", PLACEHOLDER), ("dipole", PLACEHOLDER), ("brain-mask", PLACEHOLDER), ("dipole", {"TE": [], "B0": 0}),
     ("dipole", {"TE": None, "B0": None})],
)  # fmt: skip
def test_what_works_in_ppm_reads_neither_echo_times_nor_field(artifacts, tmp_path, stage, parameters):
    reads = {"bfr": {"totalfield", "mask"}, "dipole": {"localfield", "mask"}, "brain-mask": {"magnitude"}}[stage]
    for name, changed in (("true", {}), ("placeholder", parameters)):
        source = given(artifacts, tmp_path / name, reads, **changed)
        assert main([stage, str(source), str(tmp_path / f"out of {name}")]) == 0
    outputs = sorted(path.name for path in (tmp_path / "out of true").glob("*.nii.gz"))
    assert outputs
    for name in outputs:
        one, two = (read_volume(tmp_path / f"out of {folder}" / name).data for folder in ("true", "placeholder"))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("stage", ["unwrap", "field-mapping", "r2star", "end-to-end"])
def test_what_needs_echo_times_refuses_a_placeholder(artifacts, tmp_path, capsys, stage):
    source = given(artifacts, tmp_path / "in", {"phase", "magnitude", "mask"}, **PLACEHOLDER)
    assert main([stage, str(source), str(tmp_path / "out")]) == 2
    assert "expected 1 echoes (params.json), found 6" in capsys.readouterr().err


def test_a_single_echo_needs_its_time_where_that_counts(artifacts, tmp_path, capsys):
    source = given(artifacts, tmp_path / "in", {"localfield", "mask"}, **PLACEHOLDER)
    magnitude = read_volume(artifacts / "magnitude.nii.gz")
    write_volume(source / "magnitude.nii.gz", magnitude.data[..., 0], magnitude)
    assert main(["dipole", str(source), str(tmp_path / "out"), "--set", "pipeline=consensus"]) == 0  # it cancels
    (source / "phase.nii.gz").symlink_to(source / "magnitude.nii.gz")
    assert main(["field-mapping", str(source), str(tmp_path / "out")]) == 2
    assert "echo times: expected seconds below 0.5, found [1.0]" in capsys.readouterr().err


def test_the_grid_is_needed_by_every_stage(artifacts, tmp_path, capsys):
    source = given(artifacts, tmp_path / "in", {"localfield", "mask"})
    write_json(source / "params.json", PLACEHOLDER)
    assert main(["dipole", str(source), str(tmp_path / "out")]) == 2
    assert "params.json: expected B0_dir and voxel_size, found no B0_dir, voxel_size" in capsys.readouterr().err
