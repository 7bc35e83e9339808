"""The same settings and seeds give the same bytes, on one core or two and however Python hashes texts.

What differs on a GPU is told in docs/how-to/cluster.md.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.workflow.conftest import Stranger, snakemake

TIMES = {"logs", "benchmarks"}  # folders of files that tell when, how long and where jobs ran
FOLD = "qnet/crop/seed-0/fold-1"
AWAY = {  # rule that makes it anew: its outputs
    "train_scan_model": (f"{FOLD}/scan_model.safetensors", f"{FOLD}/scan_training.jsonl"),
    "predict_fold": (f"{FOLD}/predictions.tsv", f"{FOLD}/slice_weights.tsv"),
    "evaluate": ("tables/table*.tsv", "tables/delong.tsv", "tables/contrasts.tsv", "figures/roc_scan.png"),
    "model_card": ("qnet/model.json", "model_card.md"),
    "checklist": ("checklist.html", "tables/checklist.tsv"),
    "report": ("report.html",),
}
OF_A_SCAN = ("work/sub-01/*", "work/sub-01_*", "derivatives/qnet/sub-01/anat/*", "figures/sub-01_*.png")


@pytest.fixture(scope="module")
def again(tiny, tmp_path_factory) -> Path:
    """Results of which a part was taken away and made anew, on one core."""
    copy = tmp_path_factory.mktemp("again") / "project"
    others = [path.name for path in (tiny / "results").iterdir() if path.name != "tiny"]
    shutil.copytree(tiny, copy, ignore=shutil.ignore_patterns("__pycache__", *others))
    for pattern in (pattern for patterns in AWAY.values() for pattern in patterns):
        files = list((copy / "results/tiny").glob(pattern))
        assert files, pattern
        for file in files:
            file.unlink()
    snakemake(copy, "--configfile", "tiny.yaml", "--cores", "1", PYTHONHASHSEED="78")
    return copy / "results/tiny"


def content(path: Path) -> object:
    """What must be the same of a file: of the log of a training all but its times, of a checksum file all but those."""
    if path.suffix == ".jsonl":
        return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in path.read_text().splitlines()]
    if "checksums" in path.parts:
        return [line for line in path.read_text().splitlines() if ".jsonl" not in line]
    return path.read_bytes()


def files(results: Path) -> set[Path]:
    found = (path.relative_to(results) for path in results.rglob("*") if path.is_file())
    return {path for path in found if path.parts[0] not in TIMES}


def test_one_core_gives_the_same_results(tiny, again):
    before = tiny / "results/tiny"
    assert files(again) == files(before)
    assert [str(path) for path in files(before) if content(again / path) != content(before / path)] == []


def test_one_core_gives_the_same_maps(tiny, stranger: Stranger):
    """Of the data of a stranger, so that neither its folder nor what else its headers hold plays a part."""
    before = tiny / "results/tiny"
    same = sorted(path.relative_to(before) for pattern in OF_A_SCAN for path in before.glob(pattern))
    same = [path for path in same if not path.name.endswith(("_stack.npz", "_features.tsv"))]  # not of target `maps`
    assert len(same) > 30
    assert [str(path) for path in same if (stranger.results / path).read_bytes() != (before / path).read_bytes()] == []
