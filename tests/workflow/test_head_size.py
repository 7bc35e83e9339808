"""Brains that the spheres of background removal would erode away are refused before any job."""

import pytest

from recon.intake.scan import Scan
from workflow.lib.study.check_table import Record
from workflow.lib.study.head_size import checked_size
from workflow.lib.study.intake import Intake

SHARP = {"method": "sharp", "radius_mm": 6.0, "smallest_radius_mm": 2.0}


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
