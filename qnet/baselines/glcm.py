"""Texture: how often grey levels are neighbours (Haralick 1973, doi:10.1109/TSMC.1973.4309314)."""

import numpy as np

NEIGHBOURS = ((1, 0), (0, 1), (1, 1), (1, -1))  # voxels in plane; the opposite ones come in by symmetry


def grey_levels(values: np.ndarray, window: tuple[float, float], levels: int) -> np.ndarray:
    """Values → level 0 … `levels` - 1 of equal width, any shape; what lies outside the window joins the end levels."""
    low, high = window
    scaled = (np.asarray(values, np.float64) - low) / (high - low) * levels
    return np.clip(np.floor(scaled), 0, levels - 1).astype(np.intp)


def cooccurrence(grey: np.ndarray, inside: np.ndarray, levels: int) -> np.ndarray:
    """Count pairs of voxels that touch in plane by edge or corner, both inside.

    Slices are thicker than pixels are wide, so pairs across slices would lie farther apart; those of all directions
    and slices are counted together (IBSI: 2.5D, merged; doi:10.1148/radiol.2020191145).

    Parameters
    ----------
    grey : (X, Y, Z) int array
        Levels 0 … `levels` - 1; slices are normal to the last axis.
    inside : (X, Y, Z) bool array
    levels : int

    Returns
    -------
    (levels, levels) int array, symmetric
    """
    counts = np.zeros(levels * levels, np.intp)
    for dx, dy in NEIGHBOURS:
        first = (slice(None, -dx or None), slice(max(-dy, 0), -max(dy, 0) or None))
        second = (slice(dx, None), slice(max(dy, 0), min(dy, 0) or None))
        both = inside[first] & inside[second]
        counts += np.bincount(grey[first][both] * levels + grey[second][both], minlength=levels * levels)
    pairs = counts.reshape(levels, levels)
    return pairs + pairs.T


def texture(counts: np.ndarray) -> dict[str, float]:
    r"""Haralick features of a symmetric table of co-occurrences.

    With :math:`p_{ij}` the share of the pairs of levels i and j, :math:`\mu` and :math:`\sigma^2` mean and variance
    of its margin: contrast :math:`\sum p (i-j)^2`, dissimilarity :math:`\sum p |i-j|`, homogeneity
    :math:`\sum p / (1 + (i-j)^2)`, energy :math:`\sqrt{\sum p^2}`, entropy :math:`-\sum p \ln p`, correlation
    :math:`\sum p (i-\mu)(j-\mu) / \sigma^2`.

    Parameters
    ----------
    counts : (L, L) int array

    Returns
    -------
    dict of float, in levels and their powers; missing (NaN) without pairs, the correlation also where one level is all
    """
    pairs = counts.sum()
    p = counts / pairs if pairs else np.full(counts.shape, np.nan)
    i, j = np.indices(p.shape)
    mean = (p * i).sum()
    variance = (p * (i - mean) ** 2).sum()
    covariance = (p * (i - mean) * (j - mean)).sum()
    return {
        "contrast": (p * (i - j) ** 2).sum(),
        "dissimilarity": (p * np.abs(i - j)).sum(),
        "homogeneity": (p / (1 + (i - j) ** 2)).sum(),
        "energy": np.sqrt((p**2).sum()),
        "entropy": -(p * np.log(np.where(p > 0, p, 1))).sum(),
        "correlation": covariance / variance if variance > 0 else np.nan,
    }
