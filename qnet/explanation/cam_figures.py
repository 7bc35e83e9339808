"""Figures 9 and 10 of the paper: class activation of single subjects, and of their average in template space."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke

from qnet.explanation.template import VOXEL_MM, Evidence, Template, evidence_pixels, pitch
from qnet.figures import save

QSM_WINDOW_PPM = (-0.1, 0.2)
T1W_WINDOW = (0.3, 1.5)  # over its mean in the brain
PER_OUTCOME = 2  # subjects shown per group, right and wrong each
LEVELS = 6  # heights shown of the template
LIMIT_PERCENTILE = 99
DPI = 110
CHARACTERS_PER_INCH = 13  # of captions
MARKS = {"R": (0.04, 0.5), "L": (0.96, 0.5), "A": (0.5, 0.95), "P": (0.5, 0.05)}


def mark(ax: Axes) -> None:
    """Orientation marks of the radiological view; no frame."""
    ax.set_axis_off()
    for letter, (x, y) in MARKS.items():
        text = ax.text(x, y, letter, color="yellow", fontsize=8, ha="center", va="center", transform=ax.transAxes)
        text.set_path_effects([withStroke(linewidth=1.5, foreground="black")])


def select(cases: Sequence[Evidence], groups: Sequence[str]) -> list[list[Evidence]]:
    """One row per group: the first right, then the first wrong subjects in the order of their names."""
    rows = []
    for group in groups:
        own = sorted((case for case in cases if case.group == group), key=lambda case: case.participant)
        right, wrong = ([case for case in own if case.correct is outcome] for outcome in (True, False))
        rows.append(right[:PER_OUTCOME] + wrong[:PER_OUTCOME])
    return rows


def montage(path: str | Path, cases: Sequence[Evidence], groups: tuple[str, str], title: str, synthetic: bool) -> None:
    """Draw, for subjects of both groups, the QSM slice and the same slice under its evidence map.

    Parameters
    ----------
    path : PNG
    cases : sequence of Evidence
    groups : (negative, positive)
    title : str
    synthetic : bool
        Whether to mark the subjects as simulated.
    """
    negative, positive = groups
    rows = select(cases, (positive, negative))
    columns = max(2, *map(len, rows))
    figure = Figure(figsize=(2.5 * columns + 1.6, 11.6), dpi=DPI, layout="constrained")
    axes = figure.subplots(4, columns, squeeze=False)
    limit = max(np.abs(case.maps[len(case.maps) // 2]).max() for row in rows for case in row)
    for ax in axes.flat:
        ax.set_axis_off()
    for row, case_row in enumerate(rows):
        for column, case in enumerate(case_row):
            pair = axes[2 * row : 2 * row + 2, column]
            qsm, evidence = _pair(pair, case, limit)
            outcome, middle = "right" if case.correct else "wrong", len(case.scores) // 2
            about = f"slice {case.slices()[middle]}, P({positive}) {case.scores[middle]:.2f}"
            pair[0].set_title(f"{case.participant}, {case.group}: {outcome}\n{about}", fontsize=9)
    figure.colorbar(qsm, ax=axes[:2].ravel().tolist(), label="QSM [ppm]", shrink=0.6)
    figure.colorbar(evidence, ax=axes[2:].ravel().tolist(), label=_evidence_label(groups), shrink=0.6)
    note = (
        "Held-out subjects: the first of each group that the vote of ResNetSWA gets right, and the first that it gets "
        "wrong. Middle slice.\n"
        f"{_cells(cases)} R: the subject's right (radiological view)."
    )
    save(path, figure, synthetic, title, _wrapped(figure, note))


def _pair(axes: np.ndarray, case: Evidence, limit: float) -> tuple[AxesImage, AxesImage]:
    """The middle slice of a subject, and the same below its evidence."""
    middle = len(case.maps) // 2
    qsm_ppm, (low, high) = case.images()[middle, 0], QSM_WINDOW_PPM
    for ax in axes:
        qsm = ax.imshow(qsm_ppm, cmap="gray", vmin=low, vmax=high)
        mark(ax)
    pixels = evidence_pixels(case)[middle]
    return qsm, axes[1].imshow(pixels, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.45)


def template_figure(
    path: str | Path,
    template: Template,
    cases: Sequence[Evidence],
    groups: tuple[str, str],
    title: str,
    synthetic: bool,
) -> None:
    """Draw the mean evidence of both groups and their difference over the mean maps, at several heights.

    Parameters as in `montage`; `template` is the average of `cases`.
    """
    negative, positive = groups
    levels, counts = chosen_levels(template), template.counts
    t1w = np.where(template.t1w > T1W_WINDOW[0], template.t1w, np.nan)  # white around the brain, so that evidence shows
    patient, control = template.evidence[positive], template.evidence[negative]
    both, difference = _limit(patient, control), _limit(patient - control)
    rows = [
        ("mean QSM", template.qsm_ppm, QSM_WINDOW_PPM, None, 0),
        ("mean T1W", t1w, T1W_WINDOW, None, 0),
        (f"{positive}, n = {counts[positive]}", t1w, T1W_WINDOW, patient, both),
        (f"{negative}, n = {counts[negative]}", t1w, T1W_WINDOW, control, both),
        (f"{positive} − {negative}", t1w, T1W_WINDOW, patient - control, difference),
    ]
    height = 2.0 * template.grid.shape[1] / template.grid.shape[0]
    figure = Figure(figsize=(2.0 * len(levels) + 1.8, (height + 0.1) * len(rows) + 1.6), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(rows), len(levels), squeeze=False)
    drawn = []
    for own, (name, *what) in zip(axes, rows, strict=True):
        drawn.append([_plane(ax, template, level, *what) for ax, level in zip(own, levels, strict=True)][-1])
        own[0].text(-0.06, 0.5, name, rotation=90, ha="right", va="center", transform=own[0].transAxes)
    for ax, level in zip(axes[0], levels, strict=True):
        ax.set_title(f"z = {template.grid.axis_mm(2)[level]:.0f} mm", fontsize=9)
    bars = [(0, 1, "QSM [ppm]"), (1, 2, "T1W / mean"), (2, 4, _evidence_label(groups)), (4, 5, "difference [logit]")]
    for first, last, label in bars:
        style: dict[str, Any] = {"label": label, "extend": "both", "shrink": 0.8, "aspect": 15}
        figure.colorbar(drawn[first], ax=axes[first:last].ravel().tolist(), **style)
    note = (
        f"Held-out subjects in MNI space, voxels of {VOXEL_MM:g} mm, where at least half of them have a slice. "
        "Lines: nuclei of at least half of the subjects.\n"
        f"{_cells(cases)} R: the subject's right (radiological view)."
    )
    save(path, figure, synthetic, title, _wrapped(figure, note))


def chosen_levels(template: Template) -> list[int]:
    """Indices of `LEVELS` heights, evenly over those where a mean of evidence has values, from below."""
    covered = np.any([np.isfinite(mean).any((0, 1)) for mean in template.evidence.values()], axis=0)
    index = np.flatnonzero(covered)
    return index[np.unique(np.linspace(0, len(index) - 1, LEVELS + 2).round().astype(int)[1:-1])].tolist()


def _plane(
    ax: Axes,
    template: Template,
    level: int,
    under: np.ndarray,
    window: tuple[float, float],
    evidence: np.ndarray | None,
    limit: float,
) -> AxesImage:
    """One height, the subject's right at the left and anterior at the top: a map, evidence if any, the nuclei."""
    x, y, half = template.grid.axis_mm(0), template.grid.axis_mm(1), VOXEL_MM / 2
    extent = (x[-1] + half, x[0] - half, y[0] - half, y[-1] + half)
    image = ax.imshow(under[::-1, ::-1, level].T, extent=extent, cmap="gray", vmin=window[0], vmax=window[1])
    if evidence is not None:
        style: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "alpha": 0.5}
        image = ax.imshow(evidence[::-1, ::-1, level].T, extent=extent, **style)
    for share in template.nuclei.values():
        if share[..., level].max() > 0.5:
            ax.contour(x, y, share[..., level].T, [0.5], colors="k", linewidths=0.7)
    mark(ax)
    return image


def _limit(*volumes: np.ndarray) -> float:
    """End of a colour scale that a few voxels at the rim do not stretch."""
    values = np.abs(np.concatenate([volume[np.isfinite(volume)] for volume in volumes]))
    return float(np.percentile(values, LIMIT_PERCENTILE)) if values.size else 1.0


def _evidence_label(groups: tuple[str, str]) -> str:
    return f"evidence [logit]: red for {groups[1]}, blue for {groups[0]}"


def _cells(cases: Sequence[Evidence]) -> str:
    """What the cells of the maps are, in words."""
    first = cases[0]
    rows, columns = first.maps.shape[1:]
    cell_mm = pitch(first.crop_size, columns) * np.linalg.norm(first.array("to_mni")[0, :, 0])
    return f"Maps of {rows} × {columns} cells {cell_mm:.0f} mm apart, interpolated: nothing smaller can be resolved."


def _wrapped(figure: Figure, caption: str) -> str:
    """A caption in lines that the figure holds: a narrow one would cut a long line."""
    width = int(CHARACTERS_PER_INCH * figure.get_figwidth())
    return "\n".join(wrapped for line in caption.split("\n") for wrapped in wrap(line, width))
