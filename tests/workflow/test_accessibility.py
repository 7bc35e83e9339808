"""Pages keep the rules of WCAG 2.1 A and AA, and axe's best practice, in a real browser."""

import pytest

from tests.workflow import (
    test_group_maps,
    test_group_page,
    test_predict,
    test_repeatability,
    test_report,
    test_validate,
)
from tests.workflow.accessibility import complaints
from tests.workflow.browser import CHROMIUM
from tests.workflow.small_run import train_small_run
from tests.workflow.test_group_maps import grid  # noqa: F401, a fixture
from tests.workflow.test_report import evaluated  # noqa: F401, a fixture

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def test_what_is_wrong_is_found(tmp_path):
    page = (
        '<html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"><p style="color:#bbb">pale words</p></main>'
    )
    found = complaints({"bad": page}, tmp_path)["bad"]
    assert {told.split(":")[0] for told in found} == {"image-alt", "color-contrast"}


def test_every_page_of_a_run_is_accessible(finished_run, tmp_path):
    pages = {path.name: path.read_text("utf-8") for path in (finished_run / "results/tiny").glob("*.html")}
    assert {"report.html", "group.html", "sub-01.html", "checklist.html"} <= set(pages)
    for scan in ("sub-02", "sub-03", "sub-04"):
        del pages[f"{scan}.html"]
    assert complaints(pages, tmp_path) == {}


def test_pages_that_only_some_runs_have_are_accessible(evaluated, grid, tmp_path):  # noqa: F811
    folders = {name: tmp_path / name for name in ("groups", "new", "other", "again", "run", "marked", "report", "scan")}
    for folder in folders.values():
        folder.mkdir()
    bundle = train_small_run(folders["run"] / "RUN")
    test_group_maps.made(folders["groups"], grid)
    report = test_report.make_report(evaluated, folders["report"], warnings={"sub-00": ["Phase sign: χ"]})
    marked = [*test_group_page.study(9), test_group_page.page("sub-99", 99, ("Mask",), 1, **{test_group_page.SNR: 1.0})]
    pages = {
        "report with group maps": report.replace("</main>", test_group_maps.section_of(folders["groups"]) + "</main>"),
        "prediction": test_predict.predict(bundle, folders["new"], chi_scale=5.0, b0_tesla=7.0)[1],
        "validation": test_validate.validate(folders["other"], bundle, shift=1.5, odd=4)[0],
        "repeatability": test_repeatability.report(folders["again"], sites=True)[0],
        "group with marked scans": test_group_page.made(folders["marked"], marked),
        "scan with warnings": broken_scan(folders["scan"]),
    }
    assert complaints(pages, tmp_path) == {}


def broken_scan(folder) -> str:
    """The page of a scan whose susceptibility has the wrong sign."""
    files = test_report.scan_files(folder)
    test_report.write_stats(files["stats"], {"putamen": -0.1, "white_matter": 0.0})
    return test_report.make_page(files, folder)
