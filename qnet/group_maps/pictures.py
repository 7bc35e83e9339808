"""Axial slices of group means, their difference and the effect, with the outline of clusters beyond chance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot as plt

from qnet.figures import STYLE, save

HEIGHTS_MM = (-34.0, -12.0, -4.0, 4.0, 12.0, 24.0)  # in the template: dentate, midbrain, basal ganglia, above them
EFFECT_LIMIT = 2.0  # standard deviations
SIGNED = "RdBu_r"


class Row(NamedTuple):
    """A row of a picture: title, image (X, Y, Z), its unit, range shown; `signed`: a difference, in red and blue."""

    title: str
    image: np.ndarray
    unit: str
    window: tuple[float, float]
    signed: bool


def draw(
    path: str | Path,
    rows: Sequence[Row],
    mask: np.ndarray,
    significant: np.ndarray,
    affine: np.ndarray,
    synthetic: bool,
    title: str,
) -> None:
    """Write a picture.

    Parameters
    ----------
    path : PNG
    rows : from above
    mask : (X, Y, Z) bool, where subjects were compared
    significant : (X, Y, Z) bool, outlined on differences
    affine : (4, 4), voxel indices → MNI mm, axes along those of the template
    synthetic : whether subjects are simulated
    title : above all
    """
    levels = [int(np.clip(round((mm - affine[2, 3]) / affine[2, 2]), 0, mask.shape[2] - 1)) for mm in HEIGHTS_MM]
    x, y = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    box = (slice(x[0], x[-1] + 1), slice(y[0], y[-1] + 1)) if len(x) else (slice(None), slice(None))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(rows), len(levels), figsize=(1.55 * len(levels) + 1.2, 1.9 * len(rows)), layout="constrained"
        )
        for panel, mm in zip(axes[0], HEIGHTS_MM, strict=True):
            panel.set_title(f"z = {mm:+.0f} mm".replace("-", "−"), fontsize=8)
        for line, (name, image, unit, (low, high), signed) in zip(axes, rows, strict=True):
            for panel, level in zip(line, levels, strict=True):
                # radiological view: the subject's right on the left, so that x runs from right to left
                shown, edge, inside = (part[(*box, level)][::-1].T for part in (image, significant, mask))
                drawn = panel.imshow(
                    np.ma.masked_array(shown, ~inside), origin="lower", vmin=low, vmax=high,
                    cmap=SIGNED if signed else "gray", interpolation="nearest",
                )  # fmt: skip
                if signed and edge.any():
                    panel.contour(edge.astype(float), [0.5], colors="black", linewidths=0.9)
                panel.set(xticks=[], yticks=[], facecolor="0.92")
                panel.spines[:].set_visible(False)
                panel.text(0.02, 0.5, "R", transform=panel.transAxes, fontsize=7, color="0.3", va="center")
                panel.text(0.98, 0.5, "L", transform=panel.transAxes, fontsize=7, color="0.3", va="center", ha="right")
            line[0].set_ylabel(name, fontsize=8)
            figure.colorbar(drawn, ax=line.tolist(), shrink=0.85, pad=0.01).set_label(unit, fontsize=8)
        save(path, figure, synthetic, title)
        plt.close(figure)


def rows_of(
    means: Mapping[str, np.ndarray], difference: np.ndarray, effect: np.ndarray, unit: str,
    window: tuple[float, float], names: tuple[str, str],
) -> list[Row]:  # fmt: skip
    """The rows of a picture: mean of either group, positive minus negative, and effect.

    Parameters
    ----------
    means : group → mean (X, Y, Z)
    difference, effect : (X, Y, Z)
    unit : of means and difference
    window : of the means
    names : positive and negative group
    """
    limit = float(np.percentile(np.abs(difference[difference != 0]), 99.5)) if difference.any() else 1.0
    shown = [Row(f"mean, {name}", means[name], unit, window, signed=False) for name in reversed(names)]
    positive, negative = names
    shown.append(Row(f"{positive} − {negative}", difference, unit, (-limit, limit), signed=True))
    effects = (-EFFECT_LIMIT, EFFECT_LIMIT)
    return [*shown, Row("effect", effect, "difference / SD", effects, signed=True)]
