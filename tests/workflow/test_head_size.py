"""Brains that the spheres of background removal would erode away are refused before any job."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from snakemake.exceptions import WorkflowError

from recon.files.io import sidecar_path, write_json
from recon.intake.scan import Scan
from recon.settings import shipped
from tests.recon.intake import echo_files as ef
from workflow.lib.run import paths_of
from workflow.lib.setup.inputs import Inputs
from workflow.lib.setup.paths import Paths
from workflow.lib.study.check_table import Record
from workflow.lib.study.head_size import checked_size
from workflow.lib.study.intake import Intake
from workflow.lib.study.study import CheckError, own_study, simulated_study

SHARP = {"method": "sharp", "radius_mm": 6.0, "smallest_radius_mm": 2.0}
WIDE = {"matrix": "200x200x60"}


def judged(local_field=SHARP, **facts):
    """Record and scans of a dataset of one scan."""
    scan = Scan.__new__(Scan)
    taken = checked_size(
        Intake(scans={"sub-01": scan}, records=[Record(name="sub-01", facts=facts)], problems={}), local_field
    )
    return taken.records[0], taken


@pytest.mark.parametrize(
    "facts",
    [{"mask_depth_mm": "5.20"}, {"matrix": "128x128x40", "voxel_size_mm": "0.1 x 0.1 x 0.25"}],
    ids=["mask", "field of view"],
)
def test_a_mouse_is_refused_with_what_to_type(facts):
    record, taken = judged(**facts)
    assert record.status == "ERROR" and not taken.scans and taken.problems["sub-01"]
    assert "local_field.radius_mm, 6 mm" in str(record.problems[0])
    assert '--config "local_field={radius_mm: 1.' in str(record.problems[0])


def test_a_small_brain_is_noted_and_a_large_one_is_not():
    record, taken = judged(mask_depth_mm="9.00")
    assert record.status == "note" and taken.scans
    assert judged(mask_depth_mm="45.00", matrix="10x10x10", voxel_size_mm="1 x 1 x 1")[0].status == "OK"


def test_what_erodes_nothing_refuses_nothing():
    assert judged({**SHARP, "method": "lbv"}, mask_depth_mm="1.00")[0].status == "OK"
    assert judged({**SHARP, "method": "vsharp"}, mask_depth_mm="5.20")[0].status == "OK"


def test_a_small_mask_on_disk_is_refused_before_any_job(tmp_path, monkeypatch, repository):
    """From the file by way of what is measured of its voxels to the end of the check."""
    monkeypatch.chdir(tmp_path)
    anat, own = tmp_path / "bids/sub-01/anat", tmp_path / "bids/derivatives/mine/sub-01/anat"
    for folder in (anat, own):
        folder.mkdir(parents=True)
    for echo, (te_s, z) in enumerate(zip(ef.TE_S, ef.echoes(), strict=True), 1):
        for part, values in (("mag", np.rint(np.abs(z))), ("phase", np.angle(z))):
            path = ef.write(anat / f"sub-01_echo-{echo}_part-{part}_MEGRE.nii.gz", values)
            write_json(sidecar_path(path), {"EchoTime": te_s, "MagneticFieldStrength": 3, "Units": "rad"})
    mask = np.zeros(ef.SHAPE, np.uint8)
    mask[12:17, 14:19, 10:14] = 1  # 10 mm wide, so that its middle lies 5 mm below the surface
    ef.write(own / "sub-01_desc-brain_mask.nii.gz", mask)
    config = yaml.safe_load((repository / "config/config.yaml").read_text()) | {"dataset": "small"}
    config["local_field"] |= SHARP
    with pytest.raises(CheckError) as refused:
        own_study(config, Paths("small"), tmp_path / "bids", lambda n: range(1, n + 1), 1, True, {})
    assert "expected a brain mask deeper than local_field.radius_mm, 6 mm" in str(refused.value)


def test_the_diagnosis_needs_nuclei():
    run = SimpleNamespace(has_r2star=True, has_nuclei=False)
    with pytest.raises(WorkflowError, match="found locate_nuclei.method: none; target `maps` works"):
        Inputs.participants(SimpleNamespace(run=run), None)


def test_a_slab_is_told_nothing_that_would_not_work():
    found = judged(matrix="64x64x4", voxel_size_mm="2 x 2 x 2.5")[0].problems[0].found
    assert found.endswith('surface (a method that erodes nothing, --config "local_field={method: pdf}")')


@pytest.mark.parametrize("method", ["sharp", "pdf", "lbv"])
def test_one_or_two_slices_are_refused_whatever_the_method(method):
    record, taken = judged(SHARP | {"method": method}, matrix="64x64x2", voxel_size_mm="2 x 2 x 30")
    assert record.status == "ERROR" and not taken.scans
    assert str(record.problems[0]).endswith(
        "expected at least 3 voxels along every axis, as no method tells the local field in fewer, found 64x64x2"
    )


@pytest.mark.parametrize(
    ("method", "edges", "line"),
    [
        ("vsharp", "1 x 1 x 4", 'found 2 mm (--config "local_field={smallest_radius_mm: 2.8}", or a method that'),
        ("vsharp", "1 x 1 x 10", 'found 6 mm (--config "local_field={radius_mm: 7.0}", or a method that'),
        ("sharp", "9 x 1 x 1", "0.7 of a voxel's longest edge, 9 mm: smaller spheres stay in their slice), found 6 mm"),
        ("resharp", "1 x 1 x 10", "spheres of at least 7 mm radius"),
    ],
)
def test_voxels_wider_than_the_smallest_sphere_are_refused_before_any_job(method, edges, line):
    record, taken = judged(SHARP | {"method": method}, voxel_size_mm=edges, **WIDE)
    assert record.status == "ERROR" and not taken.scans
    assert line in str(record.problems[0])


def test_a_largest_sphere_below_the_smallest_is_refused_before_any_job():
    record, _ = judged(
        {"method": "vsharp", "radius_mm": 1.5, "smallest_radius_mm": 2}, voxel_size_mm="1 x 1 x 1", **WIDE
    )
    assert "expected local_field.radius_mm of at least smallest_radius_mm, 2 mm, found 1.5 mm" in str(
        record.problems[0]
    )


@pytest.mark.parametrize(
    ("method", "edges"), [("vsharp", "0.6 x 0.6 x 2"), ("vsharp", "1 x 1 x 3"), ("lbv", "1 x 1 x 10")]
)
def test_voxels_that_the_spheres_in_use_reach_across_are_taken(method, edges):
    assert judged(SHARP | {"method": method}, voxel_size_mm=edges, **WIDE)[1].scans


def test_simulated_voxels_wider_than_the_smallest_sphere_are_refused():
    cfg = shipped()
    cfg["local_field"] = cfg["local_field"] | {"method": "vsharp"}
    assert simulated_study(cfg, paths_of(cfg)).scans
    cfg["simulate"] = cfg["simulate"] | {"voxel_size_mm": [1.0, 1.0, 4.0]}
    with pytest.raises(ValueError, match=r"simulate\.voxel_size_mm: expected spheres of at least 2\.8 mm radius"):
        simulated_study(cfg, paths_of(cfg))
