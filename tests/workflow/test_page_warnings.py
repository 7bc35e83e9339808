"""The end of a run tells which scans' pages warn, each with its first reason, broken maps first."""

import io
import json

import pytest

from tests.workflow.recorded_run import Run
from workflow.lib.jobs.page_warnings import LISTED, told


@pytest.fixture
def write(tmp_path):
    """Write what a page warns of, and give the file."""

    def page(scan, *warnings, broken=0):
        path = tmp_path / f"{scan}_warnings.json"
        path.write_text(json.dumps({"scan": scan, "warnings": warnings, "broken": broken}))
        return path

    return page


def test_each_scan_is_told_in_a_line_with_its_first_reason_and_broken_maps_come_first(write, tmp_path):
    files = [
        write("sub-01"),
        write("sub-02", "Brain mask: found 512 ml"),
        write("sub-03", "Broken map, SD of χ: found 0.26", "Phase sign: turned", broken=1),
        tmp_path / "of_a_page_that_was_not_made.json",
    ]
    assert told(files).splitlines() == [
        "The pages of 2 scans warn; look before you use the maps:",
        "  sub-03: Broken map, SD of χ: found 0.26 (and 1 more)",
        "  sub-02: Brain mask: found 512 ml",
    ]
    assert told(files[:1]) == ""


def test_a_long_list_and_a_long_reason_are_cut(write):
    lines = told([write(f"sub-{number:02d}", "x" * 500) for number in range(LISTED + 3)]).splitlines()
    assert len(lines) == LISTED + 2 and "sub-11" in lines[-1]
    assert max(map(len, lines)) < 170


@pytest.mark.parametrize(("rule", "tells"), [("subject_page", True), ("check", False)])
def test_a_run_about_maps_ends_with_it(write, rule, tells):
    stream = io.StringIO()
    run = Run(stream)
    run.begin(**{rule: 1})
    run.watch.succeeded(lambda: [write("sub-01", "Phase sign: turned")])
    assert ("sub-01: Phase sign: turned" in stream.getvalue()) == tells
