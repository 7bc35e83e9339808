import pytest

from recon.intake.decisions import Decision
from recon.intake.sign import phase_sign
from recon.intake.vendors import GE, PHILIPS, SIEMENS, SIMULATED, vendor_of


@pytest.mark.parametrize(
    ("written", "vendor"),
    [
        ("SIEMENS", SIEMENS),
        ("Siemens Healthineers", SIEMENS),
        ("Philips Medical Systems", PHILIPS),
        ("GE MEDICAL SYSTEMS", GE),
        ("GE", GE),
        ("Simulated", SIMULATED),
        ("UIH", None),
        ("Geiger", None),
        (7, None),
        (None, None),
    ],
)
def test_vendors_are_known_by_all_their_spellings(written, vendor):
    assert vendor_of({"Manufacturer": written}) is vendor


@pytest.mark.parametrize(("vendor", "sign"), [(SIEMENS, 1), (PHILIPS, 1), (GE, -1), (SIMULATED, 1)])
def test_a_known_vendor_decides(vendor, sign):
    assert phase_sign("auto", vendor) == Decision(sign, f"{sign:+d}", f"convention of Manufacturer {vendor.name}")


@pytest.mark.parametrize("setting", [1, -1])
def test_the_config_overrules_the_vendor(setting):
    assert phase_sign(setting, GE) == Decision(setting, f"{setting:+d}: config prepare_echoes.phase_sign")


def test_an_unknown_vendor_is_told_to_check_the_map():
    decision = phase_sign("auto", None)
    assert decision.value == 1
    assert 'susceptibility map, --config "prepare_echoes={phase_sign: -1}"' in decision.notes[0]
