"""All scans of a study in one table: nothing is lost, names are unique, and z compares with the other controls."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from qnet.application.normative import Normative, fit_normative, z_scores
from recon.files.tables import write_table
from recon.regions.statistics import COLUMNS
from workflow.lib.report.study_table import Row, column_names
from workflow.scripts import study_table

NORMS = {"age_slope_sd": 1.0, "age_curvature_sd": 0.25, "spread_slope_sd": 0.2}
SETTINGS = {
    "group_column": "group", "age_column": "age", "sex_column": "sex", "site_column": "site", "family_column": "family",
    "positive_label": "HH", "negative_label": "HC",
    "positive_labels": [], "negative_labels": [], "scan": "first",
}  # fmt: skip


def rows_of(chi, r2star, own=()):
    """Rows of one scan: putamen on both sides, and regions of the user."""
    rows = []
    for side, shift in (("L", -0.001), ("R", 0.001), ("both", 0.0)):
        rows.append(("putamen", side, None, "volume", "900", "mm3", 90, "0.9", None, "nuclei", None))
        rows.append(
            ("putamen", side, "chi", "mean", f"{chi + shift:.6g}", "ppm", 90, "0.9", "whole_brain", "nuclei", None)
        )
        rows.append(
            ("putamen", side, "r2star", "mean", f"{r2star + shift:.6g}", "1/s", 90, "0.9", None, "nuclei", None)
        )
    rows += [(name, None, "chi", "mean", "0.5", "ppm", 9, None, "whole_brain", key, None) for key, name in own]
    return pd.DataFrame(rows, columns=COLUMNS)


class Study:
    """Statistics of some scans and a participants table, joined in a folder."""

    def __init__(self, folder, scans, people, diagnosed=None):
        self.paths = {scan: folder / f"{scan}_desc-regions_stats.tsv" for scan in scans}
        for scan, table in scans.items():
            write_table(self.paths[scan], table)
        participants = folder / "participants.tsv"
        participants.write_text("participant_id\tage\tsex\tgroup\n" + "".join("\t".join(p) + "\n" for p in people))
        names = ("long", "long_dictionary", "wide", "wide_dictionary")
        files = {name: folder / f"{name}.{'json' if 'dict' in name else 'tsv'}" for name in names}
        study_table.main(
            [str(path) for path in self.paths.values()], **{name: str(path) for name, path in files.items()},
            columns=SETTINGS, norms=NORMS, diagnosed=list(diagnosed or scans),
            participants=str(participants) if people else None,
        )  # fmt: skip
        self.long, self.wide = (
            pd.read_csv(files[name], sep="\t", dtype=str, keep_default_na=False) for name in ("long", "wide")
        )
        self.long_about, self.wide_about = (
            json.loads(files[f"{name}_dictionary"].read_text()) for name in ("long", "wide")
        )

    def z(self, scan, side="both", map_name="chi"):
        rows = self.wide[self.wide["participant_id"] == scan.split("_")[0]]
        return rows[f"putamen_{side}_{map_name}_z"].iloc[0]


def cohort(controls, patients=2, seed=0):
    """Scans by name, and the lines of the participants table: controls first."""
    rng = np.random.default_rng(seed)
    scans, people = {}, []
    for number in range(controls + patients):
        name, group = f"sub-{number:02d}", "HC" if number < controls else "HH"
        age = 30 + 4 * number
        scans[name] = rows_of(0.05 + 0.0005 * age + rng.normal(0, 0.01), 30 + rng.normal(0, 3))
        people.append((name, str(age), "F", group))
    return scans, people


def expected_z(scans, people, who, controls):
    """z of one subject by the functions of a prediction, from given controls; its own values do not count."""

    def means(name):
        both = scans[name][scans[name]["hemisphere"] == "both"].set_index("map")["value"].astype(float)
        return {"chi_ppm": {"putamen": both["chi"]}, "r2star_hz": {"putamen": both["r2star"]}}

    ages = {name: float(age) for name, age, *_ in people}
    nothing = {"chi_ppm": {}, "r2star_hz": {}}
    values = [nothing if name == who else means(name) for name in controls]
    model = fit_normative([ages[name] for name in controls], values, Normative(**NORMS))
    return z_scores(model, means(who), ages[who]).set_index("map")["z"]["chi_ppm"]


def test_every_number_of_every_scan_is_in_both_tables(tmp_path):
    scans, people = cohort(2)
    study = Study(tmp_path, scans, people)
    assert list(study.long.columns)[:3] == ["participant_id", "session_id", "run_id"]
    own = study.long[study.long["statistic"] != "z"].drop(columns=["session_id", "run_id"])
    for scan, table in scans.items():
        found = own[own["participant_id"] == scan].drop(columns="participant_id").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, table.astype(object).where(table.notna(), "n/a").astype(str))
    assert study.wide["participant_id"].tolist() == list(scans)
    assert study.wide["putamen_L_chi_mean"].tolist() == [table["value"][1] for table in scans.values()]
    assert study.wide["putamen_L_volume"].tolist() == ["900"] * len(scans)
    assert study.wide["putamen_L_confidence"].tolist() == ["0.9"] * len(scans)
    assert "confidence" not in set(study.long["statistic"])  # a column of its own


def test_every_column_is_in_its_dictionary(tmp_path):
    study = Study(tmp_path, *cohort(2))
    assert study.long_about.keys() == set(study.long.columns)
    assert study.wide_about.keys() == set(study.wide.columns)
    assert study.wide_about["putamen_L_chi_mean"] == {
        "Description": "mean of the voxels: magnetic susceptibility, relative to whole_brain, in left putamen",
        "Units": "ppm",
    }
    assert study.wide_about["putamen_both_confidence"]["Units"] == "1"
    assert study.wide_about["putamen_both_confidence"]["Description"].startswith(
        "how sure the place of left and right putamen"
    )
    assert all(about["Description"] for about in (study.long_about | study.wide_about).values())
    assert "chi 0.01 ppm" in study.long_about["statistic"]["Levels"]["entropy"]


def test_sessions_and_runs_are_told_apart(tmp_path):
    scans = {"sub-01_ses-1_run-2": rows_of(0.1, 30), "sub-01_ses-2": rows_of(0.1, 30)}
    study = Study(tmp_path, scans, [])
    names = study.wide[["participant_id", "session_id", "run_id"]].to_numpy().tolist()
    assert names == [["sub-01", "ses-1", "run-2"], ["sub-01", "ses-2", "n/a"]]


def test_a_patient_is_compared_with_all_controls_and_a_control_with_the_others(tmp_path):
    scans, people = cohort(6)
    study, controls = Study(tmp_path, scans, people), list(scans)[:6]
    assert float(study.z("sub-07")) == pytest.approx(expected_z(scans, people, "sub-07", controls), rel=1e-5)
    assert float(study.z("sub-02")) == pytest.approx(expected_z(scans, people, "sub-02", controls), rel=1e-5)


def test_a_control_far_off_does_not_vouch_for_itself(tmp_path):
    scans, people = cohort(8)
    scans["sub-03"] = rows_of(0.5, 30)
    assert float(Study(tmp_path, scans, people).z("sub-03")) > 3


@pytest.mark.parametrize(
    ("controls", "age", "who", "known"),
    [(3, "40", "sub-04", False), (4, "40", "sub-05", True), (4, "40", "sub-01", False), (6, "n/a", "sub-07", False),
     (6, "89+", "sub-07", False)],
)  # fmt: skip
def test_without_an_age_or_enough_controls_z_is_missing(tmp_path, controls, age, who, known):
    scans, people = cohort(controls)
    people = [(name, age if name == who and age != "40" else years, *rest) for name, years, *rest in people]
    assert (Study(tmp_path, scans, people).z(who) != "n/a") == known


def test_without_a_participants_table_z_is_missing(tmp_path):
    scans, _ = cohort(6)
    study = Study(tmp_path, scans, [])
    assert set(study.long[study.long["statistic"] == "z"]["value"]) == {"n/a"}


def test_regions_of_the_user_are_in_the_table_under_their_own_names(tmp_path):
    own = [("desc-a_dseg", "Left pons"), ("desc-b_dseg", "Left pons"), ("desc-a_dseg", "Left-pons")]
    study = Study(tmp_path, {"sub-01": rows_of(0.1, 30), "sub-02": rows_of(0.1, 30, own)}, [])
    added = study.wide.filter(like="pons")
    assert list(added) == ["desc_a_dseg_Left_pons_chi_mean", "desc_b_dseg_Left_pons_chi_mean",
                           "desc_a_dseg_Left_pons_chi_mean_2"]  # fmt: skip
    assert added.to_numpy().tolist() == [["n/a"] * 3, ["0.5"] * 3]
    assert "Left-pons of desc-a_dseg" in study.wide_about["desc_a_dseg_Left_pons_chi_mean_2"]["Description"]
    assert not any(name.endswith("pons_chi_z") for name in study.wide)
    assert study.long[study.long["nucleus"] == "Left pons"]["segmentation"].tolist() == ["desc-a_dseg", "desc-b_dseg"]


def test_names_of_columns_differ_in_more_than_their_case():
    blank = ("", "n/a", "chi", "mean", "1", "ppm", "1", "0.9", "none", "dseg", "n/a")
    rows = [Row(*(name, *blank[1:])) for name in ("Pons", "pons", "PONS")]
    assert list(column_names(rows).values()) == ["dseg_Pons_chi_mean", "dseg_pons_chi_mean_2", "dseg_PONS_chi_mean_3"]


def test_other_columns_are_refused_by_file(tmp_path):
    path = tmp_path / "sub-01_desc-regions_stats.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(ValueError, match="sub-01_desc-regions_stats.tsv: expected the columns nucleus, "):
        study_table.main([str(path)], *(str(tmp_path / name) for name in "abcd"), SETTINGS, NORMS, [])


def test_hundreds_of_scans_are_joined_in_seconds(tmp_path):
    scans, people = cohort(150, patients=150)
    start = time.process_time()
    study = Study(tmp_path, scans, people)
    assert len(study.wide) == 300 and time.process_time() - start < 10
