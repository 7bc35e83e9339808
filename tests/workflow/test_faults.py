"""Faults in the middle of a run: a plain rerun ends with the same bytes and repeats nothing, or refuses clearly.

Training that is killed between epochs: tests/qnet/test_resume.py. A job that SLURM kills, a lost node, a lost
controller: test_slurm.py. Broken and vanished files of a user's dataset: test_tiny.py.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.workflow.warm import planned_jobs
from workflow.lib.jobs.checksums import FOLDER, sha256

RUN = Path("results/tiny")
WORK, ANAT = RUN / "work/sub-01", RUN / "derivatives/qnet/sub-01/anat"
CHI_OF_ECHOES, CHI = WORK / "sub-01_desc-echoes_Chimap.nii", ANAT / "sub-01_Chimap.nii.gz"
# verbose: Snakemake itself names the jobs that it has finished
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2", "--verbose", "--configfile", "tiny.yaml"]
PRINTED = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
DIPOLE, COMBINE = {"dipole_inversion": 1}, {"combine_echoes": 1}
FAULTS = """
import os, signal, sys, time

rename, how, where = os.replace, os.environ["FAULT"], os.environ["FAULT_FILE"]

def replace(source, target, **options):
    if str(target).endswith(where) and how in ("kill", "stall"):
        os.truncate(source, os.path.getsize(source) // 2)
        print("half written", file=sys.__stdout__, flush=True)
        time.sleep(600 if how == "stall" else 0)
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target, **options)
    if str(target).endswith(where) and how == "late":
        os.utime(target, (1e9, 1e9))  # a clock of the year 2001

os.replace = replace
"""


def contents(project: Path) -> dict[str, str]:
    """SHA-256 of every result of a run and of every record, without logs and costs."""
    folders = ("rawdata", "work", "derivatives", FOLDER)
    files = [path for folder in folders for path in (project / RUN / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(project)): sha256(path) for path in files}


@pytest.fixture
def finished(tiny, tmp_path) -> Path:
    """The first scan of the finished tiny run, with all that Snakemake remembers of it."""
    others = shutil.ignore_patterns("sub-0[2-9]*", "log")

    def left_out(folder: str, names: list[str]) -> set[str]:
        return others(folder, names) | ({"qnet"} & set(names) if folder.endswith("results/tiny") else set())

    shutil.copytree(tiny, tmp_path / "project", ignore=left_out, ignore_dangling_symlinks=True)
    return tmp_path / "project"


def start(project: Path, *arguments: str, fault: str = "", file: Path | str = "") -> subprocess.Popen:
    """Start Snakemake in a process group of its own; `fault` befalls the job that writes `file`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if fault:
        folder = project / "faults"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(FAULTS)
        environment |= {"PYTHONPATH": str(folder), "FAULT": fault, "FAULT_FILE": str(file)}
    return subprocess.Popen([*SNAKEMAKE, *arguments], cwd=project, env=environment, start_new_session=True, **PRINTED)


def run(project: Path, *arguments: str, code: int = 0, **fault) -> str:
    """What a run printed that must end with `code`."""
    process = start(project, *arguments, **fault)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == code, text[-4000:]
    return text


