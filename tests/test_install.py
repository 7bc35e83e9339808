"""The wheel in an environment of its own: what it holds, and that its command works from any folder."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.pins import ROOT
from tests.workflow.conftest import TINY

FOLDERS = ("recon", "qnet", "workflow", "config", "resources")
MOST_BYTES = 1_200_000  # without what is pinned by its hash
PINNED = tuple(
    f"q_net/resources/{name}"
    for name in (
        "viewer/niivue.js",
        *(f"{name}.safetensors" for name in ("unrolled", "deepqsm", "qsmnet", "encoder", "segmentation")),
    )
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built offline by the locked builder."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """An empty environment beside the locked packages, with the wheel in it; what is installed cannot be written."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    (packages / "locked.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    for path in [*(packages / "q_net").rglob("*"), packages / "q_net"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder with nothing but an overlay."""
    folder = tmp_path_factory.mktemp("else where")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return folder


def run(installed: Path, folder: Path, program: str, *words: object) -> str:
    """What a program of the environment prints; it knows the checkout by no variable."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [installed / "bin" / program, *map(str, words)], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_wheel_holds_the_house_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    house = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}
    expected = {f"q_net/{path.relative_to(ROOT).as_posix()}" for path in house if path.suffix != ".pyc"}
    expected |= {"q_net/pyproject.toml", "q_net/requirements.lock", "q_net.pth"}
    assert {name for name in names if ".dist-info/" not in name} == expected
    pinned = sum(zipfile.ZipFile(wheel).getinfo(name).compress_size for name in PINNED)
    assert wheel.stat().st_size - pinned < MOST_BYTES


def test_only_one_folder_and_its_path_become_names_of_their_own(installed):
    packages = next(installed.glob("lib/python3*/site-packages"))
    added = {path.name for path in packages.iterdir()} - {"locked.pth", "_distutils_hack", "distutils-precedence.pth"}
    added = {name for name in added if not name.startswith(("pip", "setuptools", "pkg_resources", "wheel"))}
    assert {name.split("-")[0] for name in added} == {"q_net", "q_net.pth"}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("python", ("-m", "recon", "--help")),
        ("python", ("-m", "qnet", "--help")),
        ("q-net", ("recon", "dipole", "--help")),
        ("q-net", ("--help",)),
    ],
)
def test_commands_work_from_another_folder(installed, elsewhere, program, words):
    assert run(installed, elsewhere, program, *words).startswith("usage: ")


def test_a_tiny_cohort_from_raw_data_to_maps(installed, elsewhere):
    """Two subjects simulated by `q-net run`, one of them reconstructed by the BIDS-App form."""
    packages = next(installed.glob("lib/python3*/site-packages"))
    before = contents(packages / "q_net")
    targets = [f"results/tiny/rawdata/{n}/anat/{n}_echo-1_part-mag_MEGRE.nii.gz" for n in ("sub-01", "sub-02")]
    targets.append("results/tiny/rawdata/participants.tsv")
    run(installed, elsewhere, "q-net", "run", *targets, "--cores", 2, "--configfile", "tiny.yaml")
    bids = elsewhere / "bids"
    shutil.copytree(elsewhere / "results/tiny/rawdata", bids, ignore=shutil.ignore_patterns("derivatives"))
    raw = contents(bids)
    for path in bids.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)

    words = (bids, "out", "participant", "--participant-label", "02", "--nprocs", 2, "--configfile", "tiny.yaml")
    run(installed, elsewhere, "q-net", *words)
    maps = {path.name for path in (elsewhere / "out/derivatives/qnet").rglob("*.nii.gz")}
    assert {"sub-02_Chimap.nii.gz", "sub-02_R2starmap.nii.gz", "sub-02_desc-stage_T1w.nii.gz"} <= maps
    assert not any("sub-01" in name for name in maps)
    assert (elsewhere / "out/sub-02.html").is_file()
    record = json.loads((elsewhere / "out/run.json").read_text())
    assert record["code"] == {"revision": None, "edited": None}
    assert any(name.startswith("bids:raw:sub-02/") for name in record["inputs"])
    assert "0 altered, 0 missing, 0 unrecorded" in run(installed, elsewhere, "q-net", "verify", "out")
    assert contents(bids) == raw
    assert contents(packages / "q_net") == before
