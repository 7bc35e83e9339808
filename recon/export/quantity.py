"""What the exported maps are: their units in DICOM, and their values as 16-bit integers.

A stored value v stands for slope × v. Zero stays zero, so the outside of the brain is not tinted, and the largest
magnitude M becomes 32767: the error is at most slope / 2 = M / 65534, 1.6e-5 of the range, whatever the map holds.
Susceptibility is written in ppb, of which viewers that show whole numbers or one decimal still show three digits; in
ppm they would show 0.1 for a globus pallidus of 0.13 ppm.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recon.maths.pieces import in_blocks

LARGEST = 2**15 - 1  # of 16 bits with a sign
SLOPE_DIGITS = 8  # a decimal string of DICOM has room for 16 characters


class Code(NamedTuple):
    """A coded term: its value, who defined it, and what it means."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A kind of map.

    Parameters
    ----------
    suffix : of the file in the derivatives
    kind : last value of ImageType
    title : for SeriesDescription
    what : for DerivationDescription
    unit : RescaleType
    code : UCUM
    meaning : of the values, where DICOM has a term for it
    factor : from the unit of the file to that of the series
    number : of the series
    window : lowest and highest value shown, in units of the series; None for that of a picture of arbitrary units
    """

    suffix: str
    kind: str
    title: str
    what: str
    unit: str
    code: Code
    meaning: Code | None = None
    factor: float = 1.0
    number: int
    window: tuple[float, float] | None = None


class Scaled(NamedTuple):
    """Integers of a map, and the slope that makes values of them; the intercept is zero."""

    stored: np.ndarray
    slope: float


def scaled(values: np.ndarray) -> Scaled:
    """Values as 16-bit integers; see the module for the error.

    Raises
    ------
    ValueError
        Where a value is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError(f"expected finite values, found {np.count_nonzero(~np.isfinite(values))} that are not")
    largest = float(max(values.max(initial=0.0), -values.min(initial=0.0)))
    slope = _rounded_up(largest / LARGEST) if largest else 1.0
    return Scaled(in_blocks(lambda part: np.rint(part.astype(float) / slope), values, dtype=np.int16), slope)


def _rounded_up(slope: float) -> float:
    """The next number of few digits, which a decimal string holds exactly."""
    step = 10.0 ** (np.floor(np.log10(slope)) - SLOPE_DIGITS + 1)
    return float(f"{np.ceil(slope / step) * step:.{SLOPE_DIGITS}g}")
