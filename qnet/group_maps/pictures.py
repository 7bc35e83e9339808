"""Axial slices of group means, their difference and the effect, with the outline of clusters beyond chance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from qnet.figures import STYLE, save

HEIGHTS_MM = (-34.0, -12.0, -4.0, 4.0, 12.0, 24.0)  # in the template: dentate, midbrain, basal ganglia, above them
EFFECT_LIMIT = 2.0  # standard deviations
SIGNED = "RdBu_r"


def draw(
    path: str | Path,
    rows: Sequence[tuple[str, np.ndarray, str, tuple[float, float]]],
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
    rows : title, image (X, Y, Z), unit, range shown; a range about zero is shown in red and blue
    mask : (X, Y, Z) bool, where subjects were compared
    significant : (X, Y, Z) bool, outlined on the rows with a range about zero
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
        for line, (name, image, unit, (low, high)) in zip(axes, rows, strict=True):
            about_zero = low == -high
            for panel, level, mm in zip(line, levels, HEIGHTS_MM, strict=True):
                # radiological view: the subject's right on the left, so that x runs from right to left
                shown, edge, inside = (part[(*box, level)][::-1].T for part in (image, significant, mask))
                drawn = panel.imshow(
                    np.ma.masked_array(shown, ~inside), origin="lower", vmin=low, vmax=high,
                    cmap=SIGNED if about_zero else "gray", interpolation="nearest",
                )  # fmt: skip
                if about_zero and edge.any():
                    panel.contour(edge.astype(float), [0.5], colors="black", linewidths=0.9)
                panel.set(xticks=[], yticks=[], facecolor="0.92")
                panel.spines[:].set_visible(False)
                panel.text(0.02, 0.5, "R", transform=panel.transAxes, fontsize=7, color="0.3", va="center")
                panel.text(0.98, 0.5, "L", transform=panel.transAxes, fontsize=7, color="0.3", va="center", ha="right")
                if line is axes[0]:
                    panel.set_title(f"z = {mm:+.0f} mm".replace("-", "−"), fontsize=8)
            line[0].set_ylabel(name, fontsize=8)
            figure.colorbar(drawn, ax=line.tolist(), shrink=0.85, pad=0.01).set_label(unit, fontsize=8)
        save(path, figure, synthetic, title)
        plt.close(figure)


def rows_of(
    means: Mapping[str, np.ndarray], difference: np.ndarray, effect: np.ndarray, unit: str,
    window: tuple[float, float], names: tuple[str, str],
) -> list[tuple[str, np.ndarray, str, tuple[float, float]]]:  # fmt: skip
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
    shown = [(f"mean, {name}", means[name], unit, window) for name in reversed(names)]
    positive, negative = names
    shown.append((f"{positive} − {negative}", difference, unit, (-limit, limit)))
    return [*shown, ("effect", effect, "difference / SD", (-EFFECT_LIMIT, EFFECT_LIMIT))]
