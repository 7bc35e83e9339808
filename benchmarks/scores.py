"""Scores over the whole brain, as the public leaderboard QSM-CI computes them since August 2026.

A voxel that a method dropped counts as zero: what is eroded is not free. The values within the support and the share
kept stand beside. Both maps have zero mean in the brain, or in the support; nothing is rescaled unless it says so.
"""

import numpy as np
from scipy import ndimage

from recon.check.metrics import nrmse_percent, regional_means, slope, xsim
from recon.maths.boxes import bounding_box
from recon.regions.nuclei import nucleus_labels

Scores = dict[str, float]
HFEN_SIGMA = 1.5  # voxels (Langkammer 2018, the challenge of 2016)
LESION_RIM, STREAK_RIM = 2, 6  # voxels: within the first the source may be smeared, up to the second it may streak
LESIONS = {"calcification": 1, "haemorrhage": 2}  # labels
STREAKS = {"calcification": "streaks_percent", "haemorrhage": "haemorrhage_streaks_percent"}  # names of the score


def hfen_percent(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    r"""Norm of the error after a Laplacian of Gaussian over that of the truth [%]; both are zero outside the mask."""
    box = bounding_box(mask)
    filtered = [
        ndimage.gaussian_laplace(np.pad(np.where(mask, x, 0)[box].astype(np.float64), 8), HFEN_SIGMA, truncate=5)
        for x in (estimate - truth, truth)
    ]
    inside = np.pad(mask[box], 8)
    return float(100 * np.linalg.norm(filtered[0][inside]) / np.linalg.norm(filtered[1][inside]))


def detrended_percent(estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """NRMSE [%] after the line that best predicts the estimate from the truth is inverted; both have zero mean."""
    e, t = (x[mask] - x[mask].mean(dtype=np.float64) for x in (estimate, truth))
    factor = float(t @ e / (t @ t))
    return float(100 * np.linalg.norm(e / factor - t) / np.linalg.norm(t)) if factor else float("nan")


def centred(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Zero mean in the mask, zero outside."""
    return np.where(mask, values - values[mask].mean(dtype=np.float64), 0).astype(np.float32)


def map_scores(estimate: np.ndarray, support: np.ndarray, truth: np.ndarray, brain: np.ndarray) -> Scores:
    """Scores of a map of field or susceptibility over the brain, and within the part that the method kept.

    Parameters
    ----------
    estimate, truth : (X, Y, Z) float arrays of one unit
    support, brain : (X, Y, Z) bool arrays
    """
    kept = support & brain
    whole = np.where(kept, centred(estimate, kept), 0)
    true = centred(truth, brain)
    part = centred(truth, kept)
    return {
        "nrmse_percent": nrmse_percent(whole, true, brain),
        "nrmse_detrended_percent": detrended_percent(whole, true, brain),
        "xsim": xsim(whole, true, brain),
        "hfen_percent": hfen_percent(whole, true, brain),
        "kept_percent": float(100 * np.count_nonzero(kept) / np.count_nonzero(brain)),
        "support_nrmse_percent": nrmse_percent(whole, part, kept),
        "support_xsim": xsim(whole, part, kept),
    }


def deep_grey_slope(estimate: np.ndarray, truth: np.ndarray, nuclei: np.ndarray, brain: np.ndarray) -> float:
    """Slope of the regression of the nuclei's mean estimates on their true ones; NaN where there are none."""
    names = {label: " ".join(name) for label, name in nucleus_labels().items()}
    table = regional_means(estimate, truth, nuclei, brain, names)
    return slope(table["estimate"].to_numpy(), table["truth"].to_numpy()) if len(table) > 1 else float("nan")


def lesion_scores(
    estimate: np.ndarray, truth: np.ndarray, lesions: np.ndarray, brain: np.ndarray, kind: str = "calcification"
) -> Scores:
    """Moment of the lesions of one kind over their true one [%], and the streaks about them.

    The moment is the sum of susceptibility over the lesion and its rim; streaks are the standard deviation of the error
    in the shell beyond it over the lesions' mean [%]. Empty where there is none.
    """
    found = (lesions == LESIONS[kind]) & brain
    if not found.any():
        return {}
    near = ndimage.binary_dilation(found, np.ones((3, 3, 3)), iterations=LESION_RIM) & brain
    shell = ndimage.binary_dilation(found, np.ones((3, 3, 3)), iterations=STREAK_RIM) & brain & ~near
    usual = [float(np.median(x[shell])) for x in (estimate, truth)]
    moment = [float((x - u)[near].sum()) for x, u in zip((estimate, truth), usual, strict=True)]
    return {
        f"{kind}_moment_percent": 100 * moment[0] / moment[1],
        STREAKS[kind]: float(100 * np.std((estimate - truth)[shell]) / abs(truth[found].mean())),
    }


def chi_scores(
    estimate: np.ndarray,
    support: np.ndarray,
    truth: np.ndarray,
    brain: np.ndarray,
    nuclei: np.ndarray,
    lesions: np.ndarray,
) -> Scores:
    """All scores of a susceptibility map."""
    kept = support & brain
    whole, true = np.where(kept, centred(estimate, kept), 0), centred(truth, brain)
    return (
        map_scores(estimate, support, truth, brain)
        | {"deep_grey_slope": deep_grey_slope(whole, true, nuclei, brain)}
        | lesion_scores(whole, true, lesions, brain)
    )
