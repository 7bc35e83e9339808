"""The susceptibility that the contrasts of magnitude explain."""

import numpy as np

SAMPLE = 200_000  # voxels suffice for a handful of factors
PASSES = 5
TYPICAL = 2.0  # robust standard deviations, from which on a voxel counts less


def tissue_factors(chi_ppm: np.ndarray, contrasts: np.ndarray, mask: np.ndarray) -> np.ndarray:
    r"""Regress susceptibility on the contrasts of magnitude over the whole mask.

    .. math:: \min_a \sum_r \rho \left( \chi(r) - a_0 - \textstyle\sum_j a_j c_j(r) \right)

    with Cauchy's :math:`\rho`, by iterated weights :math:`1 / (1 + (\epsilon / 2 \sigma)^2)`: the many voxels of white
    matter, cortex and fluid decide the factors, while nuclei, veins and lesions, which follow another rule, have little
    say. A slow error of the map is like no contrast and hardly enters.

    Parameters
    ----------
    chi_ppm : (X, Y, Z) float array [ppm]
    contrasts : (contrast, X, Y, Z) float32 of :func:`recon.maths.contrast.tissue_contrasts`
    mask : (X, Y, Z) bool array

    Returns
    -------
    factors_ppm : (contrast,) float32 [ppm], what one unit of each contrast is worth

    References
    ----------
    .. [1] Holland, Welsch, Commun Stat Theory Methods 6:813 (1977), doi:10.1080/03610927708827533
    """
    at = np.flatnonzero(mask)
    at = at[:: max(at.size // SAMPLE, 1)]
    c = np.concatenate([contrasts.reshape(len(contrasts), -1)[:, at], np.ones((1, at.size), np.float32)]).astype(float)
    values = chi_ppm.ravel()[at].astype(float)
    weight = np.ones(at.size)
    for _ in range(PASSES):
        factors = np.linalg.lstsq((c * weight) @ c.T, (c * weight) @ values, rcond=1e-9)[0]
        distance = np.abs(values - factors @ c)
        spread = max(1.4826 * np.median(distance), np.finfo(np.float32).tiny)
        weight = 1 / (1 + (distance / (TYPICAL * spread)) ** 2)
    return factors[:-1].astype(np.float32)
