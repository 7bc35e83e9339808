import pytest

from recon.intake.manufacturer import manufacturer
from recon.intake.sign import phase_sign


@pytest.mark.parametrize(
    ("written", "vendor"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("Philips Medical Systems", "Philips"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("GE", "GE"),
        ("Simulated", "Simulated"),
        ("UIH", None),
        ("Geiger", None),
        (7, None),
        (None, None),
    ],
)
def test_vendors_are_known_by_all_their_spellings(written, vendor):
    assert manufacturer({"Manufacturer": written}) == vendor


@pytest.mark.parametrize(("vendor", "sign"), [("Siemens", 1), ("Philips", 1), ("GE", -1), ("Simulated", 1)])
def test_a_known_vendor_decides(vendor, sign):
    found, reason, notes = phase_sign("auto", vendor)
    assert (found, notes) == (sign, ())
    assert vendor in reason


@pytest.mark.parametrize("setting", [1, -1])
def test_the_config_overrules_the_vendor(setting):
    found, reason, notes = phase_sign(setting, "GE")
    assert (found, notes) == (setting, ())
    assert "prepare_echoes.phase_sign" in reason


def test_an_unknown_vendor_is_told_to_check_the_map():
    found, _, notes = phase_sign("auto", None)
    assert found == 1
    assert "set prepare_echoes.phase_sign to -1" in notes[0]
