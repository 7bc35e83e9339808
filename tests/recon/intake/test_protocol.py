import pytest

from recon.intake.protocol import gap_problems, protocol_notes, slice_gap
from recon.intake.scan import CARTESIAN, Image
from tests.recon.intake import echo_files as ef

VOXEL = (0.6, 0.6, 2.5)


def notes(voxel=VOXEL, parts=ef.POLAR, **facts):
    images = tuple((Image(f"{part}.nii.gz"),) for part in parts)
    return " ".join(protocol_notes(ef.series(images, ef.TE_S[:1], parts, **facts), voxel))


@pytest.mark.parametrize("facts", [
    {"SliceThickness": 2.0, "SpacingBetweenSlices": 2.5}, {"SliceThickness": 2.0},
    {"SliceThickness": 2, "MRAcquisitionType": "2D"},
])  # fmt: skip
def test_gaps_are_noted_with_what_is_missing(facts):
    assert "slices of 2 mm lie 2.5 mm apart: 20% of the head was not measured" in notes(**facts)
    assert gap_problems("a.nii", facts, VOXEL) == []


@pytest.mark.parametrize(("voxel", "facts"), [
    (VOXEL, {}),
    (VOXEL, {"SliceThickness": 2.5, "SpacingBetweenSlices": 2.5}),
    (VOXEL, {"SliceThickness": 2.45}),
    (VOXEL, {"SliceThickness": 5.0, "SpacingBetweenSlices": 2.5}),  # interpolated: they overlap
    (VOXEL, {"SliceThickness": "2 mm", "SpacingBetweenSlices": [2.5]}),
    ((0.8, 1.0, 1.0), {"SliceThickness": 0.8}),  # sagittal slices along the first axis
])  # fmt: skip
def test_slices_that_touch_or_overlap_are_not(voxel, facts):
    assert slice_gap(facts, voxel) is None and notes(voxel, **facts) == ""


def test_slices_with_more_between_than_within_are_refused():
    (problem,) = gap_problems("a.nii", {"SliceThickness": 2.0, "SpacingBetweenSlices": 4.5}, VOXEL)
    assert str(problem).startswith(
        "a.nii: expected slices that touch, as the dipole kernel has them, found slices of 2 mm"
    )


@pytest.mark.parametrize("facts", [
    {"ScanningSequence": "EP"}, {"ScanningSequence": "EP\\GR"}, {"ScanningSequence": ["GR", "EP"]},
    {"PulseSequenceType": "Gradient Echo EPI"}, {"EchoPlanarPulseSequence": "YES"}, {"SequenceName": "*epfid2d1_64"},
    {"PulseSequenceName": "epi"}, {"PulseSequenceDetails": "%CustomerSeq%\\cmrr_mbep2d_bold"}, {"EPIFactor": 15},
    {"EPIFactor": "7"},
])  # fmt: skip
def test_echo_planar_readouts_are_noted(facts):
    assert "echo planar readout" in notes(**facts)


@pytest.mark.parametrize("facts", [
    {"ScanningSequence": "GR", "PulseSequenceType": "spoiled multi-echo gradient echo", "SequenceVariant": "EPX"},
    {"SequenceName": "*fl3d6_ns", "PulseSequenceDetails": "%SiemensSeq%\\gre", "EPIFactor": 1},
    {"EPIFactor": "1"}, {"EPIFactor": 1.0}, {"EPIFactor": 0},
    {"EchoPlanarPulseSequence": "NO", "PulseSequenceDetails": "%CustomerSeq%\\deepi", "SequenceName": "step"},
])  # fmt: skip
def test_other_readouts_are_not(facts):
    assert notes(**facts) == ""


@pytest.mark.parametrize("facts", [
    {"ImageType": ["ORIGINAL", "PRIMARY", "P", "DIS2D"]}, {"ImageType": "ORIGINAL\\PRIMARY\\P\\DIS3D"},
    {"ImageTypeText": ["ORIGINAL", "PRIMARY", "P", "DIS2D"]}, {"NonlinearGradientCorrection": True},
])  # fmt: skip
def test_wrapped_phase_that_was_distortion_corrected_is_noted(facts):
    assert "distortion-corrected phase" in notes(**facts)
    assert notes(parts=CARTESIAN, **facts) == ""  # no wraps to interpolate over
    assert notes(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"], NonlinearGradientCorrection=False) == ""
