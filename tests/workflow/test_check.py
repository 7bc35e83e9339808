"""The check before a run: what its table tells, what is remembered, what is left out."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recon.files.io import Volume, read_volume, write_volume
from recon.files.tables import read_table
from recon.intake.decide import PrepareEchoes
from recon.intake.decisions import Decisions, PhaseScale
from recon.intake.scan import Image, Scan, Series
from recon.problems import IntakeError, Problem
from recon.settings import shipped
from workflow.lib.report import cohort
from workflow.lib.run import paths_of
from workflow.lib.study import intake, outcomes
from workflow.lib.study.check_table import Record, row, text, write_html, write_text, write_tsv
from workflow.lib.study.enrolment import Enrolment
from workflow.lib.study.intake import take_in
from workflow.lib.study.study import CheckError, own_study
from workflow.lib.study.verdict import exclude, failed, in_study, must_stop

NASTY = "<script>alert('x')</script>.nii"
PREPARE = PrepareEchoes(phase_sign="auto", phase_range=None, slice_chop="auto", phase_filter="refuse")
GRID = Volume(data=np.zeros((4, 5, 6), np.float32), affine=np.diag([1.0, 1.0, 2.0, 1.0]))


def make_scan(folder: Path, name: str, echoes: int = 3) -> Scan:
    """A scan whose images are files of zeros."""
    images = {
        part: tuple(Image(str(folder / f"{name}_echo-{e}_part-{part}_MEGRE.nii.gz")) for e in range(1, echoes + 1))
        for part in ("mag", "phase")
    }
    facts = {"MagneticFieldStrength": 3.0, "Manufacturer": "Siemens", "FlipAngle": 24}
    sidecar = folder / f"{name}_MEGRE.json"
    sidecar.write_text(json.dumps(facts))
    for image in (*images["mag"], *images["phase"]):
        write_volume(image.path, GRID.data, GRID)
    series = Series(
        parts=("mag", "phase"),
        images=(images["mag"], images["phase"]),
        te_s=tuple(0.005 * e for e in range(1, echoes + 1)),
        facts=(facts,) * echoes,
        sidecars=(str(sidecar),),
    )
    return Scan(name=name, series=series)


def decisions(notes: tuple[str, ...] = ()) -> Decisions:
    return Decisions(
        scale=PhaseScale(slope=0.001, intercept=-3.5),
        filtered=False,
        offset_axis=None,
        chop_axis=2,
        phase_sign=-1,
        reasons={"PhaseUnits": "milliradians by GE's range", "SliceChop": "neighbours oppose", "PhaseSign": "GE"},
        notes=notes,
    )


class Study:
    """A dataset on disk whose voxels are decided by the test."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.calls, self.answers = folder, [], {}
        self.scans = {name: make_scan(folder, name) for name in ("sub-01", "sub-02", "sub-03")}
        self.problems: dict[str, list[Problem]] = {}
        monkeypatch.setattr(intake, "index", lambda *_: (dict(self.scans), dict(self.problems)))
        monkeypatch.setattr(outcomes, "decide", self.decide)

    def decide(self, series: Series, params: PrepareEchoes) -> Decisions:
        name = Path(series.files[0]).name.split("_")[0]
        self.calls.append(name)
        answer = self.answers.get(name, decisions())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def break_voxels(self, name: str) -> str:
        """Let the voxels of a scan be refused; the file that is named."""
        file = self.scans[name].series.files[-1]
        self.answers[name] = IntakeError([Problem(file, "finite values", "7 NaN")])
        return file

    def take_in(self, prepare: PrepareEchoes = PREPARE, **options) -> intake.Intake:
        self.calls.clear()
        quiet = {"progress": lambda done, total, name: None}
        return take_in(self.folder, None, prepare, self.folder / "check", 2, **quiet | options)


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    return Study(tmp_path, monkeypatch)


