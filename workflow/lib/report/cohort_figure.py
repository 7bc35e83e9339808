"""Figure 2 of the paper: ages and sexes of the diagnosed subjects, by group."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qnet.figures import GROUPS, STYLE, save
from workflow.lib.report.cohort import UNKNOWN

BIN_YEARS = 5
SHADES = ("0.85", "0.62", "0.95", "0.75")


@matplotlib.rc_context(STYLE)
def cohort(path: str | Path, people: pd.DataFrame, synthetic: bool) -> None:
    """Draw the histogram of ages and the numbers by sex of each group.

    Parameters
    ----------
    people : one row per subject with columns group, age [years], sex
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    ages, sexes = figure.subplots(1, 2, width_ratios=(3, 2))
    groups = sorted(people["group"].unique())
    _ages(ages, people, groups)
    _sexes(sexes, people, groups)
    save(path, figure, synthetic)


def _ages(ax: Axes, people: pd.DataFrame, groups: list[str]) -> None:
    """Histogram in bins of five years, the groups side by side."""
    age = pd.to_numeric(people["age"], errors="coerce")
    if age.notna().any():
        first, last = np.floor(age.min() / BIN_YEARS), np.floor(age.max() / BIN_YEARS) + 1
        values = [age[people["group"] == group].dropna() for group in groups]
        labels = [f"{group}: {v.mean():.0f} ± {v.std():.0f} years" for group, v in zip(groups, values, strict=True)]
        edges = BIN_YEARS * np.arange(first, last + 1)
        ax.hist(values, bins=edges, label=labels, color=[GROUPS[i % len(GROUPS)] for i in range(len(groups))])
        ax.legend(frameon=False, fontsize=9)
        ax.margins(y=0.25)
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set(title="Age", xlabel="years", ylabel="subjects")


def _sexes(ax: Axes, people: pd.DataFrame, groups: list[str]) -> None:
    """One bar a group, its parts the sexes, with their numbers."""
    counts = (
        people.fillna({"sex": UNKNOWN})
        .groupby(["sex", "group"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=groups, fill_value=0)
    )
    left = np.zeros(len(groups))
    for i, (sex, row) in enumerate(counts.iterrows()):
        bars = ax.barh(groups, row, left=left, color=SHADES[i % len(SHADES)], label=str(sex))
        ax.bar_label(bars, [f"{sex} {n}" if n else "" for n in row], label_type="center")
        left += row.to_numpy()
    ax.set(title="Sex", xlabel="subjects")
    ax.invert_yaxis()
