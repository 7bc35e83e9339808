"""Costs and parallel efficiency from what finished runs left behind."""

import base64
import json

import pytest

from benchmarks.costs import cost_table, fit
from benchmarks.parallel import Job, busy, finished, gap, schedule
from workflow.lib.planning.costs import SECONDS


def job(rule, start_s, end_s, reads="", writes=""):
    return Job(rule, start_s, end_s, frozenset(reads.split()), frozenset(writes.split()))


CHAINS = [
    job("brain_mask", 0, 2, "", "m1"),
    job("brain_mask", 2, 4, "", "m2"),
    job("unwrap_phase", 4, 8, "m1", "u1"),
    job("unwrap_phase", 8, 12, "m2", "u2"),
]


def test_a_line_is_found_through_two_sizes():
    assert fit([1, 11], [3, 23]) == pytest.approx((1, 2))


def test_neither_part_of_a_line_is_negative():
    assert fit([1, 2], [1, 4]) == pytest.approx((0, 1.2), abs=0.3)
    assert fit([1, 2], [5, 5])[1] == pytest.approx(0, abs=1e-9)


def test_one_size_is_all_slope_on_the_disk_and_has_a_start_in_time():
    rows = [("r", "any", "work_mb", "voxels", 2.0, 8.0), ("r", "any", SECONDS, "voxels", 2.0, 5.3)]
    table = cost_table(rows).set_index("quantity")
    assert tuple(table.loc["work_mb", ["fixed", "per_unit"]]) == pytest.approx((0, 4))
    assert tuple(table.loc[SECONDS, ["fixed", "per_unit"]]) == pytest.approx((1.3, 2))


def test_two_chains_fill_two_cores_and_half_of_four():
    rows = {row["cores"]: row for row in schedule(CHAINS, gap_s=0)}
    assert rows[1]["time_s"] == 12 and rows[2]["time_s"] == rows[8]["time_s"] == 6
    assert [rows[cores]["efficiency"] for cores in (1, 2, 4)] == [1, 1, 0.5]


def test_gap_and_busy_share_of_a_run():
    late = [job("a", 0, 1), job("a", 1.5, 2.5), job("a", 3, 4)]
    assert gap(late) == 0.5
    assert busy(late, 0, 4) == (1, 0.75)
    assert busy([job("a", 0, 2), job("a", 0, 1)], 0, 2) == (2, 0.75)


def test_jobs_are_read_from_snakemakes_notes(tmp_path):
    notes = tmp_path / ".snakemake" / "metadata"
    notes.mkdir(parents=True)
    for output in ("results/x/a.nii", "results/x/b.nii", "results/other/a.nii"):
        note = {"rule": "unwrap_phase", "log": [f"{output[:9]}.log"], "input": ["in"], "starttime": 1.0, "endtime": 3.0}
        (notes / base64.urlsafe_b64encode(output.encode()).decode()).write_text(json.dumps(note))
    (done,) = finished(tmp_path / "results" / "x")
    assert done == job("unwrap_phase", 1, 3, "in", "results/x/a.nii results/x/b.nii")


def test_a_run_without_notes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected Snakemake's notes"):
        finished(tmp_path / "results" / "x")