def records_of(
    taken: intake.Intake,
    on_error: str = "stop",
    table_problems: dict | None = None,
    maps_only: dict | None = None,
) -> list[Record]:
    labels = {"sub-01": "HC", "sub-02": "HH", "sub-03": "HH"}
    table = Enrolment(problems=table_problems or {}, labels=labels, maps_only=maps_only or {})
    return in_study(taken, table, {}, lambda echoes: range(1, echoes + 1), on_error)


def by_name(records: list[Record]) -> dict[str, Record]:
    return {record.name: record for record in records}


# what is remembered


def test_voxels_are_read_once(study):
    first = study.take_in()
    assert sorted(study.calls) == ["sub-01", "sub-02", "sub-03"]
    second = study.take_in()
    assert study.calls == []
    assert second == first


def test_a_refusal_is_remembered_too(study):
    file = study.break_voxels("sub-02")
    study.take_in()
    again = study.take_in()
    assert study.calls == []
    assert again.problems == {"sub-02": [Problem(file, "finite values", "7 NaN")]}


@pytest.mark.parametrize("kind", ["image", "sidecar"])
def test_a_changed_file_is_read_anew_and_no_other(study, kind):
    study.take_in()
    series = study.scans["sub-02"].series
    file = Path(series.files[1] if kind == "image" else series.sidecars[0])
    about = file.stat()
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    study.take_in()
    assert study.calls == ["sub-02"]


def test_another_setting_is_another_question(study):
    study.take_in()
    study.take_in(replace(PREPARE, phase_sign=-1))
    assert len(study.calls) == 3


def test_other_code_is_another_question(study, monkeypatch):
    study.take_in()
    monkeypatch.setattr(outcomes, "code", lambda file: {file: "other"})
    study.take_in()
    assert len(study.calls) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 1}', '{"key": 1, "notes": 3, "problems": [{"a": 1}]}'])
@pytest.mark.parametrize("trust", [False, True])
def test_a_corrupt_memory_is_replaced(study, content, trust):
    good = study.take_in()
    (study.folder / "check/sub-01.json").write_text(content)
    assert study.take_in(trust=trust) == good
    assert study.calls == ["sub-01"]
    study.take_in()
    assert study.calls == []


def test_a_job_of_a_running_workflow_trusts_the_memory(study):
    study.break_voxels("sub-03")
    before = study.take_in()
    Path(study.scans["sub-01"].series.files[0]).touch()
    assert study.take_in(trust=True) == before
    assert study.calls == []


def test_a_failure_that_nobody_foresaw_is_told_but_not_remembered(study):
    study.answers["sub-02"] = ZeroDivisionError("division by zero")
    problem = study.take_in().problems["sub-02"][0]
    assert problem.file == study.scans["sub-02"].series.files[0]
    assert problem.found == "ZeroDivisionError: division by zero"
    study.answers.clear()
    assert study.take_in().problems == {}
    assert study.calls == ["sub-02"]


def test_progress_counts_what_is_read(study):
    seen = []
    study.take_in(progress=lambda *step: seen.append(step))
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]
    study.take_in(progress=lambda *step: seen.append(step))
    assert len(seen) == 3


# what is wrong


def test_a_minority_with_other_echoes_is_named(study):
    study.scans["sub-03"] = make_scan(study.folder, "sub-03", echoes=2)
    taken = study.take_in()
    assert list(taken.scans) == ["sub-01", "sub-02"]
    assert "expected 3 echoes as in 2 of 3 scans, found 2" in str(taken.problems["sub-03"][0])


def test_a_scan_without_images_has_a_row_and_is_not_read(study):
    del study.scans["sub-03"]
    study.problems["sub-03"] = [Problem("sub-03", "MEGRE images", "none")]
    taken = study.take_in()
    assert "sub-03" not in study.calls
    assert by_name(taken.records)["sub-03"].status == "ERROR"


def test_a_problem_of_a_subject_is_one_of_each_of_its_scans(study):
    study.scans = {name: make_scan(study.folder, name) for name in ("sub-01_ses-1", "sub-01_ses-2", "sub-02")}
    study.problems["sub-01"] = [Problem("sub-01", "a", "b")]
    taken = study.take_in()
    assert set(taken.problems) == {"sub-01_ses-1", "sub-01_ses-2"}
    assert [record.name for record in taken.records] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]


