"""One look of all figures: colours, style, the labels that each carries, and how it is written."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qnet.atomic import atomic
from qnet.labels import RESEARCH_USE, SYNTHETIC

# Okabe & Ito, safe for the colour blind
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
GROUPS = (BLUE, VERMILION, GREEN, PURPLE)  # negative, positive, and others where there are any
DPI = 130
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": DPI}


def nothing(ax: Axes) -> None:
    """Write in place of a panel that there is no data for it."""
    ax.text(0.5, 0.5, "nothing to draw", ha="center", transform=ax.transAxes)
    ax.set_axis_off()


def save(path: str | Path, figure: Figure, synthetic: bool, title: str = "", note: str = "") -> None:
    """Write a figure with its labels (see `qnet.labels`); the same figure gives the same bytes.

    Parameters
    ----------
    path : PNG
    figure : with constrained layout, which finds room for the labels
    synthetic : whether it shows simulated subjects
    title : above all panels
    note : below them
    """
    if title:
        figure.suptitle(f"{SYNTHETIC}\n{title}" if synthetic else title, fontsize=12)
    elif synthetic:
        figure.suptitle(SYNTHETIC, fontsize=9, color=VERMILION, weight="bold", x=0.01, ha="left")
    if note:
        figure.supxlabel(f"{note}\n{RESEARCH_USE}", fontsize=9)
    else:
        figure.supxlabel(RESEARCH_USE, fontsize=7, color="0.4", x=0.99, ha="right")
    with atomic(path) as part:
        figure.savefig(part, metadata={"Software": None}, bbox_inches="tight")
