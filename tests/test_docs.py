"""README and documentation: the site builds, links lead somewhere, and every printed command runs as it is printed."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recon.files.io import Volume, write_json, write_mask, write_volume
from recon.regions.shapes import LABELS, values_of
from tests.qnet.made_predictions import baselines, networks
from tests.recon.intake.echo_files import AFFINE, TE_S, head
from tests.recon.intake.synthetic_dicom import Protocol, write_siemens
from tests.workflow import warm
from tests.workflow.conftest import copied
from tests.workflow.small_run import train_small_run

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", *DOCS)]
FENCED = re.compile(r"^```(\w*|\{[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
README_LINES, LINE_LENGTH = 130, 130
SUBJECTS = 20  # ten folds of two
PICTURE_BYTES, PICTURES_BYTES = 120_000, 1_500_000


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# the texts


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES
    assert [line for line in lines if len(line) > LINE_LENGTH] == []


def test_pictures_are_small():
    sizes = {picture.name: picture.stat().st_size for picture in (ROOT / "docs/images").iterdir()}
    assert {name: size for name, size in sizes.items() if size > PICTURE_BYTES} == {}
    assert sum(sizes.values()) <= PICTURES_BYTES


def test_every_picture_is_shown():
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [picture.name for picture in (ROOT / "docs/images").iterdir() if f"images/{picture.name}" not in shown] == []


def test_the_numbers_of_the_nuclei_are_told():
    page = (ROOT / "docs/reference/outputs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`[^|]*\| (\d+) \| (\d+) \| (.*) \|$", page, re.MULTILINE)
    told = {int(n): (name, side) for name, *numbers, _ in rows for n, side in zip(numbers, "LR", strict=True)}
    assert told == LABELS
    for method in ("template", "shapes", "network"):
        placed = {name for name, _, _, methods in rows if f"`{method}`" in methods.partition(";")[0]}
        assert placed == {name for name, _ in values_of(method).values()}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    dead = []
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            dead.append(link)
    assert dead == []


def test_the_site_builds_without_a_warning(tmp_path):
    for folder in ("docs", "recon", "qnet", "config", "resources", "benchmarks", "workflow"):
        ignored = shutil.ignore_patterns("__pycache__", "_build", ".venv")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for file in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / file, tmp_path)
    command = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "docs", "site"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "site/reference/api/recon/recon.inversion.html").read_text(encoding="utf-8")
    assert "<math" in page  # formulas need no script


# the commands


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Page and content of every fenced block of a language in README and docs."""
    for page in (ROOT / "README.md", *DOCS):
        for found, content in FENCED.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield named(page), content


def commands() -> list[str]:
    """Every different command, without its comment."""
    lines = [line for _, content in blocks("bash") for line in content.splitlines()]
    joined = [shlex.join(shlex.split(line, comments=True)) for line in lines]
    return list(dict.fromkeys(line for line in joined if line))