def test_an_index_that_fails_becomes_a_problem_of_the_dataset(study, monkeypatch):
    def broken(*_):
        raise PermissionError("not for you")

    monkeypatch.setattr(intake, "index", broken)
    taken = study.take_in()
    assert "PermissionError: not for you" in str(taken.problems[""][0])
    assert must_stop(taken, "skip")
    assert "dataset" in text(taken.records)


def test_one_echo_is_said_clearly(study):
    study.scans = {"sub-01": make_scan(study.folder, "sub-01", echoes=1)}
    assert "no R2*" in text(study.take_in().records)


# stop or skip


def test_a_problem_stops_or_is_left_out_with_its_reason(study):
    file = study.break_voxels("sub-02")
    taken = study.take_in()
    assert must_stop(taken, "stop") and not must_stop(taken, "skip")
    good, reasons = exclude(taken)
    assert list(good) == ["sub-01", "sub-03"]
    assert reasons == {"sub-02": [f"{file}: expected finite values, found 7 NaN"]}
    for on_error, expected in (("stop", "ERROR"), ("skip", "skipped")):
        records = records_of(taken, on_error)
        assert by_name(records)["sub-02"].status == expected
        assert failed(records) == (on_error == "stop")


def test_nothing_left_stops_even_with_skip(study):
    for name in study.scans:
        study.break_voxels(name)
    assert must_stop(study.take_in(), "skip")


def test_the_participants_table_costs_the_diagnosis_not_the_maps(study):
    table = {
        "sub-03": [Problem("participants.tsv", "a number as age of sub-03", "n/a")],
        "sub-09": [Problem("participants.tsv", "images of sub-09", "none")],
    }
    taken = study.take_in()
    assert not must_stop(taken, "stop")
    records = by_name(records_of(taken, "skip", table))
    assert (records["sub-03"].status, records["sub-09"].status) == ("maps only", "skipped")
    assert failed(records_of(taken, "stop", table)) and not failed(records_of(taken, "skip", table))


def test_a_useless_participants_table_cannot_be_skipped(study):
    table = {"": [Problem("participants.tsv", "3 subjects a group (folds)", "HC 1, HH 2")]}
    assert failed(records_of(study.take_in(), "skip", table))


def test_the_flow_counts_subjects_of_each_group(study):
    groups = {f"sub-0{i}": "HC" if i % 2 else "HH" for i in range(1, 7)}
    images = {"sub-02": ["bad"], "sub-03_ses-2": ["bad"]}
    table = {"sub-04": ["no age"], "sub-06": ["no images"], "sub-02": ["no age"], "": ["odd"]}
    flow = cohort.flow(groups, ["sub-01", "sub-03_ses-1", "sub-04", "sub-05", "sub-07"], images, table)
    assert flow["groups"] == ["HC", "HH", "no group"]
    assert [list(step["counts"].values()) for step in flow["steps"]] == [[3, 3, 1], [0, 2, 0], [0, 1, 0], [3, 0, 1]]
    assert flow["steps"][1]["reasons"] == {"sub-02": ["bad"], "sub-03_ses-2": ["bad"], "sub-06": ["no images"]}
    assert flow["steps"][2]["reasons"] == {"sub-04": ["no age"]}


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_group_that_does_not_count_gets_maps_and_a_note(study, on_error):
    records = records_of(study.take_in(), on_error, maps_only={"sub-02": "group HH is in neither list of labels"})
    assert by_name(records)["sub-02"].status == "maps only" and not failed(records)
    assert row(by_name(records)["sub-02"])["notes"] == "group HH is in neither list of labels"
    assert "sub-02: maps only\n    - group HH is in neither list of labels" in text(records)


# the table


