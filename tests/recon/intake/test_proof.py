"""Sidecars of two parts: of one echo of one acquisition, and not compressed with loss, or refused."""

import pytest

from recon.intake.facts import Told
from recon.intake.proof import acquisition_time_s, lossy_notes, pair_problems

SIX_ECHOES = {"EchoTime": 0.0092, "EchoTime1": 0.0046, "EchoTime2": 0.0092}  # as dcm2niix writes into every phase


def found(first: dict, second: dict, alone: bool = True, part: str = "phase") -> list[str]:
    return [str(problem) for problem in pair_problems(Told("m.nii", first), Told("p.nii", second), part, alone)]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"AcquisitionTime": "10:15:00.0"}, {"AcquisitionTime": "10:20:00.0"}, "found another, 300 s apart"),
        ({"EchoNumber": 1}, {"EchoNumber": 2}, "expected the EchoNumber of m.nii, 1, found 2"),
        ({"EchoNumber": 2}, {"EchoNumber": 2}, "found EchoNumber 2 without the echoes before"),
        ({}, SIX_ECHOES, "found EchoTime1 0.0046 s and EchoTime2 0.0092 s of a single echo"),
        ({}, {"ImageType": ["DERIVED", "PRIMARY", "B0 MAP"]}, "found a map of B0 that the scanner computed"),
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "B0 MAP", "B0", "UNSPECIFIED", "REAL"]}, "found a map of B0"),
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND", "FIELDMAPHZ"]}, "found a map of B0"),
        ({}, {"Units": "Hz"}, "found a map of B0 (Units Hz)"),
        ({}, {"ImageType": ["DERIVED", "Phase_Diff"]}, "found a difference of two phases"),
        ({}, {"LossyImageCompression": "01"}, "without lossy compression"),
        ({}, {"ScanningSequence": "SE"}, "expected a gradient echo, found spin echo"),
        ({}, {"ScanningSequence": ["GR", "IR"]}, "expected a gradient echo, found inversion recovery"),
        ({}, {"ScanningSequence": "SE\\EP"}, "expected a gradient echo, found spin echo"),
        ({}, {"SequenceName": "*fm2d2r"}, "found a pulse sequence of 2 echoes (SequenceName *fm2d2) with"),
        ({}, {"PulseSequenceName": "*fl3d6_ns", "Manufacturer": "Siemens"}, "found a pulse sequence of 6 echoes"),
        (
            {},
            {"PulseSequenceDetails": "%SiemensSeq%\\gre_field_mapping"},
            "(remove PulseSequenceDetails from its sidecar if it is the phase of one echo)",
        ),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, {}, "expected a gradient echo, found processed by"),
        ({"ImageType": "ORIGINAL\\PRIMARY\\MNIP"}, {}, "m.nii: expected a gradient echo, found processed"),
        ({}, {"ImageTypeText": ["DERIVED", "PROJECTION IMAGE"]}, "(ImageType PROJECTION IMAGE)"),
        ({"Modality": "CT"}, {}, "expected a gradient echo, found no MR image (Modality CT)"),
    ],
)
def test_parts_that_are_not_of_one_echo_are_refused(first, second, message):
    assert message in found(first, second)[0]


@pytest.mark.parametrize(
    ("first", "second", "alone"),
    [
        ({"AcquisitionTime": "10:15:00.0"}, {"AcquisitionTime": "10:15:00.4"}, True),
        ({"AcquisitionTime": "00:00:00.0"}, {"AcquisitionTime": "10:15:00.0"}, True),
        ({}, SIX_ECHOES, False),
        ({"EchoNumber": 2}, {"EchoNumber": 2}, False),
        ({}, SIX_ECHOES | {"EchoTime": 0.0046}, True),
        ({}, {"SequenceName": "*fl3d6_ns"}, False),
        ({}, {"PulseSequenceDetails": "%SiemensSeq%\\gre_field_mapping"}, False),
        ({}, {"SequenceName": "*fl3d1r"}, True),
        ({}, {"SequenceName": "fast2d3", "Manufacturer": "Philips"}, True),
        ({"ImageType": ["DERIVED", "PRIMARY", "M"]}, {"ImageType": ["DERIVED", "PRIMARY", "P"]}, True),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, {"ImageType": ["DERIVED", "SECONDARY", "SWI"]}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, {}, True),  # the converter has taken it apart
        ({}, {"ScanningSequence": "GR"}, True),
        ({}, {"ScanningSequence": ["EP", "GR"]}, True),
        ({}, {"ScanningSequence": "RM"}, True),
        ({"LossyImageCompression": "01"}, {}, True),
        ({"ImageType": ["M", "DIS2D"]}, {"ImageType": ["P", "DIS2D"]}, True),
        ({"ImageType": ["M", "DIS2D"]}, {}, True),
        ({"ImageType": ["M", "DIS2D"]}, {"ImageType": ["P", "ND"]}, True),
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE", "PHASE"]}, True),  # Philips
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND", "PHASE"], "Units": "rad"}, True),  # Siemens
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "OTHER", "PHASE"], "Units": "arbitrary"}, True),  # GE
    ],
)
def test_parts_of_one_echo_pass(first, second, alone):
    assert found(first, second, alone) == []


def test_of_real_and_imaginary_neither_may_be_lossy():
    assert len(found({"LossyImageCompression": "01"}, {}, part="imag")) == 1


def test_a_lossy_magnitude_is_noted():
    assert len(lossy_notes([{}, {"LossyImageCompression": "01"}])) == 1
    assert lossy_notes([{}]) == ()


@pytest.mark.parametrize("time", ["19:29:1231.000000", "00:00:00", "", None])
def test_a_time_that_is_none_proves_nothing(time):
    assert acquisition_time_s({"AcquisitionTime": time}) is None
