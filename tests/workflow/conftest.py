"""A copy of the project in a temporary folder, and one real run of a tiny cohort that many tests look at."""

import fcntl
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
import yaml

TINY = {
    "dataset": "tiny",
    "simulate": {"subjects": 4, "voxel_size_mm": [3.0, 3.0, 3.0], "te_s": [0.005, 0.015, 0.025]},
    "slice_stack": {"slices": 3, "image_size": 40},
    "folds": {"folds": 2},
    "train_image_model": {"epochs": 2, "batch_size": 4},
    "train_scan_model": {"epochs": 2, "hidden_size": 8},
    "baselines": {"permutations": 5, "inner_folds": 2},
    "evaluate": {"bootstrap": 50},
}
FORKED_JOBS = str(Path(__file__).with_name("forked_jobs.py"))
TRAP = "trap"  # a file that only a shell would make, were it given a name to run
SECRET = "Zzsecret"
IDENTIFYING = (  # keys of sidecars
    "PatientName", "PatientBirthDate", "PatientID", "PatientSex", "PatientAge", "PatientWeight", "OtherPatientNames",
    "InstitutionName", "InstitutionAddress", "DeviceSerialNumber", "StationName", "AcquisitionDateTime",
    "AcquisitionTime", "StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber", "ReferringPhysicianName",
    "OperatorsName", "ProtocolName", "SeriesDescription", "ImageComments", "ProcedureStepDescription", "BodyPart",
)  # fmt: skip
TEXTS = ("descrip", "aux_file", "intent_name", "db_name", "data_type")  # of a NIfTI-1 header


class Stranger(NamedTuple):
    """Folder of a dataset, its results, and what the run printed."""

    folder: Path
    results: Path
    told: str


def snakemake(
    project: Path,
    *arguments: str,
    check: bool = True,
    within: Sequence[str] = (),
    forked: bool = False,
    **variables: str,
) -> subprocess.CompletedProcess:
    """Run Snakemake in a project folder; the text it printed is in `stdout`.

    `within` is a command that runs what follows it; `variables` are put into the environment. `forked`: many jobs share
    what they import, see forked_jobs.py.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    run = subprocess.run(
        [*within, sys.executable, *([FORKED_JOBS] if forked else ["-m", "snakemake"]), "--cores", "2", *arguments],
        cwd=project,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if check and run.returncode:
        pytest.fail(f"snakemake {' '.join(arguments)}:\n{run.stdout[-6000:]}")
    return run


def copied(repository: Path, copy: Path) -> Path:
    """A copy of the project's files and `tiny.yaml`, an overlay that runs in a minute."""
    for folder in ("config", "workflow", "recon", "qnet", "resources"):
        shutil.copytree(repository / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "pyproject.toml", copy)
    (copy / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return copy


@pytest.fixture(scope="session")
def project(repository, tmp_path_factory) -> Path:
    """A copy of the project, for each of the processes that run tests."""
    return copied(repository, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def without_network() -> list[str]:
    """A command that runs what follows it in a network namespace without any interface that is up, or nothing."""
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except FileNotFoundError:
            pass
    return []


@pytest.fixture(scope="session")
def finished_run(repository, without_network, tmp_path_factory, worker_id) -> Path:
    """A project after a full run of the tiny cohort, cut off the network where this machine allows that.

    The file `network` names the namespace in which it ran. Processes that run tests side by side share it: the first
    that needs it makes it, the others wait, and nobody touches it.
    """
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "finished-run"
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            making = copied(repository, Path(f"{place}-{worker_id}"))
            remember = ["sh", "-c", 'readlink /proc/self/ns/net > network; exec "$0" "$@"']
            snakemake(making, "--configfile", "tiny.yaml", within=[*without_network, *remember], forked=True)
            making.rename(place)
    return place


@pytest.fixture(scope="session")
def tiny(project, finished_run) -> Path:
    """The project with all that the run of the tiny cohort left, to work with."""
    shutil.copytree(finished_run, project, dirs_exist_ok=True)
    return project


@pytest.fixture(scope="session")
def stranger(tiny, without_network, tmp_path_factory) -> Stranger:
    """The maps of the first subject of the tiny cohort, whose raw data came from a stranger.

    The folder's name holds what a shell would run, the files are links into a store as datalad has them, and sidecars
    and headers name a person. It ran on one core, cut off the network, with texts hashed in another way.
    """
    folder = tmp_path_factory.mktemp("sub-mitted") / f'it\'s $(touch {TRAP}) `touch {TRAP}`;touch {TRAP} & "data" é'
    raw, store = tiny / "results/tiny/rawdata", folder / ".git/annex/objects"
    store.mkdir(parents=True)
    for file in sorted(raw.glob("sub-01/anat/*")):
        place = folder / file.relative_to(raw)
        place.parent.mkdir(parents=True, exist_ok=True)
        (store / file.name).write_bytes(with_secrets(file))
        place.symlink_to(os.path.relpath(store / file.name, place.parent))
    (folder / "dataset_description.json").write_text(json.dumps({"Name": SECRET, "BIDSVersion": "1.10.0"}))
    (folder / "participants.tsv").write_text(f"participant_id\tage\tsex\tgroup\tname\nsub-01\t50\tF\tHC\t{SECRET}\n")
    (tiny / "stranger.yaml").write_text(yaml.safe_dump(TINY | {"dataset": "stranger", "bids_dir": str(folder)}))
    arguments = ("--cores", "1", "--configfile", "stranger.yaml", "--", "maps")
    told = snakemake(tiny, *arguments, within=without_network, PYTHONHASHSEED="77").stdout
    return Stranger(folder=folder, results=tiny / "results/stranger", told=told)


def with_secrets(file: Path) -> bytes:
    """The content of a sidecar or an image with a secret in every field that may name person, place or time."""
    if file.suffix == ".json":
        return json.dumps(json.loads(file.read_text()) | dict.fromkeys(IDENTIFYING, SECRET)).encode()
    content = bytearray(gzip.decompress(file.read_bytes()))
    header = np.frombuffer(content, nib.nifti1.header_dtype, count=1)
    for name in TEXTS:
        header[name] = SECRET
    return gzip.compress(bytes(content), compresslevel=1)