@pytest.fixture
def records(study) -> list[Record]:
    """One good scan, one with a note, one refused that has a hostile name."""
    study.answers["sub-02"] = decisions(notes=("zero-filled along i: 256 from 128",))
    study.answers["sub-03"] = IntakeError([Problem(f"data/{NASTY}", 'finite "values"', "\x1b[2J\t7 NaN\n")])
    return records_of(study.take_in())


def test_the_text_tells_facts_decisions_notes_and_problems(records):
    page = text(records)
    assert page.startswith("Check: 1 OK, 1 note, 1 ERROR\n")
    facts = ("mag + phase", "6 x 3-D", "5 10 15", "Siemens", "4x5x6", "1 x 1 x 2", "RAS", "0.000 0.000 1.000", "24")
    decided = ("0.001 v -3.5 rad", "undone along k", "-1", "1 to 3", "BET", "milliradians by GE's range")
    remarks = ("sub-02: note\n    - zero-filled along i: 256 from 128", f"data/{NASTY}: expected finite", "HC", "HH")
    assert [part for part in (*facts, *decided, *remarks) if part not in page] == []


def test_reasons_that_differ_in_numbers_alone_are_told_once():
    facts, why = {"phase_sign": "+1"}, "one turn, filled to {}%"
    records = [Record(name=f"sub-{i}", facts=facts, reasons={"PhaseSign": why.format(90 + i)}) for i in range(3)]
    page = text([*records, Record(name="sub-9", facts={"phase_sign": "-1"}, reasons={"PhaseSign": why.format(99)})])
    assert "phase sign: one turn, filled to 90% (sub-0, sub-1, sub-2)\n" in page
    assert "phase sign: one turn, filled to 99% (sub-9)\n" in page
    assert "filled to 91%" not in page


def test_the_text_holds_no_control_characters_and_fits_a_terminal(records):
    lines = text(records).split("\n")
    assert all(line.isprintable() for line in lines)
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("scan")) :]
    assert max(len(line) for line in table[: table.index("")]) <= 120


def test_wide_tables_are_broken_between_columns():
    facts = [{name: f"{name}-{i}-{'x' * 20}" for name in row(Record(name="")) if name not in ("scan", "status")}
             for i in range(2)]  # fmt: skip
    page = text([Record(name=f"sub-0{i}", facts=facts[i]) for i in range(2)])
    assert page.count("\nscan ") > 2
    assert max(map(len, page.split("\n"))) <= 120
    assert "t1w-1" in page


def test_the_tsv_reads_back(records, tmp_path):
    write_tsv(records, tmp_path / "check.tsv")
    table = pd.read_csv(tmp_path / "check.tsv", sep="\t", dtype=str, keep_default_na=False, quoting=3)
    assert table.to_dict("records") == [row(record) for record in records]
    assert read_table(tmp_path / "check.tsv").loc[2, "slice_chop"] is np.nan


def test_the_page_escapes_names_and_shows_the_worst_first(records, tmp_path):
    write_html(records, tmp_path / "check.html", f"study {NASTY}")
    html = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "<script>" not in html and html.count("&lt;script&gt;") >= 2
    assert html.index("<b>sub-03</b>") < html.index("<b>sub-02</b>") < html.index("<b>sub-01</b>")
    assert "Research use only" in html and "zero-filled along i" in html
    assert "src=" not in html and "<link" not in html


def test_files_that_would_stay_the_same_are_left_alone(records, tmp_path):
    writers = {"check.txt": write_text, "check.tsv": write_tsv, "check.html": lambda r, p: write_html(r, p, "study")}
    for name, write in writers.items():
        write(records, tmp_path / "out" / name)
        os.utime(tmp_path / "out" / name, (1, 1))
        write(records, tmp_path / "out" / name)
        assert (tmp_path / "out" / name).stat().st_mtime == 1, name
        write(records[:1], tmp_path / "out" / name)
        assert (tmp_path / "out" / name).stat().st_mtime > 1, name
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(writers)


