"""Whether a paramagnetic source advances the phase or delays it: a convention of each vendor."""

from recon.intake.decisions import Decision
from recon.intake.vendors import Vendor
from recon.problems import to_type


def phase_sign(setting: str | int, vendor: Vendor | None) -> Decision[int]:
    """Factor of the phase, 1 or -1: times the phase, a paramagnetic source advances it.

    Parameters
    ----------
    setting : "auto", 1 or -1, config `prepare_echoes.phase_sign`
    vendor : see `recon.intake.vendors.vendor_of`
    """
    if setting != "auto":
        return Decision(int(setting), f"{setting:+d}: config prepare_echoes.phase_sign")
    if vendor is not None:
        return Decision(vendor.phase_sign, f"{vendor.phase_sign:+d}", f"convention of Manufacturer {vendor.name}")
    note = (
        "phase sign: assumed +1, as the Manufacturer is missing or unknown; if deep grey matter turns out darker than "
        f"white matter in the susceptibility map, {to_type('prepare_echoes.phase_sign', -1)}"
    )
    return Decision(1, "+1, assumed", "the Manufacturer is missing or unknown", (note,))
