"""Own data with sessions, runs, the user's own files, or a single echo."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from recon.files.bids import entities
from recon.files.io import Volume, read_mask, read_volume, write_mask, write_volume
from tests.workflow.conftest import snakemake
from tests.workflow.warm import command, planned_jobs

SCANS = ["sub-01_ses-1_run-1", "sub-01_ses-1_run-2", "sub-01_ses-2", "sub-02_run-1", "sub-02_run-2", "sub-03", "sub-04"]
PLAN = ("snakemake", "--cores", "2", "--dry-run")
VISIT = "sub-01_ses-1_run-2"
AFTER_MASK = {
    "brain_mask", "unwrap_phase", "field_mapping", "local_field", "r2star_map", "dipole_inversion", "combine_echoes",
    "t1w_map", "locate_nuclei", "subject_page",
}  # fmt: skip


def copy_scan(raw: Path, subject: str, bids: Path, name: str, echoes: tuple[str, ...] = ("1", "2", "3")) -> Path:
    """A simulated subject's images and sidecars under the name of a scan; returns their folder."""
    folder = bids.joinpath(*(label for label in name.split("_") if label.startswith(("sub-", "ses-"))), "anat")
    folder.mkdir(parents=True, exist_ok=True)
    for file in (raw / subject / "anat").iterdir():
        if entities(file)["echo"] in echoes:
            shutil.copy(file, folder / file.name.replace(subject, name))
    return folder


@pytest.fixture(scope="module")
def raw(tiny):
    return tiny / "results/tiny/rawdata"


@pytest.fixture(scope="module")
def visits(tiny, raw, tmp_path_factory):
    """Arguments of a run on seven scans of four subjects, with the user's T1w images, and a mask and nuclei of one."""
    bids = tmp_path_factory.mktemp("visits")
    for name in SCANS:
        copy_scan(raw, name[:6], bids, name)
    shutil.copy(raw / "participants.tsv", bids)
    mine = bids / "derivatives/mine/sub-01/ses-1/anat"
    mine.mkdir(parents=True)
    truth = raw / "derivatives/ground-truth/sub-01/anat"
    shutil.copy(truth / "sub-01_desc-nuclei_dseg.nii.gz", mine / f"{VISIT}_desc-nuclei_dseg.nii.gz")
    brain = read_volume(truth / "sub-01_desc-brain_mask.nii.gz")
    mask = brain.data > 0
    mask[:3, :3, :3] = True  # an island, which nobody may remove
    write_mask(mine / f"{VISIT}_desc-brain_mask.nii.gz", mask, brain)
    for name in SCANS:  # own T1w images are of all scans or of none
        t1w = read_volume(truth.parents[1] / name[:6] / f"anat/{name[:6]}_T1map.nii.gz")
        fine = Volume(data=np.repeat(t1w.data, 2, axis=0), affine=t1w.affine @ np.diag([0.5, 1, 1, 1]))
        folders = [label for label in name.split("_") if label.startswith(("sub-", "ses-"))]
        write_volume(bids.joinpath("derivatives/mine", *folders, "anat", f"{name}_T1w.nii.gz"), fine.data, fine)
    return ("--configfile", "tiny.yaml", "--config", "dataset=visits", f"bids_dir={bids}")


def test_repeated_scans_are_compared_and_single_ones_left_out(tiny, visits):
    jobs = planned_jobs(tiny, *visits, "--", "repeatability")
    assert jobs["repeatability_report"] == 1
    assert "train_image_model" not in jobs
    status, text = command(tiny, *PLAN, "repeatability", "--configfile", "tiny.yaml")
    assert status != 0 and "expected a subject with several sessions or runs" in text


@pytest.fixture(scope="module")
def visit(tiny, visits):
    """The page of one visit, and with it its maps; returns a reader of the derivatives' paths."""
    description = "results/visits/derivatives/qnet/dataset_description.json"
    snakemake(tiny, *visits, "--", f"results/visits/{VISIT}.html", description, forked=True)
    return lambda name: tiny / f"results/visits/derivatives/qnet/sub-01/ses-1/anat/{VISIT}_{name}"


@pytest.fixture(scope="module")
def mine(visits):
    """Reader of the user's own files of the visit."""
    bids = Path(visits[-1].removeprefix("bids_dir="))
    return lambda name: bids / f"derivatives/mine/sub-01/ses-1/anat/{VISIT}_{name}"


def test_every_scan_is_reconstructed_and_the_last_of_a_subject_diagnosed(tiny, visits):
    (tiny / "last.yaml").write_text(yaml.safe_dump({"participants": {"scan": "last"}}))
    status, text = command(tiny, *PLAN, "--quiet", "host", *visits[:2], "last.yaml", *visits[2:])
    assert status == 0, text
    assert text.count("rule prepare_echoes:") == text.count("rule subject_page:") == len(SCANS)
    assert text.count("rule slice_stack:") == 4
    for scan in ("sub-01_ses-2", "sub-02_run-2", "sub-03", "sub-04"):
        assert f"{scan}_stack.npz" in text


