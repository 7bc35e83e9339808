"""What magnitude may tell the inversion: the susceptibility that follows its contrasts, where the field confirms it."""

import numpy as np

from recon.inversion.dipole_model import Model
from recon.maths.tissue_rule import evidence, tissue_factors

DAMPING = 0.15  # of the division by the dipole, which spares the map that is asked the noise near the cone
SLOW_MM = 16.0  # standard deviation of the Gaussian whose mean around a voxel is left to the field


def tissue_spectrum(
    field_ppm: np.ndarray, first_ppm: np.ndarray, contrasts: np.ndarray, model: Model
) -> np.ndarray | None:
    r"""Susceptibility that follows the contrasts of magnitude, as far as the field confirms it.

    The rule, one for the whole brain, is read from a first map by :func:`recon.maths.tissue_rule.tissue_factors`.
    The field is then asked whether its edges follow: a damped division turns it, and the field of the tissue t that
    the rule makes, into maps

    .. math:: x = L f, \quad x_t = L D t, \quad L = \frac{D}{D^2 + \delta^2}

    which have lost the same, and :func:`recon.maths.tissue_rule.evidence` compares them. What changes slowly in t is
    left out: there the field tells more, and an error of t would pass for the mean of a whole region.

    Parameters
    ----------
    field_ppm : (X, Y, Z) float32 array [ppm], zero outside the mask
    first_ppm : (X, Y, Z) float32 array [ppm], a first map
    contrasts : (contrast, X, Y, Z) float32 of :func:`recon.maths.contrast.tissue_contrasts`
    model : Model

    Returns
    -------
    T : spectrum of t without its slow part, scaled by the evidence; None where there is none
    """
    D, transform = model.D, model.transform
    factors_ppm = tissue_factors(first_ppm, contrasts, model.inside)
    T = transform.forward(np.tensordot(factors_ppm, contrasts, 1))
    L = D / (D**2 + np.float32(DAMPING**2))
    x, x_t = transform.inverse(L * transform.forward(field_ppm)), transform.inverse(L * D * T)
    strength = evidence(x, x_t, model.inside, model.spacing).strength
    if strength <= 0:
        return None
    slow = np.exp(-2 * (np.pi * np.float32(SLOW_MM) * model.k) ** 2)
    return T * (np.float32(strength) * (1 - slow))