def test_names_that_are_no_unicode_can_be_shown(tmp_path):
    records = [Record(name="sub-01", problems=(Problem(os.fsdecode(b"caf\xe9.nii"), "a", "b"),))]
    for write in (write_text, write_tsv, lambda r, p: write_html(r, p, "study")):
        write(records, tmp_path / "out")
        assert "caf\\udce9.nii" in (tmp_path / "out").read_text(encoding="utf-8")


# the whole intake


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Two subjects with three echoes of a wavy phase each; the second's last phase image is cut short."""
    x, y, z = np.indices((20, 20, 20)) / 19
    sphere = (x - 0.5) ** 2 + (y - 0.5) ** 2 + (z - 0.5) ** 2 < 0.2
    noise = np.random.default_rng(0).normal(size=(2, 2, 3, *sphere.shape))
    for subject in range(2):
        for echo in range(3):
            turns = (echo + 1) * (x + y * y - z)
            signal = sphere * (4 - echo) * np.exp(2j * np.pi * turns) + 0.05 * (noise[0] + 1j * noise[1])[subject, echo]
            for part, data in (("mag", np.abs(signal)), ("phase", np.angle(signal))):
                stem = f"sub-0{subject + 1}/anat/sub-0{subject + 1}_echo-{echo + 1}_part-{part}_MEGRE.nii.gz"
                facts = {"EchoTime": 0.005 * (echo + 1), "MagneticFieldStrength": 3.0, "Manufacturer": "Philips"}
                write_volume(tmp_path / stem, data, GRID, facts | ({"Units": "rad"} if part == "phase" else {}))
    path = tmp_path / "sub-02/anat/sub-02_echo-3_part-phase_MEGRE.nii.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    return tmp_path


def test_a_good_subject_goes_on_where_a_bad_one_is_named(dataset):
    taken = take_in(dataset, None, PREPARE, dataset / "check", 2, progress=lambda *step: None)
    good, reasons = exclude(taken)
    assert list(good) == ["sub-01"]
    assert "sub-02_echo-3_part-phase_MEGRE.nii.gz: expected" in reasons["sub-02"][0]
    facts = by_name(taken.records)["sub-01"].facts
    expected = {"phase_units": "rad", "slice_chop": "none", "phase_sign": "+1", "te_ms": "5 10 15", "b0_tesla": "3"}
    assert {name: facts[name] for name in expected} == expected


def test_a_scan_under_two_names_is_noted(dataset):
    for path in sorted((dataset / "sub-01/anat").iterdir()):
        copy = dataset / "sub-03/anat" / path.name.replace("sub-01", "sub-03")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for _ in range(2):  # the second time as remembered
        taken = take_in(dataset, None, PREPARE, dataset / "check", 2, progress=lambda *step: None)
        notes = {record.name: record.notes for record in taken.records}
        assert notes["sub-01"][0].startswith("images equal to those of sub-03: the same scan under several names?")
        assert notes["sub-03"][0].startswith("images equal to those of sub-01")
        assert list(taken.scans) == ["sub-01", "sub-03"]


# the user's own files


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("mask", 0, "expected a brain mask that is not empty"),
        ("nuclei", 77, "labels 1 to 22 of resources/nuclei_shapes.tsv"),
    ],
)
def test_unusable_masks_and_labels_are_told_before_any_job(study, tmp_path, kind, content, message):
    path = tmp_path / f"own_{kind}.nii.gz"
    write_volume(path, np.full(GRID.data.shape, content, np.uint8), GRID)
    study.scans["sub-02"] = replace(study.scans["sub-02"], **{kind: str(path)})
    (problem,) = study.take_in().problems["sub-02"]
    assert str(problem).startswith(f"{path}: ")
    assert message in str(problem)


@pytest.mark.parametrize("turned", [False, True])
def test_an_inverted_mask_is_refused(dataset, turned):
    sphere = read_volume(dataset / "sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz").data > 2
    path = dataset / "derivatives/mine/sub-01/anat/sub-01_desc-brain_mask.nii.gz"
    write_volume(path, sphere != turned, GRID)
    problems = take_in(dataset, None, PREPARE, dataset / "check", 2, progress=lambda *step: None).problems
    told = "\n".join(map(str, problems.get("sub-01", [])))
    assert ("expected a brain mask, inside which there is signal, found a mean" in told) == turned == bool(told)


