"""How near a map comes to the truth."""

import numpy as np
import pandas as pd
from scipy import ndimage

from recon.maths.boxes import bounding_box


def nrmse_percent(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Root mean squared error over the root mean square of the truth, both with zero mean in `mask` [%]."""
    e, t = (x[mask] - x[mask].mean(dtype=np.float64) for x in (estimate, truth))
    return float(100 * np.linalg.norm(e - t) / np.linalg.norm(t))


def xsim(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    r"""Structural similarity with the constants that suit susceptibility: 1 for equal maps, 0 for unrelated ones.

    .. math:: \frac{(2 \mu_e \mu_t + c_1) (2 \sigma_{et} + c_2)}
              {(\mu_e^2 + \mu_t^2 + c_1) (\sigma_e^2 + \sigma_t^2 + c_2)}

    in cubes of 5 voxels, averaged over the mask; :math:`c_1 = 10^{-4}, c_2 = 10^{-6}` ppm^2. Means count: both maps
    need the same reference. Values outside the mask are taken for zero.

    References
    ----------
    .. [1] Milovic et al., MRM 93:411 (2025), doi:10.1002/mrm.30271
    """
    box = bounding_box(mask)
    e, t = (np.pad(np.where(mask[box], x[box], 0).astype(np.float64), 2) for x in (estimate, truth))

    def mean(x: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(x, 5, mode="constant")[2:-2, 2:-2, 2:-2][mask[box]]

    mu_e, mu_t = mean(e), mean(t)
    var_e, var_t, cov = mean(e * e) - mu_e**2, mean(t * t) - mu_t**2, mean(e * t) - mu_e * mu_t
    c1, c2 = 1e-4, 1e-6
    similarity = (2 * mu_e * mu_t + c1) * (2 * cov + c2) / ((mu_e**2 + mu_t**2 + c1) * (var_e + var_t + c2))
    return float(similarity.mean())


def slope(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Slope of the regression of the estimates on the truths; NaN where the truths do not differ."""
    t = truth - truth.mean()
    return float(t @ (estimate - estimate.mean()) / (t @ t)) if np.ptp(truth) > 0 else float("nan")


def regional_means(
    estimate: np.ndarray, truth: np.ndarray, labels: np.ndarray, mask: np.ndarray, names: dict[int, str]
) -> pd.DataFrame:
    """Mean of estimate and truth in every region, over the same voxels inside `mask`, and the NRMSE there.

    Parameters
    ----------
    estimate, truth : (X, Y, Z) float arrays of one unit; truth is referenced to its mean in `mask`
    labels : (X, Y, Z) int array
    mask : (X, Y, Z) bool array
    names : label → name of the region

    Returns
    -------
    table : columns region, voxels, truth, estimate, nrmse_percent
    """
    rows = []
    for label, name in names.items():
        region = mask & (labels == label)
        if not region.any():
            continue
        error = (estimate - truth)[region].astype(np.float64)
        size = np.sqrt(np.mean(truth[region].astype(np.float64) ** 2))
        rows.append(
            {
                "region": name,
                "voxels": int(region.sum()),
                "truth": float(truth[region].mean()),
                "estimate": float(estimate[region].mean()),
                "nrmse_percent": float(100 * np.sqrt(np.mean(error**2)) / size),
            }
        )
    return pd.DataFrame(rows, columns=["region", "voxels", "truth", "estimate", "nrmse_percent"])


def summarise(regions: pd.DataFrame) -> pd.DataFrame:
    """Over subjects, for each region: means, bias, slope of the estimate on the truth, and the mean NRMSE.

    The last row, `deep grey matter`, pools all regions of all subjects; its slope is the one that says whether iron
    is measured to scale.
    """

    def row(name: str, group: pd.DataFrame) -> dict:
        truth, estimate = group["truth"].to_numpy(), group["estimate"].to_numpy()
        return {
            "region": name,
            "measurements": len(group),
            "truth": truth.mean(),
            "estimate": estimate.mean(),
            "bias": (estimate - truth).mean(),
            "slope": slope(estimate, truth),
            "nrmse_percent": group["nrmse_percent"].mean(),
        }

    rows = [row(name, group) for name, group in regions.groupby("region", sort=False)]
    return pd.DataFrame([*rows, row("deep grey matter", regions)])
