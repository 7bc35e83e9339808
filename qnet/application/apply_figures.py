"""Pictures of a prediction: the slice and its evidence, the score of each network, and regional z-scores."""

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from qnet.explanation.cam_figures import QSM_WINDOW_PPM, mark
from qnet.explanation.template import seen, to_pixels
from qnet.figures import GROUPS
from qnet.images.data import read_array, read_stack

DPI = 110
R2STAR_WINDOW_HZ = (0, 50)
NEGATIVE, POSITIVE, PLAIN = *GROUPS[:2], "0.27"
UNUSUAL_Z = 2.0  # 95 % of controls lie within
Z_LIMIT = 6.0  # of the axis; what lies beyond is drawn at its end


def evidence_picture(stack: str, evidence: Mapping[str, Mapping], positive: str, negative: str) -> bytes:
    """The middle slice of each input: three maps, and the evidence over susceptibility → PNG.

    Parameters
    ----------
    stack : path
    evidence : by input, see `qnet.application.apply.apply_run`
    positive, negative : names of the groups
    """
    figure = Figure(figsize=(11.5, 2.9 * len(evidence) + 0.1), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(evidence), 4, squeeze=False)
    for row, (name, found) in zip(axes, evidence.items(), strict=True):
        images, slices = read_stack(stack, name)
        middle = len(slices) // 2
        chi_ppm, r2star_hz, t1w = images[middle]
        t1w_limit = np.percentile(images[:, 2], 99.5)
        inside = read_array(stack, f"{name}_brain")[middle]
        shown = [
            ("susceptibility [ppm]", chi_ppm, QSM_WINDOW_PPM),
            ("R2* [1/s]", r2star_hz, R2STAR_WINDOW_HZ),
            ("T1-weighted [a.u.]", t1w, (0, t1w_limit)),
        ]
        for ax, (label, image, (low, high)) in zip(row, shown, strict=False):
            drawn = ax.imshow(image, cmap="gray", vmin=low, vmax=high)
            figure.colorbar(drawn, ax=ax, label=label, shrink=0.8)
        row[0].set_title(f"{name} input, slice {slices[middle]}", fontsize=10)
        row[3].imshow(chi_ppm, cmap="gray", vmin=QSM_WINDOW_PPM[0], vmax=QSM_WINDOW_PPM[1])
        cells, pixels = np.array(found["cells"]), np.full(chi_ppm.shape, np.nan)
        pixels[seen(len(chi_ppm), found["crop_size"])] = to_pixels(cells, found["crop_size"])
        limit = max(np.abs(cells).max(), 1e-6)
        drawn = row[3].imshow(np.where(inside, pixels, np.nan), cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.5)
        figure.colorbar(drawn, ax=row[3], label=f"evidence [logit]\n← {negative}    {positive} →", shrink=0.8)
        for ax in row:
            mark(ax)
    return _png(figure)


def scores_picture(scores: pd.DataFrame, outcomes: pd.DataFrame, bundle: Mapping) -> bytes:
    """What every network said, one row for each input and model, with threshold and uncertain scores → PNG."""
    figure = Figure(figsize=(8.0, 0.75 * len(outcomes) + 1.0), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    for y, row in enumerate(outcomes.itertuples()):
        low, high = bundle["bands"].get(row.input, {}).get(row.model, (np.nan, np.nan))
        ax.barh(
            y, high - low, left=low, height=0.7, color="0.88", zorder=0, label="uncertain scores" if y == 0 else None
        )
        own = scores[(scores["input"] == row.input) & (scores["model"] == row.model)]["score"].to_numpy()
        jitter = np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else np.zeros(1)
        colours = np.where(own >= row.threshold, POSITIVE, NEGATIVE)
        ax.scatter(own, y + jitter, s=14, c=colours, alpha=0.7, linewidths=0)
        ax.plot([row.probability] * 2, [y - 0.35, y + 0.35], color="black", lw=2.5, label="mean" if y == 0 else None)
    ax.axvline(bundle["threshold"], color="black", ls="--", lw=1, label="threshold")
    positive = bundle["classes"]["positive"]
    ax.set(xlim=(-0.01, 1.01), xlabel=f"P({positive}), each point one network (fold × seed)")
    ax.set_yticks(
        range(len(outcomes)), [f"{row.model}\n{row.input} input" for row in outcomes.itertuples()], fontsize=9
    )
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    return _png(figure)


def z_picture(table: pd.DataFrame) -> bytes:
    """Regional z-scores, a panel for each map; grey where 95 % of controls lie → PNG.

    Parameters
    ----------
    table : result of `qnet.application.normative.z_scores`
    """
    titles = {"chi_ppm": "susceptibility", "r2star_hz": "R2*"}
    regions = [*dict.fromkeys(table["region"])]
    figure = Figure(figsize=(8.0, 0.3 * len(regions) + 1.0), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for ax, (name, title) in zip(panels, titles.items(), strict=True):
        rows = table[table["map"] == name]
        y = [regions.index(region) for region in rows["region"]]
        z = rows["z"].clip(-Z_LIMIT, Z_LIMIT)
        ax.axvspan(-UNUSUAL_Z, UNUSUAL_Z, color="0.92", zorder=0)
        ax.axvline(0, color="0.6", lw=0.8)
        ax.hlines(y, 0, z, color="0.6", lw=1)
        ax.scatter(z, y, s=34, c=np.where(abs(rows["z"]) > UNUSUAL_Z, POSITIVE, PLAIN), zorder=3)
        ax.set(title=title, xlabel="z [SD of controls]", xlim=(-Z_LIMIT - 0.3, Z_LIMIT + 0.3))
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(regions)), [region.replace("_", " ") for region in regions])
    panels[0].set_ylim(len(regions) - 0.5, -0.5)  # the first above, and room for the markers of the outer ones
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the same figure gives the same bytes
    return buffer.getvalue()
