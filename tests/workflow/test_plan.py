"""`q-net plan`: the arithmetic of costs, and the plan of a run that has not begun."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from recon.files.io import Volume, write_mask
from workflow.lib.planning.costs import ANY, DISK, SECONDS, SEPARATE, TOGETHER, Costs, Line, Size, read_costs
from workflow.lib.planning.measured import Job, cpu_seconds, finished_jobs, learning_size, rule_and_scan
from workflow.lib.planning.missing import Found, Missing
from workflow.lib.planning.plan import HERE, SHIPPED, STEP_S, UNKNOWN, cluster_seconds, make_plan
from workflow.lib.planning.plan_text import text
from workflow.lib.planning.schedule import components, contract, makespan

SIZE = Size(voxels=2.0, echoes=6, scans=4, slices=5, side=100, folds=2, image_epochs=3)
LINES = {
    ("unwrap_phase", ANY, SECONDS): Line(1.0, 0.5, "samples", 6.0, 60.0),
    ("unwrap_phase", ANY, "work_mb"): Line(0.0, 4.0, "samples", 6.0, 60.0),
    ("train_image_model", ANY, SECONDS): Line(10.0, 2.0, "trained", 0.1, 1.0),
    ("local_field", SEPARATE, SECONDS): Line(0.0, 1.0, "samples", 6.0, 60.0),
    ("local_field", TOGETHER, SECONDS): Line(0.0, 1.0, "voxels", 1.0, 10.0),
}
COSTS = Costs(LINES, "measured on a desk.")


def job(rule, needs=(), size=SIZE, memory_mb=0, group="scan"):
    return Missing(rule, size, memory_mb, set(needs), group)


def plan(tmp_path, jobs, cores=1, measured=None):
    rules = frozenset(job.rule for job in jobs)
    return make_plan(Found(jobs, rules, tmp_path, cores, 10), COSTS, measured or {})


def test_a_chain_takes_its_sum_on_any_number_of_cores():
    assert makespan([1, 2, 3], [[], [0], [1]], slots=8) == 6


def test_free_jobs_share_the_cores():
    assert makespan([2, 2, 2, 2], [[]] * 4, slots=2) == 4
    assert makespan([3, 1, 1, 1], [[]] * 4, slots=2) == 3


def test_a_fork_waits_for_its_longer_arm():
    assert makespan([1, 5, 2, 1], [[], [0], [0], [1, 2]], slots=2) == 7


def test_starts_are_a_gap_apart():
    assert makespan([1, 1, 1], [[]] * 3, slots=3, gap_s=2) == 5
    assert makespan([], [], slots=3) == 0


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="found 2 that wait for each other"):
        makespan([1, 1], [[1], [0]], slots=1)


def test_neighbours_of_one_label_are_one_job_of_a_cluster():
    needs = [[], [0], [], [2], [1, 3]]
    part = components(needs, ["scan", "scan", "scan", "scan", None])
    assert part == [0, 0, 1, 1, 2]
    assert contract(needs, part) == [set(), set(), {0, 1}]


def test_cost_is_a_straight_line_over_the_samples():
    line = COSTS.line("unwrap_phase", together=False)
    once, twice = line.at(SIZE), line.at(replace(SIZE, voxels=4.0))
    assert (once, twice) == (1 + 0.5 * 12, 1 + 0.5 * 24)


def test_one_field_of_all_echoes_does_not_grow_with_their_number():
    costs = [COSTS.line("local_field", together).at(replace(SIZE, echoes=12)) for together in (False, True)]
    assert costs == [24, 2]


def test_inner_models_cost_what_image_models_cost():
    assert COSTS.line("train_inner_model", False) == COSTS.line("train_image_model", False)


def test_training_grows_with_epochs_folds_and_pixels():
    line = COSTS.line("train_image_model", False)._replace(fixed=0.0)
    base = line.at(SIZE)
    assert line.at(replace(SIZE, image_epochs=6)) == pytest.approx(2 * base)
    assert line.at(replace(SIZE, folds=4)) == pytest.approx(1.5 * base)  # three quarters learn instead of a half


def test_nothing_missing_needs_nothing(tmp_path):
    empty = plan(tmp_path, [])
    assert (empty.jobs, empty.cpu_s, empty.wall_s, sum(empty.disk_mb.values())) == (0, 0, 0, 0)
    assert "nothing would run" in text(empty, 1e6)


def test_a_plan_adds_up(tmp_path):
    jobs = [job("unwrap_phase", memory_mb=900), job("unwrap_phase", memory_mb=1200), job("local_field", [0, 1])]
    made = plan(tmp_path, jobs)
    assert [(row.rule, row.jobs, row.cpu_s) for row in made.rows] == [("unwrap_phase", 2, 14), ("local_field", 1, 12)]
    assert made.cpu_s == 26 and made.disk_mb["work"] == 2 * 48
    assert (made.memory_mb, made.memory_rule) == (1200, "unwrap_phase")
    assert made.wall_s > plan(tmp_path, jobs, cores=2).wall_s


def test_stages_of_a_scan_are_one_job_of_the_cluster_and_start_one_after_another():
    jobs = [job("a"), job("b", [0]), job("a"), job("b", [2]), job("c", [1, 3], group=None)]
    count, one = cluster_seconds(jobs, [10, 10, 10, 10, 1], slots=1)
    _, many = cluster_seconds(jobs, [10, 10, 10, 10, 1], slots=9)
    assert count == 2
    assert one > 41 + 4 * STEP_S and many < one


def test_what_was_measured_here_counts_more(tmp_path):
    slow = Job("unwrap_phase", "sub-01", SIZE, cpu_s=14.0, wall_s=28.0)
    made = plan(tmp_path, [job("unwrap_phase"), job("local_field")], measured={"mine": [slow]})
    assert [(row.cpu_s, row.source) for row in made.rows] == [(14, HERE), (12, SHIPPED)]
    assert made.stretch == 2 and "mine" in text(made, 1e6) and "measured on a desk" in text(made, 1e6)


def test_a_measured_job_of_another_size_does_not_count(tmp_path):
    tiny = Job("unwrap_phase", "sub-01", replace(SIZE, voxels=0.1), cpu_s=50.0, wall_s=50.0)
    made = plan(tmp_path, [job("unwrap_phase")], measured={"mine": [tiny]})
    assert (made.rows[0].cpu_s, made.rows[0].source) == (7, SHIPPED)


def test_warnings_say_what_is_far_unknown_or_too_large(tmp_path):
    far = plan(tmp_path, [job("train_image_model", size=replace(SIZE, image_epochs=900)), job("dream")])
    said = text(far, free_mb=1e6)
    assert "times the largest size measured" in said and "GPU" in said
    assert (
        re.search("No cost data for dream; not included in the estimate.", said)
        and {row.rule: row.source for row in far.rows}["dream"] == UNKNOWN
    )
    assert "disk is too small" in text(plan(tmp_path, [job("unwrap_phase")]), free_mb=1)


def test_the_part_of_a_job_that_snakemake_did_not_see_counts_too():
    assert cpu_seconds(1.75, 1.5) == 1.75  # seen until 1.5 s
    assert cpu_seconds(44.0, 7.75) == pytest.approx(22)  # seen until 15.5 s, half busy
    assert cpu_seconds(0.3, 0.0) == 0.3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_ses-02_unwrap_phase", ("unwrap_phase", "sub-01_ses-02")),
        ("subject_page_sub-07", ("subject_page", "sub-07")),
        ("train_image_model_full_0_1", ("train_image_model", "")),
        ("something_else", None),
    ],
)
def test_rule_and_scan_of_a_benchmark_file(name, expected):
    rules = frozenset({"unwrap_phase", "subject_page", "train_image_model", "local_field"})
    assert rule_and_scan(name, rules) == expected


@pytest.mark.parametrize("key", ["EchoTime", "EchoTimes"], ids=["BIDS", "runs of version 0.1"])
def test_finished_jobs_are_read_with_their_size(tmp_path, key):
    anat = tmp_path / "derivatives" / "qnet" / "sub-01" / "anat"
    mask = np.ones((100, 100, 50), bool)
    write_mask(anat / "sub-01_desc-brain_mask.nii.gz", mask, Volume(data=mask, affine=np.eye(4)))
    (anat / "sub-01_R2starmap.json").write_text(json.dumps({key: [0.005, 0.01, 0.015]}))
    (anat / "sub-01_desc-echo2_Chimap.nii.gz").touch()
    folder = tmp_path / "benchmarks" / "sub-01"
    folder.mkdir(parents=True)
    (folder / "sub-01_unwrap_phase.tsv").write_text("s\tcpu_time\n2.0\t1.0\n")
    (folder / "sub-01_local_field.tsv").write_text("s\tcpu_time\n0.1\tNA\n")  # too short to be seen
    (done,) = finished_jobs(tmp_path, frozenset({"unwrap_phase", "local_field"}))
    assert (done.rule, done.scan, done.cpu_s, done.wall_s) == ("unwrap_phase", "sub-01", 1.0, 2.0)
    assert done.size == Size(voxels=0.5, echoes=3, together=False)


def test_group_maps_of_a_finished_run_count_its_permutations(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"config": {"group_maps": {"permutations": 200}}}))
    assert learning_size(tmp_path, SIZE) == replace(SIZE, permutations=200)


def test_a_run_without_maps_tells_nothing(tmp_path):
    assert finished_jobs(tmp_path, frozenset({"unwrap_phase"})) == []


def test_a_broken_table_of_costs_is_refused(tmp_path):
    (tmp_path / "costs.tsv").write_text("# here\nrule\tarm\n")
    with pytest.raises(ValueError, match=r"costs.tsv: expected columns .* found no quantity, fixed"):
        read_costs(tmp_path / "costs.tsv")


def test_the_shipped_costs_are_of_rules_that_exist(repository):
    files = [path.read_text() for path in (repository / "workflow/rules").glob("*.smk")]
    rules = {rule for file in files for rule, body in re.findall(r"^rule (\w+):(.*?)(?=^\S|\Z)", file, re.M | re.S)
             if "script:" in body}  # fmt: skip
    costs = read_costs()
    assert {rule for rule, _, _ in costs.lines} <= rules
    assert {quantity for _, _, quantity in costs.lines} <= {SECONDS, *DISK}


def test_a_run_is_planned_before_it_begins(project, tmp_path):
    """One dry run: the jobs are Snakemake's, and nothing is computed."""
    command = [sys.executable, "-m", "workflow", "plan", "--json", tmp_path / "plan.json", "--configfile", "tiny.yaml"]
    command += ["--cores", "2", "--config", "dataset=planned"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    made = json.loads((tmp_path / "plan.json").read_text())
    jobs = {row["rule"]: row["jobs"] for row in made["rows"]}
    assert jobs["simulate_subject"] == jobs["unwrap_phase"] == 4 and jobs["train_image_model"] == 4
    assert made["cores"] == 2 and 60 < made["cpu_s"] < 3600
    assert made["cluster_jobs"] < made["jobs"] / 3
    assert made["memory_rule"] == "train_image_model" and made["disk_mb"]["rawdata"] > 10
    assert re.search(r"^unwrap_phase +4 ", run.stdout, re.M) and "core-hours" in run.stdout
    assert not (project / "results" / "planned" / "work").exists()
