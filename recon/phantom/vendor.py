"""Complex echoes as the scanners of several vendors, and dcm2niix after them, would store them.

The phantom's convention is that a paramagnetic source advances the phase. What vendors do:

- Siemens: phase pixels 0..4095 make one turn; the rescale slope 2 and intercept -4096 that go with them give
  -4096..4094 (rordenlab/dcm2niix issue 406, MRtrix3/mrtrix3 issue 3009). Where these were lost, 0..4095 is all there
  is. The phase keeps its sign (`qsm_r2s_prisma.m` in sunhongfu/QSM).
- Philips: phase pixels 0..4095 with the rescale slope 1.53455 and intercept -3142 are milliradians, the "display"
  values of `dcm2niix -p n`. dcm2niix writes "precise" values by default, display / (rescale slope x scale slope); with
  the scale slope 651.74 these are radians (neurolabusc/dcm_qa_philips_enh; Philips/README.md of rordenlab/dcm2niix).
  The phase keeps its sign (`qsm_spgr_philips.m` in sunhongfu/QSM).
- GE: signed pixels without rescale, phase in milliradians. Every second slice is negated, as the shift by half the
  field of view is left out of the transform along slices, and the phase has the opposite sign: `Read_GE_DICOM.m` of
  the MEDI toolbox, `qsm_spgr_ge.m` in sunhongfu/QSM, `nii_fix_ge.py` in QSMxT/QSMxT, UKRIN-MAPS/ukat issue 33.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from recon.files.io import Volume

VALUES = {"mag": lambda z: np.rint(np.abs(z)), "phase": np.angle, "real": np.real, "imag": np.imag}
TURN = 4096  # pixel values that make 2 pi where twelve bits hold a phase


@dataclass(frozen=True, kw_only=True)
class Scale:
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

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape → pixels of that shape, as `dtype`."""
        if np.issubdtype(self.dtype, np.floating):
            return values.astype(self.dtype)
        pixels = np.rint(self.gain * values.astype(np.float64) + self.zero)
        if self.period:
            pixels %= self.period
        limits = np.iinfo(self.dtype)
        return np.clip(pixels, limits.min, limits.max).astype(self.dtype)


FLOAT, WHOLE = Scale(dtype=np.float32), Scale()
FINE = Scale(gain=16)  # white matter's 1000 then fills half of what int16 holds


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What a vendor makes of the signal.

    Parameters
    ----------
    manufacturer : as dcm2niix names it
    parts : what its multi-echo series come as, ("mag", "phase") or ("real", "imag")
    conjugate : a paramagnetic source delays the phase
    chopped : every second slice is negated; slices lie along the last axis
    magnitude, phase, component : scale of each; components are the real and the imaginary part
    units : BIDS `Units` of the phase
    """

    manufacturer: str
    parts: tuple[str, str] = ("mag", "phase")
    conjugate: bool = False
    chopped: bool = False
    magnitude: Scale = WHOLE
    phase: Scale
    component: Scale = FINE
    units: str = "arbitrary"

    def scale(self, part: str) -> Scale:
        """The scale of one part."""
        return {"mag": self.magnitude, "phase": self.phase}.get(part, self.component)


REFERENCE = Vendor(manufacturer="Simulated", magnitude=FLOAT, phase=FLOAT, component=FLOAT, units="rad")
SIEMENS = Vendor(
    manufacturer="Siemens", phase=Scale(gain=TURN / 2 / np.pi, zero=TURN / 2, period=TURN, slope=2, intercept=-TURN)
)
PHILIPS = Vendor(
    manufacturer="Philips",
    magnitude=Scale(
        slope=1 / 0.000237989,
        facts={
            "PhilipsRescaleSlope": 1.29158,
            "PhilipsRescaleIntercept": 0,
            "PhilipsScaleSlope": 0.000237989,
            "UsePhilipsFloatNotDisplayScaling": 1,
        },
    ),
    phase=Scale(
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
)
GE = Vendor(manufacturer="GE", parts=("real", "imag"), conjugate=True, chopped=True, phase=Scale(gain=1000))

VENDORS = {"reference": REFERENCE, "siemens": SIEMENS, "philips": PHILIPS, "ge": GE}
DISPLAY = PHILIPS.phase.facts | {"UsePhilipsFloatNotDisplayScaling": 0}
VARIANTS = {
    "siemens without rescale": replace(SIEMENS, phase=replace(SIEMENS.phase, slope=1, intercept=0)),
    "philips for display": replace(
        PHILIPS, phase=replace(PHILIPS.phase, slope=1.53455, intercept=-3142, facts=DISPLAY)
    ),
}


def exported(signal: np.ndarray, vendor: Vendor) -> np.ndarray:
    """The (X, Y, Z) complex signal with the vendor's sign and chopping."""
    if vendor.conjugate:
        signal = signal.conj()
    if vendor.chopped:
        signal = signal * (1 - 2 * (np.arange(signal.shape[2]) % 2)).astype(np.float32)
    return signal


def encode(signal: np.ndarray, vendor: Vendor, part: str) -> np.ndarray:
    """Pixels of one part of a signal.

    Parameters
    ----------
    signal : (X, Y, Z) complex array, slices along Z
    vendor : Vendor; its `scale(part)` has the slope and intercept that belong to the pixels
    part : "mag", "phase", "real" or "imag"

    Returns
    -------
    (X, Y, Z) array
    """
    return vendor.scale(part).pixels(VALUES[part](exported(signal, vendor)))


def restored(volume: Volume, axes: tuple[int, int, int], flipped: tuple[int, ...] = ()) -> Volume:
    """The same image in another order of storage: nothing moves in the scanner.

    Parameters
    ----------
    volume : (X, Y, Z) or (X, Y, Z, echo)
    axes : for each new axis, the old axis that it runs along
    flipped : new axes that run backwards
    """
    data = volume.data.transpose(*axes, *range(3, volume.data.ndim))
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new, old in enumerate(axes):
        to_old[old, new] = -1 if new in flipped else 1
        to_old[old, 3] = data.shape[new] - 1 if new in flipped else 0
    return Volume(data=np.flip(data, flipped) if flipped else data, affine=volume.affine @ to_old)
