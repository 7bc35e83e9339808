"""A vendor is one record: what else names the vendors must name those that there are."""

from pathlib import Path

import pytest
import yaml

from recon.intake.facts import of_both_parts
from recon.intake.vendors import KEYS, VENDORS, vendor_of

ROOT = Path(__file__).resolve().parents[3]
SCANNERS = [vendor for vendor in VENDORS.values() if vendor.setting != "reference"]


def test_the_schema_offers_every_vendor():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    assert schema["properties"]["simulate"]["properties"]["vendor"]["enum"] == list(VENDORS)


def test_the_documentation_has_a_row_for_every_scanner():
    rows = [line.split("|") for line in (ROOT / "docs/reference/input.md").read_text(encoding="utf-8").splitlines()]
    signs = {cells[1].strip(): cells[3].strip() for cells in rows if len(cells) == 5}
    for vendor in SCANNERS:
        assert signs[vendor.name].replace("−", "-") == f"{vendor.phase_sign:+d}"


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=lambda vendor: vendor.name)
def test_a_vendor_knows_its_own_name_alone(vendor):
    assert [other for other in VENDORS.values() if other.pattern.search(vendor.name)] == [vendor]
    assert vendor_of({"Manufacturer": vendor.name}) is vendor


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=lambda vendor: vendor.name)
def test_what_a_vendor_says_of_stored_values_is_known_to_belong_to_one_part(vendor):
    written = {**vendor.magnitude.facts, **vendor.phase.facts, **vendor.component.facts}
    assert written.keys() <= set(KEYS)
    assert of_both_parts(vendor.magnitude.facts, {"Units": "rad"}) == {"Units": "rad"}
