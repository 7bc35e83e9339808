"""The main field of a series: which of the two statements of a sidecar is taken, and why.

Susceptibility is inversely proportional to it. `MagneticFieldStrength` is often nominal: magnets that are sold as 3 T
run at 123.2 MHz (2.89 T) or at 127.7 MHz (3.00 T), by maker. `ImagingFrequency` was measured before the scan.
"""

import math
from collections.abc import Mapping, Sequence

from recon.acquisition import GAMMA_HZ_PER_T
from recon.intake.decisions import Decision
from recon.intake.facts import ALIKE, is_number, shown
from recon.problems import Problem

B0_RANGE_T = (0.0, 25.0)
B0_DISAGREEMENT = 0.1  # relative; a nominal 3 T is 2.89 T by its frequency
HIGHEST_MHZ = B0_RANGE_T[1] * GAMMA_HZ_PER_T / 1e6  # what lies beyond is in Hz, as UIH has it (rordenlab/dcm2niix 225)
NUCLEI = ("ImagedNucleus", "ResonantNucleus")
PROTON = {"1H", "H1", "H", "PROTON"}


def main_field(facts: Sequence[Mapping]) -> Decision[float]:
    """Main field [T] of a series, from the sidecars of its echoes, which have no `main_field_problems`.

    The frequency where an echo tells it, else MagneticFieldStrength, which `Series.facts` always have.
    """
    nominal_tesla: float = facts[0]["MagneticFieldStrength"]
    frequency = next((fact["ImagingFrequency"] for fact in facts if "ImagingFrequency" in fact), None)
    frequency_mhz = _mhz(frequency)
    if frequency_mhz is None:
        unread = "no ImagingFrequency" if frequency is None else f"ImagingFrequency {shown(frequency)} is no frequency"
        evidence = f"MagneticFieldStrength; {unread} tells whether it is nominal"
        return Decision(float(nominal_tesla), f"{nominal_tesla:.4g} T", evidence)
    b0_tesla = _tesla(frequency_mhz)
    evidence = f"ImagingFrequency {frequency_mhz:g} MHz of protons"
    if not math.isclose(nominal_tesla, b0_tesla, rel_tol=ALIKE):
        evidence += f", as MagneticFieldStrength {nominal_tesla:g} T is nominal"
    return Decision(b0_tesla, f"{b0_tesla:.4g} T", evidence)


def field_strength(facts: Mapping) -> float | None:
    """MagneticFieldStrength [T] of a sidecar, else what its ImagingFrequency amounts to; None where neither is."""
    if "MagneticFieldStrength" in facts:
        value = facts["MagneticFieldStrength"]
        return float(value) if is_number(value) else None
    frequency_mhz = _mhz(facts.get("ImagingFrequency"))
    return None if frequency_mhz is None else _tesla(frequency_mhz)


def main_field_problems(image: str, facts: Mapping) -> list[Problem]:
    """Problems of the main field: missing, of a wrong kind, implausible, contradicted by the frequency, not of 1H.

    Where field and frequency are further apart than rounding to a nominal value explains, one of them is of another
    scanner, nucleus or unit, and no voxel tells which: such a series is refused.
    """
    b0_tesla, frequency = field_strength(facts), facts.get("ImagingFrequency")
    if wrong := [key for key in NUCLEI if key in facts and not _proton(facts[key])]:
        return [
            Problem(
                image,
                "images of protons (1H)",
                f"{wrong[0]} {shown(facts[wrong[0]])}: other nuclei have another frequency",
            )
        ]
    if _is_number_in_quotes(frequency):
        found = f"{shown(frequency)}: write it as a number, without quotes"
        return [Problem(image, "ImagingFrequency [MHz] as a number, as χ depends on it", found)]
    if b0_tesla is None:
        expected = "MagneticFieldStrength [tesla] in its sidecar"
        return [
            Problem(
                image,
                expected,
                f"{shown(facts.get('MagneticFieldStrength'))}: write it there, as 3.0, or ImagingFrequency [MHz]",
            )
        ]
    if not B0_RANGE_T[0] < b0_tesla < B0_RANGE_T[1]:
        return [
            Problem(image, f"a field strength between {B0_RANGE_T[0]:g} and {B0_RANGE_T[1]:g} tesla", f"{b0_tesla:g}")
        ]
    if isinstance(frequency, list) and frequency and all(map(is_number, frequency)) and _mhz(frequency) is None:
        return [Problem(image, "one ImagingFrequency for all echoes", f"{shown(frequency)}: correct it in the sidecar")]
    frequency_mhz = _mhz(frequency)
    if frequency_mhz is not None and abs(_tesla(frequency_mhz) / b0_tesla - 1) > B0_DISAGREEMENT:
        expected = f"the ImagingFrequency of {b0_tesla:g} T, about {b0_tesla * GAMMA_HZ_PER_T / 1e6:.1f} MHz"
        found = f"{frequency_mhz:g} MHz: χ depends on it; correct the wrong one in the sidecar"
        return [Problem(image, expected, found)]
    return []


def _is_number_in_quotes(value: object) -> bool:
    """Whether a fact is text that means a number: it would be passed over where it must not be."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _tesla(frequency_mhz: float) -> float:
    return frequency_mhz * 1e6 / GAMMA_HZ_PER_T


def _mhz(value: object) -> float | None:
    """An ImagingFrequency [MHz], told once or once an echo; None where it is no number or differs."""
    told = value if isinstance(value, list) else [value]
    values = [float(v) for v in told if is_number(v)]
    if not values or len(values) < len(told) or not all(math.isclose(v, values[0], rel_tol=ALIKE) for v in values):
        return None
    return values[0] / 1e6 if values[0] > HIGHEST_MHZ else values[0]


def _proton(value: object) -> bool:
    nuclei = value if isinstance(value, list) else [value]
    return all(isinstance(n, str) and n.strip(" ^").upper() in PROTON for n in nuclei)