def test_a_scan_in_another_folder_is_refused(tiny, visits):
    other = "results/visits/derivatives/qnet/sub-02/anat/sub-03_Chimap.nii.gz"
    status, text = command(tiny, *PLAN, *visits, "--", other)
    assert status != 0
    assert "sub-02 sub-03: expected folder and name of a scan" in text


def test_a_visit_has_its_maps_and_page(tiny, visit):
    for name in ("Chimap.nii.gz", "R2starmap.nii.gz", "desc-stage_T1w.nii.gz", "desc-nuclei_stats.tsv"):
        assert visit(name).is_file()
    assert VISIT in (tiny / f"results/visits/{VISIT}.html").read_text()
    assert (tiny / f"results/visits/logs/sub-01/ses-1/{VISIT}_local_field.log").is_file()


def test_the_users_mask_and_nuclei_are_taken_voxel_for_voxel(visit, mine):
    np.testing.assert_array_equal(read_mask(visit("desc-brain_mask.nii.gz")), read_mask(mine("desc-brain_mask.nii.gz")))
    own, taken = (read_volume(of("desc-nuclei_dseg.nii.gz")).data for of in (mine, visit))
    np.testing.assert_array_equal(own, taken)


def test_the_users_t1w_is_the_t1_weighted_map(visit, mine):
    taken, brain = read_volume(visit("desc-stage_T1w.nii.gz")), read_mask(mine("desc-brain_mask.nii.gz"))
    own = read_volume(mine("T1w.nii.gz")).data[::2]
    np.testing.assert_allclose(taken.data, np.where(brain, own, 0), atol=1e-4)


def test_the_sidecars_name_the_users_files(tiny, visit, mine):
    dataset = json.loads((tiny / "results/visits/derivatives/qnet/dataset_description.json").read_text())
    folder = dataset["DatasetLinks"]["user"].removeprefix("file://")
    for map_, own in (
        ("desc-brain_mask", "desc-brain_mask"),
        ("desc-nuclei_dseg", "desc-nuclei_dseg"),
        ("desc-stage_T1w", "T1w"),
    ):
        about = json.loads(visit(f"{map_}.json").read_text())
        assert about["Tool"] == "user"
        assert [Path(folder, uri.removeprefix("bids:user:")) for uri in about["Sources"]] == [mine(f"{own}.nii.gz")]


def test_another_mask_of_the_user_reruns_what_depends_on_it(tiny, visits, visit, mine):
    file = mine("desc-brain_mask.nii.gz")
    backup = shutil.copy2(file, file.with_suffix(".backup"))
    volume = read_volume(file)
    volume.data[-1, -1, -1] = 1
    try:
        write_volume(file, volume.data, volume)
        assert set(planned_jobs(tiny, *visits, "--", f"results/visits/{VISIT}.html")) == AFTER_MASK
    finally:
        os.replace(backup, file)


@pytest.fixture(scope="module")
def one_echo(tiny, raw, tmp_path_factory):
    """Arguments of a run on one subject with one echo."""
    bids = tmp_path_factory.mktemp("one echo")
    copy_scan(raw, "sub-02", bids, "sub-02", echoes=("2",))
    return ("--configfile", "tiny.yaml", "--config", "dataset=single", f"bids_dir={bids}")


def test_one_echo_gives_susceptibility_without_r2star_and_says_so(tiny, one_echo):
    snakemake(tiny, *one_echo, "--", "maps", forked=True)
    anat = tiny / "results/single/derivatives/qnet/sub-02/anat"
    truth = read_volume(tiny / "results/tiny/rawdata/derivatives/ground-truth/sub-02/anat/sub-02_Chimap.nii.gz").data
    chi = read_volume(anat / "sub-02_Chimap.nii.gz").data
    assert np.corrcoef(chi[chi != 0], truth[chi != 0])[0, 1] > 0.6
    assert not list(anat.glob("*R2star*"))
    assert "no R2*" in json.loads((anat / "sub-02_Chimap.json").read_text())["Note"]
    assert not json.loads((anat / "sub-02_desc-stage_T1w.json").read_text())["R2starDecayRemoved"]
    assert "no R2*" in (tiny / "results/single/sub-02.html").read_text()


def test_one_echo_is_refused_for_the_diagnosis(tiny, raw, one_echo):
    shutil.copy(raw / "participants.tsv", Path(one_echo[-1].removeprefix("bids_dir=")))
    status, text = command(tiny, *PLAN, *one_echo)
    assert status != 0
    assert "expected at least two echoes for the diagnosis" in text
