"""Pages: what a reader must find on them, and nothing that a name could smuggle in."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from qnet.evaluation.manifest import tables_of
from qnet.predictions import read_predictions
from recon.files.io import Volume, read_volume, write_json, write_mask, write_volume
from workflow.lib.report.cohort import flow
from workflow.lib.words import number, p_value, percent
from workflow.scripts import evaluate, report, subject_page

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
NASTY = "<script>alert('x')</script>"
TABLES = ("table1", "table2", "table3", "contrasts", "calibration", "confounds")  # that its report is made from
FIGURES = ("roc_image", "roc_scan", "auc_boxplot")
PRIMARY = [{"input": "full", "model": "Q-Net"}, {"input": "full", "model": "ResNet"}]
CFG = CONFIG | {"dataset": "study", "evaluate": CONFIG["evaluate"] | {"bootstrap": 50, "primary": PRIMARY, "bins": 3}}
PEOPLE = pd.DataFrame({
    "participant_id": [f"sub-{fold}{s}" for fold in range(2) for s in range(8)], "label": [0, 1] * 8,
    "group": ["HC", "<b>HH</b>"] * 8, "age": range(40, 56), "sex": ["M", "F", "F", "M"] * 4, "fold": [0] * 8 + [1] * 8,
})  # fmt: skip


GROUPS = dict(zip(PEOPLE["participant_id"], PEOPLE["group"], strict=True))
NOBODY_LEFT = flow(GROUPS, GROUPS, {}, {})


def fold_predictions(fold: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(10 * fold + seed)
    rows = [
        (f"sub-{fold}{subject}", slice_, subject % 2, model, "image" if slice_ else "scan",
         1 / (1 + np.exp(generator.normal(0.5 - subject % 2))), "full", seed, fold)
        for model in ("ResNet", "Q-Net", NASTY) for subject in range(8) for slice_ in ("", 1, 2)
    ]  # fmt: skip
    return pd.DataFrame(
        rows, columns=["participant_id", "slice", "label", "model", "level", "score", "input", "seed", "fold"]
    )


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> dict[str, str]:
    """Outputs of the script `evaluate` on two folds and two seeds."""
    folder = tmp_path_factory.mktemp("results")
    files = []
    for fold in range(2):
        for seed in range(2):
            files.append(str(folder / f"predictions_{fold}_{seed}.tsv"))
            fold_predictions(fold, seed).to_csv(files[-1], sep="\t", index=False)
    PEOPLE.to_csv(folder / "folds.tsv", sep="\t", index=False)
    outputs = {name: str(folder / f"tables/{name}.tsv") for name in tables_of("evaluate")}
    outputs |= {name: str(folder / f"figures/{name}.png") for name in FIGURES}
    merged = str(folder / "predictions.tsv")
    evaluate.main(files, merged, CFG["evaluate"], folds=str(folder / "folds.tsv"), **outputs)
    return outputs | {"merged": merged, "files": files, "folds": str(folder / "folds.tsv")}


def make_report(
    evaluated: dict[str, str],
    folder: Path,
    synthetic: bool = False,
    flow: dict | None = None,
    warnings: dict[str, list[str]] | None = None,
    tables: list[str] | None = None,
    figures: list[str] | None = None,
    cfg: dict = CFG,
) -> str:
    accuracy = pd.DataFrame({"quantity": ["chi_ppm"], "region": ["putamen"], "slope": [0.8761]})
    accuracy.to_csv(folder / "map_accuracy.tsv", sep="\t", index=False)
    warning_files = [str(folder / f"{scan}.json") for scan in warnings or {}]
    for path, (scan, texts) in zip(warning_files, (warnings or {}).items(), strict=True):
        write_json(path, {"scan": scan, "warnings": texts})
    if tables is None:
        tables = [evaluated[name] for name in TABLES] + ([str(folder / "map_accuracy.tsv")] if synthetic else [])
    report.main(
        tables=tables,
        figures=[evaluated[name] for name in FIGURES] if figures is None else figures,
        folds=evaluated["folds"],
        pages=[str(folder / "sub-00.html")],
        example=[evaluated["roc_image"]],
        warnings=warning_files,
        report=str(folder / "report.html"),
        cfg=cfg,
        synthetic=synthetic,
        flow=flow or (None if synthetic else NOBODY_LEFT),
        beside=["methods.md", "checklist.html"],
        versions={"Q-Net": "0.1.0"},
    )
    return (folder / "report.html").read_text(encoding="utf-8")


def write_rows(path: Path, rows: list[dict]) -> str:
    """A made-up table."""
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return str(path)


def assert_self_contained(html: str) -> None:
    assert not re.findall(r'(?:src|href)="(?!data:|#|[\w.-]+\.(?:html|md))[^"]*"', html)
    assert "@import" not in html and "<link" not in html


def test_merged_predictions_keep_every_digit(evaluated):
    merged, parts = read_predictions(evaluated["merged"]), read_predictions(*evaluated["files"])
    pd.testing.assert_frame_equal(merged, parts, check_exact=True)


@pytest.mark.parametrize("synthetic", [True, False])
def test_report_says_what_it_is(evaluated, tmp_path, synthetic):
    html = make_report(evaluated, tmp_path, synthetic)
    assert "Research use only" in html
    assert ("SYNTHETIC DATA" in html) == synthetic
    assert ("simulated" in html.lower()) == synthetic


def test_report_stands_alone_and_links_the_subjects(evaluated, tmp_path):
    html = make_report(evaluated, tmp_path, True)
    assert_self_contained(html)
    assert 'href="sub-00.html"' in html


def test_report_escapes_names(evaluated, tmp_path):
    html = make_report(evaluated, tmp_path, True)
    assert NASTY not in html and "&lt;script&gt;" in html
    assert "<b>HH</b>" not in html


def test_report_shows_counts_parameters_and_folds(evaluated, tmp_path):
    html = make_report(evaluated, tmp_path, True)
    row = pd.read_csv(evaluated["table3"], sep="\t").iloc[0]
    assert row["accuracy_count"] in html
    assert f"radius_mm = {CONFIG['local_field']['radius_mm']:g}" in html
    assert html.count("4 HC") == 2
    assert "0.876" in html


def test_report_without_warnings_has_no_alert(evaluated, tmp_path):
    html = make_report(evaluated, tmp_path, warnings={"sub-00": []})
    assert 'role="alert"' not in html


def test_report_without_any_optional_part(evaluated, tmp_path):
    html = make_report(evaluated, tmp_path, tables=[evaluated["table1"], evaluated["table3"]], figures=[])
    assert "Scan level: one decision per subject" in html and "Primary contrast" not in html
    assert "Compared with the paper" not in html and "retrained" not in html


def test_report_opens_its_results_with_the_primary_contrast(evaluated, tmp_path):
    html = make_report(evaluated, tmp_path)
    row = pd.read_csv(evaluated["contrasts"], sep="\t").iloc[0]
    assert row["role"] == "primary"
    headline = re.search(r'<div class="headline">.*?</div>', html, re.S)[0]
    assert f"{row['difference']:+.3f}".replace("-", "−") in headline
    assert html.index('headline">') < html.index("Scan level: one decision per subject")


def test_report_warns_first_of_confounders(evaluated, tmp_path):
    row = {"check": "age alone", "input": None, "model": None, "stratum": None, "subjects": 16, "statistic": "AUC"}
    row |= {"value": 0.9, "low": 0.7, "high": 1.0, "flag": f"age tells the groups apart {NASTY}"}
    html = make_report(evaluated, tmp_path, tables=[write_rows(tmp_path / "confounds.tsv", [row])])
    assert html.index("Look here first") < html.index("age tells the groups apart") < html.index("<h1>")
    assert NASTY not in html


LEFT_OUT = {"folds": CONFIG["folds"] | {"scheme": "leave_one_site_out"}, "harmonisation": "combat"}


OTHERS = (
    "Each site diagnosed by networks of the others: mean AUC of Q-Net over 4 sites 0.81 (0.70 to 0.89); another site"
)
ONE_CENTRE, UNTESTED, IN_TURN = "no external test set", "was not tested (", "its sites were left out in turn"


@pytest.mark.parametrize(
    ("changes", "sites", "said", "unsaid"),
    [
        (LEFT_OUT, 4, [f"{OTHERS} is expected between 0.60 and 0.93", IN_TURN, "harmonised by its own controls"],
         [UNTESTED, ONE_CENTRE]),
        (LEFT_OUT | {"harmonisation": "none"}, 3, ["over 3 sites 0.81 (0.70 to 0.89)", IN_TURN],
         ["is expected between", "harmonised by its own controls"]),
        ({}, 4, ["Within sites: mean AUC of Q-Net over 4 sites", UNTESTED,
                 "a site like these, with subjects in the training, is expected between"], [IN_TURN, ONE_CENTRE]),
        ({}, 0, [ONE_CENTRE], ["Within sites: mean AUC", IN_TURN, UNTESTED]),
    ],
    ids=["left out", "three sites", "pooled", "one centre"],
)  # fmt: skip
def test_report_says_which_sites_were_tested(evaluated, tmp_path, changes, sites, said, unsaid):
    """Of few sites there is no telling what to expect at another: the page says it from four on."""
    row = {"input": "full", "model": "Q-Net", "measure": "AUC", "sites": sites, "value": 0.81, "low": 0.7, "high": 0.89}
    row |= {"tau": 0.1, "expected_low": 0.6, "expected_high": 0.93, "note": None}
    tables = [evaluated["contrasts"]] + ([write_rows(tmp_path / "between_sites.tsv", [row])] if sites else [])
    html = make_report(evaluated, tmp_path, tables=tables, cfg=CFG | changes)
    text = " ".join(re.sub("<[^>]+>", "", html).split())
    assert [words for words in said if words not in text] == [] == [words for words in unsaid if words in text]


def test_report_shows_subgroups_of_the_primary_contrast_before_those_of_every_model(evaluated, tmp_path):
    row = {"input": "full", "model": "Q-Net", "stratum": "site <b>", "subjects": 8, "positives": 4, "needed": 1234}
    table = write_rows(tmp_path / "subgroups.tsv", [row, row | {"model": "ResNet18 of others", "needed": 4321}])
    html = make_report(evaluated, tmp_path, tables=[table])
    part = html[html.index("For whom?") :]
    assert part.index("1234") < part.index("Every model") < part.index("4321")
    assert "site &lt;b&gt;" in part and "site <b>" not in part


def test_report_says_which_site_harmonisation_could_not_reach(evaluated, tmp_path):
    row = {
        "fold": 0,
        "site": NASTY,
        "training": 0,
        "tested": 4,
        "controls": 1,
        "estimate": "none",
        "shift_chi_ppb": None,
    }
    rows = [row | {"note": "not in training"}, row | {"fold": 1, "site": "B", "shift_chi_ppb": -12.34, "note": None}]
    html = make_report(evaluated, tmp_path, tables=[write_rows(tmp_path / "harmonisation.tsv", rows)])
    assert "(fold 0): not in training." in html and NASTY not in html
    assert html.index("(fold 0): not in training.") < html.index("−12.3")
    assert "ComBat)" not in make_report(evaluated, tmp_path, tables=[])


def test_report_keeps_the_papers_numbers_apart(evaluated, tmp_path):
    row = {"table": "3", "input": "crop", "model": "Q-Net", "against": None, "metric": "accuracy", "unit": "%"}
    row |= {"paper_value": 80.0, "paper_spread": None, "ours_value": 71.234, "ours_spread": None}
    table = write_rows(tmp_path / "paper_comparison.tsv", [row | {"ours_low": 60.0, "ours_high": 80.5}])
    html = make_report(evaluated, tmp_path, tables=[table])
    assert '<td class="n theirs">80.00</td>' in html
    assert re.search(r'<td class="n ours">71.23', html)


def test_report_shows_variants_and_explanations(evaluated, tmp_path):
    row = {
        "variant": "qsm",
        "input": "crop",
        "level": "scan",
        "model": "Q-Net",
        "subjects": 16,
        "cases": 16,
        "auc": 0.7,
    }
    row |= dict.fromkeys(
        ("auc_low", "auc_high", "difference", "difference_low", "difference_high", "p", "p_holm"), 0.125
    )
    ablation = write_rows(tmp_path / "ablation.tsv", [row | {"stars": "ns"}])
    enrichment = write_rows(tmp_path / "class_activation_crop.tsv", [{"group": "<b>HH</b>", "enrichment": 2.5}])
    pictures = [tmp_path / f"{name}_crop.png" for name in ("slice_importance", "class_activation")]
    for picture in pictures:
        shutil.copy(evaluated["roc_scan"], picture)
    html = make_report(evaluated, tmp_path, tables=[ablation, enrichment], figures=list(map(str, pictures)))
    assert "<td>qsm</td>" in html and "+0.125" in html
    evidence = html[html.index('id="evidence"') :]
    assert evidence.index("Class activation maps") < evidence.index("2.5") < evidence.index("Weight of the slices")


def test_report_counts_undecided_votes(evaluated, tmp_path):
    table = pd.read_csv(evaluated["table3"], sep="\t").assign(ties=[3, None, None], votes=[32, None, None])
    table.to_csv(tmp_path / "table3.tsv", sep="\t", index=False, na_rep="n/a")
    html = make_report(evaluated, tmp_path, tables=[str(tmp_path / "table3.tsv")])
    assert re.search(r"decided by the mean probability: ResNet \(full\) 3 of 32\.", html)


def test_report_warns_first_of_the_phase_sign(evaluated, tmp_path):
    warnings = {"sub-00": ["Brain mask: found 512 ml"], "sub-01": ["χ is not finite", "Phase sign: deep grey matter"]}
    html = make_report(evaluated, tmp_path, warnings=warnings)
    order = [html.index(text) for text in ("Phase sign: deep grey", "found 512 ml", "χ is not finite", "<h1>")]
    assert order == sorted(order)
    assert '<a href="sub-00.html">sub-00</a>: Brain mask' in html


def test_report_opens_with_what_was_skipped_and_counts_it(evaluated, tmp_path):
    groups = {"sub-01": "HC", "sub-02": "<b>HH</b>", "sub-03": "HC"}
    skipped = {"sub-01": [f"{NASTY}: expected 3 echoes, found 2"]}
    html = make_report(evaluated, tmp_path, flow=flow(groups, ["sub-02", "sub-03"], skipped, {"sub-03": ["no age"]}))
    assert html.index("expected 3 echoes, found 2") < html.index("no age") < html.index("<h1>")
    assert NASTY not in html and "<b>HH</b>" not in html
    rows = re.search(r"<h3>Flow of participants.*?</table>", html, re.S)[0].split("<tr")[2:]
    counts = [[int(n) for n in re.findall(r'<td class="n">(\d+)</td>', row)] for row in rows]
    assert counts == [[3, 1, 2], [1, 0, 1], [1, 0, 1], [1, 1, 0]]


@pytest.fixture
def subject_files(tmp_path) -> dict[str, str]:
    return scan_files(tmp_path)


def scan_files(tmp_path: Path) -> dict[str, str]:
    """A ball for a brain, 1.2 litres, with one bright nucleus; every file that the subject page reads."""
    shape, size_mm = (40, 40, 40), 4.0
    like = Volume(data=np.zeros(shape, np.float32), affine=np.diag([size_mm] * 3 + [1.0]))
    distance = size_mm * np.linalg.norm(np.indices(shape) - 19.5, axis=0)[..., None].squeeze()
    brain, nucleus = distance < 66, (distance < 12).astype(np.uint8)
    chi = (0.1 * nucleus + 0.01 * np.random.default_rng(0).normal(size=shape)) * brain
    echoes = np.stack([brain * (3.0 - echo) for echo in range(3)], axis=-1)
    names = ["magnitude", "phase", "unwrapped", "local_field", "mask", "chi", "r2star", "t1w", "dseg", "box"]
    files = {name: str(tmp_path / f"{name}.nii.gz") for name in names}
    for name in names[:4]:
        write_volume(files[name], echoes, like)
    for name, data in {"chi": chi, "r2star": 20.0 + chi, "t1w": brain + chi}.items():
        write_volume(files[name], data, like, {"Units": "<ppm>"})
    write_mask(files["mask"], brain, like, {"Tool": "builtin"})
    write_mask(files["box"], distance < 30, like)
    for name, part in {"reliable": brain, "singular": brain & False}.items():
        files[name] = str(tmp_path / f"{name}.nii.gz")
        write_mask(files[name], part, like)
    write_volume(files["dseg"], nucleus, like)
    files["acquisition"] = str(tmp_path / "acquisition.json")
    write_json(files["acquisition"], {"te_s": [0.005, 0.01, 0.015], "b0_tesla": 3.0, "b0_dir": [0, 0, 1],
                                      "voxel_size_mm": [size_mm] * 3, "tr_s": None})  # fmt: skip
    files["stats"] = str(tmp_path / "stats.tsv")
    write_stats(files["stats"], {"<i>caudate</i>": 0.1, "putamen": 0.1, "white_matter": 0.0})
    return files


def write_stats(path: str, chi_ppm: dict[str, float]) -> None:
    """The table of mean χ by region."""
    pd.DataFrame({"name": chi_ppm.keys(), "chi_ppm_mean": chi_ppm.values()}).to_csv(path, sep="\t", index=False)


def make_page(files: dict[str, str], folder: Path, age_years: float | None = None) -> str:
    pictures = {f"{name}_picture": str(folder / f"{name}.png") for name in ("chi", "r2star", "t1w")}
    page, warnings = str(folder / "sub-01.html"), str(folder / "sub-01_warnings.json")
    subject_page.main(
        **files, page=page, warnings=warnings, images=str(folder / "viewer" / "sub-01.js"), **pictures, scan="sub-01",
        synthetic=True, maximum_hz=200.0, age_years=age_years,
    )  # fmt: skip
    return Path(page).read_text(encoding="utf-8")


def test_subject_page_is_complete(subject_files, tmp_path):
    html = make_page(subject_files, tmp_path)
    assert_self_contained(html)
    assert html.count("<img") == 14
    assert "SYNTHETIC DATA" in html and "Research use only" in html
    assert "No automatic check raised a warning" in html
    assert "<i>caudate</i>" not in html and "&lt;ppm&gt;" in html


def test_subject_page_shows_the_further_maps_and_what_is_zero(subject_files, tmp_path):
    like = read_volume(subject_files["r2star"])
    further = {name: str(tmp_path / f"{name}.nii.gz") for name in ("t2star", "s0", "region")}
    write_volume(further["t2star"], np.full(like.data.shape, 0.05), like)
    write_volume(further["s0"], np.full(like.data.shape, 900.0), like)
    write_mask(further["region"], like.data > 20.05, like, {"Type": "ROI"})
    about = {"Reference": "csf", "ReferenceSusceptibility": 0.0123, "ReferenceStandardError": 0.0011,
             "ReferenceAboveWholeBrain": 0.0234, "ReferenceVolumeML": 7.25}  # fmt: skip
    write_json(tmp_path / "chi.json", about)
    html = make_page(subject_files | further, tmp_path)
    assert html.count("<img") == 17
    assert (
        "Zero of χ: the mean over the fluid of the ventricles; 7.2 ml; +12.3 ± 1.1 (standard error) ppb before it was "
        "subtracted; +23.4 ppb against the mean of the whole brain." in html
    )
    assert "0 to 100 ms" in html and "Signal at TE = 0" in html


def test_subject_page_warns_of_a_wrong_sign_and_a_small_brain(subject_files, tmp_path):
    write_stats(subject_files["stats"], {"putamen": -0.1, "white_matter": 0.0})
    brain = np.zeros((40, 40, 40), bool)
    brain[10:30, 10:30, 10:30] = True
    write_mask(subject_files["mask"], brain, Volume(data=brain, affine=np.diag([4.0, 4, 4, 1])))
    html = make_page(subject_files, tmp_path)
    assert "Phase sign: " in html and "found 512 ml" in html
    warnings = json.loads((tmp_path / "sub-01_warnings.json").read_text())
    assert warnings["scan"] == "sub-01"
    assert [warning.split(":")[0] for warning in warnings["warnings"]] == ["Phase sign", "Brain mask"]
    assert html.index("Look here first") < html.index("<h2>Pictures")


def test_a_page_opens_with_a_broken_map_and_tells_voids_and_the_size_for_the_age(subject_files, tmp_path):
    chi, magnitude = read_volume(subject_files["chi"]), read_volume(subject_files["magnitude"])
    void = np.linalg.norm(np.indices(chi.data.shape) - [[[[25]]], [[[19]]], [[[19]]]], axis=0) < 3
    write_volume(subject_files["chi"], np.where(void, 0, 10 * chi.data), chi)
    write_volume(subject_files["magnitude"], np.where(void[..., None], 1e-3, magnitude.data), magnitude)
    write_volume(subject_files["r2star"], np.where(void, 200.0, 20.0), chi)
    html = make_page(subject_files, tmp_path, age_years=0.0)
    broken, said = (html.index(words) for words in ("This map is broken", "Look here first"))
    assert broken < html.index("Broken map, SD of χ") < html.index("<h1>") < said
    void_ml = void.sum() * 0.064
    assert f"Signal void: {void_ml:.1f} ml of the brain" in html and "R2* is at its ceiling in 100 % of it" in html
    assert "Brain mask: expected 297 to 660 ml at 0 years" in html
    assert json.loads((tmp_path / "sub-01_warnings.json").read_text())["broken"] > 0


def test_subject_page_prints_no_mean_of_a_nucleus_that_may_lie_elsewhere(subject_files, tmp_path):
    table = pd.DataFrame({"name": ["caudate", "putamen", "white_matter"], "voxels": [40, 50, 90],
                          "confidence": [0.2, 0.9, np.nan], "chi_ppm_mean": [0.0511, 0.0722, -0.0333]})  # fmt: skip
    table.to_csv(subject_files["stats"], sep="\t", index=False, na_rep="n/a")
    html = make_page(subject_files, tmp_path)
    names = ("caudate", "putamen", "white matter")
    rows = {name: re.search(rf"<tr><td>{name}</td>.*?</tr>", html)[0] for name in names}
    assert "χ mean [ppm]</th>" in html
    assert "doubtful" in rows["caudate"] and "0.0511" not in rows["caudate"]
    assert "0.0722" in rows["putamen"] and "-0.0333" in rows["white matter"]
    write_json(tmp_path / "dseg.json", {"Tool": "user"})  # whoever drew the labels knows where they lie
    assert "0.0511" in make_page(subject_files, tmp_path)


def test_numbers_are_written_for_people():
    assert (percent(0.83158), percent(float("nan")), p_value(0.04321), p_value(6.2e-33)) == (
        "83.2",
        "—",
        "0.043",
        "6.2e-33",
    )
    assert (number(None), number(0.0012345), number(2774.25), number([1.0, 2])) == (
        "n/a",
        "0.00123",
        "2774",
        "1, 2",
    )
