"""The page of a study: numbers of all scans, which stand out, and what a reader can do with them."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from recon.check.facts import CHI_NOISE, GHOST, MISFIT, NUCLEI_CONFIDENCE, REGISTRATION, RESIDUAL, SHARE, SNR
from tests.workflow.test_report import assert_self_contained
from workflow.lib.report.group import MEASURES, group_of
from workflow.lib.report.html import script
from workflow.scripts import group_page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
JUMPS, LINE = (measure.fact for measure in MEASURES[5:7])
SOUND = {  # fact → median and spread of a made-up study
    SNR: (38.0, 2.0), SHARE: (78.0, 1.5), RESIDUAL: (0.003, 0.0002), CHI_NOISE: (0.008, 0.0005), MISFIT: (1.6, 0.05),
    "brain mask [ml]": (1350.0, 120.0), REGISTRATION: (0.86, 0.015), NUCLEI_CONFIDENCE: (0.8, 0.03),
    GHOST: (0.3, 0.05),
}  # fmt: skip
RATED = {"sub-03": {"rating": "fail", "reason": "he moved"}}


def page(scan: str, seed: int, warnings: tuple[str, ...] = (), broken: int = 0, **facts: float) -> dict:
    """What the job of a scan's page writes."""
    rng = np.random.default_rng(seed)
    found = {name: float(rng.normal(mean, sd)) for name, (mean, sd) in SOUND.items()}
    found |= {JUMPS: [0.0, 0.1], LINE: [0.02, 0.03]} | facts
    return {"scan": scan, "warnings": list(warnings), "broken": broken, "facts": found}


def study(scans: int) -> list[dict]:
    """A sound study."""
    return [page(f"sub-{number:02d}", number) for number in range(1, scans + 1)]


def made(folder, pages, synthetic=False, ratings=RATED) -> str:
    """The page as it is written."""
    files = []
    for found in pages:
        files.append(str(folder / f"{found['scan']}.json"))
        (folder / f"{found['scan']}.json").write_text(json.dumps(found))
    out = {"page": "group.html", "table": "group.tsv", "dictionary": "group.json"}
    outputs = {name: str(folder / file) for name, file in out.items()}
    group_page.main(files, **outputs, dataset="study", synthetic=synthetic, ratings=ratings)
    return (folder / "group.html").read_text(encoding="utf-8")


def test_a_scan_stands_out_on_the_bad_side_alone():
    pages = [*study(12), page("sub-97", 97, **{SNR: 10.0}), page("sub-98", 98, **{SNR: 90.0, CHI_NOISE: 0.03})]
    rows = {row.scan: row for row in group_of([*pages, page("sub-99", 99, **{JUMPS: [0.0, 25.0]})]).rows}
    told = {scan: [mark.split(" (")[0] for mark in row.marks] for scan, row in rows.items() if row.marks}
    assert told == {
        "sub-97": ["SNR, first echo low"],
        "sub-98": ["Noise of χ high"],
        "sub-99": ["Jumps of the phase high"],
    }


def test_a_broken_map_is_told_first_whatever_its_numbers():
    pages = [*study(9), page("sub-99", 99, ("Broken map", "Mask"), broken=1)]
    marked = group_of([*pages, page("sub-98", 98, **{SNR: 5.0, CHI_NOISE: 0.1})]).marked
    assert [row.scan for row in marked] == ["sub-99", "sub-98"]
    assert marked[0].marks[0] == "map broken: do not use"


@pytest.mark.parametrize("scans", [1, 7, 8])
def test_few_scans_have_no_outliers_and_the_page_says_so(tmp_path, scans):
    pages = [*study(scans - 1), page("sub-99", 99, **{SNR: 1.0})]
    html = made(tmp_path, pages)
    assert ("No number is marked as an outlier" in html) == (scans < 8)
    assert ("SNR, first echo low" in html) == (scans == 8)


def test_what_was_not_measured_is_no_outlier_and_is_shown_as_n_a(tmp_path):
    pages = study(10)
    for found in pages:
        found["facts"][MISFIT] = None  # two echoes
    pages[0]["facts"][REGISTRATION] = None
    html = made(tmp_path, pages)
    assert "Not measured in any scan." in html and "Measured in 9 of 10 scans." in html
    assert html.count(">n/a<") == 11


