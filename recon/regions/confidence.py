"""How surely a nucleus lies where its label says: does susceptibility change at its surface, on every side?"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import ndimage

from recon.grid import Vector
from recon.maths.boxes import bounding_box, grown
from recon.regions.shapes import PARTS, voxels_of

SHELL_MM = (1.0, 4.0)  # beyond the surface: what surrounds a nucleus; what is nearer may hold some of it
LEAST_VOXELS = 10  # of the nucleus and of its surround, below which nothing is said
DOUBTFUL = 0.5  # confidence below which a mean is not printed: contrast below 0.95 of the spread
FAINT = ("thalamus",)  # hardly differ from their surround in susceptibility
COLUMNS = ["contrast_ppm", "spread_ppm", "confidence"]
ROBUST = 1.4826  # standard deviation over median absolute deviation, of a normal distribution


def confidence(
    labels: np.ndarray, chi_ppm: np.ndarray, names: dict[int, tuple[str, str]], voxel_size_mm: Vector
) -> pd.DataFrame:
    r"""Contrast of each nucleus with its surround, in units of the spread within both, and a number made from it.

    With the medians :math:`m` and the spreads :math:`s` (:math:`1.48` median absolute deviations) of a nucleus and of
    the shell about it, :math:`d = (m_1 - m_2) / \sqrt{(s_1^2 + s_2^2) / 2}`. A label that lies beside its nucleus mixes
    both on either side, so that what a registration leaves shrinks the contrast and widens the spreads. It is told as
    :math:`2 \Phi(d / \sqrt 2) - 1 = \operatorname{erf}(d / 2)`: twice the area under the ROC curve with which χ tells
    nucleus from surround, less 1. A label that is moved keeps much of that as a whole, and loses it where it left the
    nucleus and where it left some of it outside: the number is the least of the whole and of six halves, those before
    and behind the centre along each axis of the voxels. It is zero where the nucleus is not the more paramagnetic, as
    all of them are: there the place is that of the neighbours, and χ cannot confirm it. The thalamus is about as
    paramagnetic as what surrounds it, wherever it lies: its confidence is the median of the other nuclei of its side.

    Parameters
    ----------
    labels : (X, Y, Z) uint8 array
    chi_ppm : (X, Y, Z) array [ppm]; a voxel that is zero or not finite was not measured
    names : label → (name, hemisphere), the rows; a nucleus counts with its parts
    voxel_size_mm : (3,) edge lengths of a voxel

    Returns
    -------
    DataFrame
        `index name hemisphere voxels contrast_ppm spread_ppm confidence`: the contrast is signed, voxels are those
        measured, and what has too few of them is missing and its confidence 0.
    """
    margin = [math.ceil(SHELL_MM[1] / mm) for mm in voxel_size_mm]
    if labels.any():
        near = grown(bounding_box(labels > 0), margin)  # all that is looked at: a hundredth of the image
        labels, chi_ppm = labels[near], chi_ppm[near]
    known = np.isfinite(chi_ppm) & (chi_ppm != 0)
    rows = []
    for label, (name, side) in names.items():
        inside = voxels_of(labels, label)
        found = [np.nan, np.nan, 0.0]
        if inside.any():
            box = grown(bounding_box(inside), margin)
            distance_mm = ndimage.distance_transform_edt(~inside[box], voxel_size_mm)
            shell = (distance_mm > SHELL_MM[0]) & (distance_mm <= SHELL_MM[1]) & (labels[box] == 0) & known[box]
            within, about = chi_ppm[box][inside[box] & known[box]], chi_ppm[box][shell]
            if min(within.size, about.size) >= LEAST_VOXELS:
                contrast, spread = _contrast(within, about)
                halves = _halves(inside[box] & known[box], shell, chi_ppm[box])
                found = [contrast, spread, min(map(_sure, [(contrast, spread), *halves]))]
        rows.append((label, name, side, int(np.count_nonzero(inside & known)), *found))
    table = pd.DataFrame(rows, columns=["index", "name", "hemisphere", "voxels", *COLUMNS])
    faint, placed = table["name"].isin(FAINT), table["voxels"] > 0
    for side in table.loc[faint & placed, "hemisphere"]:
        of_side = table["hemisphere"] == side
        others = table.loc[of_side & placed & ~faint & ~table["name"].isin(PARTS), "confidence"]
        table.loc[of_side & placed & faint, "confidence"] = others.median() if len(others) else 0.0
    return table


def _halves(within: np.ndarray, shell: np.ndarray, chi_ppm: np.ndarray) -> Iterator[tuple[float, float]]:
    """Contrast and spread of the halves of (X, Y, Z) bool, cut at their centre, that have voxels enough."""
    inner, outer = np.argwhere(within), np.argwhere(shell)
    values, others = chi_ppm[within], chi_ppm[shell]
    for axis, middle in enumerate(inner.mean(0)):
        for sign in (1, -1):
            half = values[sign * (inner[:, axis] - middle) >= 0], others[sign * (outer[:, axis] - middle) >= 0]
            if min(part.size for part in half) >= LEAST_VOXELS:
                yield _contrast(*half)


def _contrast(within: np.ndarray, about: np.ndarray) -> tuple[float, float]:
    """Difference of the medians and root mean square of the spreads."""
    spread = math.sqrt((_spread(within) ** 2 + _spread(about) ** 2) / 2)
    return float(np.median(within) - np.median(about)), spread


def _sure(contrast_and_spread: tuple[float, float]) -> float:
    contrast, spread = contrast_and_spread
    return math.erf(max(contrast, 0) / spread / 2) if spread else 1.0


def _spread(values: np.ndarray) -> float:
    return float(ROBUST * np.median(np.abs(values - np.median(values))))
