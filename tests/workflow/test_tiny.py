"""One real run of a tiny simulated cohort, from echoes to report."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK
import yaml
from threadpoolctl import threadpool_limits

from recon.acquisition import Acquisition
from recon.files.io import read_mask, read_volume
from recon.pipeline import reconstruct
from recon.settings import arm
from tests.workflow.conftest import snakemake
from tests.workflow.warm import command, planned_jobs
from workflow.cli.run import QUIET

SNAKEMAKE = ("snakemake", "--cores", "2")
VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.fixture
def results(tiny):
    return tiny / "results/tiny"


@pytest.mark.parametrize(
    "name",
    [
        "Chimap.nii.gz",
        "desc-echo2_Chimap.nii.gz",
        "R2starmap.nii.gz",
        "desc-stage_T1w.nii.gz",
        "desc-brain_mask.nii.gz",
        "desc-nuclei_dseg.nii.gz",
        "label-BG_mask.nii.gz",
        "desc-nuclei_stats.tsv",
        "Chimap.json",
    ],
)
def test_every_subject_has_its_derivatives(results, name):
    files = list(results.glob(f"derivatives/qnet/sub-??/anat/sub-??_{name}"))
    assert len(files) == 4


def test_itk_opens_every_image(results):
    images = list(results.rglob("*.nii.gz"))
    assert images
    for path in images:
        SimpleITK.ReadImage(str(path))


def test_every_map_says_its_unit(results):
    for path in results.glob("derivatives/qnet/sub-01/anat/*map.json"):
        assert json.loads(path.read_text())["Units"] in ("ppm", "1/s", "1"), path


def test_a_run_leaves_a_record(results):
    record = json.loads((results / "run.json").read_text())
    assert record["targets"] == ["all"]
    assert record["config"]["dataset"] == "tiny"
    assert record["inputs"] == {}  # a simulated cohort reads nothing from outside


def test_every_image_names_its_sources(results):
    raw, derivatives = results / "rawdata", results / "derivatives/qnet"
    for path in derivatives.glob("sub-01/anat/*.json"):
        for uri in json.loads(path.read_text())["Sources"]:
            _, dataset, file = uri.split(":", 2)
            assert ((raw if dataset == "raw" else derivatives) / file).is_file(), uri


def test_the_report_and_its_tables_are_there(results):
    for name in ("table1", "table2", "table3", "delong", "map_accuracy"):
        assert len(pd.read_csv(results / f"tables/{name}.tsv", sep="\t"))
    for name in ("roc_image", "roc_scan", "auc_boxplot", "class_activation_full", "class_activation_crop"):
        assert (results / f"figures/{name}.png").stat().st_size > 5000
    page = (results / "report.html").read_text()
    assert "SYNTHETIC" in page
    assert "Research use only" in page


def test_predictions_hold_every_subject_once_for_each_model_and_input(results):
    predictions = pd.read_csv(results / "qnet/predictions.tsv", sep="\t")
    assert {"participant_id", "slice", "label", "model", "level", "score"} <= set(predictions)
    scans = predictions[predictions.level == "scan"]
    networks, baselines = 6, 8  # networks: with mean P and the hybrid, for each of two inputs
    assert len(scans) == 4 * (networks * 2 + baselines)
    assert not scans.duplicated(["participant_id", "model", "input"]).any()
    assert predictions.score.between(0, 1).all()


def test_the_maps_measure_iron(results):
    accuracy = pd.read_csv(results / "tables/map_accuracy.tsv", sep="\t").set_index(["quantity", "region"])
    assert 0.5 < accuracy.loc[("chi_ppm", "deep grey matter"), "slope"] < 1.2
    assert accuracy.loc[("r2star_hz", "deep grey matter"), "slope"] == pytest.approx(1, abs=0.1)


@pytest.fixture(scope="session")
def consensus(tiny):
    """One subject of the tiny cohort through the other arm."""
    other = ("--config", "pipeline=consensus", "dataset=consensus")
    snakemake(tiny, "--configfile", "tiny.yaml", *other, "--", "results/consensus/sub-02.html", forked=True)
    return tiny / "results/consensus"


@pytest.mark.parametrize("pipeline", ["paper", "consensus"])
def test_stage_by_stage_equals_the_chain_in_memory(tiny, results, consensus, pipeline):
    folder = consensus if pipeline == "consensus" else results
    config = arm(yaml.safe_load((tiny / "config/config.yaml").read_text()) | {"pipeline": pipeline})
    work, derivatives = folder / "work/sub-02", folder / "derivatives/qnet/sub-02/anat"
    phase, magnitude = (read_volume(work / f"sub-02_part-{part}_MEGRE.nii").data for part in ("phase", "mag"))
    mask = read_mask(derivatives / "sub-02_desc-brain_mask.nii.gz")
    facts = Acquisition.read(work / "sub-02_acquisition.json")
    with threadpool_limits(1):  # as in a job: iterations that end at a tolerance end elsewhere with other sums
        maps = reconstruct(phase, magnitude, mask, facts, config)
    for data, name in ((maps.chi_ppm, "Chimap"), (maps.r2star_hz, "R2starmap")):
        np.testing.assert_allclose(data, read_volume(derivatives / f"sub-02_{name}.nii.gz").data, atol=2e-5)


def test_the_consensus_arm_combines_the_echoes_first(consensus):
    anat = consensus / "derivatives/qnet/sub-02/anat"
    assert len(json.loads((anat / "sub-02_Chimap.json").read_text())["EchoTime"]) == 3
    assert not list(anat.glob("*desc-echo*"))
    assert read_volume(consensus / "work/sub-02/sub-02_desc-local_fieldmap.nii").data.ndim == 3


@pytest.mark.parametrize("dataset", ["rawdata", "derivatives/qnet", "rawdata/derivatives/ground-truth"])
def test_datasets_are_valid_bids(results, dataset):
    run = subprocess.run(
        [VALIDATOR, results / dataset, "--format", "json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(run.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []
    if dataset == "derivatives/qnet":  # whose authors the user's dataset names, or nobody
        assert {i["code"] for i in issues} <= {"TOO_FEW_AUTHORS"}, issues


def test_a_finished_run_has_nothing_to_do(tiny):
    assert planned_jobs(tiny, "--configfile", "tiny.yaml") == {}


def test_jobs_leave_their_log_and_cost(results):
    assert "epoch 2/2" in (results / "logs/train_image_model_full_0_0.log").read_text()
    assert (results / "benchmarks/sub-01/sub-01_local_field.tsv").read_text().startswith("s\t")
    assert (results / "logs/sub-01/sub-01_local_field.log").is_file()


def test_training_is_the_same_to_the_bit(tiny, results):
    weights = results / "qnet/crop/seed-0/fold-1/image_model.safetensors"
    before = weights.read_bytes()
    snakemake(tiny, "--configfile", "tiny.yaml", "--force", "--", str(weights.relative_to(tiny)))
    assert weights.read_bytes() == before
    status, text = command(tiny, *SNAKEMAKE, "--configfile", "tiny.yaml", "--touch")
    assert status == 0, text


@pytest.fixture
def own(tiny, results, tmp_path):
    """The simulated raw data as somebody's own dataset, with a space and an umlaut in its path."""
    folder = tmp_path / "meine Köpfe"
    shutil.copytree(results / "rawdata", folder, ignore=shutil.ignore_patterns("derivatives"))
    return folder


