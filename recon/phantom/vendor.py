"""Complex echoes as the scanners of several vendors, and dcm2niix after them, would store them.

The phantom's convention is that a paramagnetic source advances the phase; see `recon.intake.vendors` for the vendors'.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recon.files.io import Volume
from recon.intake.vendors import PHILIPS, SIEMENS, Vendor

VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mag": lambda z: np.rint(np.abs(z)),
    "phase": np.angle,
    "real": np.real,
    "imag": np.imag,
}
DISPLAY = PHILIPS.phase.facts | {"UsePhilipsFloatNotDisplayScaling": 0}
VARIANTS = {
    "siemens without rescale": replace(SIEMENS, phase=replace(SIEMENS.phase, slope=1, intercept=0)),
    "philips for display": replace(
        PHILIPS, phase=replace(PHILIPS.phase, slope=1.53455, intercept=-3142, facts=DISPLAY)
    ),
}


def exported(signal: np.ndarray, vendor: Vendor) -> np.ndarray:
    """The (X, Y, Z) complex signal with the vendor's sign and chopping."""
    if vendor.phase_sign < 0:
        signal = signal.conj()
    if vendor.chopped:
        signal = signal * (1 - 2 * (np.arange(signal.shape[2]) % 2)).astype(np.float32)
    return signal


def encode(signal: np.ndarray, vendor: Vendor, part: str) -> np.ndarray:
    """Pixels of one part of a signal.

    Parameters
    ----------
    signal : (X, Y, Z) complex array, slices along Z
    vendor : Vendor; its `pixels(part)` has the slope and intercept that belong to the pixels
    part : "mag", "phase", "real" or "imag"

    Returns
    -------
    (X, Y, Z) array
    """
    return vendor.pixels(part).of(VALUES[part](exported(signal, vendor)))


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
