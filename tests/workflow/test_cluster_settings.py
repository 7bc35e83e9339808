"""What the workflow asks of a cluster: memory by size, a profile that knows every rule, no run beside a lost one."""

import re
from math import prod
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from recon.intake.scan import Series
from recon.phantom.anatomy import FOV_MM
from workflow.lib.jobs import left_over
from workflow.lib.jobs.resources import IMAGES, NETWORKS, PYTHON_MB, SIMULATED_MM3, images_mb, job_mb, network_mb
from workflow.lib.setup.process import run_stages_here


class Workflow:
    """What `run_stages_here` sees of Snakemake's."""

    def __init__(self, remote_exec: bool) -> None:
        self.remote_exec, self.rules, self.local = remote_exec, [SimpleNamespace(name="brain_mask")], ()

    def localrules(self, *names: str) -> None:
        self.local = names


QUEUE = """\
12|/data/study|rule_scan_brain_mask
13_4|/data/study|rule_simulate_subject_wildcards_sub-01
14|/data/study|(null)
15|/data/other|rule_scan_brain_mask
16|/data/study|rule_fold_embed_slices
"""


@pytest.fixture(scope="module")
def rules(repository) -> set[str]:
    files = (repository / "workflow/rules").glob("*.smk")
    return {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M)}


@pytest.fixture(scope="module")
def profile(repository) -> dict:
    return yaml.safe_load((repository / "workflow/profiles/slurm/profile.yaml").read_text())


def test_the_tables_name_rules_that_exist(rules, profile):
    assert set(IMAGES) <= rules
    assert set(NETWORKS) <= rules
    assert set(profile["groups"]) <= rules
    assert set(profile["set-resources"]) <= rules


def test_every_rule_that_works_on_images_is_grouped(profile):
    assert set(IMAGES) | set(NETWORKS) <= set(profile["groups"])


def test_a_group_shares_one_partition(profile):
    default = profile["default-resources"]["slurm_partition"]
    partitions = {}
    for rule, group in profile["groups"].items():
        partitions.setdefault(group, set()).add(profile["set-resources"].get(rule, {}).get("slurm_partition", default))
    assert {group: len(names) for group, names in partitions.items() if len(names) > 1} == {}


def test_only_training_rules_get_a_gpu(profile):
    assert {rule for rule, asked in profile["set-resources"].items() if "gpu" in asked} == {
        "train_image_model",
        "train_inner_model",
        "train_scan_model",
        "pretrain_encoder",
    }


def test_both_profiles_agree_on_what_reruns(repository, profile):
    local = yaml.safe_load((repository / "workflow/profiles/default/profile.yaml").read_text())
    assert profile["rerun-triggers"] == local["rerun-triggers"]


def test_the_size_of_simulated_images_is_the_simulations():
    assert prod(FOV_MM) == SIMULATED_MM3


@pytest.mark.parametrize(
    ("rule", "measured_mb"),
    [
        ("unwrap_phase", 818),
        ("dipole_inversion", 711),
        ("prepare_echoes", 1288),
        ("simulate_subject", 1037),
        ("subject_page", 984),
        ("scan_statistics", 490),
    ],
)
def test_memory_covers_what_was_measured_at_the_papers_size(rule, measured_mb):
    assert images_mb(rule, 320 * 380 * 84, 6) > measured_mb + 400  # two Snakemakes


def test_a_rule_without_a_row_gets_memory_for_the_images_of_its_scan():
    sizes = {"scans": 4, "stack": {"slices": 5, "image_size": 100}, "training": {"batch_size": 4}}
    series = Series(parts=("mag", "phase"), images=((), ()), te_s=(0.01, 0.02), facts=({}, {}), sidecars=())
    of_scan, of_study = (job_mb("new", series, (1.0, 1.0, 1.0), **sizes, of_scan=each) for each in (True, False))
    assert of_scan > of_study + 500 and of_study == PYTHON_MB


def test_memory_grows_with_voxels_and_echoes():
    small, more_voxels, more_echoes = (
        images_mb("local_field", *size) for size in ((10**6, 6), (10**7, 6), (10**6, 12))
    )
    assert PYTHON_MB < small < more_echoes < more_voxels


def test_memory_of_training_grows_with_cohort_and_slices():
    demo = network_mb("train_image_model", scans=12, slices=7, side=64, batch=8)
    paper = network_mb("train_image_model", scans=96, slices=17, side=224, batch=64)
    assert demo > 1110 + 400  # measured, two Snakemakes
    assert paper > demo + 4000


def test_jobs_of_an_earlier_run_are_recognised():
    assert left_over.left_over(QUEUE, Path("/data/study"), None) == ["12", "13_4", "16"]


def test_a_controller_inside_a_job_does_not_see_itself():
    assert left_over.left_over(QUEUE, Path("/data/study"), "12") == ["13_4", "16"]


def squeue(folder: Path, text: str) -> None:
    """A squeue that prints `text`, or fails where there is none."""
    script = folder / "squeue"
    script.write_text(f"#!/bin/sh\n{f'printf %s {text!r}' if text else 'exit 1'}\n")
    script.chmod(0o755)


def test_a_run_beside_jobs_of_an_earlier_one_is_refused(tmp_path, monkeypatch):
    squeue(tmp_path, "7|/data/study|rule_scan")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeError, match=r"found 1: 7\..*scancel 7"):
        left_over.check_queue(Path("/data/study"))


@pytest.mark.parametrize("text", ["", "7|/data/other|rule_scan"])
def test_a_free_queue_or_none_is_no_hindrance(tmp_path, monkeypatch, text):
    squeue(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    left_over.check_queue(Path("/data/study"))


def test_a_method_that_needs_more_memory_asks_for_more():
    usual, *trained = (
        images_mb("dipole_inversion", 11_250_000, 6, method) for method in ("tv", "unrolled", "deepqsm", "qsmnet")
    )
    assert min(trained) - usual > 500


@pytest.mark.parametrize(("in_a_job", "local"), [(True, ("brain_mask",)), (False, ())])
def test_only_in_a_job_of_a_cluster_all_rules_are_local(in_a_job, local):
    workflow = Workflow(in_a_job)
    run_stages_here(workflow)
    assert workflow.local == local