def test_own_data_are_planned_without_simulation(tiny, own):
    jobs = planned_jobs(tiny, "--configfile", "tiny.yaml", "--config", "dataset=mine", f"bids_dir={own}")
    assert not {"simulate_cohort", "simulate_subject", "map_accuracy"} & jobs.keys()
    assert jobs["prepare_echoes"] == 4
    assert jobs["report"] == 1


def only_checked(folder: Path) -> bool:
    """Whether no job wrote anything: the table of the check is all that there is."""
    return {path.name.split(".")[0] for path in folder.iterdir()} == {"check"}


def test_maps_need_no_participants(tiny, own):
    (own / "participants.tsv").unlink()
    arguments = ("--configfile", "tiny.yaml", "--config", "dataset=mine", f"bids_dir={own}")
    assert "folds" not in planned_jobs(tiny, *arguments, "--", "maps")
    status, text = command(tiny, *SNAKEMAKE, *arguments)
    assert status != 0
    assert "expected a participants table for the diagnosis" in text
    assert only_checked(tiny / "results/mine")


def test_broken_data_stop_the_run_before_any_job(tiny, own):
    victim = next(own.rglob("sub-03_echo-2_part-phase_MEGRE.nii.gz"))
    victim.unlink()
    arguments = ("--configfile", "tiny.yaml", "--config", "dataset=mine", f"bids_dir={own}")
    status, text = command(tiny, *SNAKEMAKE, *arguments, "--", "maps")
    assert status != 0
    assert "sub-03_echo-2_part-mag_MEGRE.nii.gz: expected its part-phase partner of echo 2, found none" in text
    assert only_checked(tiny / "results/mine")


