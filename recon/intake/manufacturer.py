"""Who built the scanner, as far as the intake needs to know."""

import re
from collections.abc import Mapping

# The spellings that DICOM headers, dcm2niix and recon.phantom write.
PATTERNS = {
    "Siemens": re.compile(r"siemens", re.IGNORECASE),
    "Philips": re.compile(r"philips", re.IGNORECASE),
    "GE": re.compile(r"^\s*(ge\b|general electric)", re.IGNORECASE),
    "Simulated": re.compile(r"^simulated$", re.IGNORECASE),
}


def manufacturer(facts: Mapping) -> str | None:
    """Siemens, Philips, GE or Simulated by the sidecar's `Manufacturer`; None where it names another or none."""
    said = facts.get("Manufacturer")
    if not isinstance(said, str):
        return None
    return next((name for name, pattern in PATTERNS.items() if pattern.search(said)), None)