def done(text: str) -> dict[str, int]:
    """{rule: jobs} that a run has finished."""
    return dict(Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", text, re.M)))


def temporary(project: Path) -> list[Path]:
    return [path for path in (project / RUN).rglob(".*.partial.*")]


def test_killed_jobs_a_second_run_and_a_killed_snakemake(finished):
    before = contents(finished)
    (finished / CHI_OF_ECHOES).unlink()
    (finished / CHI).unlink()

    text = run(finished, "--", str(CHI), fault="kill", file=CHI.name, code=1)
    assert done(text) == DIPOLE
    assert not (finished / CHI).exists() and len(temporary(finished)) == 1

    process = start(finished, "--", str(CHI), fault="stall", file=CHI.name)
    assert any("half written" in line for line in process.stdout)
    assert "cannot be locked" in run(finished, "--", str(CHI), code=1)  # a second run beside the first
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert temporary(finished)

    assert done(run(finished, "--unlock")) == {}
    assert done(run(finished, "--", str(CHI))) == COMBINE
    assert contents(finished) == before
    assert temporary(finished) == []


def test_a_corrupted_intermediate_is_refused_and_made_anew_by_a_late_clock(finished):
    before, broken = contents(finished), finished / CHI_OF_ECHOES
    (finished / CHI).unlink()
    about = broken.stat()
    with broken.open("r+b") as file:
        file.seek(about.st_size // 2)
        byte = file.read(1)[0]
        file.seek(about.st_size // 2)
        file.write(bytes([byte ^ 1]))
    os.utime(broken, ns=(about.st_atime_ns, about.st_mtime_ns))

    text = run(finished, "--", str(CHI), code=1)
    assert done(text) == {}
    assert re.search(rf"{CHI_OF_ECHOES}: expected SHA-256 \w+… as rule dipole_inversion wrote it, found", text)
    assert f"Delete {CHI_OF_ECHOES} and run again" in text
    verify = [sys.executable, "-m", "workflow", "verify", str(RUN)]
    found = subprocess.run(verify, cwd=finished, capture_output=True, text=True, check=False)
    assert found.returncode == 1 and f"altered: {CHI_OF_ECHOES}" in found.stdout

    broken.unlink()
    text = run(finished, "--", str(CHI), fault="late", file=CHI_OF_ECHOES.name)
    assert done(text) == DIPOLE | COMBINE
    assert contents(finished) == before
    assert planned_jobs(finished, "--configfile", "tiny.yaml", "--", str(CHI)) == {}


def test_a_vanished_raw_image_is_simulated_again(finished):
    before = contents(finished)
    (finished / RUN / "rawdata/sub-01/anat/sub-01_echo-2_part-phase_MEGRE.nii.gz").unlink()
    target = WORK / "sub-01_acquisition.json"
    (finished / target).unlink()
    assert done(run(finished, "--", str(target))) == {"simulate_subject": 1, "prepare_echoes": 1}
    assert contents(finished) == before


def test_a_raw_image_from_the_future_is_refused_before_any_job(finished):
    image = RUN / "rawdata/sub-01/anat/sub-01_echo-2_part-phase_MEGRE.nii.gz"
    os.utime(finished / image, (4e9, 4e9))  # 2096
    text = run(finished, "--dry-run", "--", str(CHI), code=1)
    assert f"{image}: expected a modification time in the past, found 2096-" in text
    assert f"touch {image}" in text


IN_NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "bash", "-c"]
FULL_DISK = """
set -e
mount -t tmpfs -o size=1g tmpfs "$2"
cp -a "$1/." "$2"
cd "$2"
used=$(df --output=used -B1 . | tail -1)
echo "== full"
mount -o remount,size=$((used + 1500000)) "$2"
"${@:3}" && exit 9
echo "== read-only"
mount -o remount,size=1g "$2"
mount --bind results results && mount -o remount,bind,ro results
"${@:3}" && exit 9
echo "== healed"
mount -o remount,bind,rw results
"${@:3}"
cp -a "$2/." "$1"
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*IN_NAMESPACE, "true"], check=False).returncode != 0,
    reason="needs a mount namespace: root, or user namespaces",
)
def test_a_full_disk_and_a_read_only_folder(finished, tmp_path):
    before = contents(finished)
    (finished / CHI_OF_ECHOES).unlink()
    (finished / CHI).unlink()
    (tmp_path / "disk").mkdir()
    command = [*IN_NAMESPACE, FULL_DISK, "faults", finished, tmp_path / "disk", *SNAKEMAKE, "--", CHI]
    process = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False, **PRINTED)
    assert process.returncode == 0, process.stdout[-4000:]
    _, full, read_only, healed = re.split("^== .*$", process.stdout, flags=re.M)
    assert "No space left on device" in full and done(full) == {}
    assert "Write-protected output files for rule combine_echoes" in read_only and done(read_only) == {}
    assert done(healed) == DIPOLE | COMBINE
    assert contents(finished) == before
    assert temporary(finished) == []