def test_the_check_tells_decisions_and_problems_and_a_bad_scan_can_be_left_out(tiny, own):
    victim = next(own.rglob("sub-03_echo-2_part-phase_MEGRE.nii.gz"))
    victim.write_bytes(victim.read_bytes()[:-100])
    (own / "participants.tsv").unlink()
    arguments = ("--configfile", "tiny.yaml", "--config", "dataset=checked", f"bids_dir={own}")
    status, text = command(tiny, *SNAKEMAKE, "check", *QUIET, *arguments)  # as `q-net check` runs it
    assert status != 0
    assert "sub-03_echo-2_part-phase_MEGRE.nii.gz: expected" in text
    assert only_checked(tiny / "results/checked")
    table = pd.read_csv(tiny / "results/checked/check.tsv", sep="\t").set_index("scan")
    assert dict(table.status) == {"sub-01": "OK", "sub-02": "OK", "sub-03": "ERROR", "sub-04": "OK"}
    assert table.loc["sub-01", "phase_units"] == "rad"
    status, text = command(tiny, *SNAKEMAKE, "check", *arguments, "on_error=skip")
    assert status == 0, text
    assert "left out: sub-03" in text
    jobs = planned_jobs(tiny, *arguments, "on_error=skip", "--", "maps")
    assert jobs["prepare_echoes"] == 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), {"simulate_subject": 12, "train_image_model": 6, "t1_map": 0}),
        (("--configfile", "config/paper.yaml"), {"simulate_subject": 96, "train_image_model": 100, "t1_map": 0}),
        (("--configfile", "flips.yaml"), {"simulate_subject": 4, "t1_map": 4}),
    ],
    ids=["default", "paper", "two flip angles"],
)
def test_shipped_configs_are_planned(project, arguments, expected):
    (project / "flips.yaml").write_text("simulate: {subjects: 4, flip_angles_deg: [6, 24]}\nfolds: {folds: 2}\n")
    jobs = planned_jobs(project, *arguments, "--config", "dataset=planned")
    assert {rule: jobs.get(rule, 0) for rule in expected} == expected


def test_a_wrong_config_is_refused(project):
    (project / "wrong.yaml").write_text("local_field: {threshold: 5e-2x}\n")
    status, text = command(project, *SNAKEMAKE, "--dry-run", "--configfile", "wrong.yaml")
    assert status != 0
    assert "local_field" in text
    assert "5e-2x" in text


def test_two_flip_angles_give_t1(project):
    (project / "flips.yaml").write_text(
        yaml.safe_dump(
            {
                "dataset": "flips",
                "simulate": {
                    "subjects": 4,
                    "flip_angles_deg": [6, 24],
                    "voxel_size_mm": [4, 4, 4],
                    "te_s": [0.005, 0.015],
                },
            }
        )
    )
    root = project / "results/flips"
    target = "results/flips/derivatives/qnet/sub-01/anat/sub-01_T1map.nii.gz"
    snakemake(project, "--configfile", "flips.yaml", "--", target, forked=True)
    t1 = read_volume(project / target).data
    truth = read_volume(root / "rawdata/derivatives/ground-truth/sub-01/anat/sub-01_T1map.nii.gz").data
    brain = (t1 > 0) & (truth > 0.5) & (truth < 1.6)
    assert np.median(t1[brain] / truth[brain]) == pytest.approx(1, abs=0.05)
