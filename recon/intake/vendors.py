"""Who built the scanner, and what follows from it: all conventions of a vendor in one record.

To add a vendor: its record in VENDORS, its name in `simulate.vendor` of the schema, a row in docs/reference/input.md.

- Siemens: phase pixels 0..4095 make one turn (shimming-toolbox/shimming-toolbox issue 499); the rescale slope 2 and
  intercept -4096 that go with them give -4096..4094 (rordenlab/dcm2niix issue 406, MRtrix3/mrtrix3 issue 3009,
  CMRR-C2P/MB issue 238). Where these were lost, 0..4095 is all there is. The phase keeps its sign (`qsm_r2s_prisma.m`
  in sunhongfu/QSM).
- Philips: phase pixels 0..4095 with the rescale slope 1.53455 and intercept -3142 are milliradians, the "display"
  values of `dcm2niix -p n`. dcm2niix writes "precise" values by default, display / (rescale slope x scale slope); with
  the scale slope 651.74 these are radians (rordenlab/dcm2niix issues 463 and 975, neurolabusc/dcm_qa_philips_enh;
  Philips/README.md of rordenlab/dcm2niix). The phase keeps its sign (`qsm_spgr_philips.m` in sunhongfu/QSM).
- GE: signed pixels without rescale, phase in milliradians (the readers of QSMxT/QSMxT and of the MEDI toolbox). Every
  second slice is negated, as the shift by half the field of view is left out of the transform along slices, and the
  phase has the opposite sign to that of Siemens and Philips: UKRIN-MAPS/ukat issue 33; `nii_fix_ge.py` of QSMxT/QSMxT,
  `readphase(fix_ge=true)` of korbinian90/MriResearchTools.jl and `qsm_spgr_ge.m` in sunhongfu/QSM negate it; the
  readers of the MEDI toolbox take exp(+i phase) of GE and exp(-i phase) of Philips.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Range(NamedTuple):
    """Raw values of one turn."""

    low: float
    high: float

    @property
    def span(self) -> float:
        """Raw values that make 2 pi."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.low:.6g} to {self.high:.6g}"


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """How values become pixels, and what header and sidecar say about them.

    Parameters
    ----------
    dtype : of the pixels; floats are not rounded
    gain, zero : pixels of one radian or one unit of signal, and of none: ``pixel = gain * value + zero``
    period : pixels that differ by it mean the same, or None
    slope, intercept : of the NIfTI header, by which a reader sees ``slope * pixel + intercept``
    facts : sidecar entries
    """

    dtype: type = np.int16
    gain: float = 1.0
    zero: float = 0.0
    period: int | None = None
    slope: float = 1.0
    intercept: float = 0.0
    facts: dict = field(default_factory=dict)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape → pixels of that shape, as `dtype`."""
        if np.issubdtype(self.dtype, np.floating):
            return values.astype(self.dtype)
        pixels = np.rint(self.gain * values.astype(np.float64) + self.zero)
        if self.period:
            pixels %= self.period
        limits = np.iinfo(self.dtype)
        return np.clip(pixels, limits.min, limits.max).astype(self.dtype)


RADIANS, MILLIRADIANS = Range(-np.pi, np.pi), Range(-1000 * np.pi, 1000 * np.pi)
TURN = 4096  # pixel values that make 2 pi where twelve bits hold a phase
FLOAT, WHOLE = Pixels(dtype=np.float32), Pixels()
FINE = Pixels(gain=16)  # white matter's 1000 then fills half of what int16 holds


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What is known of a vendor's images: first how they are read, then how the phantom writes them.

    Parameters
    ----------
    name : in messages and, as dcm2niix writes it, in the sidecar's `Manufacturer`
    pattern : which other spellings of `Manufacturer`, in DICOM headers and elsewhere, mean this vendor
    phase_sign : +1 where a paramagnetic source advances the phase, -1 where it delays it
    phase_ranges : raw values that may make one turn of the phase, where the sidecar's `Units` do not say
    chopped : every second slice is negated
    keys : sidecar entries of this vendor alone, which describe the stored values of one part
    first_echo_time_only : its research sequences may write the echo time of the first echo alone
    echoes_in_one_file : dcm2niix tells the echoes of its enhanced files apart, where one file holds several
    echoes_in_name : finds the number of echoes in the name of a pulse sequence, as in `*fl3d6` and `*fm2d2r`
    setting : in the config, `simulate.vendor`
    parts : what its multi-echo series come as, ("mag", "phase") or ("real", "imag")
    magnitude, phase, component : pixels of each; components are the real and the imaginary part
    units : BIDS `Units` of the phase
    """

    name: str
    pattern: re.Pattern[str]
    phase_sign: int = 1
    phase_ranges: tuple[Range, ...] = ()
    chopped: bool = False
    keys: tuple[str, ...] = ()
    first_echo_time_only: bool = False
    echoes_in_one_file: bool = False
    echoes_in_name: re.Pattern[str] | None = None
    setting: str
    parts: tuple[str, str] = ("mag", "phase")
    magnitude: Pixels = WHOLE
    phase: Pixels
    component: Pixels = FINE
    units: str = "arbitrary"

    def pixels(self, part: str) -> Pixels:
        """How one part is stored: "mag", "phase", "real" or "imag"."""
        return {"mag": self.magnitude, "phase": self.phase}.get(part, self.component)