def write_study(folder: Path) -> None:
    """As many patients and controls as the paper's folds, of three sites, with three small echoes each."""
    for subject in range(1, SUBJECTS + 1):
        for echo, te_s in enumerate(TE_S, start=1):
            signal = head(te_s, seed=subject)
            for part, data in (("mag", np.abs(signal)), ("phase", np.angle(signal))):
                facts = {"EchoTime": te_s, "MagneticFieldStrength": 3.0, "Manufacturer": "Siemens"}
                units = {"Units": "rad"} if part == "phase" else {}
                stem = f"sub-{subject:02d}/anat/sub-{subject:02d}_echo-{echo}_part-{part}_MEGRE"
                volume = Volume(data=None, affine=AFFINE)
                write_volume(folder / f"{stem}.nii.gz", data.astype(np.float32), volume, facts | units)
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "study", "BIDSVersion": "1.10.0"}))
    names = [f"sub-{number:02d}" for number in range(1, SUBJECTS + 1)]
    people = pd.DataFrame({"participant_id": names, "age": 50, "sex": "F", "group": ["HH", "HC"] * (SUBJECTS // 2)})
    people["site"] = [f"centre {number % 3}" for number in range(SUBJECTS)]
    people.to_csv(folder / "participants.tsv", sep="\t", index=False)


def write_stage_folder(folder: Path) -> None:
    """What every stage of the reconstruction reads."""
    folder.mkdir()
    grid, axes = Volume(data=None, affine=np.diag([2.0, 2.0, 2.0, 1.0])), np.indices((40, 40, 40)) - 19.5
    radius = np.sqrt((axes**2).sum(axis=0))
    field = (0.02 * axes[2] / 20 + 0.05 * np.exp(-(radius**2) / 50)).astype(np.float32)
    te_s = np.array([0.005, 0.010, 0.015])
    phase = np.angle(np.exp(2j * np.pi * 127.74 * field[..., None] * te_s)).astype(np.float32)
    magnitude = (1000 * (radius < 15))[..., None] * np.exp(-20 * te_s) + 1
    for name, data in (("phase", phase), ("magnitude", magnitude), ("totalfield", field), ("localfield", field)):
        write_volume(folder / f"{name}.nii.gz", data.astype(np.float32), grid)
    write_mask(folder / "mask.nii.gz", radius < 15, grid)
    write_json(folder / "params.json", {"TE": [*te_s], "B0": 3.0, "B0_dir": [0, 0, 1], "voxel_size": [2.0, 2.0, 2.0]})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A copy of the project with tiny data under every name that the documentation prints."""
    folder = copied(ROOT, tmp_path_factory.mktemp("docs") / "project")
    write_study(folder / "data/mystudy")
    for name in ("new", "other"):
        shutil.copytree(folder / "data/mystudy", folder / f"data/{name}")
    protocol = Protocol(affine=AFFINE)
    write_siemens(folder / "data/dicom/sub-01", np.stack([head(te_s) for te_s in protocol.te_s]), protocol)
    write_stage_folder(folder / "IN")
    table = pd.concat([networks(), baselines()])
    for name in ("PREDICTIONS.tsv", "A.tsv", "B.tsv"):
        table.to_csv(folder / name, sep="\t", index=False)
    encoder = folder / "results/pretraining/qnet/encoder_crop.safetensors"  # of target `pretrain`
    encoder.parent.mkdir(parents=True)
    encoder.touch()
    (folder / "mine.yaml").write_text("train_image_model:\n  epochs: 10\n")
    return folder


def run(module: str, words: list[str], place: Path) -> None:
    """`python -m MODULE WORDS` in the project; a failure shows what it printed."""
    local = [word.replace("/data/", f"{place}/data/") for word in words]
    status, text = warm.command(place, module, *local)
    assert status == 0, f"{module} {shlex.join(words)}:\n{text[-4000:]}"


def dry_snakemake(words: list[str], place: Path) -> None:
    """As printed, with -n; `check` computes nothing and runs for real."""
    run("snakemake", words[1:] if "check" in words else ["-n", *words[1:]], place)


def dry_make(words: list[str], place: Path) -> None:
    """The recipe that make would run."""
    subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)


def python(words: list[str], place: Path) -> None:
    run(words[2], words[3:], place)


def q_net(words: list[str], place: Path) -> None:
    """As printed; what becomes Snakemake gets its dry run."""
    computes = (words[1] == "run" or words[1].startswith("/")) and not {"--help", "--dry-run"} & set(words)
    run("workflow", [*words[1:], *(["--dry-run"] if computes else [])], place)


def known(words: list[str], place: Path) -> None:
    """Not run here, for the reason that NOT_RUN gives."""


NOT_RUN = {  # beginning of the command: why no test of this file runs it
    "conda env create": "needs conda and the network; tests/workflow/test_conda.py solves the environments",
    "snakemake --cores 8 --use-conda": "needs conda; the same rules run without it",
    "snakemake --sdm apptainer": "needs Apptainer",
    "apptainer": "needs Apptainer",
    "sbatch": "needs SLURM; tests/workflow/test_slurm.py",
    "source .venv/bin/activate": "the shell of the user",
    "pip install .": "tests of the wheel install it",
    "q-net prepare --use-conda": "needs conda",
    "python -m benchmarks --size paper": "takes minutes; tests/test_bench.py",
    "cd results/mystudy": "needs a finished run; tests/workflow/test_job.py compares with sha256sum",
    "python -m benchmarks.cohorts HEADS": "takes minutes; tests/test_cohorts.py",
    "python -m benchmarks.encoder COHORTS": "needs reconstructed heads",
    "python -m benchmarks.centres HEADS": "needs reconstructed heads; tests/test_centres.py",
    "python -m benchmarks.centres_limits": "takes minutes; tests/test_centres_limits.py",
    "python -m tests.recon.intake.vendor_table": "takes minutes; tests/recon/intake/test_vendor_table.py",
    "python -m recon nuclei": "needs a brain; tests/recon/test_nuclei_stage.py",
    "q-net export-dicom": "needs a finished run; tests/recon/test_export_dicom.py",
    "qsm-ci run": "needs the package qsm-ci; tests/recon/test_qsm_ci.py",
    "snakemake predict": "needs a trained run: test_what_a_trained_run_does_is_planned",
    "snakemake repeatability": "needs subjects with several scans; tests/workflow/test_visits.py",
    "snakemake validate": "needs a trained run: test_what_a_trained_run_does_is_planned",
}
RULES: dict[str, Callable[[list[str], Path], None]] = {
    "snakemake ": dry_snakemake,
    "make ": dry_make,
    "python -m recon ": python,
    "python -m qnet ": python,
    "q-net ": q_net,
}


def rule(command: str) -> Callable[[list[str], Path], None]:
    """How a command is tried.

    Raises
    ------
    LookupError
        Nothing is known of it.
    """
    for beginning, how in (dict.fromkeys(NOT_RUN, known) | RULES).items():
        if command.startswith(beginning):
            return how
    raise LookupError(f"{command}: expected a command that RULES or NOT_RUN knows; add it there, or mend the page")


@pytest.mark.parametrize("command", commands())
def test_a_printed_command_runs(command, place):
    rule(command)(shlex.split(command), place)


def test_what_a_trained_run_does_is_planned(place):
    train_small_run(place / "results/mystudy")
    for target in ("predict", "validate"):
        printed = next(command for command in commands() if command.startswith(f"snakemake {target}"))
        dry_snakemake([*shlex.split(printed), "preprocessing=quantitative"], place)  # as the small run was trained


@pytest.mark.parametrize(("page", "content"), list(blocks("python")))
def test_a_printed_example_runs(page, content):
    done = subprocess.run([sys.executable, "-c", content], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{page}:\n{done.stderr}"
