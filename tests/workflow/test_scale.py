"""Planning grows with the number of subjects, not with its square. Nothing here is timed: calls are counted."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from benchmarks.planning import TE_S, bids
from recon.intake import headers
from recon.intake.decide import PrepareEchoes
from recon.intake.scan import Scan, Series
from tests.workflow.conftest import snakemake
from tests.workflow.data_flow import INPUTS, OF_A_FOLD, OF_A_SCAN
from tests.workflow.warm import listed_jobs
from workflow.lib.setup.paths import Paths
from workflow.lib.study import intake
from workflow.lib.study.intake import take_in
from workflow.lib.study.scans import diagnosed
from workflow.lib.study.simulated import planned_scans

SMALL, LARGE = 10, 80
FOLDS = 3
PREPARE = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
NO_SERIES = Series(parts=("mag", "phase"), images=((), ()), te_s=(), facts=(), sidecars=())
COUNT = """
import atexit, json
from collections import Counter
from snakemake.iocontainers import Namedlist

CALLS = Counter()


def counted(name, function):
    def call(*arguments, **keys):
        CALLS[name] += 1
        return function(*arguments, **keys)

    return call


def hashed(files):
    CALLS["hashed files"] += len(files)
    return hash(tuple(files))


from workflow.lib.setup import inputs
from workflow.lib.setup.process import ASKED_AGAIN

inputs.job_mb = counted("job_mb", inputs.job_mb)
for name in ("scan_of", "files_of"):
    setattr(Inputs, name, counted(name, getattr(Inputs, name)))
Namedlist.__hash__ = hashed
loaded = lambda: sorted({"nibabel", "pydicom", "scipy", "torch"} & sys.modules.keys())
looked_up = lambda: [getattr(sys.modules[place], name).cache_info().misses for place, name in ASKED_AGAIN]
told = lambda: CALLS | {"loaded": loaded(), "looked up": looked_up()}
atexit.register(lambda: Path("calls.json").write_text(json.dumps(told())))
"""


@pytest.fixture(scope="module")
def counting(project, tmp_path_factory) -> Path:
    """A copy of the project whose Snakefile counts calls of its functions, and files that Snakemake hashes."""
    copy = tmp_path_factory.mktemp("counting") / "project"
    shutil.copytree(project, copy)
    with (copy / "workflow/rules/common.smk").open("a") as file:
        file.write(COUNT)
    return copy


@pytest.fixture(scope="module")
def dry_runs(counting):
    """Number of subjects → {rule: jobs}, {function: calls} of a cohort that is to be simulated."""

    def dry_run(subjects: int) -> tuple[dict[str, int], dict[str, int]]:
        overlay = {"dataset": f"n{subjects}", "simulate": {"subjects": subjects}, "folds": {"folds": FOLDS}}
        (counting / "overlay.yaml").write_text(yaml.safe_dump(overlay))
        text = snakemake(counting, "--dry-run", "--configfile", "overlay.yaml").stdout
        return listed_jobs(text), json.loads((counting / "calls.json").read_text())

    return {subjects: dry_run(subjects) for subjects in (SMALL, LARGE)}


@pytest.mark.parametrize("subjects", [SMALL, LARGE])
def test_every_subject_has_its_jobs_and_every_fold_its_own(dry_runs, subjects):
    jobs, _ = dry_runs[subjects]
    assert {rule for rule, count in jobs.items() if count == subjects} == OF_A_SCAN
    assert {rule for rule, count in jobs.items() if count == FOLDS * INPUTS} == OF_A_FOLD
    assert all(count <= INPUTS for rule, count in jobs.items() if rule not in OF_A_SCAN | OF_A_FOLD)


def test_a_further_subject_asks_the_same_number_of_calls(dry_runs):
    (few, small), (many, large) = dry_runs[SMALL], dry_runs[LARGE]
    more = LARGE - SMALL
    assert sum(many.values()) - sum(few.values()) == len(OF_A_SCAN) * more
    assert large["job_mb"] - small["job_mb"] == len(OF_A_SCAN) * more
    assert large["scan_of"] - small["scan_of"] <= 2 * len(OF_A_SCAN) * more


def test_lists_of_all_subjects_are_made_once_and_never_hashed_for_each_of_their_files(dry_runs):
    small, large = dry_runs[SMALL][1], dry_runs[LARGE][1]
    assert large["files_of"] == small["files_of"]
    written = INPUTS * (LARGE - SMALL)  # class activation writes a file a subject and input, hashed once
    assert large["hashed files"] - small["hashed files"] == written


def test_scripts_and_functions_are_looked_up_once_not_for_each_job(dry_runs):
    assert dry_runs[LARGE][1]["looked up"] == dry_runs[SMALL][1]["looked up"]


def test_a_plan_without_images_loads_no_library_that_reads_or_computes_them(dry_runs):
    assert dry_runs[SMALL][1]["loaded"] == []


class CountingScan(Scan):
    """A scan that counts how often its subject is asked for."""

    asked = 0

    @property
    def subject(self) -> str:
        CountingScan.asked += 1
        return super().subject


@pytest.mark.parametrize("number", [10, 100])
def test_who_is_diagnosed_is_asked_once_a_scan(number):
    CountingScan.asked = 0
    scans = [CountingScan(name=f"sub-{i:03d}_ses-{ses}", series=NO_SERIES) for i in range(number) for ses in "12"]
    assert len(diagnosed(scans, "last")) == number
    assert CountingScan.asked == len(scans)


@pytest.mark.parametrize("subjects", [2, 20])
def test_planned_files_are_named_once(subjects, monkeypatch):
    named, raw_image = [], Paths.raw_image
    monkeypatch.setattr(Paths, "raw_image", lambda *args: named.append(args) or raw_image(*args))
    config = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text())["simulate"]
    scans = planned_scans(config | {"subjects": subjects}, Paths("x"))
    assert len(named) == subjects * len(scans["sub-01"].series.files)


@pytest.mark.parametrize("subjects", [2, 4])
def test_a_dataset_that_was_checked_costs_headers_only(subjects, tmp_path, monkeypatch):
    data, cache = bids(tmp_path, subjects), tmp_path / "check"
    first = take_in(data, None, PREPARE, cache, 1, progress=lambda *_: None)
    assert not first.problems
    read, read_header = [], headers.read_header
    monkeypatch.setattr(headers, "read_header", lambda path: read.append(path) or read_header(path))
    monkeypatch.setattr(intake, "examine", lambda *_: pytest.fail("looked at voxels again"))
    assert take_in(data, None, PREPARE, cache, 1) == first
    assert len(set(read)) == subjects * 2 * len(TE_S)
    assert len(read) <= 2 * len(set(read))
