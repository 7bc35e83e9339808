"""How near a map comes to the truth."""

import numpy as np
import pandas as pd


def nrmse_percent(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Root mean squared error over the root mean square of the truth, both with zero mean in `mask` [%]."""
    e, t = (x[mask] - x[mask].mean(dtype=np.float64) for x in (estimate, truth))
    return float(100 * np.linalg.norm(e - t) / np.linalg.norm(t))


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