SIMULATED = Vendor(
    name="Simulated",
    pattern=re.compile(r"^simulated$", re.IGNORECASE),
    setting="reference",
    magnitude=FLOAT,
    phase=FLOAT,
    component=FLOAT,
    units="rad",
)
SIEMENS = Vendor(
    name="Siemens",
    pattern=re.compile("siemens", re.IGNORECASE),
    phase_ranges=(Range(0, TURN), Range(-TURN, TURN)),
    echoes_in_name=re.compile(r"^\*?[a-z]+[23]d(\d+)", re.IGNORECASE),
    setting="siemens",
    phase=Pixels(gain=TURN / 2 / np.pi, zero=TURN / 2, period=TURN, slope=2, intercept=-TURN),
)
PHILIPS = Vendor(
    name="Philips",
    pattern=re.compile("philips", re.IGNORECASE),
    phase_ranges=(Range(0, TURN - 1), MILLIRADIANS, RADIANS),
    keys=(
        "PhilipsRescaleSlope", "PhilipsRescaleIntercept", "PhilipsScaleSlope", "PhilipsRWVSlope",
        "PhilipsRWVIntercept", "UsePhilipsFloatNotDisplayScaling",
    ),
    echoes_in_one_file=True,
    setting="philips",
    magnitude=Pixels(
        slope=1 / 0.000237989,
        facts={
            "PhilipsRescaleSlope": 1.29158,
            "PhilipsRescaleIntercept": 0,
            "PhilipsScaleSlope": 0.000237989,
            "UsePhilipsFloatNotDisplayScaling": 1,
        },
    ),
    phase=Pixels(
        gain=651.74,
        zero=3142 / 1.53455,
        slope=1 / 651.74,
        intercept=-3142 / (1.53455 * 651.74),
        facts={
            "PhilipsRescaleSlope": 1.53455,
            "PhilipsRescaleIntercept": -3142,
            "PhilipsScaleSlope": 651.74,
            "UsePhilipsFloatNotDisplayScaling": 1,
        },
    ),
)  # fmt: skip
GE = Vendor(
    name="GE",
    pattern=re.compile(r"^\s*(ge\b|general electric)", re.IGNORECASE),
    phase_sign=-1,
    phase_ranges=(MILLIRADIANS,),
    chopped=True,
    first_echo_time_only=True,
    setting="ge",
    parts=("real", "imag"),
    phase=Pixels(gain=1000),
)
VENDORS = {vendor.setting: vendor for vendor in (SIMULATED, SIEMENS, PHILIPS, GE)}
KEYS = tuple(key for vendor in VENDORS.values() for key in vendor.keys)  # entries of any vendor alone


def vendor_of(facts: Mapping) -> Vendor | None:
    """The vendor that the sidecar's `Manufacturer` names; None where it names another or none."""
    said = facts.get("Manufacturer")
    if not isinstance(said, str):
        return None
    return next((vendor for vendor in VENDORS.values() if vendor.pattern.search(said)), None)


def chopping_vendors() -> str:
    """Names of the vendors whose slices alternate in sign, for messages."""
    return " and ".join(vendor.name for vendor in VENDORS.values() if vendor.chopped)
