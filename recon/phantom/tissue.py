"""Magnetic and relaxation properties of the tissues at 3 T."""

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """Properties of one tissue.

    Parameters
    ----------
    chi_ppm : susceptibility relative to soft tissue [ppm]
    r2star_hz : effective transverse relaxation rate [1/s]
    t1_s : longitudinal relaxation time [s]
    pd : proton density relative to water
    """

    chi_ppm: float
    r2star_hz: float
    t1_s: float
    pd: float

    def array(self) -> np.ndarray:
        """(4,) float32: chi_ppm, r2star_hz, t1_s, pd."""
        return np.array(astuple(self), np.float32)


TABLE_TESLA = 3.0
FIELD_FREE_HZ = 9.0  # 1/s of R2* that the main field does not change


def r2star_at(r2star_hz: np.ndarray, b0_tesla: float) -> np.ndarray:
    r"""R2* [1/s] of tissue in another main field.

    .. math:: R_2^*(B_0) = c + (R_2^*(3 T) - c)\, B_0 / 3, \qquad c = \min(9, R_2^*(3 T))

    R2* grows about linearly with the field (Peters 2006, Proc. ISMRM 926); R2 in the brain is a constant of 9 1/s and
    a term linear in the field ("Dependence of brain-tissue R2 on MRI field strength", Magn. Reson. Med.).

    Parameters
    ----------
    r2star_hz : array of any shape, at 3 T
    b0_tesla : main field [T]
    """
    if b0_tesla == TABLE_TESLA:
        return r2star_hz
    constant = np.minimum(r2star_hz, FIELD_FREE_HZ)
    return constant + (r2star_hz - constant) * (b0_tesla / TABLE_TESLA)


# Usual 3 T values; susceptibilities in the manner of the QSM challenge 2.0 head phantom
# (Marques 2021, doi:10.1002/mrm.28716)
CSF = Tissue(chi_ppm=0.017, r2star_hz=4, t1_s=4.3, pd=1.0)
CORTEX = Tissue(chi_ppm=0.015, r2star_hz=17, t1_s=1.45, pd=0.83)
WHITE_MATTER = Tissue(chi_ppm=-0.030, r2star_hz=20, t1_s=0.87, pd=0.70)
VEIN = Tissue(chi_ppm=0.300, r2star_hz=47, t1_s=1.6, pd=0.85)
AIR = Tissue(chi_ppm=9.4, r2star_hz=0, t1_s=1.0, pd=0.0)
BONE = Tissue(chi_ppm=-2.1, r2star_hz=120, t1_s=0.4, pd=0.08)
SCALP = Tissue(chi_ppm=0.0, r2star_hz=35, t1_s=0.4, pd=0.6)
MUSCLE = Tissue(chi_ppm=0.0, r2star_hz=38, t1_s=1.3, pd=0.75)
EYE = Tissue(chi_ppm=0.0, r2star_hz=5, t1_s=4.0, pd=1.0)

# T1 [s] and proton density of the nuclei; susceptibility and R2* are drawn per subject (recon/phantom/cohort.py)
NUCLEUS_T1_S = {
    "caudate": 1.25, "putamen": 1.15, "pallidum": 1.02, "thalamus": 1.08,
    "red_nucleus": 0.98, "substantia_nigra": 1.00, "dentate": 1.05,
}  # fmt: skip
NUCLEUS_PD = {
    "caudate": 0.83, "putamen": 0.81, "pallidum": 0.76, "thalamus": 0.79,
    "red_nucleus": 0.76, "substantia_nigra": 0.76, "dentate": 0.78,
}  # fmt: skip