def test_the_table_has_every_scan_and_a_dictionary_every_column(tmp_path):
    made(tmp_path, [*study(9), page("sub-99_ses-2_run-1", 99, ("Mask",), **{JUMPS: [1.5, 30.0, 2.0]})])
    table = pd.read_csv(tmp_path / "group.tsv", sep="\t", na_values=["n/a"])
    last = table.iloc[-1]
    assert (last.participant_id, last.session_id, last.run_id) == ("sub-99", "ses-2", "run-1")
    assert (last.phase_jumps, last.warnings, last.outliers) == (30.0, 1, "phase_jumps:high")
    about = json.loads((tmp_path / "group.json").read_text())
    assert set(table) == set(about)
    assert all(about[measure.name]["Units"] and about[measure.name]["Description"] for measure in MEASURES)


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_page_stands_alone_and_says_what_it_is(tmp_path, synthetic):
    html = made(tmp_path, study(9), synthetic)
    assert_self_contained(html)
    assert "Research use only" in html and ("SYNTHETIC DATA" in html) == synthetic
    assert all(f'<a href="sub-{number:02d}.html">' in html for number in range(1, 10))
    code = str(script("group.js"))
    assert html.count("<script") == 1 and code in html
    assert not re.search(r"fetch\(|XMLHttpRequest|https?:|innerHTML|eval\(|Storage", code)


def test_a_screen_reader_is_told_what_is_what(tmp_path):
    html = made(tmp_path, [*study(9), page("sub-99", 99, **{SNR: 1.0})])
    assert html.count('scope="row"') == 10 and html.count('scope="col"') == len(MEASURES) + 4
    assert html.count(' aria-sort="') == len(MEASURES) + 2 and html.count(' aria-sort="ascending"') == 1
    assert html.count('aria-label="Rating of sub-99"') == 1
    assert re.search(r'role="img" aria-label="SNR, first echo: 10 scans from 1.0 to [^"]*; marked: sub-99"', html)
    assert re.search(r'<td class="n out" data-sort="1">1.0<small>low</small>', html)  # colour and word


STEPS = """
const told = [], fired = (target, name, init) => target.dispatchEvent(new KeyboardEvent(name, {bubbles: true, cancelable: true, ...init}));
const names = () => [...document.querySelectorAll("#scans tbody tr:not([hidden]) th")].map(cell => cell.textContent);
const heads = document.querySelectorAll("#scans thead button"), select = scan => document.querySelector(`[aria-label="Rating of ${scan}"]`);
heads[2].click(); told.push(names()[0], heads[2].closest("th").getAttribute("aria-sort"));
heads[2].click(); told.push(names().at(-1));
heads[0].click();
document.querySelector("#filter").value = "low snr"; document.querySelector("#filter").dispatchEvent(new Event("input"));
told.push(names().join(" ")); document.querySelector("#filter").value = ""; document.querySelector("#filter").dispatchEvent(new Event("input"));
select("sub-01").focus(); fired(select("sub-01"), "keydown", {key: "p"}); fired(select("sub-01"), "keydown", {key: "j"});
told.push(document.activeElement.ariaLabel); fired(select("sub-02"), "keydown", {key: "f"}); told.push(document.activeElement.className);
document.activeElement.value = 'a "ghost"\\there'; document.querySelector("#rater").value = "AB";
URL.createObjectURL = blob => { blob.text().then(text => { document.title = JSON.stringify([...told, text]); }); return "#"; };
document.querySelector("#save").click();
"""  # noqa: E501


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser_it_sorts_filters_and_saves_ratings_that_the_run_reads(tmp_path):
    from recon.intake.select import EVERYTHING
    from workflow.lib.study.ratings import failed, read_ratings

    html = made(tmp_path, [*study(9), page("sub-99", 99, **{SNR: 1.0})])
    (tmp_path / "steps.html").write_text(html.replace("</main>", f"</main><script>{STEPS}</script>"), "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path / 'browser'}", (tmp_path / "steps.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    *told, saved = json.loads(re.search("<title>(.*?)</title>", shown, re.S)[1])
    assert told == ["sub-99", "ascending", "sub-99", "sub-99", "Rating of sub-02", "reason"]
    (tmp_path / "ratings.tsv").write_text(saved)
    scans = [f"sub-{number:02d}" for number in range(1, 10)] + ["sub-99"]
    found = read_ratings(tmp_path / "ratings.tsv", scans, EVERYTHING)
    assert {scan: given["rating"] for scan, given in found.items()} == {
        "sub-01": "pass",
        "sub-02": "fail",
        "sub-03": "fail",
    }
    assert failed(found) == {"sub-02": ["rated fail: a 'ghost' here"], "sub-03": ["rated fail: he moved"]}
