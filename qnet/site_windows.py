r"""Intensity windows by site: what networks read of χ and R2* on a scale that sites share.

A site changes a whole map by about one line, :math:`v' = a + b v`: scanner, field and voxels decide how much of the
susceptibility is kept. ComBat (`qnet.combat`) tells for every nucleus k the mean :math:`\mu_k` that sites
share and what a site has instead, :math:`\mu_k + \gamma_k`, age and sex taken off; a and b follow from these by least
squares over the nuclei. To read the map through :math:`(v - a) / b` is to give the site a window of its own.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qnet.combat import Estimates, SiteEffect

MAPS = {"chi": 0, "r2star": 1}  # map of the features → its channel
NUMBERS = ["window_chi_shift_ppm", "window_chi_scale", "window_r2star_shift_hz", "window_r2star_scale"]
SAME = [0.0, 1.0, 0.0, 1.0]
LIMITS = 0.2, 5.0  # a scale beyond these is no scanner's: the site keeps its window
FEWEST = 3  # nuclei that a line is laid through
Windows = dict[str, list[float]]  # participant, or site → NUMBERS


def line(common: np.ndarray, found: np.ndarray, sd: np.ndarray) -> tuple[float, float]:
    """a and b of found = a + b common over nuclei (p,), weights 1 / sd²; 0 and 1 where they cannot be told."""
    known = np.isfinite(common) & np.isfinite(found) & (sd > 0)
    if known.sum() < FEWEST or np.ptp(common[known]) == 0:
        return 0.0, 1.0
    basis = np.stack([np.ones(known.sum()), common[known]], axis=1) / sd[known, None]
    a, b = np.linalg.lstsq(basis, found[known] / sd[known], rcond=None)[0]
    return (float(a), float(b)) if LIMITS[0] <= b <= LIMITS[1] else (0.0, 1.0)


def numbers_of(estimates: Estimates, effect: SiteEffect | None, about: pd.DataFrame) -> list[float]:
    """Shift and scale of both maps, in the order of NUMBERS, from the effect of a site; SAME where it has none.

    Parameters
    ----------
    estimates, effect : of features in the order of `about`
    about : of `qnet.baselines.feature_table.read_features`; the means of both sides of each nucleus count
    """
    if effect is None:
        return SAME
    means = (about["kind"] == "mean") & (about["side"] == "both") & (about["region"] != "box")
    found: list[float] = []
    for name in MAPS:
        own = (means & (about["map"] == name)).to_numpy()
        common = estimates.mean[own] + np.broadcast_to(effect.centre, own.shape)[own]
        found += line(common, common + effect.shift[own], estimates.sd[own])
    return found


def to_common_scale(images: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """Images (T, 3, S, S) in physical units as read through the window of their site; what was not measured stays 0."""
    new = images.copy()
    for channel in MAPS.values():
        shift, scale = numbers[2 * channel : 2 * channel + 2]
        own = images[:, channel]
        new[:, channel] = np.where(own != 0, (own - shift) / scale, 0)
    return new