def test_a_mask_that_background_removal_would_erode_away_is_refused_before_any_job(dataset):
    sphere = read_volume(dataset / "sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz").data > 2
    write_volume(dataset / "derivatives/mine/sub-01/anat/sub-01_desc-brain_mask.nii.gz", sphere, GRID)
    (dataset / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tHC\nsub-02\tHH\n")
    cfg = shipped() | {"dataset": "small", "bids_dir": str(dataset), "output_dir": str(dataset / "out")}
    cfg["local_field"] = cfg["local_field"] | {"method": "sharp", "radius_mm": 9.5}
    with pytest.raises(CheckError, match=r"sub-01: expected a brain mask deeper than local_field\.radius_mm, 9\.5 mm"):
        own_study(cfg, paths_of(cfg), dataset, lambda echoes: range(1, echoes + 1), 2, True, {})


def test_a_broken_table_of_sessions_is_noted_and_stops_no_maps(dataset):
    (dataset / "participants.tsv").write_text("participant_id\tsite\tage\tsex\tgroup\nsub-01\tOslo\t50\tF\tHC\n")
    (dataset / "sub-01/sub-01_sessions.tsv").write_text("session\tsite\nses-1\tOslo\n")
    cfg = shipped() | {"dataset": "small", "bids_dir": str(dataset), "output_dir": str(dataset / "out")}
    cfg["on_error"] = "skip"
    found = own_study(cfg, paths_of(cfg), dataset, lambda echoes: range(1, echoes + 1), 2, True, {})
    (told,) = [note for note in by_name(found.records)["sub-01"].notes if "_sessions.tsv" in note]
    assert "expected a column `session_id` beside `site`, found session, site; `maps` and the diagnosis go" in told
    assert list(found.scans) == ["sub-01"]


def test_a_changed_mask_is_looked_at_again(study, tmp_path):
    path = tmp_path / "own_mask.nii.gz"
    study.scans = {"sub-01": replace(study.scans["sub-01"], mask=str(path))}
    write_volume(path, np.zeros(GRID.data.shape, np.uint8), GRID)
    assert study.take_in().problems
    write_volume(path, np.ones((4, 5, 6), np.uint8), GRID)
    os.utime(path, ns=(1, 1))
    assert not study.take_in().problems


def test_the_unit_of_a_b1_map_stands_in_the_table_and_a_guess_is_noted(study, tmp_path):
    path, first = tmp_path / "own_TB1map.nii.gz", study.scans["sub-01"]
    study.scans = {"sub-01": replace(first, low_flip=first.series, b1=str(path))}
    for sidecar, units, guessed in ((None, "none", True), ({"Units": "percent"}, "percent", False)):
        write_volume(path, np.full(GRID.data.shape, 97, np.float32), GRID, sidecar)
        (record,) = study.take_in().records
        assert record.facts["b1"] == f"own own_TB1map.nii.gz, percent: Units {units}, a median of 97"
        assert any("taken for percent" in note for note in record.notes) == guessed


def test_own_t1w_images_are_of_all_scans_or_of_none(study, tmp_path):
    study.scans["sub-02"] = replace(study.scans["sub-02"], t1w=str(tmp_path / "T1w.nii.gz"))
    taken = study.take_in()
    assert sorted(taken.problems) == ["sub-01", "sub-03"]
    assert "as 1 of 3 scans have one, found none of sub-01" in str(taken.problems["sub-01"][0])


def test_subjects_that_could_not_be_converted_stand_in_the_table(study):
    refused = {"sub-09": [Problem("Bett 9", "two parts of every echo", "phase of echo 2 missing")]}
    taken = intake.with_problems(study.take_in(), refused)
    assert must_stop(taken, "stop")
    assert by_name(records_of(taken, "skip"))["sub-09"].status == "skipped"
    assert "sub-09" not in taken.scans
