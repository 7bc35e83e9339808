"""Figure of agreement after Bland & Altman: the difference of two scans of a person against their mean."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from qnet.figures import STYLE, nothing, save

PANEL_INCHES = 4.6
TITLES = {"chi_ppm": "susceptibility", "r2star_hz": "R2*"}


@matplotlib.rc_context(STYLE)
def bland_altman(
    path: str | Path, pairs: pd.DataFrame, overall: Mapping[str, Mapping[str, float]], synthetic: bool = False
) -> None:
    """One panel for each map, one colour for each region, crosses between sites; dashed: 95 % of differences within.

    Parameters
    ----------
    pairs, overall : results of `qnet.evaluation.repeatability.pair_table` and `.overall`
    """
    figure = Figure(figsize=(2 * PANEL_INCHES, PANEL_INCHES), layout="constrained")
    regions = [*dict.fromkeys(pairs["region"])]
    colours = dict(zip(regions, matplotlib.colormaps["tab10"](np.arange(len(regions)) % 10), strict=True))
    panels = figure.subplots(1, len(TITLES))
    for ax, (name, title) in zip(panels, TITLES.items(), strict=True):
        of_map = pairs[pairs["map"] == name]
        if of_map.empty:
            nothing(ax)
            continue
        for region, points in of_map.groupby("region", sort=False):
            label = str(region).replace("_", " ")
            between = points["site_1"] != points["site_2"]
            for part, marker, named in ((points[~between], "o", label), (points[between], "x", None)):
                ax.scatter(part["mean"], part["difference"], s=16, color=colours[region], marker=marker, label=named)
        limit = norm.ppf(0.975) * np.sqrt(2) * overall[name]["within_sd"]
        ax.axhline(0, color="0.6", linewidth=1, zorder=0)
        for y in (-limit, limit):
            ax.axhline(y, color="0.4", linewidth=1, linestyle="--", zorder=0)
        unit = of_map["unit"].iloc[0]
        ax.set(title=title, xlabel=f"mean of two scans [{unit}]", ylabel=f"second less first [{unit}]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    save(path, figure, synthetic)
