"""The report on subjects with several scans: which scans, at which sites, and what the page says first."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from snakemake.exceptions import WorkflowError

from recon.intake.scan import Image, Scan, Series
from tests.workflow.small_run import CONFIG
from workflow.lib.setup.inputs import Inputs
from workflow.lib.study.sites import sites_of_scans
from workflow.scripts import repeatability_report

PEOPLE, SESSIONS = 12, ("ses-1", "ses-2", "ses-3")


def report(folder: Path, sites: bool) -> tuple[str, dict[str, pd.DataFrame]]:
    """Page and tables of twelve people scanned three times, at two sites or at none that is known."""
    generator, files, where = np.random.default_rng(0), [], {}
    for person in range(PEOPLE):
        own = 0.06 + 0.02 * generator.normal()
        for session in SESSIONS:
            scan = f"sub-{person:02d}_{session}"
            where[scan] = ("<i>B" if session == "ses-3" else "A") if sites else ""
            shift = 0.01 if where[scan] == "<i>B" else 0.0
            rows = [
                {"name": name, "voxels": 50, "chi_ppm_mean": own + shift + 0.002 * generator.normal(),
                 "r2star_hz_mean": 30 + 200 * own + generator.normal()}
                for name in ("putamen", "pallidum", "white_matter")
            ]  # fmt: skip
            files.append(str(folder / f"{scan}_desc-nuclei_stats.tsv"))
            pd.DataFrame(rows).to_csv(files[-1], sep="\t", index=False)
    tables = {name: str(folder / f"{name}.tsv") for name in ("repeatability", "agreement", "pairs_of_scans")}
    repeatability_report.main(
        files, tables["repeatability"], tables["agreement"], tables["pairs_of_scans"], str(folder / "bland_altman.png"),
        str(folder / "page.html"), sites=where, cfg=CONFIG, synthetic=False,
    )  # fmt: skip
    read = {name: pd.read_csv(path, sep="\t", na_values=["n/a"]) for name, path in tables.items()}
    return (folder / "page.html").read_text(), read


@pytest.fixture(scope="module")
def travelled(tmp_path_factory):
    return report(tmp_path_factory.mktemp("travelled"), sites=True)


def test_nuclei_alone_are_compared_each_in_its_unit(travelled):
    table = travelled[1]["repeatability"].set_index(["region", "map"])
    assert set(table.index) == {(name, of) for name in ("putamen", "pallidum") for of in ("chi_ppm", "r2star_hz")}
    row = table.loc["putamen", "chi_ppm"]
    assert row["unit"] == "ppb" and row["within_sd_low"] < 2 < row["within_sd_high"]
    assert row["site_sd"] > 4 > row["within_sd"]


def test_the_page_shows_them_beside_published_figures_and_the_size_of_a_trial(travelled):
    page, _ = travelled
    assert "2.36" in page and "4.16" in page and "10.1002/nbm.4788" in page
    assert "Size of a trial" in page and "36 scans of 12 subjects" in page
    assert "if the SD within a person lies at the upper limit of its interval (12 persons here)" in page
    assert "Research use only" in page and "data:image/png;base64," in page
    assert "<i>B" not in page and "http" not in page.replace("http-equiv", "")
    assert "Look here first" not in page


def test_a_shift_of_a_site_is_a_bias_between_sites_alone(travelled):
    page, tables = travelled
    found = tables["agreement"].query("region == 'putamen' and map == 'chi_ppm'").set_index("sites")
    assert found.index.tolist() == ["within a site", "A less <i>B"]
    assert found.loc["A less <i>B", "bias_high"] < -5 and abs(found.loc["within a site", "bias"]) < 4
    assert {"site_1", "site_2"} <= set(tables["pairs_of_scans"]) and "A less &lt;i&gt;B" in page


def test_unknown_sites_are_said_before_all_else(tmp_path):
    page, tables = report(tmp_path, sites=False)
    assert page.index("all scans of a person count as made at one site") < page.index("<h1>")
    assert tables["repeatability"]["site_sd"].isna().all()


def scan(name: str) -> Scan:
    images = (Image("x.nii.gz"),)
    series = Series(parts=("mag", "phase"), images=(images, images), te_s=(0.01,), facts=({},), sidecars=())
    return Scan(name=name, series=series)


def test_the_site_of_a_session_comes_before_that_of_the_person(tmp_path):
    (tmp_path / "sub-1").mkdir()
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\nsub-1\tHome\nsub-2\tAway\n")
    (tmp_path / "sub-1/sub-1_sessions.tsv").write_text("session_id\tsite\nses-1\tOslo\nses-2\tn/a\n")
    scans = map(scan, ("sub-1_ses-1_run-1", "sub-1_ses-2", "sub-2_run-1", "sub-3"))
    found = sites_of_scans(tmp_path, scans, "site")
    assert found == {"sub-1_ses-1_run-1": "Oslo", "sub-1_ses-2": "Home", "sub-2_run-1": "Away", "sub-3": ""}
    assert sites_of_scans(tmp_path / "nowhere", [scan("sub-1")], "site") == {"sub-1": ""}
    assert sites_of_scans(tmp_path, [scan("sub-3")], "centre") == {"sub-3": ""}


def test_sites_of_scans_are_read_under_any_name(tmp_path):
    (tmp_path / "sub-1").mkdir()
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\tcentre\nsub-1\tWard\tHome\n")
    (tmp_path / "sub-1/sub-1_sessions.tsv").write_text("session_id\tsite\tcentre\nses-1\tWard\tOslo\n")
    found = sites_of_scans(tmp_path, map(scan, ("sub-1_ses-1", "sub-1_ses-2")), "centre")
    assert found == {"sub-1_ses-1": "Oslo", "sub-1_ses-2": "Home"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            b"session_id\tsite\nses-1\tOslo\textra\n",
            "a tab-separated table with 2 cells in each line, found 3",
        ),
        (b"session_id\tsite\nses-1\tOsl\xf8\n", "a tab-separated table in UTF-8"),
        (b"session\tsite\nses-1\tOslo\n", "a column `session_id` beside `site`, found session, site"),
        (b"session_id\tsite\n1\tOslo\n", "names that begin with ses- in column `session_id`, found 1: write ses-1"),
        (b"session_id\tsite\nses-1\tOslo\nses-1\tWard\n", "one site of ses-1 in column `site`, found Oslo and Ward"),
        (None, "a tab-separated table in UTF-8, found [Errno 2] No such file"),
    ],
    ids=["cells", "bytes", "column", "label", "twice", "link"],
)
def test_a_broken_table_of_sessions_is_told_before_any_job(tmp_path, table, said):
    path = tmp_path / "sub-1/sub-1_sessions.tsv"
    path.parent.mkdir()
    path.symlink_to("nowhere") if table is None else path.write_bytes(table)

    class OfRun:
        repeated, has_r2star, has_nuclei = ["sub-1_ses-1"], True, True

        @property
        def sites(self):
            return sites_of_scans(tmp_path, [scan("sub-1_ses-1")], "site")

    with pytest.raises(WorkflowError) as error:
        Inputs(OfRun()).repeated("{scan}.tsv")(None)
    assert f"sub-1_sessions.tsv: expected {said}" in str(error.value)


def test_sessions_without_a_site_and_rows_given_twice_break_no_table(tmp_path):
    (tmp_path / "sub-1").mkdir()
    rows = "session_id\tsite\tage\n1\tn/a\t50\nses-1\tOslo\t50\nses-1\tOslo\t51\n"
    (tmp_path / "sub-1/sub-1_sessions.tsv").write_text(rows)
    assert sites_of_scans(tmp_path, [scan("sub-1_ses-1")], "site") == {"sub-1_ses-1": "Oslo"}
